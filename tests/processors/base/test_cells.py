"""Ages, sexes and numbers in every way in which they are written."""

import pytest

from processors.base import age_in_years, floats, sex_of


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("58", 58),
        ("058Y", 58),
        ("0", 0),
        ("006M", 0.5),
        ("010W", 0.19),
        ("001D", 0),
        (" 58 ", 58),
        ("120Y", 120),
        ("121Y", None),
        ("414Y", None),
        ("1500M", None),
        ("", None),
        ("Y", None),
        ("-5", None),
        ("58 years", None),
    ],
)
def test_age_in_years(text: str, years: float | None) -> None:
    assert age_in_years(text) == years


@pytest.mark.parametrize(
    ("cell", "sex"),
    [("M", "M"), ("F", "F"), ("Male", "M"), ("Female", "F"), ("", None), ("O", None), ("Unknown", None)],
)
def test_sex_of(cell: str, sex: str | None) -> None:
    assert sex_of(cell) == sex


class TestFloats:
    def test_numbers(self) -> None:
        assert floats(["1", "-2.5", "3e2"]) == (1.0, -2.5, 300.0)

    @pytest.mark.parametrize("cell", ["", "x", "nan", "inf", "-inf", "1,5"])
    def test_one_cell_that_is_no_finite_number_is_enough(self, cell: str) -> None:
        assert floats(["1", cell]) is None
