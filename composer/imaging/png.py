"""PNG files (ISO/IEC 15948)."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from composer.imaging.facts import Facts
from composer.imaging.libraries import PILLOW, check_size, guarded
from composer.imaging.picture import Picture
from composer.imaging.raster import grey
from composer.imaging.refusal import Reason, Refusal
from composer.imaging.sniff import PNG_SIGNATURE

_GREYSCALE = 0
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def decode(data: bytes, facts: Facts) -> Picture:
    """Decode a PNG of any bit depth and colour type.

    Raises
    ------
    Refusal
        truncated, damaged, too large, or unsupported (an animation, colour or alpha of 16 bits).
    """
    bit_depth = _check_header(data)
    _check_chunks(data)
    facts.decoder = PILLOW
    facts.bits_allocated, facts.bits_stored = max(8, bit_depth), bit_depth
    with guarded("the PNG image"), Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.load()
        if not np.asarray(image)[-1].any():
            _check_rows(data, image.height, image.width)
        return Picture(grey(image, facts))


def _check_header(data: bytes) -> int:
    """Return the bit depth, refusing by what the first chunk says."""
    header = data[len(PNG_SIGNATURE) : len(PNG_SIGNATURE) + 18]
    if len(header) < 18:
        raise Refusal(Reason.TRUNCATED, "the file ends inside the PNG header; fetch it again")
    _, kind, columns, rows, bit_depth, colour_type = struct.unpack(">I4sIIBB", header)
    if kind != b"IHDR":
        raise Refusal(Reason.DAMAGED, "the first PNG chunk is not IHDR; fetch the file again")
    check_size(rows, columns)
    if bit_depth == 16 and colour_type != _GREYSCALE:
        # Pillow reads these with 8 bits and drops the rest, which blackens 12-bit data.
        text = "a PNG of 16 bits with colour or alpha, expected was 16 bit grey; convert it to grey"
        raise Refusal(Reason.UNSUPPORTED, text)
    return int(bit_depth)


def _check_chunks(data: bytes) -> None:
    """Compare the checksums of all chunks, which Pillow does not do for pixel data, and look for the last."""
    for kind, content, checksum in _chunks(data):
        if zlib.crc32(content, zlib.crc32(kind)) != checksum:
            text = f"wrong checksum of a PNG chunk {kind!r}; fetch the file again"
            raise Refusal(Reason.DAMAGED, text)
        if kind == b"acTL":
            raise Refusal(
                Reason.UNSUPPORTED, "an animated PNG, expected was one still image; save that as a PNG"
            )
        if kind == b"IEND":
            return
    text = f"the file ends after {len(data)} bytes inside the PNG stream; fetch it again"
    raise Refusal(Reason.TRUNCATED, text)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Yield kind, content and checksum of every whole chunk."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        yield kind, memoryview(data)[position + 8 : end], struct.unpack_from(">I", data, end)[0]
        position = end + 4


def _check_rows(data: bytes, rows: int, columns: int) -> None:
    """Count the bytes of the rows: Pillow leaves those black that a sound but short stream does not hold."""
    bit_depth, colour_type, _, _, interlaced = data[24:29]
    if interlaced:
        return
    expected = rows * (1 + (columns * bit_depth * _CHANNELS[colour_type] + 7) // 8)
    stream = b"".join(content for kind, content, _ in _chunks(data) if kind == b"IDAT")
    found = len(zlib.decompressobj().decompress(stream, expected))
    if found < expected:
        text = f"the PNG stream holds {found} of {expected} bytes of pixels; fetch the file again"
        raise Refusal(Reason.TRUNCATED, text)
