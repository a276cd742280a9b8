"""What a person would notice at first sight of a film, as flags: a picture is never changed for it."""

from __future__ import annotations

from composer.imaging.facts import Facts
from composer.imaging.picture import Grey

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
    # Only workers come here: numba takes half a second to load.
    from composer.imaging.compiled import read_only
    from composer.imaging.samples import measure_film

    down, across = (max(1, size // _SIDE) for size in grey.index.shape)
    corners, centre, black, low, high, white_edge = measure_film(
        read_only(grey.index), grey.table, down, across, 2 * _LEVEL, 1 - 2 * _LEVEL
    )
    if corners - centre > 0.15:
        facts.flag("looks_inverted")
    if black > 0.9:
        facts.flag("nearly_empty")
    if high - low <= 4 * _LEVEL:
        facts.flag("nearly_constant")
    if white_edge > 0.5:
        facts.flag("white_border")
