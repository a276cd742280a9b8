"""What a person would notice at first sight of a film, as flags: a picture is never changed for it."""

from __future__ import annotations

import numpy as np

from composer.imaging.facts import Facts
from composer.imaging.picture import Grey, Levels

# A film is judged by about so many of its pixels on each side.
_SIDE = 128
# What has fewer pixels on a side is no film.
_SMALLEST = 32
# Grey levels of 255.
_LEVEL = 1 / 255


def note_oddities(grey: Grey, facts: Facts) -> None:
    """Flag a film that looks inverted, is nearly empty, nearly constant or has a white border.

    On a chest film air, at the corners, is darker than the mediastinum: ``looks_inverted`` means that the
    corners are brighter than the centre by 0.15. Correct films with a white border look so too.
    ``nearly_empty``: nine of ten pixels are black. ``nearly_constant``: 98 of 100 lie within four grey levels
    of 255. ``white_border``: half of the outermost pixels are white.
    """
    if min(grey.index.shape) < _SMALLEST:
        return
    levels = _thinned(grey)
    few = levels.size // 100
    ordered = np.partition(levels, (few, -few - 1), axis=None)
    low, high = ordered[few], ordered[-few - 1]
    if _brightness_of_corners(levels) - _brightness_of_centre(levels) > 0.15:
        facts.flag("looks_inverted")
    if np.mean(levels <= 2 * _LEVEL) > 0.9:
        facts.flag("nearly_empty")
    if high - low <= 4 * _LEVEL:
        facts.flag("nearly_constant")
    edge = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    if np.mean(edge >= 1 - 2 * _LEVEL) > 0.5:
        facts.flag("white_border")


def _thinned(grey: Grey) -> Levels:
    rows, columns = (max(1, size // _SIDE) for size in grey.index.shape)
    return Grey(grey.index[::rows, ::columns], grey.table).levels


def _brightness_of_corners(levels: Levels) -> float:
    rows, columns = (max(1, round(0.05 * size)) for size in levels.shape)
    sides = [(down, across) for down in _ends(rows) for across in _ends(columns)]
    return float(np.mean([levels[side].mean() for side in sides]))


def _ends(count: int) -> tuple[slice, slice]:
    return slice(count), slice(-count, None)


def _brightness_of_centre(levels: Levels) -> float:
    (top, bottom), (left, right) = ((round(0.35 * size), round(0.65 * size)) for size in levels.shape)
    return float(levels[top:bottom, left:right].mean())
