"""Grey PNG of 8 or 16 bits, which is what releases are made of, faster than general readers read it.

libdeflate inflates all pixel data at once, and the filters (ISO/IEC 15948, 9) are undone by compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence

import deflate
import numpy as np

from composer.imaging.picture import Values
from composer.imaging.png_chunks import GREYSCALE, Chunk, PngHeader, pixel_data
from composer.imaging.png_filters import unfilter_8, unfilter_16

# They say nothing of how the picture is to be shown, or nothing that is used.
_WITHOUT_MEANING = frozenset(
    [
        b"IHDR",
        b"IDAT",
        b"IEND",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"sBIT",
        b"bKGD",
        b"hIST",
        b"pHYs",
        b"tIME",
    ]
)
_TEXT = frozenset([b"tEXt", b"zTXt", b"iTXt"])
# Keywords of text in which tools keep Exif data, and with them an orientation, have these in them.
_EXIF = (b"exif", b"xmp")


def decode_grey(header: PngHeader, chunks: Sequence[Chunk]) -> Values | None:
    """Return the pixels of a plain grey picture, None for others, and for all that is not as it should be.

    Returns
    -------
    Array of shape (rows, columns)
        uint8 or uint16, as stored.
    """
    if not _is_plain(header, chunks):
        return None
    try:
        inflated = deflate.zlib_decompress(pixel_data(chunks), header.inflated)
    except deflate.DeflateError:
        return None
    if len(inflated) != header.inflated:
        return None
    filtered = np.frombuffer(inflated, np.uint8).reshape(header.rows, -1)
    pixels: Values
    if header.bit_depth == 8:
        pixels = np.empty((header.rows, header.columns), np.uint8)
        is_sound = unfilter_8(filtered, pixels)
    else:
        pixels = np.empty((header.rows, header.columns), np.uint16)
        is_sound = unfilter_16(filtered, pixels)
    return pixels if is_sound else None


def _is_plain(header: PngHeader, chunks: Sequence[Chunk]) -> bool:
    if header.colour_type != GREYSCALE or header.bit_depth < 8 or header.interlaced:
        return False
    kinds = [chunk.kind for chunk in chunks]
    first = kinds.index(b"IDAT") if b"IDAT" in kinds else 0
    in_one_piece = kinds[first:].index(b"IEND") == kinds.count(b"IDAT")
    return kinds.count(b"IHDR") == 1 and in_one_piece and all(map(_says_nothing, chunks))


def _says_nothing(chunk: Chunk) -> bool:
    if chunk.kind not in _TEXT:
        return chunk.kind in _WITHOUT_MEANING
    keyword = bytes(chunk.content[:80]).partition(b"\0")[0].lower()
    return not any(name in keyword for name in _EXIF)
