"""Antialiased Lanczos resampling with integer weights: the same bytes on every processor.

A picture is a weighted sum of look-ups, first down the columns, then along the rows. Weights and intermediate
values are integers whose sums cannot overflow, so that neither the order of summation nor the instructions of
the processor matter. Nothing is clipped before the end.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from composer.imaging.compiled import Compiled, read_only
from composer.imaging.picture import Grey

Integers = NDArray[Any]

_LOBES = 3
# Rows that are written together, and what holds a value of each, by the bytes of a value.
_LANES = 4
_WORDS: dict[int, np.dtype[Any]] = {1: np.dtype("u4"), 2: np.dtype("u8"), 4: np.dtype("V16")}
_SPARE_WORDS = 4


class _Precision(NamedTuple):
    """How finely grey levels and weights are kept, and in which integers they are summed up.

    Lanczos overshoots by less than 0.3 on each axis, so that sums stay below 1.75 times 2 to both bits.
    ``spare_bits`` are dropped before a sum is multiplied by the value of white.
    """

    value_bits: int
    weight_bits: int
    value: type
    total: type
    spare_bits: int


_FOR_8_BITS = _Precision(14, 14, np.int16, np.int32, 8)
_FOR_16_BITS = _Precision(24, 20, np.int32, np.int64, 0)


class Axis(NamedTuple):
    """Where the pixels of one axis of a picture come from.

    ``size`` source pixels become ``scaled`` ones, of which those from ``start`` to ``stop`` are wanted. Where
    the source is a smaller version of a film that filled no whole number of pixels, these are ``extent``; and
    they may lie behind their places by ``offset``.
    """

    size: int
    scaled: int
    start: int
    stop: int
    extent: float | None = None
    offset: float = 0.0


def resample(grey: Grey, down: Axis, across: Axis, white: int) -> Integers:
    """Return the part of the scaled picture that the axes name, quantised by one rounding.

    Parameters
    ----------
    grey
        The source.
    down, across
        Its rows and columns.
    white
        255 for a picture of uint8, 65535 for one of uint16.
    """
    precision = _FOR_8_BITS if white == 255 else _FOR_16_BITS
    bits, weight_bits = precision.value_bits, precision.weight_bits
    table: Integers = np.rint(grey.table * (1 << bits)).astype(precision.value)
    first_row, row_weights = _weights(down, weight_bits)
    first_column, column_weights = _weights(across, weight_bits)
    # Of a film that is cropped only the columns that the crop needs.
    left, right = first_column[0], min(across.size, first_column[-1] + column_weights.shape[1])
    index = read_only(grey.index[:, left:right])
    totals: Integers = np.zeros((_LANES, right - left), dtype=precision.total)
    between = _lanes(len(first_row), right - left, precision.value)
    _sum_rows(index, table, first_row, row_weights, weight_bits, totals, between)

    # Along the rows is down the columns of the transposed picture: neighbours in memory are summed alike.
    turned = _turned(between, right - left)
    totals = np.zeros((_LANES, turned.shape[1]), dtype=precision.total)
    picture = _lanes(len(first_column), turned.shape[1], np.uint8 if white == 255 else np.uint16)
    shift = bits + weight_bits - precision.spare_bits
    _sum_to_picture(
        turned, first_column - left, column_weights, totals, precision.spare_bits, shift, white, picture
    )
    return np.ascontiguousarray(_turned(picture, turned.shape[1])[: len(first_row), : len(first_column)])


def _lanes(count: int, width: int, dtype: type) -> Integers:
    """Return room for so many rows, four in a line: value by value, a group of four for each column."""
    # Lines that lie a power of two apart would push each other out of the processor's cache.
    spare = _SPARE_WORDS * _LANES
    return np.empty((-(-count // _LANES), _LANES * width + spare), dtype=dtype)


def _turned(lanes: Integers, width: int) -> Integers:
    """Return the transposed rows, in whole groups of four: there are fewer words to move than values."""
    words = lanes.view(_WORDS[lanes.itemsize])[:, :width]
    return np.ascontiguousarray(words.T).view(lanes.dtype)


@functools.lru_cache(maxsize=64)
def _weights(axis: Axis, bits: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the first source pixel of each wanted one, and the weights from there on, of sum 2**bits.

    Their number is a multiple of four.
    """
    scale = (axis.size if axis.extent is None else axis.extent) / axis.scaled
    stretch = max(1.0, scale)
    reach = _LOBES * stretch
    centers = (np.arange(axis.start, axis.stop) + 0.5) * scale + axis.offset
    first = np.maximum(0, np.floor(centers - reach + 0.5).astype(np.int64))
    last = np.minimum(axis.size, np.floor(centers + reach + 0.5).astype(np.int64))
    pixels = first[:, None] + np.arange(-(-int((last - first).max()) // 4) * 4)
    x = (pixels + 0.5 - centers[:, None]) / stretch
    kernel = np.where((np.abs(x) < _LOBES) & (pixels < last[:, None]), np.sinc(x) * np.sinc(x / _LOBES), 0.0)
    # The sines of two systems differ in the last bits, which must not decide how a weight is rounded.
    shares = np.round(kernel / kernel.sum(axis=1, keepdims=True) * (1 << bits), 6)
    weights = np.rint(shares).astype(np.int32)
    weights[np.arange(len(weights)), shares.argmax(axis=1)] += (1 << bits) - weights.sum(axis=1)
    return first, weights


@numba.njit(nogil=True)
def _add_rows(
    a: Integers, b: Integers, c: Integers, d: Integers, weights: NDArray[np.int32], total: Integers
) -> None:  # pragma: no cover - compiled
    """Add four weighted rows to ``total``, which is loaded and stored once for them all."""
    number = total.dtype.type
    p, q, r, s = number(weights[0]), number(weights[1]), number(weights[2]), number(weights[3])
    for column in range(len(total)):
        total[column] += (
            p * number(a[column]) + q * number(b[column]) + r * number(c[column]) + s * number(d[column])
        )


@numba.njit(nogil=True)
def _write_lanes(totals: Integers, bits: int, out: Integers) -> None:  # pragma: no cover - compiled
    a, b, c, d = totals[0], totals[1], totals[2], totals[3]
    for column in range(len(a)):
        out[4 * column] = a[column] >> bits
        out[4 * column + 1] = b[column] >> bits
        out[4 * column + 2] = c[column] >> bits
        out[4 * column + 3] = d[column] >> bits


@Compiled
def _sum_rows(
    index: Integers,
    table: Integers,
    first: NDArray[np.int64],
    weights: NDArray[np.int32],
    weight_bits: int,
    totals: Integers,
    out: Integers,
) -> None:  # pragma: no cover - compiled
    """Write the weighted sums of rows, each looked up once, into ``out``, as `_lanes` made it."""
    size, width = index.shape
    reach = weights.shape[1]
    # The rows in use, looked up: row r is at r modulo reach.
    ring = np.zeros((reach, width), dtype=table.dtype)
    ready = 0
    for place in range(len(first)):
        begin = first[place]
        ready = max(ready, begin)
        while ready < min(begin + reach, size):
            row, looked_up = index[ready], ring[ready % reach]
            for column in range(width):
                looked_up[column] = table[row[column]]
            ready += 1
        total = totals[place % 4]
        total[:] = 1 << (weight_bits - 1)
        for tap in range(0, reach, 4):
            _add_rows(
                ring[(begin + tap) % reach],
                ring[(begin + tap + 1) % reach],
                ring[(begin + tap + 2) % reach],
                ring[(begin + tap + 3) % reach],
                weights[place, tap : tap + 4],
                total,
            )
        if place % 4 == 3 or place == len(first) - 1:
            _write_lanes(totals, weight_bits, out[place // 4])


@numba.njit(nogil=True)
def _write_levels(
    totals: Integers, spare_bits: int, shift: int, white: int, out: Integers
) -> None:  # pragma: no cover - compiled
    number = totals.dtype.type
    low, spare, down, highest = number(0), number(spare_bits), number(shift), number(white)
    half = number(1 << (shift - 1))
    a, b, c, d = totals[0], totals[1], totals[2], totals[3]
    for column in range(len(a)):
        out[4 * column] = min(highest, max(low, ((a[column] >> spare) * highest + half) >> down))
        out[4 * column + 1] = min(highest, max(low, ((b[column] >> spare) * highest + half) >> down))
        out[4 * column + 2] = min(highest, max(low, ((c[column] >> spare) * highest + half) >> down))
        out[4 * column + 3] = min(highest, max(low, ((d[column] >> spare) * highest + half) >> down))


@Compiled
def _sum_to_picture(
    values: Integers,
    first: NDArray[np.int64],
    weights: NDArray[np.int32],
    totals: Integers,
    spare_bits: int,
    shift: int,
    white: int,
    out: Integers,
) -> None:  # pragma: no cover - compiled
    """Write the weighted sums of rows into ``out``, as `_lanes` made it, as 0 to ``white``."""
    size = len(values)
    for place in range(len(first)):
        total = totals[place % 4]
        total[:] = (1 << spare_bits) >> 1
        for tap in range(0, weights.shape[1], 4):
            row = first[place] + tap
            # Beyond the last row the weights are 0.
            _add_rows(
                values[min(row, size - 1)],
                values[min(row + 1, size - 1)],
                values[min(row + 2, size - 1)],
                values[min(row + 3, size - 1)],
                weights[place, tap : tap + 4],
                total,
            )
        if place % 4 == 3 or place == len(first) - 1:
            _write_levels(totals, spare_bits, shift, white, out[place // 4])
