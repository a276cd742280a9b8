"""What PNG and JPEG have in common: from a Pillow image to one grey channel, upright."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from composer.imaging.facts import Facts
from composer.imaging.picture import Values

_ORIENTATION_TAG = 0x0112
# Exif 2.32, 4.6.4: what brings the stored rows and columns upright.
_UPRIGHT: dict[int, Callable[[Values], Values]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).T,
    8: np.rot90,
}
_LUMA = np.array([0.299, 0.587, 0.114])


def grey(image: Image.Image, facts: Facts) -> Values:
    """Return the grey channel of ``image``, loaded, as it should stand.

    Equal colour channels are one grey channel; others are brought to luma and flagged. Constant alpha is
    dropped, other alpha composited on black.

    Returns
    -------
    Values of shape (rows, columns)
        uint8 or uint16 as stored, or float32 in [0, 1] after luma or alpha.
    """
    # Pillow clips 16-bit images when it converts them to other modes, so they are never converted.
    if image.mode.startswith("I;16"):
        pixels: Values = np.asarray(image).astype(np.uint16)
        if "transparency" in image.info:
            facts.flag("alpha_dropped")
    else:
        pixels = flatten(np.asarray(_plain(image)), facts)
    return upright(pixels, image, facts)


def luma(colour: Values, maximum: int) -> Values:
    """Return float32 luma in [0, 1] of ``colour``, of shape (rows, columns, 3), whose white is ``maximum``.

    The weights are those of ITU-R BT.601, as in PS3.3 C.7.6.3.1.2.
    """
    levels = np.empty(colour.shape[:2], dtype=np.float32)
    # Row by row: all at once would take eight bytes for each value of each channel.
    for row, values in zip(levels, colour, strict=True):
        row[:] = values @ (_LUMA / maximum)
    return levels


def _plain(image: Image.Image) -> Image.Image:
    """Return ``image`` in mode L, LA, RGB or RGBA."""
    if "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "LA", "RGB", "RGBA"} else image.convert("RGB")


def flatten(channels: Values, facts: Facts) -> Values:
    """Return the grey channel of ``channels``, of shape (rows, columns) or (rows, columns, 2 to 4).

    The rule is that of `grey`.
    """
    if channels.ndim == 2:
        return channels
    count = channels.shape[2]
    colour, alpha = (channels, None) if count == 3 else (channels[..., : count - 1], channels[..., count - 1])
    pixels = _one_channel(colour, facts)
    if alpha is None:
        return pixels
    if alpha.min() == alpha.max():
        facts.flag("alpha_dropped")
        return pixels
    facts.flag("alpha_composited")
    levels = pixels if pixels.dtype == np.float32 else pixels / np.float32(255)
    return np.asarray(levels * (alpha / np.float32(255)), dtype=np.float32)


def _one_channel(colour: Values, facts: Facts) -> Values:
    first = colour[..., 0]
    if all(np.array_equal(first, colour[..., other]) for other in range(1, colour.shape[2])):
        return np.ascontiguousarray(first)
    facts.flag("colour_source")
    return luma(colour, 255)


def is_turned(image: Image.Image) -> bool:
    """Return whether the Exif data of ``image`` say that it lies on a side, on its head, or in a mirror."""
    return _turn(image, Facts()) is not None


def upright(pixels: Values, image: Image.Image, facts: Facts) -> Values:
    """Return ``pixels`` turned as the Exif data of ``image`` say."""
    turn = _turn(image, facts)
    if turn is None:
        return pixels
    facts.flag("exif_orientation")
    return np.ascontiguousarray(turn(pixels))


def _turn(image: Image.Image, facts: Facts) -> Callable[[Values], Values] | None:
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # Pillow raises whatever broken data provoke; the pixels are sound
        facts.flag("exif_broken")
        return None
