"""Which of many fingerprints are near each other: every pair is looked at, none is missed.

All pairs of 930,000 fingerprints take minutes, for a pair takes less than a nanosecond. Search trees and
graphs that look at fewer miss pairs, and know no distance in which a mirror image or a negative is near.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from composer.imaging.compiled import Compiled
from composer.imaging.fingerprint import SIZE, distance

Prints = NDArray[np.uint8]
Numbers = NDArray[np.int64]

# Fingerprints whose neighbours one call of compiled code finds, and so many that fit a processor's cache.
_ROWS = 256
_BLOCK = 2048
_ROOM = 4096
# So few pairs are not worth compiling for, which takes seconds where nothing can be kept.
_FEW = 100_000


def near_pairs(fingerprints: Prints, radius: int, threads: int) -> Numbers:
    """Return all pairs within a distance of each other, as `composer.imaging.fingerprint.distance` counts it.

    Parameters
    ----------
    fingerprints
        Of shape (number, 32). Those of blank films, all zero, are near nothing.
    radius
        The largest distance.
    threads
        How many threads share the work.

    Returns
    -------
    Array of shape (pairs, 2)
        Numbers of rows, the smaller one first, in ascending order.
    """
    return _near(fingerprints, fingerprints, radius, threads, within=True)


def near_pairs_between(first: Prints, second: Prints, radius: int, threads: int) -> Numbers:
    """Return all pairs of one fingerprint of each set within a distance of each other.

    Parameters
    ----------
    first, second
        Of shape (number, 32). Those of blank films, all zero, are near nothing.
    radius, threads
        As for `near_pairs`.

    Returns
    -------
    Array of shape (pairs, 2)
        Numbers of rows in the first and in the second set, in ascending order.
    """
    return _near(first, second, radius, threads, within=False)


def _near(first: Prints, second: Prints, radius: int, threads: int, *, within: bool) -> Numbers:
    rows, others = (np.flatnonzero(prints.any(axis=1)) for prints in (first, second))
    if len(rows) * len(others) <= _FEW:
        near = distance(first[rows][:, None], second[others]) <= radius
        pairs = np.argwhere(np.triu(near, 1) if within else near)
    else:
        pairs = _search_in_threads(_words(first[rows]), _words(second[others]), radius, threads, within)
    return np.stack([rows[pairs[:, 0]], others[pairs[:, 1]]], axis=1)


def _words(prints: Prints) -> NDArray[np.uint64]:
    # Arrays that may be written to and others are two types to numba, and would be compiled for twice.
    return np.array(prints.view(np.uint64).T, order="C")


def _search_in_threads(
    rows: NDArray[np.uint64], others: NDArray[np.uint64], radius: int, threads: int, within: bool
) -> Numbers:
    def search(first: int) -> Numbers:
        found = np.empty((_ROOM, 2), dtype=np.int64)
        count = _search(rows, others, first, radius, within, found)
        if count > len(found):
            found = np.empty((count, 2), dtype=np.int64)
            _search(rows, others, first, radius, within, found)
        # What is kept of a room of 64 kB is mostly nothing.
        return found[:count].copy()

    with ThreadPoolExecutor(threads) as pool:
        try:
            parts = list(pool.map(search, range(0, rows.shape[1], _ROWS)))
        except BaseException:
            # Ctrl-C: what is left would take minutes.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    pairs = np.concatenate(parts)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


@numba.njit(inline="always")
def _ones(word: Any) -> Any:  # noqa: ANN401  # pragma: no cover - compiled
    """Return how many bits of a word of 64 are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@Compiled
def _search(
    rows: NDArray[np.uint64],
    others: NDArray[np.uint64],
    first: int,
    radius: int,
    within: bool,
    found: Numbers,
) -> int:  # pragma: no cover - compiled
    """Write the pairs of the rows from ``first`` on with others into ``found``; return their number.

    Where both are one set, ``within`` it, only later ones count.
    """
    number = others.shape[1]
    half = 4 * SIZE
    count = 0
    distances = np.empty(_BLOCK, np.uint8)
    for begin in range(first if within else 0, number, _BLOCK):
        end = min(number, begin + _BLOCK)
        size = end - begin
        e, f, g, h = others[0, begin:end], others[1, begin:end], others[2, begin:end], others[3, begin:end]
        for row in range(first, min(rows.shape[1], first + _ROWS)):
            a, b, c, d = rows[0, row], rows[1, row], rows[2, row], rows[3, row]
            nearest = np.uint8(255)
            for place in range(size):
                even = np.int64(_ones(a ^ e[place]) + _ones(b ^ f[place]))
                odd = np.int64(_ones(c ^ g[place]) + _ones(d ^ h[place]))
                distance = np.uint8(min(even, half - even) + min(odd, half - odd))
                distances[place] = distance
                nearest = min(nearest, distance)
            if nearest > radius:
                continue
            for place in range(size):
                other = begin + place
                if distances[place] <= radius and (other > row or not within):
                    if count < len(found):
                        found[count, 0], found[count, 1] = row, other
                    count += 1
    return count
