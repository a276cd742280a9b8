"""Radiographs inside DICOM files decoded at a reduced resolution, where the coding has one."""

import io

import numpy as np
from PIL import Image
from pydicom import uid

from composer.imaging import codestream, jpeg
from composer.imaging.facts import Facts
from composer.imaging.geometry import largest_reduction
from composer.imaging.header import Header, pixel_aspect
from composer.imaging.libraries import PILLOW, SIMPLEJPEG, quiet
from composer.imaging.picture import Reduction, Values
from composer.imaging.recipe import Recipe

# The filters of a wavelet overshoot at edges, on so small a part of a film; more is not of the film.
_OVERSHOOT = 0.01


def decode_smaller(
    stream: bytes, syntax: uid.UID, header: Header, recipe: Recipe, facts: Facts
) -> tuple[Values, Reduction] | None:
    """Return a smaller version of a film that is still as large as its picture.

    None where there is none, where it cannot be decoded, and where means of pixels are of no use: values in
    the middle of words, signed, or with other things in the bits above; padding, which would mix with tissue;
    a tone that goes by the extremes of the film.

    Parameters
    ----------
    stream
        The only frame of the file, its outside checked.
    """
    if not _can_be_averaged(header, recipe):
        return None
    factor = largest_reduction(header.rows, header.columns, pixel_aspect(header.dataset, facts), recipe)
    is_jpeg = syntax == uid.JPEGBaseline8Bit
    if not is_jpeg:
        factor = _jpeg_2000_factor(stream, factor) if syntax in uid.JPEG2000TransferSyntaxes else 1
    if factor == 1:
        return None
    try:
        pixels = _jpeg(stream, factor) if is_jpeg else _jpeg_2000(stream, factor)
    except Exception:  # libraries raise whatever the stream provokes; the full decoder says what is wrong
        return None
    highest = np.array(header.stored_range[1], pixels.dtype)
    if np.mean(pixels > highest) > _OVERSHOOT:
        return None
    facts.decoder = SIMPLEJPEG if is_jpeg else PILLOW
    # A sample of the low band lies on the first of the pixels that it stands for (T.800 F.3), a mean lies in
    # their centre.
    offset = 0.0 if is_jpeg else 0.5 - 0.5 / factor
    return np.minimum(pixels, highest), Reduction(header.rows, header.columns, factor, offset)


def _can_be_averaged(header: Header, recipe: Recipe) -> bool:
    if not header.monochrome or header.signed or header.bits_allocated > 16:
        return False
    has_padding = header.dataset.get("PixelPaddingValue") is not None
    return header.high_bit + 1 == header.bits_stored and not has_padding and recipe.tone == "standard"


def _jpeg(stream: bytes, factor: int) -> Values:
    return jpeg.pixels(stream, codestream.jpeg_frame(stream), factor)


def _jpeg_2000_factor(stream: bytes, factor: int) -> int:
    """Return the largest factor up to this one by which Pillow can reduce a stream."""
    grid = codestream.jpeg_2000_grid(stream)
    if grid.is_signed or not grid.begins_at_zero:
        return 1
    factor = min(factor, 1 << codestream.jpeg_2000_levels(stream))
    while not all(_fits(*sides, factor) for sides in zip(grid.size, grid.tile, strict=True)):
        factor //= 2
    return factor


def _fits(side: int, tile: int, factor: int) -> bool:
    """Return whether Pillow reads a smaller version: it rounds sizes where the standard rounds up."""
    return (side + factor // 2) // factor == -(-side // factor) and (tile == side or tile % factor == 0)


def _jpeg_2000(stream: bytes, factor: int) -> Values:
    precision = codestream.jpeg_2000_frame(stream).precision
    with quiet(), Image.open(io.BytesIO(stream), formats=("JPEG2000",)) as image:
        # The name of the method that this hides is what the plug-in reads.
        setattr(image, "reduce", factor.bit_length() - 1)  # noqa: B010 - mypy knows the method only
        pixels = np.asarray(image)
    # Pillow spreads them over 8 or 16 bits.
    spread = 8 * pixels.dtype.itemsize - precision
    return pixels >> spread if spread else pixels
