"""One member of a zip archive (PKWARE APPNOTE 4.3), read where it lies."""

import struct
import zlib
from collections.abc import Callable

from composer.imaging.refusal import Reason, Refusal

_LOCAL_HEADER = struct.Struct("<4s2xHH4xI8xHH")
_SIGNATURE = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1
# Checksum and sizes follow the data instead of standing in the header.
_HAS_DESCRIPTOR = 0x8


def read_member(read: Callable[[int], bytes], size: int, maximum: int) -> bytes:
    """Return the bytes of a member, unpacked, its checksum compared.

    Parameters
    ----------
    read
        Returns the next so many bytes of the archive, from the local header of the member on; fewer only at
        the end of the file.
    size
        Compressed bytes.
    maximum
        Bytes that are unpacked at most.

    Raises
    ------
    Refusal
        truncated, damaged, unsupported (another method than deflate) or too large.
    """
    header = _read(read, _LOCAL_HEADER.size)
    signature, flags, method, checksum, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    if signature != _SIGNATURE:
        text = "no zip member begins here: the archive was replaced; check it and run again"
        raise Refusal(Reason.DAMAGED, text)
    if flags & _ENCRYPTED:
        raise Refusal(Reason.UNSUPPORTED, "an encrypted zip member; replace the archive by what is in it")
    _read(read, name_length + extra_length)
    data = _read(read, size)
    if flags & _HAS_DESCRIPTOR:
        descriptor = _read(read, 8)
        start = len(_DESCRIPTOR_SIGNATURE) if descriptor.startswith(_DESCRIPTOR_SIGNATURE) else 0
        checksum = int.from_bytes(descriptor[start : start + 4], "little")
    unpacked = _unpack(data, method, maximum)
    if zlib.crc32(unpacked) != checksum:
        raise Refusal(Reason.DAMAGED, "wrong checksum of the zip member; fetch the archive again")
    return unpacked


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    data = read(size)
    if len(data) < size:
        raise Refusal(Reason.TRUNCATED, "the zip archive ends inside the image; fetch it again")
    return data


def _unpack(data: bytes, method: int, maximum: int) -> bytes:
    if method == _STORED:
        return data
    if method != _DEFLATED:
        text = f"zip method {method}, expected deflate; replace the archive by what is in it"
        raise Refusal(Reason.UNSUPPORTED, text)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = inflater.decompress(data, maximum)
    except zlib.error as error:
        raise Refusal(Reason.DAMAGED, "the zip member cannot be inflated; fetch the archive again") from error
    if not inflater.eof:
        if len(unpacked) >= maximum:
            raise Refusal(Reason.TOO_LARGE, f"inflates to more than {maximum} bytes; this is no radiograph")
        raise Refusal(Reason.TRUNCATED, "the zip member ends too early; fetch the archive again")
    return unpacked
