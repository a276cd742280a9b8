"""The filters of PNG (ISO/IEC 15948, 9) undone by compiled code, for grey pixels of one and of two bytes."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from composer.imaging.compiled import Compiled

Integers = NDArray[Any]

# One filter of one row each: ``line`` are the filtered bytes, ``above`` the pixels of the row before. Numbers
# have 32 bits and are cut to a byte; left, up, and the corner between them are the neighbours of a pixel.


@numba.njit(inline="always")
def _paeth(left: np.int32, up: np.int32, corner: np.int32) -> np.int32:  # pragma: no cover - compiled
    """Return the neighbour that is nearest to left + up - corner, the first of these if several are."""
    threshold = corner * np.int32(3) - (left + up)
    low, high = min(left, up), max(left, up)
    # Both are computed and one is chosen: a branch would be mispredicted at every other pixel.
    nearest = low if high <= threshold else corner
    return high if threshold <= low else nearest


@numba.njit(nogil=True)
def _undo_none_8(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    for column in range(len(out)):
        out[column] = line[column]


@numba.njit(nogil=True)
def _undo_sub_8(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    left = np.int32(0)
    for column in range(len(out)):
        left = (left + np.int32(line[column])) & np.int32(0xFF)
        out[column] = left


@numba.njit(nogil=True)
def _undo_up_8(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    for column in range(len(out)):
        out[column] = line[column] + above[column]


@numba.njit(nogil=True)
def _undo_average_8(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    left = np.int32(0)
    for column in range(len(out)):
        mean = (left + np.int32(above[column])) >> 1
        left = (mean + np.int32(line[column])) & np.int32(0xFF)
        out[column] = left


@numba.njit(nogil=True)
def _undo_paeth_8(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    left, corner = np.int32(0), np.int32(0)
    for column in range(len(out)):
        up = np.int32(above[column])
        left = (_paeth(left, up, corner) + np.int32(line[column])) & np.int32(0xFF)
        out[column] = left
        corner = up


@Compiled
def unfilter_8(filtered: Integers, pixels: Integers) -> bool:  # pragma: no cover - compiled
    """Write the pixels of filtered rows; return whether all filters are known."""
    above = np.zeros(pixels.shape[1], np.uint8)
    for row in range(len(pixels)):
        method, line, out = filtered[row, 0], filtered[row, 1:], pixels[row]
        if method == 0:
            _undo_none_8(line, above, out)
        elif method == 1:
            _undo_sub_8(line, above, out)
        elif method == 2:
            _undo_up_8(line, above, out)
        elif method == 3:
            _undo_average_8(line, above, out)
        elif method == 4:
            _undo_paeth_8(line, above, out)
        else:
            return False
        above = out
    return True


# Pixels of two bytes, the higher first: the two are filtered apart.


@numba.njit(nogil=True)
def _undo_none_16(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    for column in range(len(out)):
        out[column] = np.int32(line[2 * column]) << 8 | np.int32(line[2 * column + 1])


@numba.njit(nogil=True)
def _undo_sub_16(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    # Two arrays with strides are faster here, and in Paeth's, than one and its odd places.
    high, low = line[::2], line[1::2]
    left, left_low = np.int32(0), np.int32(0)
    for column in range(len(out)):
        left = (left + np.int32(high[column])) & np.int32(0xFF)
        left_low = (left_low + np.int32(low[column])) & np.int32(0xFF)
        out[column] = left << 8 | left_low


@numba.njit(nogil=True)
def _undo_up_16(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    # One array and its odd places: unlike two with strides this is vectorised.
    for column in range(len(out)):
        up = np.int32(above[column])
        high = (np.int32(line[2 * column]) << 8) + up
        low = np.int32(line[2 * column + 1]) + up
        out[column] = (high & np.int32(0xFF00)) | (low & np.int32(0xFF))


@numba.njit(nogil=True)
def _undo_average_16(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    left, left_low = np.int32(0), np.int32(0)
    for column in range(len(out)):
        up = np.int32(above[column])
        mean, mean_low = (left + (up >> 8)) >> 1, (left_low + (up & np.int32(0xFF))) >> 1
        left = (mean + np.int32(line[2 * column])) & np.int32(0xFF)
        left_low = (mean_low + np.int32(line[2 * column + 1])) & np.int32(0xFF)
        out[column] = left << 8 | left_low


@numba.njit(nogil=True)
def _undo_paeth_16(line: Integers, above: Integers, out: Integers) -> None:  # pragma: no cover - compiled
    byte = np.int32(0xFF)
    high, low = line[::2], line[1::2]
    left, left_low, corner = np.int32(0), np.int32(0), np.int32(0)
    for column in range(len(out)):
        up = np.int32(above[column])
        left = (_paeth(left, up >> 8, corner >> 8) + np.int32(high[column])) & byte
        left_low = (_paeth(left_low, up & byte, corner & byte) + np.int32(low[column])) & byte
        out[column] = left << 8 | left_low
        corner = up


@Compiled
def unfilter_16(filtered: Integers, pixels: Integers) -> bool:  # pragma: no cover - compiled
    """Do as `unfilter_8` does for pixels of 16 bits."""
    above = np.zeros(pixels.shape[1], np.uint16)
    for row in range(len(pixels)):
        method, line, out = filtered[row, 0], filtered[row, 1:], pixels[row]
        if method == 0:
            _undo_none_16(line, above, out)
        elif method == 1:
            _undo_sub_16(line, above, out)
        elif method == 2:
            _undo_up_16(line, above, out)
        elif method == 3:
            _undo_average_16(line, above, out)
        elif method == 4:
            _undo_paeth_16(line, above, out)
        else:
            return False
        above = out
    return True
