"""JPEG files (ITU-T T.81) of 8 bits."""

import io

import numpy as np
import simplejpeg
from PIL import Image

from composer.imaging import codestream
from composer.imaging.facts import Facts
from composer.imaging.geometry import largest_reduction
from composer.imaging.libraries import SIMPLEJPEG, check_size, guarded
from composer.imaging.picture import Picture, Reduction, Values
from composer.imaging.raster import flatten, is_turned, upright
from composer.imaging.recipe import PLAIN, Recipe
from composer.imaging.refusal import Reason, Refusal

_END_OF_IMAGE = b"\xff\xd9"
_COLOUR_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}


def decode(data: bytes, facts: Facts, recipe: Recipe = PLAIN) -> Picture:
    """Decode a baseline or progressive JPEG, grey, colour or CMYK.

    Raises
    ------
    Refusal
        truncated, damaged, too large, or unsupported (more than 8 bits, rare kinds of colour).
    """
    frame = codestream.jpeg_frame(data)
    check_size(frame.rows, frame.columns)
    facts.decoder = SIMPLEJPEG
    facts.bits_allocated = facts.bits_stored = 8
    with guarded("the JPEG image"):
        factor = _factor(data, frame, recipe)
        channels = pixels(data, frame, factor)
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if frame.samples == 4:
                # Pillow knows the inks that Adobe inverts.
                channels = np.asarray(image.convert("RGB"))
            stored = upright(flatten(channels, facts), image, facts)
        # Each pixel of the smaller version is the mean of a square, and lies in its centre.
        reduction = Reduction(frame.rows, frame.columns, factor, offset=0.0) if factor > 1 else None
        return Picture(stored, reduction=reduction)


def _factor(data: bytes, frame: codestream.Frame, recipe: Recipe) -> int:
    factor = largest_reduction(frame.rows, frame.columns, 1.0, recipe)
    # Pillow, by which CMYK is read, gives no smaller version. Others are refused later.
    if factor == 1 or frame.precision != 8 or frame.samples not in (1, 3):
        return 1
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        # The last row stands for fewer pixels than others, and would be the first in a film that is turned.
        return 1 if is_turned(image) else factor


def pixels(stream: bytes, frame: codestream.Frame, factor: int = 1) -> Values:
    """Return the pixels of a stream, of shape (rows, columns) or (rows, columns, channels).

    Rows and columns are divided by ``factor``, which is 1, 2, 4 or 8, and rounded up.

    They are those of Pillow, which uses the same libjpeg-turbo but has no means to see its warnings: where
    coded data are cut or damaged libjpeg warns, makes up the rest in grey, and goes on.

    Raises
    ------
    Refusal
        unsupported.
    Exception
        Whatever the library raises over damage: to be called under `guarded`.
    """
    if frame.precision != 8:
        text = f"a JPEG of {frame.precision} bits, expected were 8; convert it to a PNG of 16 bits"
        raise Refusal(Reason.UNSUPPORTED, text)
    if frame.samples not in _COLOUR_SPACES:
        text = f"a JPEG of {frame.samples} channels, expected was 1; convert it to grey"
        raise Refusal(Reason.UNSUPPORTED, text)
    try:
        decoded = _decode(stream, frame, factor)
    except ValueError as error:
        if "subsampling" in str(error):
            text = "a JPEG of an unusual process or sampling of colour, expected was grey; convert it to grey"
            raise Refusal(Reason.UNSUPPORTED, text) from error
        unpadded = _without_padding(stream)
        if len(unpadded) == len(stream):
            raise
        decoded = _decode(unpadded, frame, factor)
    return decoded[..., 0] if frame.samples == 1 else decoded


def _decode(stream: bytes, frame: codestream.Frame, factor: int) -> Values:
    decoded: Values = simplejpeg.decode_jpeg(
        stream,
        _COLOUR_SPACES[frame.samples],
        fastdct=False,
        fastupsample=False,
        # It takes the smallest version that is no smaller than this.
        min_height=-(-frame.rows // factor),
        min_width=-(-frame.columns // factor),
        min_factor=factor,
        strict=True,
    )
    return decoded


def _without_padding(stream: bytes) -> bytes:
    """Return a stream without zeros before its end marker, which some encoders fill up with."""
    end = stream.rfind(_END_OF_IMAGE)
    if end < 0:
        return stream
    data = stream[:end].rstrip(b"\0")
    # A zero after 0xFF belongs to the coded data (T.81 B.1.1.5).
    return data + b"\0" * data.endswith(b"\xff") + stream[end:]
