"""Decoded pixels on their way from a decoder to tone and geometry."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from composer.imaging.header import Header

# An array of any numeric type; the shape is said where it is used.
Values = NDArray[Any]
# Grey levels y of shape (rows, columns), 0 black to 1 white.
Levels = NDArray[np.float32]
# A finished picture of shape (rows, columns): 0 black to 255 or 65535 white.
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Grey:
    """The finished tone of a source: grey levels ``table[index]``.

    Attributes
    ----------
    index
        Of shape (rows, columns), uint8 or uint16.
    table
        Grey level for every index that occurs: float64, 0 black to 1 white, at most 65,536 entries.
    """

    index: NDArray[np.uint8] | NDArray[np.uint16]
    table: NDArray[np.float64]

    @classmethod
    def of_levels(cls, levels: Levels) -> Self:
        """Return levels as steps of 1/65535."""
        return cls(np.rint(levels * np.float32(65535)).astype(np.uint16), np.arange(65536) / 65535)

    @property
    def levels(self) -> Levels:
        """The grey levels as an array of their own."""
        return np.take(self.table.astype(np.float32), self.index)


class Reduction(NamedTuple):
    """The film of which a decoder gave a smaller version, as JPEG and JPEG 2000 allow.

    Attributes
    ----------
    rows, columns
        Size of the film.
    factor
        How many of its pixels on a side became one.
    offset
        By how much that one lies behind their centre, in its own pixels.
    """

    rows: int
    columns: int
    factor: int
    offset: float


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
    reduction
        None where the film was decoded at its full size.
    """

    stored: Values
    header: Header | None = None
    original_bits_stored: int | None = None
    reduction: Reduction | None = None
