"""Which of many fingerprints are near each other: every pair is looked at, none is missed.

All pairs of 930,000 fingerprints take minutes, for a pair takes less than a nanosecond. Search trees and
graphs that look at fewer miss pairs, and know no distance in which a mirror image or a negative is near.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from composer.imaging.fingerprint import distance

Prints = NDArray[np.uint8]
Numbers = NDArray[np.int64]

# Room for the pairs that one call of compiled code finds; where they are more, it is called again.
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
    # numba takes longer to load than a small search takes.
    from composer.twins.search import ROWS, search_rows

    def search(first: int) -> Numbers:
        found = np.empty((_ROOM, 2), dtype=np.int64)
        count = search_rows(rows, others, first, radius, within, found)
        if count > len(found):
            found = np.empty((count, 2), dtype=np.int64)
            search_rows(rows, others, first, radius, within, found)
        # What is kept of a room of 64 kB is mostly nothing.
        return found[:count].copy()

    with ThreadPoolExecutor(threads) as pool:
        try:
            parts = list(pool.map(search, range(0, rows.shape[1], ROWS)))
        except BaseException:
            # Ctrl-C: what is left would take minutes.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    pairs = np.concatenate(parts)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
