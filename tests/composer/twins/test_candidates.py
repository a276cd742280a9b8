"""No pair of near fingerprints is missed, none is found twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from composer.imaging.fingerprint import SIZE, distance
from composer.twins import candidates
from composer.twins.candidates import near_pairs, near_pairs_between

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


@pytest.mark.parametrize("few", [True, False])
def test_between_two_sets_all_pairs_are_found(monkeypatch: pytest.MonkeyPatch, few: bool) -> None:
    first, second = random_prints(700), random_prints(2300)
    monkeypatch.setattr(candidates, "_FEW", 10**7 if few else 0)
    expected = np.argwhere(distance(first[:, None], second) <= 95)
    assert len(expected) > 50
    np.testing.assert_array_equal(near_pairs_between(first, second, 95, 2), expected)
    np.testing.assert_array_equal(
        near_pairs_between(second, first, 95, 2)[:, ::-1], expected[_order(expected)]
    )


def _order(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.lexsort((pairs[:, 0], pairs[:, 1]))


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(0, 12), st.sampled_from([0, 20_000]))
def test_within_is_between_the_parts_and_within_each(kinds: list[int], cut: int, few: int) -> None:
    # Kind 0 is blank.
    prints = np.concatenate([np.zeros((1, SIZE), np.uint8), random_prints(5)])[kinds]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "_FEW", few)
        whole = near_pairs(prints, 10, 1)
        parts = [near_pairs(prints[:cut], 10, 1), near_pairs(prints[cut:], 10, 1) + cut]
        across = near_pairs_between(prints[:cut], prints[cut:], 10, 1) + np.array([0, len(prints[:cut])])
    assert sorted(whole.tolist()) == sorted(np.concatenate([*parts, across]).tolist())
    assert all(kinds[one] == kinds[other] != 0 for one, other in whole)


@pytest.mark.parametrize("number", [300, 500])
def test_blank_films_are_near_nothing(number: int) -> None:
    prints = random_prints(number)
    prints[10:] = 0
    prints[[7, number - 1]] = prints[3]
    assert near_pairs(prints, 10, 1).tolist() == [[3, 7], [3, number - 1], [7, number - 1]]
    assert near_pairs(np.zeros((number, SIZE), np.uint8), 10, 1).tolist() == []


def test_many_copies_of_one_film() -> None:
    prints = np.tile(random_prints(1), (400, 1))
    assert len(near_pairs(prints, 0, 2)) == 400 * 399 // 2


def test_of_no_film_there_is_no_pair() -> None:
    none = np.empty((0, SIZE), np.uint8)
    assert near_pairs(none, 10, 1).shape == (0, 2)
    assert near_pairs_between(none, random_prints(3), 10, 1).shape == (0, 2)
