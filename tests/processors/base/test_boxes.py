"""Boxes and outlines from cells and corners."""

from __future__ import annotations

import pytest

from processors.base.boxes import ellipse, sides_around, sides_of


def test_sides() -> None:
    assert sides_of(["1", "-2.5", "3", "4e1"]) == (1, -2.5, 3, 40)


@pytest.mark.parametrize(
    "cells", ["1,2,3,", "1,2,3,nan", "a,2,3,4", "1,2,0,4", "1,2,3,-4", "1,2,3", "1,2,3,4,5"]
)
def test_cells_that_are_no_box(cells: str) -> None:
    assert sides_of(cells.split(",")) is None


def test_around_corners_in_any_order() -> None:
    assert sides_around((5, 6, 1, 2)) == sides_around((1, 6, 5, 2, 3, 3)) == (1, 2, 4, 4)


@pytest.mark.parametrize("corners", [(1, 2, 1, 5), (1, 2, 5, 2), (1, 2, 1, 2)])
def test_without_an_area_there_is_no_box(corners: tuple[float, ...]) -> None:
    assert sides_around(corners) is None


def test_the_ellipse_touches_its_box_and_lies_on_the_curve() -> None:
    left, top, width, height = box = (10.0, 20.0, 40.0, 12.0)
    corners = ellipse(*box)
    assert sides_around(corners) == pytest.approx(box)
    for x, y in zip(corners[::2], corners[1::2], strict=True):
        across, down = (x - left) / width * 2 - 1, (y - top) / height * 2 - 1
        assert across**2 + down**2 == pytest.approx(1, abs=0.01)
