"""No pair of near fingerprints is missed, none is found twice."""

import numpy as np
from numpy.typing import NDArray

from composer.imaging.fingerprint import SIZE, distance
from composer.twins.candidates import near_pairs

Prints = NDArray[np.uint8]


def random_prints(number: int) -> Prints:
    return np.random.default_rng(number).integers(0, 256, (number, SIZE)).astype(np.uint8)


def test_finds_what_looking_at_all_distances_finds() -> None:
    # More than one call of compiled code, and more than one block in it.
    prints = random_prints(2100)
    between = distance(prints[:, None], prints)
    rows, columns = np.nonzero(np.triu(between <= 95, 1))
    assert len(rows) > 100
    for threads in (1, 3):
        np.testing.assert_array_equal(near_pairs(prints, 95, threads), np.stack([rows, columns], axis=1))


def test_finds_copies_mirrors_and_negatives() -> None:
    prints = random_prints(1000)
    prints[900] = prints[3]
    prints[901] = ~prints[4]
    prints[902] = prints[5] ^ np.repeat(np.array([0, 255], np.uint8), SIZE // 2)
    prints[999] = prints[998]
    prints[999, 7] ^= 1
    assert near_pairs(prints, 10, 2).tolist() == [[3, 900], [4, 901], [5, 902], [998, 999]]


def test_blank_films_are_near_nothing() -> None:
    assert near_pairs(np.zeros((300, SIZE), np.uint8), 10, 1).tolist() == []


def test_many_copies_of_one_film() -> None:
    prints = np.tile(random_prints(1), (400, 1))
    assert len(near_pairs(prints, 0, 2)) == 400 * 399 // 2


def test_of_no_film_there_is_no_pair() -> None:
    assert near_pairs(np.empty((0, SIZE), np.uint8), 10, 1).shape == (0, 2)
