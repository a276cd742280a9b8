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

_GREYSCALE, _PALETTE = 0, 3
# Where the fields of IHDR lie in the file.
_BIT_DEPTH, _COLOUR_TYPE, _COMPRESSION, _INTERLACE = 24, 25, 26, 28
# Of compression and filter there is one method each, of interlace two.
_METHODS = (b"\0\0\0", b"\0\0\1")
# Passes of an interlaced image (8.2): first column and row, distance of columns and rows.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
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
        if isinstance(key := image.info.get("transparency"), int) and 1 < bit_depth < 8:
            # Pillow spreads 2 and 4 bits over 0 to 255, but not the transparent value.
            image.info["transparency"] = key * (255 // ((1 << bit_depth) - 1))
        if _is_interlaced(data) or not np.asarray(image)[-1].any():
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
    if data[_COMPRESSION : _INTERLACE + 1] not in _METHODS:
        text = "the PNG header names methods that do not exist; fetch the file again"
        raise Refusal(Reason.DAMAGED, text)
    if bit_depth == 16 and colour_type != _GREYSCALE:
        # Pillow reads these with 8 bits and drops the rest, which blackens 12-bit data.
        text = "a PNG of 16 bits with colour or alpha, expected was 16 bit grey; convert it to grey"
        raise Refusal(Reason.UNSUPPORTED, text)
    return int(bit_depth)


def _check_chunks(data: bytes) -> None:
    """Compare the checksums of all chunks, which Pillow does not do for pixel data, and look for the last."""
    palette_due = data[_COLOUR_TYPE] == _PALETTE
    for kind, content, checksum in _chunks(data):
        if zlib.crc32(content, zlib.crc32(kind)) != checksum:
            text = f"wrong checksum of a PNG chunk {kind!r}; fetch the file again"
            raise Refusal(Reason.DAMAGED, text)
        if kind == b"acTL":
            raise Refusal(
                Reason.UNSUPPORTED, "an animated PNG, expected was one still image; save that as a PNG"
            )
        palette_due = palette_due and kind != b"PLTE"
        if kind == b"IDAT" and palette_due:
            # Pillow would take the indices for grey levels.
            raise Refusal(Reason.DAMAGED, "the PNG lacks its palette; fetch the file again")
        if kind == b"IEND":
            return
    text = f"the file ends after {len(data)} bytes inside the PNG stream; fetch it again"
    raise Refusal(Reason.TRUNCATED, text)


def _is_interlaced(data: bytes) -> bool:
    return data[_INTERLACE] != 0


def _passes(data: bytes, rows: int, columns: int) -> list[tuple[int, int]]:
    """Return rows and columns of every pass over the image."""
    if not _is_interlaced(data):
        return [(rows, columns)]
    return [
        (len(range(top, rows, down)), len(range(left, columns, across))) for left, top, across, down in _ADAM7
    ]


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
    bits = data[_BIT_DEPTH] * _CHANNELS[data[_COLOUR_TYPE]]
    expected = sum(
        height * (1 + (width * bits + 7) // 8) for height, width in _passes(data, rows, columns) if width
    )
    stream = b"".join(content for kind, content, _ in _chunks(data) if kind == b"IDAT")
    found = len(zlib.decompressobj().decompress(stream, expected))
    if found < expected:
        text = f"the PNG stream holds {found} of {expected} bytes of pixels; fetch the file again"
        raise Refusal(Reason.TRUNCATED, text)
