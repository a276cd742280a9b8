"""The search among fingerprints in compiled code: a pair takes less than a nanosecond."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from composer.imaging.compiled import Compiled
from composer.imaging.fingerprint import SIZE

# Fingerprints whose neighbours one call finds, and so many that fit a processor's cache.
ROWS = 256
_BLOCK = 2048


@numba.njit(inline="always")
def _ones(word: Any) -> Any:  # noqa: ANN401  # pragma: no cover - compiled
    """Return how many bits of a word of 64 are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@Compiled
def search_rows(
    rows: NDArray[np.uint64],
    others: NDArray[np.uint64],
    first: int,
    radius: int,
    within: bool,
    found: NDArray[np.int64],
) -> int:  # pragma: no cover - compiled
    """Write the pairs of `ROWS` rows, from ``first`` on, with others into ``found``; return their number.

    Rows and others are fingerprints as four words of 64 bits, of shape (4, number). Where both are one set,
    ``within`` it, only later ones count. What finds no room is counted alone.
    """
    number = others.shape[1]
    half = 4 * SIZE
    count = 0
    distances = np.empty(_BLOCK, np.uint8)
    for begin in range(first if within else 0, number, _BLOCK):
        end = min(number, begin + _BLOCK)
        size = end - begin
        e, f, g, h = others[0, begin:end], others[1, begin:end], others[2, begin:end], others[3, begin:end]
        for row in range(first, min(rows.shape[1], first + ROWS)):
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
