"""Ages in every way in which they are written."""

import pytest

from processors.base import age_in_years


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
