"""What a file is, by its content."""

from pathlib import PurePath
from typing import Literal

from composer.imaging.refusal import Reason, Refusal

Kind = Literal["png", "jpeg", "dicom"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"

_EXTENSIONS: dict[str, Kind] = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".dcm": "dicom",
    ".dicom": "dicom",
}
_OTHER_IMAGES = {
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"\x00\x00\x00\x0cjP  ": "a bare JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a bare JPEG 2000 image",
    b"RIFF": "a WebP image or another RIFF file",
}
_NO_IMAGES = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip-compressed data",
    b"%PDF": "a PDF document",
    b"<": "a web page or XML",
    b"{": "JSON text",
    b"version https://git-lfs": "a Git LFS pointer",
}
# Groups 0002 and 0008 open a data set without preamble, in either byte order (PS3.5 7.1, PS3.10 7.1).
_BARE_DICOM = (b"\x02\x00", b"\x08\x00", b"\x00\x08")


def sniff(data: bytes) -> Kind:
    """Return the kind of image that ``data`` holds, by magic bytes.

    Raises
    ------
    Refusal
        truncated, damaged, unsupported (another image format) or mislabelled (no image).
    """
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if data.startswith(JPEG_SIGNATURE):
        return "jpeg"
    if data[128:132] == b"DICM" or _is_bare_dicom(data):
        return "dicom"
    raise _refusal(data)


def _is_bare_dicom(data: bytes) -> bool:
    # The element number of the first tag is small; other formats fail on one of the four bytes.
    if not data.startswith(_BARE_DICOM) or len(data) < 8:
        return False
    element = data[2:4]
    return (element[0] if data[0] == 0 else element[1]) == 0


def _refusal(data: bytes) -> Refusal:
    if len(data) < 132 and (
        PNG_SIGNATURE.startswith(data) or JPEG_SIGNATURE.startswith(data) or not any(data[:128])
    ):
        return Refusal(
            Reason.TRUNCATED, f"only {len(data)} bytes, less than any header; fetch the file again"
        )
    if not any(data[:4096]):
        return Refusal(Reason.DAMAGED, "the file begins with zero bytes only; fetch it again")
    for magic, name in _OTHER_IMAGES.items():
        if data.startswith(magic):
            text = f"this is {name}, expected were PNG, JPEG or DICOM; convert it to PNG"
            return Refusal(Reason.UNSUPPORTED, text)
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    found = next((name for magic, name in _NO_IMAGES.items() if head.startswith(magic)), "of no known format")
    return Refusal(
        Reason.MISLABELLED, f"the content is {found}, expected were PNG, JPEG or DICOM; fetch it again"
    )


def contradicts_extension(path: str, kind: Kind) -> bool:
    """Return whether the extension of ``path`` stands for another kind of image than the content."""
    return _EXTENSIONS.get(PurePath(path).suffix.lower(), kind) != kind
