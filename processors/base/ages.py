"""Ages as tables and headers write them."""

from __future__ import annotations

import re

# The age string of DICOM (PS3.5 6.2): three digits and a unit; tables also leave the unit out.
_AGE = re.compile(r"(\d+)([YMWD]?)")
_UNIT_IN_YEARS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
# NIH's table of 2017 has ages up to 414 years.
_OLDEST = 120


def age_in_years(text: str) -> float | None:
    """Return an age such as ``58``, ``058Y`` or ``003M`` in years, to two decimals.

    None when it is written otherwise or is above 120 years.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    years = int(match[1]) * _UNIT_IN_YEARS[match[2]]
    return round(years, 2) if years <= _OLDEST else None
