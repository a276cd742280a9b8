"""What the cells of tables mean: ages, sexes, numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from processors.base.contract import Sex

# The age string of DICOM (PS3.5 6.2): three digits and a unit; tables also leave the unit out.
_AGE = re.compile(r"(\d+)([YMWD]?)")
_UNIT_IN_YEARS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
# NIH's table of 2017 has ages up to 414 years.
_OLDEST = 120

_SEX: dict[str, Sex] = {"M": "M", "F": "F", "Male": "M", "Female": "F"}

# Present or not; the second spellings are of tables that were saved again.
ZERO_OR_ONE = {"0": 0, "0.0": 0, "1": 1, "1.0": 1}


def age_in_years(text: str) -> float | None:
    """Return an age such as ``58``, ``058Y`` or ``003M`` in years, to two decimals.

    None when it is written otherwise or is above 120 years.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    years = int(match[1]) * _UNIT_IN_YEARS[match[2]]
    return round(years, 2) if years <= _OLDEST else None


def sex_of(cell: str) -> Sex | None:
    """Return the sex that a cell such as ``F`` or ``Female`` tells, None for anything else."""
    return _SEX.get(cell)


def floats(cells: Sequence[str]) -> tuple[float, ...] | None:
    """Return the cells as finite numbers, or None when one of them is blank or no number."""
    try:
        numbers = tuple(float(cell) for cell in cells)
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
