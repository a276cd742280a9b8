"""What a warning about unknown cells shows, and what it keeps to itself."""

from __future__ import annotations

import pytest

from processors.base import UnknownCells


def warning_of(*cells: str) -> str:
    unknown = UnknownCells("t.csv", "View", "PA or AP")
    for cell in cells:
        unknown.add(cell)
    (warning,) = unknown.warnings
    return warning


def test_cells_are_counted_and_each_is_shown_once() -> None:
    assert warning_of("LAT", "LAT", "") == (
        "t.csv: 3 cells of column 'View' are not used: expected PA or AP, found 'LAT', ''"
    )


def test_the_same_cell_many_times() -> None:
    unknown = UnknownCells("t.csv", None, "0 or 1", fate=UnknownCells.KEPT)
    unknown.add("maybe", 2_000)
    assert unknown.warnings == [
        "t.csv: 2,000 label cells are kept as they are written: expected 0 or 1, found 'maybe'"
    ]


def test_without_any_nothing_is_said() -> None:
    assert UnknownCells("t.csv", "View", "PA or AP").warnings == []


@pytest.mark.parametrize("cell", ["Pleural_Thickening", "Nodule/Mass", "AP LLD", "x-ray", "2", "-1.0", "7"])
def test_short_words_and_single_digits_are_shown(cell: str) -> None:
    assert warning_of(cell).endswith(f", found {cell!r}")


@pytest.mark.parametrize(
    "cell",
    [
        "19999991",
        "16",
        "patient00001",
        "patient 70",
        "s50414267",
        "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014",
        "1.2.276.0.7230010",
        "2019-01-02",
        "No acute findings.",
        "heart size is within normal limits",
        "sin hallazg\nradiolog",
        "a" * 25,
        "é",
    ],
)
def test_what_may_be_an_id_or_a_report_is_not_shown(cell: str) -> None:
    assert warning_of(cell, "OK").endswith(", found 'OK', other texts")


def test_of_many_only_the_first_are_shown() -> None:
    assert warning_of("123", *"ABCDEF").endswith(", found 'A', 'B', 'C', 'D', 'E', ...")
