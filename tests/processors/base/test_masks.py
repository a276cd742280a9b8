"""Run-length masks against arrays that are filled pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from processors.base.masks import pixels_inside, union_of_runs

# pycocotools decodes in a way that numpy 2 is to give up.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Grid = NDArray[np.bool_]


def decoded(runs: str, rows: int, columns: int) -> Grid:
    coded: Any = {"counts": runs.encode("ascii"), "size": [rows, columns]}
    grid: Grid = coco.decode(coded).astype(bool)
    assert grid.shape == (rows, columns)
    return grid


def drawn(runs: list[int], rows: int, columns: int) -> Grid:
    """Fill one region as the docstring says it: down the columns, outside and inside in turn."""
    grid = np.zeros((rows, columns), dtype=bool)
    position = 0
    for number, length in enumerate(runs):
        for place in range(position, position + length):
            grid[place % rows, place // rows] = number % 2 == 1
        position += length
    return grid


@st.composite
def regions_on_a_grid(draw: st.DrawFn) -> tuple[list[list[int]], int, int]:
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    # Sorted places cut the grid into runs; the first may be empty, and what follows the last is left out.
    places = st.lists(st.integers(0, rows * columns), max_size=9, unique=True).map(sorted)
    cuts = draw(st.lists(places, min_size=1, max_size=4))
    return [np.diff([0, *cut]).tolist() for cut in cuts], rows, columns


@given(regions_on_a_grid())
def test_the_union_is_that_of_the_arrays(case: tuple[list[list[int]], int, int]) -> None:
    regions, rows, columns = case
    expected = np.logical_or.reduce([drawn(runs, rows, columns) for runs in regions])
    np.testing.assert_array_equal(decoded(union_of_runs(regions, rows, columns), rows, columns), expected)


@given(regions_on_a_grid())
def test_order_and_repetition_of_regions_do_not_matter(case: tuple[list[list[int]], int, int]) -> None:
    regions, rows, columns = case
    again = union_of_runs([*regions[::-1], regions[0]], rows, columns)
    np.testing.assert_array_equal(
        decoded(again, rows, columns), decoded(union_of_runs(regions, rows, columns), rows, columns)
    )


def test_runs_go_down_the_columns() -> None:
    # Four outside, three inside: on three rows the fifth pixel is the second of the second column.
    grid = decoded(union_of_runs([[4, 3]], 3, 4), 3, 4)
    np.testing.assert_array_equal(grid, [[0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]])


def test_a_region_that_fills_the_grid_to_its_last_pixel() -> None:
    assert decoded(union_of_runs([[0, 12]], 3, 4), 3, 4).all()
    assert decoded(union_of_runs([[11, 1]], 3, 4), 3, 4)[2, 3]


@pytest.mark.parametrize("regions", [[[]], [[12]], [[0, 0]], [[], [12]]])
def test_nothing_inside(regions: list[list[int]]) -> None:
    assert not decoded(union_of_runs(regions, 3, 4), 3, 4).any()


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([[4, 9]], "2 runs over 13 pixels do not fit on 3 x 4"),
        ([[13]], "1 runs over 13 pixels do not fit on 3 x 4"),
        ([[4, 3], [0, 14]], "2 runs over 14 pixels do not fit on 3 x 4"),
        ([[4, -1]], "2 runs over 3 pixels do not fit on 3 x 4"),
        ([[-4, 10]], "2 runs over 6 pixels do not fit on 3 x 4"),
    ],
)
def test_runs_off_the_grid_are_refused(regions: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        union_of_runs(regions, 3, 4)


@pytest.mark.parametrize("regions", [[[1, 1, 0, 1], [1, 1, 0, 1]], [[0, 1, 0, 2], [0, 1, 0, 2]]])
def test_an_empty_run_between_two_others_joins_them(regions: list[list[int]]) -> None:
    gap = regions[0][0]
    joined = [gap, sum(regions[0]) - gap]
    assert union_of_runs(regions, 3, 4) == union_of_runs([joined], 3, 4)


def test_no_region_is_a_mask_without_a_pixel() -> None:
    assert union_of_runs([], 3, 4) == union_of_runs([[12]], 3, 4)


class TestPixelsInside:
    """What cannot be a mask must not reach pycocotools, which may read beyond its memory."""

    @given(regions_on_a_grid())
    def test_are_those_that_pycocotools_paints(self, case: tuple[list[list[int]], int, int]) -> None:
        regions, rows, columns = case
        runs = union_of_runs(regions, rows, columns)
        assert pixels_inside(runs, rows, columns) == decoded(runs, rows, columns).sum()

    @given(st.lists(st.integers(0, 9_000_000), max_size=9), st.integers(1, 4))
    def test_long_runs(self, places: list[int], columns: int) -> None:
        cuts = sorted({*places, 9_000_000})
        lengths = np.diff([0, *cuts]).tolist()
        runs = union_of_runs([lengths], 9_000_000 // 3000, 3000)
        assert pixels_inside(runs, 3000, 3000) == sum(lengths[1::2])

    @given(st.text(alphabet=[chr(number) for number in range(40, 120)], max_size=12), st.data())
    def test_what_is_accepted_decodes_to_as_many_pixels(self, runs: str, data: st.DataObject) -> None:
        rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
        try:
            painted = pixels_inside(runs, rows, columns)
        except ValueError:
            return
        assert decoded(runs, rows, columns).sum() == painted

    @given(regions_on_a_grid(), st.data())
    def test_one_that_is_cut_is_refused(
        self, case: tuple[list[list[int]], int, int], data: st.DataObject
    ) -> None:
        regions, rows, columns = case
        runs = union_of_runs(regions, rows, columns)
        cut = runs[: data.draw(st.integers(0, len(runs) - 1))]
        with pytest.raises(ValueError, match=r"cut|do not cover"):
            pixels_inside(cut, rows, columns)

    def test_the_largest_grid(self) -> None:
        # Nothing is painted here: the string of one run over 20,000 x 20,000 pixels.
        number, runs = 20_000 * 20_000, ""
        while number > 15:
            runs += chr(48 + ((number & 0x1F) | 0x20))
            number >>= 5
        runs += chr(48 + number)
        assert pixels_inside(runs, 20_000, 20_000) == 0

    @pytest.mark.parametrize(
        ("rows", "columns"),
        [(0, 12), (12, 0), (-3, -4), (20_001, 1), (400_000, 320_000), (2**62, 4), (True, 12), (2**64 + 3, 4)],
    )
    def test_a_grid_of_no_radiograph(self, rows: int, columns: int) -> None:
        with pytest.raises(ValueError, match="expected a grid of at most 20,000 x 20,000 pixels"):
            pixels_inside("435", rows, columns)

    @pytest.mark.parametrize(
        ("runs", "message"),
        [
            ("435", None),
            ("434", "3 runs over 11 pixels do not cover 3 x 4"),
            ("436", "3 runs over 13 pixels do not cover 3 x 4"),
            ("", "0 runs over 0 pixels"),
            ("43U", "cut"),
            ("43é", "characters"),
            ("43 5", "characters"),
            ("43\0", "characters"),
            ("4p5", "characters"),
            ("PPPPPPP0", "at most six"),
            ("4O5", "a run is negative"),
            ("\ud800", "characters"),
        ],
    )
    def test_strings(self, runs: str, message: str | None) -> None:
        if message is None:
            assert pixels_inside(runs, 3, 4) == 3
            return
        with pytest.raises(ValueError, match=message):
            pixels_inside(runs, 3, 4)
