"""PNG files (ISO/IEC 15948)."""

import io
import zlib

import numpy as np
from PIL import Image

from composer.imaging.facts import Facts
from composer.imaging.libraries import LIBDEFLATE, PILLOW, guarded
from composer.imaging.picture import Picture
from composer.imaging.png_chunks import Chunk, PngHeader, pixel_data, read_chunks, read_header
from composer.imaging.raster import grey
from composer.imaging.recipe import PLAIN, Recipe
from composer.imaging.refusal import Reason, Refusal


def decode(data: bytes, facts: Facts, _: Recipe = PLAIN) -> Picture:
    """Decode a PNG of any bit depth and colour type.

    Raises
    ------
    Refusal
        truncated, damaged, too large, or unsupported (an animation, colour or alpha of 16 bits).
    """
    # Only workers come here: numba takes half a second to load.
    from composer.imaging.png_grey import decode_grey

    header = read_header(data)
    chunks = read_chunks(data, header)
    facts.bits_allocated, facts.bits_stored = max(8, header.bit_depth), header.bit_depth
    pixels = decode_grey(header, chunks)
    if pixels is not None:
        facts.decoder = LIBDEFLATE
        return Picture(pixels)
    facts.decoder = PILLOW
    return _decode_any(data, header, chunks, facts)


def _decode_any(data: bytes, header: PngHeader, chunks: list[Chunk], facts: Facts) -> Picture:
    with guarded("the PNG image"), Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.load()
        if isinstance(key := image.info.get("transparency"), int) and 1 < header.bit_depth < 8:
            # Pillow spreads 2 and 4 bits over 0 to 255, but not the transparent value.
            image.info["transparency"] = key * (255 // ((1 << header.bit_depth) - 1))
        if header.interlaced or not np.asarray(image)[-1].any():
            _check_rows(header, chunks)
        return Picture(grey(image, facts))


def _check_rows(header: PngHeader, chunks: list[Chunk]) -> None:
    """Count the bytes of the rows: Pillow leaves those black that a sound but short stream does not hold."""
    expected = header.inflated
    found = len(zlib.decompressobj().decompress(pixel_data(chunks), expected))
    if found < expected:
        text = f"the PNG stream holds {found} of {expected} bytes of pixels; fetch the file again"
        raise Refusal(Reason.TRUNCATED, text)
