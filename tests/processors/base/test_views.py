"""What DICOM headers tell of the view."""

from __future__ import annotations

import pytest

from processors.base import VIEWS, frontal_view_of, view_of


@pytest.mark.parametrize(
    ("position", "view"),
    [
        ("PA", "PA"),
        ("POSTEROANTERIOR", "PA"),
        ("AP", "AP"),
        ("ANTEROPOSTERIOR", "AP"),
        ("LL", "lateral"),
        ("RL", "lateral"),
        ("LATERAL", "lateral"),
        ("Large Lateral", "lateral"),
        ("LLD", "decubitus"),
        ("RLD", "decubitus"),
        *((position, "oblique") for position in ("LLO", "RLO", "LAO", "RAO", "LPO", "RPO")),
        (" pa ", "PA"),
        ("ll", "lateral"),
    ],
)
def test_the_position_tells(position: str, view: str) -> None:
    assert view_of(position, None) == view
    assert view in VIEWS


@pytest.mark.parametrize("position", [None, "", " ", "XX", "PA AP", "PA\\AP", "P"])
@pytest.mark.parametrize(
    ("orientation", "view"),
    [
        ("L\\F", "PA or AP"),
        ("R\\F", "PA or AP"),
        ("A\\F", "lateral"),
        ("P\\F", "lateral"),
        ("p\\f", "lateral"),
        # Oblique rows, a patient who lies on the side, and texts that are no orientation.
        ("LA\\F", None),
        ("F\\L", None),
        ("L\\H", None),
        ("\\F", None),
        ("L", None),
        ("F", None),
        ("L\\F\\F", None),
        ("", None),
        (None, None),
    ],
)
def test_without_it_the_orientation_does(
    position: str | None, orientation: str | None, view: str | None
) -> None:
    assert view_of(position, orientation) == view


def test_the_position_counts_where_both_tell() -> None:
    assert view_of("LL", "L\\F") == "lateral"
    assert view_of("AP", "A\\F") == "AP"


@pytest.mark.parametrize(
    ("position", "view"), [("SWIMMERS", "other"), ("LL", "decubitus"), ("", None), ("PA", "PA"), ("XX", None)]
)
def test_spellings_of_a_release_come_first(position: str, view: str | None) -> None:
    spellings = {"": "unknown", "LL": "decubitus", "SWIMMERS": "other"}
    assert view_of(position, None, spellings) == view
    assert view_of(position, "L\\F", spellings) == (view or "PA or AP")


@pytest.mark.parametrize(("position", "view"), [("PA", "PA"), ("ap", "AP"), ("LL", None), (None, None)])
def test_of_frontal_films_no_other_view_is_believed(position: str | None, view: str | None) -> None:
    assert frontal_view_of(position) == view
