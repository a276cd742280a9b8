"""Masks of findings as COCO run-length strings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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
    size = rows * columns
    encoded = []
    for runs in regions:
        total = sum(runs)
        if total > size or min(runs, default=0) < 0:
            raise ValueError(f"{len(runs)} runs over {total} pixels do not fit on {rows} x {columns}")
        rest = size - total
        # An even number of runs ends inside.
        counts = [*runs, rest] if len(runs) % 2 == 0 else [*runs[:-1], runs[-1] + rest]
        uncompressed: Any = {"counts": counts, "size": [rows, columns]}
        encoded.append(coco.frPyObjects(uncompressed, rows, columns))
    merged: Any = coco.merge(encoded)
    return str(merged["counts"], "ascii")
