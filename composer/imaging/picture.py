"""Decoded pixels on their way from a decoder to tone and geometry."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.imaging.header import Header

# An array of any numeric type; the shape is said where it is used.
Values = NDArray[Any]
# Grey levels y of shape (rows, columns), 0 black to 1 white.
Levels = NDArray[np.float32]


@dataclass(slots=True)
class Picture:
    """What every decoder returns.

    Attributes
    ----------
    stored
        Of shape (rows, columns): integers as stored in the file; or float32 in [0, 1] where decoding already
        gave the finished tone (colour brought to luma, alpha composited).
    header
        The DICOM attributes that tone needs; None for PNG and JPEG.
    original_bits_stored
        As in `composer.imaging.source.Source`.
    """

    stored: Values
    header: Header | None = None
    original_bits_stored: int | None = None
