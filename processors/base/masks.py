"""Masks of findings as COCO run-length strings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
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
