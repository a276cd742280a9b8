"""Decoded pixels on their way from a decoder to tone and geometry."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.imaging.header import Header

Values = NDArray[Any]
"""An array of any numeric type; the shape is said where it is used."""
Levels = NDArray[np.float32]
"""Grey levels y of shape (rows, columns), 0 black to 1 white."""


@dataclass(slots=True)
class Picture:
    """What every decoder returns.

    Attributes
    ----------
    stored : ndarray of shape (rows, columns)
        Integers as stored in the file; or float32 in [0, 1] where decoding already gave the finished tone
        (colour brought to luma, alpha composited).
    header : Header, optional
        The DICOM attributes that tone needs; None for PNG and JPEG.
    """

    stored: Values
    header: Header | None = None
