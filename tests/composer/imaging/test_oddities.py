"""Flags for what a person would notice at first sight."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from composer.demo.phantom import film
from composer.imaging.facts import Facts
from composer.imaging.oddities import note_oddities
from composer.imaging.picture import Grey


def flags(levels: NDArray[Any]) -> list[str]:
    facts = Facts()
    note_oddities(Grey.of_levels(levels.astype(np.float32)), facts)
    return facts.flags


@pytest.mark.parametrize("view", ["PA", "AP", "lateral"])
def test_film_and_its_negative(view: str) -> None:
    levels = film(7, rows=500, columns=400, view=view)
    assert flags(levels) == []
    assert "looks_inverted" in flags(1 - levels)


def test_white_collimation() -> None:
    levels = film(7, rows=500, columns=400)
    bordered = np.ones((600, 500), np.float32)
    bordered[50:550, 50:450] = levels
    assert "white_border" in flags(bordered)
    assert "white_border" not in flags(np.pad(levels, 50))


def test_nearly_empty() -> None:
    levels = np.zeros((400, 400), np.float32)
    levels[100:220, 100:220] = 0.7
    assert flags(levels) == ["nearly_empty"]
    levels[50:260, 50:260] = 0.7
    assert flags(levels) == []


def test_nearly_constant() -> None:
    random = np.random.default_rng(1)
    assert flags(0.4 + 0.002 * random.standard_normal((300, 200))) == ["nearly_constant"]
    assert flags(0.4 + 0.02 * random.standard_normal((300, 200))) == []


@pytest.mark.parametrize(
    ("shape", "found"), [((1, 1), []), ((3000, 31), []), ((32, 32), ["nearly_constant"])]
)
def test_what_is_no_film_is_not_judged(shape: tuple[int, int], found: list[str]) -> None:
    assert flags(np.full(shape, 0.5)) == found
