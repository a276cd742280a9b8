"""What few of a film's pixels tell, compiled: numpy needs fifty calls for it, of some microseconds each."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from composer.imaging.compiled import Compiled

Integers = NDArray[Any]
Doubles = NDArray[np.float64]

# Grey levels are counted in so many steps.
STEPS = 4096


@numba.njit(nogil=True)
def _mean(
    levels: Integers, top: int, bottom: int, left: int, right: int
) -> float:  # pragma: no cover - compiled
    total = np.int64(0)
    for row in range(top, bottom):
        for column in range(left, right):
            total += levels[row, column]
    return total / ((bottom - top) * (right - left) * 65535)


@numba.njit(nogil=True)
def _quantile(histogram: Integers, rank: int) -> float:  # pragma: no cover - compiled
    """Return the level of the sample of this rank."""
    seen = 0
    for step in range(STEPS):
        seen += histogram[step]
        if seen > rank:
            return step / STEPS
    return 1.0


@Compiled
def measure_film(
    index: Integers, table: Doubles, down: int, across: int, black: float, white: float
) -> tuple[float, float, float, float, float, float]:  # pragma: no cover - compiled
    """Measure grey levels of every so many rows and columns of a film.

    Parameters
    ----------
    index, table
        As in `composer.imaging.picture.Grey`.
    down, across
        Distance of the samples.
    black, white
        Levels up to the first are black, from the second on white.

    Returns
    -------
    Six numbers from 0 to 1
        Mean of the four corners, each of a twentieth of the sides; mean of the centre, of three tenths of the
        sides; the part of the samples that is black; the levels below and above which one of a hundred
        samples lies; the part of the outermost rows and columns that is white.
    """
    rows, columns = (index.shape[0] + down - 1) // down, (index.shape[1] + across - 1) // across
    levels = np.empty((rows, columns), np.int64)
    histogram = np.zeros(STEPS, np.int64)
    dark = light = 0
    for row in range(rows):
        line = index[row * down]
        for column in range(columns):
            y = table[line[column * across]]
            levels[row, column] = np.int64(np.rint(65535 * y))
            step = np.int64(STEPS * y)
            histogram[STEPS - 1 if step >= STEPS else step] += 1
            dark += y <= black
            light += y >= white and (row in (0, rows - 1) or column in (0, columns - 1))
    high, wide = max(1, round(0.05 * rows)), max(1, round(0.05 * columns))
    corners = 0.0
    for top in (0, rows - high):
        for left in (0, columns - wide):
            corners += _mean(levels, top, top + high, left, left + wide) / 4
    centre = _mean(
        levels, round(0.35 * rows), round(0.65 * rows), round(0.35 * columns), round(0.65 * columns)
    )
    few = rows * columns // 100
    low, top_level = _quantile(histogram, few), _quantile(histogram, rows * columns - 1 - few)
    edge = light / (2 * rows + 2 * columns - 4)
    return corners, centre, dark / (rows * columns), low, top_level, edge


@Compiled
def mean_cells(
    index: Integers, table: Doubles, cells: int, side: int
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    """Return mean levels, 0 to 65535 and rounded down, of the cells of a film, of shape (cells, cells).

    Of each cell ``side`` by ``side`` pixels are looked at, spread evenly.
    """
    rows, columns = index.shape
    samples = cells * side
    means = np.zeros((cells, cells), np.int64)
    for row in range(samples):
        line, sums = index[(2 * row + 1) * rows // (2 * samples)], means[row // side]
        for cell in range(cells):
            for sample in range(cell * side, (cell + 1) * side):
                level = table[line[(2 * sample + 1) * columns // (2 * samples)]]
                sums[cell] += np.int64(np.rint(65535 * level))
    return means // (side * side)
