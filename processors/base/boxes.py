"""Rectangles, polygons and ellipses around findings, as tables write them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from processors.base.cells import floats

# Left, top, width, height.
Sides = tuple[float, float, float, float]

_CORNERS = 64
_CIRCLE = [
    (math.cos(2 * math.pi * corner / _CORNERS), math.sin(2 * math.pi * corner / _CORNERS))
    for corner in range(_CORNERS)
]


def sides_of(cells: Sequence[str]) -> Sides | None:
    """Return the sides of a box that is written as left, top, width, height.

    None when the cells are no four numbers, or width or height is not above zero.
    """
    numbers = floats(cells)
    if numbers is None or len(numbers) != 4 or min(numbers[2:]) <= 0:
        return None
    left, top, width, height = numbers
    return left, top, width, height


def sides_around(corners: Sequence[float]) -> Sides | None:
    """Return the sides of the box around corners x1, y1, x2, y2, ...; None when it has no area."""
    left, top = min(corners[::2]), min(corners[1::2])
    width, height = max(corners[::2]) - left, max(corners[1::2]) - top
    return (left, top, width, height) if width > 0 and height > 0 else None


def ellipse(left: float, top: float, width: float, height: float) -> tuple[float, ...]:
    """Return corners x1, y1, ... on the ellipse that fills a box, to a hundredth of a pixel."""
    centre_x, centre_y = left + width / 2, top + height / 2
    corners = ((centre_x + x * width / 2, centre_y + y * height / 2) for x, y in _CIRCLE)
    return tuple(round(number, 2) for corner in corners for number in corner)
