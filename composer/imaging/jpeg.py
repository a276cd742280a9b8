"""JPEG files (ITU-T T.81) of 8 bits."""

import io

from PIL import Image

from composer.imaging import codestream
from composer.imaging.facts import Facts
from composer.imaging.libraries import PILLOW, check_size, guarded
from composer.imaging.picture import Picture
from composer.imaging.raster import grey
from composer.imaging.refusal import Reason, Refusal


def decode(data: bytes, facts: Facts) -> Picture:
    """Decode a baseline or progressive JPEG, grey, colour or CMYK.

    Raises
    ------
    Refusal
        truncated, damaged, too large, or unsupported (more than 8 bits).
    """
    frame = codestream.jpeg_frame(data)
    check_size(frame.rows, frame.columns)
    if frame.precision != 8:
        text = f"a JPEG of {frame.precision} bits, expected were 8; convert it to a PNG of 16 bits"
        raise Refusal(Reason.UNSUPPORTED, text)
    facts.decoder = PILLOW
    facts.bits_allocated = facts.bits_stored = 8
    with guarded("the JPEG image"), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        image.load()
        return Picture(grey(image, facts))
