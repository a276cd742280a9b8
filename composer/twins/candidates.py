"""Which of many fingerprints are near each other: every pair is looked at, none is missed.

All pairs of 930,000 fingerprints take minutes, for a pair takes about a nanosecond. Search trees and graphs
that look at fewer miss pairs, and know no distance in which a mirror image or a negative is near.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from composer.imaging.fingerprint import SIZE

# Fingerprints whose neighbours one call of compiled code finds, and so many that fit a processor's cache.
_ROWS = 256
_BLOCK = 2048
_ROOM = 4096


def near_pairs(fingerprints: NDArray[np.uint8], radius: int, threads: int) -> NDArray[np.int64]:
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
    words = np.ascontiguousarray(np.ascontiguousarray(fingerprints).view(np.uint64).T)
    blank = np.logical_not(fingerprints.any(axis=1))

    def search(first: int) -> NDArray[np.int64]:
        found = np.empty((_ROOM, 2), dtype=np.int64)
        count = _search(words, blank, first, radius, found)
        if count > len(found):
            found = np.empty((count, 2), dtype=np.int64)
            _search(words, blank, first, radius, found)
        return found[:count]

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(search, range(0, len(fingerprints), _ROWS)))
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *parts])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


@numba.njit(inline="always")
def _ones(word: Any) -> Any:  # noqa: ANN401  # pragma: no cover - compiled
    """Return how many bits of a word of 64 are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@numba.njit(nogil=True)
def _search(
    words: NDArray[np.uint64], blank: NDArray[Any], first: int, radius: int, found: NDArray[np.int64]
) -> int:  # pragma: no cover - compiled
    """Write the pairs of the rows from ``first`` on with later ones into ``found``; return their number."""
    number = words.shape[1]
    half = 4 * SIZE
    count = 0
    distances = np.empty(_BLOCK, np.uint8)
    for begin in range(first, number, _BLOCK):
        end = min(number, begin + _BLOCK)
        size = end - begin
        e, f, g, h = words[0, begin:end], words[1, begin:end], words[2, begin:end], words[3, begin:end]
        for row in range(first, min(number, first + _ROWS)):
            a, b, c, d = words[0, row], words[1, row], words[2, row], words[3, row]
            nearest = np.uint8(255)
            for place in range(size):
                even = np.int64(_ones(a ^ e[place]) + _ones(b ^ f[place]))
                odd = np.int64(_ones(c ^ g[place]) + _ones(d ^ h[place]))
                distance = np.uint8(min(even, half - even) + min(odd, half - odd))
                distances[place] = distance
                nearest = min(nearest, distance)
            if nearest > radius or blank[row]:
                continue
            for place in range(size):
                other = begin + place
                if other > row and distances[place] <= radius and not blank[other]:
                    if count < len(found):
                        found[count, 0], found[count, 1] = row, other
                    count += 1
    return count
