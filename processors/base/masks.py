"""Masks of findings as COCO run-length strings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco


def union_of_runs(regions: Iterable[Sequence[int]], rows: int, columns: int) -> str:
    """Return the union of regions as the compressed run-length string of COCO.

    Parameters
    ----------
    regions
        Each a list of run lengths that go down the columns of the grid, outside and inside in turn, starting
        outside; what follows the last run is outside.
    rows, columns
        Size of the grid.

    Raises
    ------
    ValueError
        When a run is negative, or the runs of a region do not fit on the grid.
    """
    # Painted pixel by pixel: pycocotools unites run-length masks only if none has an empty run in it.
    pixels = np.zeros(rows * columns, dtype=np.uint8)
    for runs in regions:
        ends = list(itertools.accumulate(runs))
        if any(run < 0 for run in runs) or (ends and ends[-1] > len(pixels)):
            raise ValueError(f"{len(runs)} runs over {sum(runs)} pixels do not fit on {rows} x {columns}")
        for start, end in zip(ends[0::2], ends[1::2], strict=False):
            pixels[start:end] = 1
    encoded: Any = coco.encode(pixels.reshape((rows, columns), order="F"))
    return str(encoded["counts"], "ascii")


# Beyond any radiograph; so many pixels fit into the 32 bits that pycocotools counts with.
_LONGEST_SIDE = 20_000
# Six bits a character, five of them data: so many hold any run on the largest grid, and its sign.
_LONGEST_RUN = 6


def pixels_inside(runs: str, rows: int, columns: int) -> int:
    """Return how many pixels a compressed run-length string of COCO paints; 0 for an empty mask.

    pycocotools checks nothing: it reads beyond its memory, or takes all there is, when a string does not fit
    the grid.

    Raises
    ------
    ValueError
        When the grid is none of 1 to 20,000 by 1 to 20,000 pixels, the string is cut or holds characters
        that COCO does not use, or the runs do not cover the grid.

    Examples
    --------
    >>> pixels_inside("435", rows=3, columns=4)
    3
    """
    if not all(type(side) is int and 0 < side <= _LONGEST_SIDE for side in (rows, columns)):
        raise ValueError(f"expected a grid of at most {_LONGEST_SIDE:,} x {_LONGEST_SIDE:,} pixels")
    lengths: list[int] = []
    for number in _numbers(runs):
        # From the fourth on a run is written as what it differs by from the last but one.
        lengths.append(number + lengths[-2] if len(lengths) > 2 else number)
        if lengths[-1] < 0:
            raise ValueError("a run is negative")
    if sum(lengths) != rows * columns:
        raise ValueError(f"{len(lengths)} runs over {sum(lengths)} pixels do not cover {rows} x {columns}")
    return sum(lengths[1::2])


def _numbers(runs: str) -> Iterator[int]:
    """Yield the signed numbers of a string: characters above 48, five bits each, the lowest first."""
    number = place = 0
    for character in runs:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or place == _LONGEST_RUN:
            raise ValueError("expected characters of COCO's run lengths, at most six for each")
        number |= (bits & 0x1F) << 5 * place
        place += 1
        # The sixth bit says that more follows; the fifth of the last is the sign.
        if not bits & 0x20:
            yield number - (1 << 5 * place if bits & 0x10 else 0)
            number = place = 0
    if place:
        raise ValueError("the string is cut")
