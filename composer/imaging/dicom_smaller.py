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

    None where there is none, and where its values would have to be guessed: in the middle of words, signed,
    or with other things in the bits above.

    Parameters
    ----------
    stream
        The only frame of the file, its outside checked.

    Raises
    ------
    Exception
        Whatever the libraries raise over damage: to be called under `composer.imaging.libraries.guarded`.
    """
    if not header.monochrome or header.signed or header.bits_allocated > 16:
        return None
    factor = _factor(stream, syntax, header, recipe, facts)
    if factor == 1 or header.high_bit + 1 != header.bits_stored:
        return None
    if syntax == uid.JPEGBaseline8Bit:
        decoder, pixels = SIMPLEJPEG, jpeg.pixels(stream, codestream.jpeg_frame(stream), factor)
        offset = 0.0
    else:
        decoder, pixels = PILLOW, _jpeg_2000(stream, factor)
        # A sample of the low band lies on the first of the pixels that it stands for (T.800 F.3).
        offset = 0.5 - 0.5 / factor
    highest = np.array(header.stored_range[1], pixels.dtype)
    if np.mean(pixels > highest) > _OVERSHOOT:
        return None
    facts.decoder = decoder
    return np.minimum(pixels, highest), Reduction(header.rows, header.columns, factor, offset)


def _factor(stream: bytes, syntax: uid.UID, header: Header, recipe: Recipe, facts: Facts) -> int:
    factor = largest_reduction(header.rows, header.columns, pixel_aspect(header.dataset, facts), recipe)
    if syntax == uid.JPEGBaseline8Bit:
        return factor
    if syntax not in uid.JPEG2000TransferSyntaxes or codestream.jpeg_2000_is_signed(stream):
        return 1
    factor = min(factor, 1 << codestream.jpeg_2000_levels(stream))
    while not (_fits(header.rows, factor) and _fits(header.columns, factor)):
        factor //= 2
    return factor


def _fits(side: int, factor: int) -> bool:
    """Return whether Pillow reads a smaller version: it rounds its size where the standard rounds up."""
    return (side + factor // 2) // factor == -(-side // factor)


def _jpeg_2000(stream: bytes, factor: int) -> Values:
    precision = codestream.jpeg_2000_frame(stream).precision
    with quiet(), Image.open(io.BytesIO(stream), formats=("JPEG2000",)) as image:
        # The name of the method that this hides is what the plug-in reads.
        setattr(image, "reduce", factor.bit_length() - 1)  # noqa: B010 - mypy knows the method only
        pixels = np.asarray(image)
    # Pillow spreads them over 8 or 16 bits.
    spread = 8 * pixels.dtype.itemsize - precision
    return pixels >> spread if spread else pixels
