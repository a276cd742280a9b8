"""A fingerprint of a radiograph: 32 bytes that copies of it share, nearly, and other films do not.

Copies are other encodings, sizes, windows and curves of grey levels, negatives, mirror images, and crops or
borders of some 5 %. What all of them leave is where a film is brighter than its surroundings: a thumbnail of
ranks instead of levels, each relative to its neighbours, weighted less towards the border, as the signs of
its low spatial frequencies. Fingerprints only propose pairs; `composer.imaging.similarity` compares pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from composer.imaging.picture import Grey

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]

# Bytes of a fingerprint.
SIZE = 32
# Pairs that differ in more of the 256 bits are no candidates; benchmarks/fingerprint.py measures both sides.
RADIUS = 52

# Cells of the thumbnail on each side, and frequencies of which the signs are kept.
_CELLS = 32
_FREQUENCIES = 16
# So many rows and columns of the source are looked at: reading all of a large film takes ten times as long.
_SAMPLES = 256
# Cells on each side of the neighbourhood that a cell is compared with.
_NEIGHBOURHOOD = 5
# Levels nearer than their range divided by this count as equal, or compression would give ranks
# by chance to the black and white parts of a film.
_TIE = 128
# Keeps the noise of flat regions small: 0.1 % of the variance of all ranks.
_FLAT = 0.001


def fingerprint(grey: Grey) -> bytes:
    """Return the fingerprint of a film.

    It is computed in integers, some of them kept in doubles, whose sums of products stay far below 2**53, and
    in single operations that IEEE 754 rounds exactly, so that every processor gives the same.

    Parameters
    ----------
    grey
        The whole film, of any size: before crop and resampling, so that no setting of these matters. Decoded
        at a reduced size it is a copy like another.

    Returns
    -------
    bytes of length 32
        A bit for each of 16 x 16 frequencies: first those that a mirror leaves, then those that it turns.
        All zero when the film is of one grey level.
    """
    ranks = _ranks(_thumbnail(grey))
    waves = _waves()
    spectrum = waves @ _relative_to_neighbours(ranks) @ waves.T
    signs = np.concatenate([spectrum[:, ::2].ravel(), spectrum[:, 1::2].ravel()]) > 0
    return np.packbits(signs).tobytes()


def distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return in how many of 256 bits fingerprints differ, up to a mirror image or a negative of the film.

    Parameters
    ----------
    a, b
        Fingerprints as arrays of shape (..., 32), broadcast against each other.

    Returns
    -------
    Array of the broadcast shape without its last axis
        0 for copies, about 115 for films that have nothing to do with each other, at most 128.
    """
    # Four words of 64 bits: bytes, or sums over an axis, take ten times as long.
    ones = np.bitwise_count(_words(a) ^ _words(b))
    half = np.uint8(4 * SIZE)
    # A negative turns every bit, a mirror those of the second half.
    kept, turned = ones[..., 0] + ones[..., 1], ones[..., 2] + ones[..., 3]
    result: NDArray[np.int64] = (np.minimum(kept, half - kept) + np.minimum(turned, half - turned)).astype(
        np.int64
    )
    return result


def read_fingerprints(texts: Iterable[str]) -> NDArray[np.uint8]:
    """Return fingerprints that are written in hexadecimal as an array of shape (number, 32)."""
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(-1, SIZE)


def _words(fingerprints: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(fingerprints).view(np.uint64)


def _thumbnail(grey: Grey) -> Integers:
    """Return mean grey levels of 32 x 32 cells of the film, each of 64 of its pixels, 0 to 65535."""
    # Only workers come here: numba takes half a second to load.
    from composer.imaging.compiled import read_only
    from composer.imaging.samples import mean_cells

    return mean_cells(read_only(grey.index), grey.table, _CELLS, _SAMPLES // _CELLS)


def _ranks(cells: Integers) -> Integers:
    """Return for each cell how many are darker, plus how many are not brighter, with a little tolerance."""
    ordered = np.sort(cells, axis=None)
    tie = (ordered[-1] - ordered[0]) // _TIE
    darker = np.searchsorted(ordered, cells - tie, "left")
    ranks: Integers = darker + np.searchsorted(ordered, cells + tie, "right")
    return ranks


def _relative_to_neighbours(ranks: Integers) -> Doubles:
    """Return by how many standard deviations of its neighbourhood a cell exceeds the mean, times 256."""
    count = _NEIGHBOURHOOD**2
    cells = ranks.astype(np.float64)
    total, squares = _sum_of_neighbours(cells), _sum_of_neighbours(cells * cells)
    flat = int(_FLAT * (2 * ranks.size * count) ** 2 / 12)
    deviation = np.sqrt(count * squares - total * total + flat)
    relative: Doubles = np.rint(256 * (count * cells - total) / deviation)
    return relative


def _sum_of_neighbours(cells: Doubles) -> Doubles:
    around = _neighbours()
    total: Doubles = around @ cells @ around.T
    return total


@functools.cache
def _neighbours() -> Doubles:
    """Return how often each cell of a line counts for another; the border counts for what lies beyond it."""
    counts = np.zeros((_CELLS, _CELLS))
    reach = np.arange(_NEIGHBOURHOOD) - _NEIGHBOURHOOD // 2
    for cell in range(_CELLS):
        np.add.at(counts[cell], np.clip(cell + reach, 0, _CELLS - 1), 1)
    return counts


@functools.cache
def _waves() -> Doubles:
    """Return cosines of the low frequencies, of shape (frequencies, cells), which fade towards the border."""
    centres = (np.arange(_CELLS) + 0.5) / _CELLS
    waves = np.cos(np.pi * np.arange(_FREQUENCIES)[:, None] * centres) * np.sin(np.pi * centres)
    # The last bits of a cosine differ between systems and must not decide how it is rounded.
    return np.asarray(np.rint(np.round(waves * 4096, 6)))
