"""Sums of the samples of a film in cells, compiled: the first half of a fingerprint."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.imaging.compiled import Compiled

Integers = NDArray[Any]

# Samples of a cell on each side.
SIDE = 8


@Compiled
def sum_cells(
    index: Integers,
    table: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    sums: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Add what ``table`` says of a film's ``index`` at these rows and columns to the sums of their cells.

    Parameters
    ----------
    rows, columns
        Of the samples; eight of each make a cell.
    sums
        Of shape (cells down, cells across).
    """
    for row in range(len(rows)):
        line, cells = index[rows[row]], sums[row // SIDE]
        for cell in range(len(cells)):
            total = np.int64(0)
            for sample in range(cell * SIDE, (cell + 1) * SIDE):
                total += table[line[columns[sample]]]
            cells[cell] += total
