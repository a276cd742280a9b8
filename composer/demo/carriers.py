"""The file formats that releases come in: films as JPEG, PNG or DICOM, and tables, always the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

from composer.demo.shapes import Film

_Levels = NDArray[np.uint8] | NDArray[np.uint16]
PngMode = Literal["L", "RGB", "RGBA", "P", "I;16"]


def write_lines(path: Path, lines: Iterable[str], *, newline: str = "\n") -> None:
    """Write a table or a list, the same bytes on every system; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline=newline)


def write_jpeg(path: Path, film: Film, *, quality: int = 90) -> None:
    """Write a film as a grey JPEG; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_levels(film, bits=8)).save(path, format="JPEG", quality=quality)


def write_png(path: Path, film: Film, *, mode: PngMode = "L") -> None:
    """Write a film as PNG; folders are made as needed.

    Parameters
    ----------
    mode
        ``"L"`` 8-bit grey; ``"RGB"`` and ``"RGBA"`` equal channels, opaque; ``"P"`` a palette that runs from
        white to black, so that indices taken for grey values show inverted; ``"I;16"`` 16-bit grey.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "I;16":
        image = Image.fromarray(_levels(film, bits=16))
    elif mode == "P":
        image = Image.fromarray(255 - _levels(film, bits=8))
        image.putpalette([255 - index // 3 for index in range(3 * 256)])
    else:
        image = Image.fromarray(_levels(film, bits=8)).convert(mode)
    image.save(path, format="PNG")


def write_dicom(
    path: Path,
    film: Film,
    *,
    bits_stored: int = 12,
    photometric_interpretation: str = "MONOCHROME2",
    transfer_syntax: str = ExplicitVRLittleEndian,
    window: tuple[float, float] | None = None,
    attributes: Mapping[str, object] | None = None,
) -> None:
    """Write a film as a DICOM file; folders are made as needed.

    The UIDs follow from the file's name and pixels and no date is written: the same call, the same bytes.

    Parameters
    ----------
    bits_stored
        The film spans 0 to ``2**bits_stored - 1``, unsigned; up to 8 bits take one byte, more take two.
    photometric_interpretation
        With ``"MONOCHROME1"`` the values are stored inverted, so that the film displays the same.
    transfer_syntax
        A native one, RLE, JPEG Baseline (8 bits), or lossless JPEG 2000, whose streams are coded at 8 or 16
        bits whatever ``bits_stored`` says, as in VinDr-CXR.
    window
        Centre and width, in stored values.
    attributes
        Further DICOM keywords and their values, set last: a header may contradict its pixels.

    Raises
    ------
    ValueError
        When a name in `attributes` is no DICOM keyword, or the transfer syntax is another one.
    """
    levels = _levels(film, bits=bits_stored)
    if photometric_interpretation == "MONOCHROME1":
        levels = 2**bits_stored - 1 - levels
    dataset = _header(path, levels)
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PhotometricInterpretation = photometric_interpretation
    if window is not None:
        dataset.WindowCenter, dataset.WindowWidth = window
    _set_pixels(dataset, levels, transfer_syntax)
    for keyword, value in (attributes or {}).items():
        if tag_for_keyword(keyword) is None:
            raise ValueError(f"{keyword!r} is no DICOM keyword")
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def _levels(film: Film, *, bits: int) -> _Levels:
    levels: NDArray[np.float64] = np.rint(film.astype(np.float64) * (2**bits - 1))
    return levels.astype(np.uint8) if bits <= 8 else levels.astype(np.uint16)


def _header(path: Path, levels: _Levels) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=[keyword, path.name, levels.tobytes().hex()]))
    dataset.Modality = "DX"
    dataset.Rows, dataset.Columns = levels.shape
    dataset.SamplesPerPixel = 1
    dataset.BitsAllocated = 8 * levels.itemsize
    dataset.PixelRepresentation = 0
    return dataset


def _set_pixels(dataset: Dataset, levels: _Levels, transfer_syntax: str) -> None:
    syntax = UID(transfer_syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == RLELossless:
        # The first choice for RLE is gdcm, which aborts the process on some picture sizes.
        dataset.compress(syntax, levels, encoding_plugin="pydicom", generate_instance_uid=False)
        return
    if syntax in (JPEG2000Lossless, JPEGBaseline8Bit):
        stream = io.BytesIO()
        if syntax == JPEG2000Lossless:
            Image.fromarray(levels).save(stream, format="JPEG2000", no_jp2=True)
        else:
            Image.fromarray(levels).save(stream, format="JPEG", quality=95)
            dataset.LossyImageCompression = "01"
        dataset.PixelData = encapsulate([stream.getvalue()])
        dataset["PixelData"].VR = "OB"
        return
    if syntax.is_encapsulated:
        raise ValueError(f"no encoder for {syntax.name}")
    order = levels.dtype.newbyteorder("<" if syntax.is_little_endian else ">")
    dataset.PixelData = levels.astype(order).tobytes()
    dataset["PixelData"].VR = "OB" if levels.itemsize == 1 else "OW"
