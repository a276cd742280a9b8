"""Made-up chest films: enough anatomy to be judged at a glance, and a marker that tells them apart.

Every value comes from operations that IEEE 754 rounds exactly (no exp, no sin) and from numpy's seeded
generator, so that a film is the same on every processor and its pixels can be compared by hash.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from composer.demo.findings import PATCHES, Signs, draw_air, draw_fluid, draw_patch, signs_of
from composer.demo.shapes import Film, Plane, edge, ellipse, float32, stripes

# The marker: in the upper left corner of the central square, four rows of five lead squares. The first column
# is the same on every film (set, blank, set, blank); the other sixteen are the bits of the seed.
SEEDS = 2**16
_ANCHOR = (1, 0, 1, 0)
_MARKER_CELL = 1 / 48
_MARKER_ORIGIN = 1.0


class _Body(NamedTuple):
    """What differs between the people on the films; lengths in half sides of the central square."""

    width: float
    shift: float
    heart: float
    rib_spacing: float
    apex: float
    dome: float
    air: float
    nodules: tuple[tuple[float, float, float], ...]


def film(
    seed: int, *, rows: int, columns: int, view: str = "PA", findings: Collection[str] = frozenset()
) -> Film:
    """Draw an invented chest radiograph.

    Parameters
    ----------
    seed
        Which invented person: 0 to 65,535. It decides the anatomy and is written in the marker.
    rows, columns
        Size in pixels. Anatomy and marker lie in the central square; a longer side shows more of the room.
    view
        ``"PA"``, ``"AP"`` (a wider heart) or ``"lateral"``.
    findings
        Terms of the common vocabulary that a frontal film shows: ``"cardiomegaly"``, ``"effusion"``,
        ``"pneumothorax"`` and those of `PATCHES`. Other terms have no sign, and a lateral film shows none.
        Nothing else of the film depends on them.

    Returns
    -------
    Array of rows x columns, 0 (black: air) to 1 (white: lead).

    Raises
    ------
    ValueError
        When the seed or the view is another one.
    """
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed is {seed}; expected 0 to {SEEDS - 1}")
    if view not in ("PA", "AP", "lateral"):
        raise ValueError(f"view is {view!r}; expected 'PA', 'AP' or 'lateral'")
    chance = np.random.default_rng(seed)
    body = _draw_body(chance)
    half = min(rows, columns) / 2
    y = ((np.arange(rows, dtype=np.float32) + np.float32(0.5 - rows / 2)) / np.float32(half))[:, None]
    x = ((np.arange(columns, dtype=np.float32) + np.float32(0.5 - columns / 2)) / np.float32(half))[None, :]
    if view == "lateral":
        picture = _lateral(body, x, y)
    else:
        picture = _frontal(body, signs_of(seed), x, y, ap=view == "AP", findings=findings)
    picture += np.float32(0.05) * (chance.random((rows, columns), dtype=np.float32) - np.float32(0.5))
    np.clip(picture, 0, 1, out=picture)
    _stamp(picture, seed)
    return picture


def seed_of(picture: NDArray[np.generic]) -> int:
    """Read the marker of a film back, also after resizing, a central crop and lossy compression.

    Parameters
    ----------
    picture
        A grey array in any range of values.

    Raises
    ------
    ValueError
        When no marker is there: another picture, or this one inverted, turned or blank.
    """
    values = np.asarray(picture, dtype=np.float64)
    places = _marker_cells(values.shape, inset=0.3)
    cells = [[float(values[place].mean()) for place in line] for line in places]
    anchors = [line[0] for line in cells]
    dark, light = max(anchors[1::2]), min(anchors[::2])
    if light - dark < 0.5 * (values.max() - values.min()) or light == dark:
        raise ValueError("no marker in the upper left corner: another picture, or inverted, turned or blank")
    bits = [cell > (light + dark) / 2 for line in cells for cell in line[1:]]
    return sum(bit << place for place, bit in enumerate(bits))


def _draw_body(chance: np.random.Generator) -> _Body:
    def between(low: float, high: float) -> float:
        # Not Generator.uniform: compilers for some processors fuse its multiplication and addition.
        return low + (high - low) * float(chance.random())

    nodules = tuple(
        (between(0.22, 0.5) * (-1, 1)[i % 2], between(-0.45, 0.15), between(0.02, 0.06))
        for i in range(int(between(0, 5)))
    )
    return _Body(
        width=between(0.86, 1.08),
        shift=between(-0.05, 0.05),
        heart=between(0.85, 1.2),
        rib_spacing=between(0.13, 0.18),
        apex=between(-0.76, -0.66),
        dome=between(0.42, 0.56),
        air=between(0.13, 0.27),
        nodules=nodules,
    )


def _frontal(body: _Body, signs: Signs, x: Plane, y: Plane, *, ap: bool, findings: Collection[str]) -> Film:
    x = (x - np.float32(body.shift)) / np.float32(body.width)
    side = np.abs(x)
    torso = edge(side - (0.84 + 0.1 * y - 0.5 * np.maximum(-0.62 - y, 0) * 3), 0.05)
    neck = edge(side - 0.24, 0.06) * edge(y + 0.6, 0.3)
    inside = np.maximum(torso, neck)
    picture = 0.03 + 0.5 * inside
    picture += 0.1 * ellipse(side - 0.78, y + 0.62, 0.16, 0.2, 0.6) * torso
    dome = body.dome + 0.9 * np.square(side - 0.36) + 0.05 * (x > 0)
    above = edge(y - dome, 0.04)
    lungs = ellipse(side - 0.37, y - 0.02, 0.32, 0.02 - body.apex, 0.3) * above
    picture += (body.air - picture) * lungs
    if "pneumothorax" in findings:
        picture = draw_air(picture, signs, x, y, lungs)
    picture += 0.15 * (1 - above) * torso
    picture += 0.07 * _ribs(body, side, y) * ellipse(side - 0.1, y + 0.02, 0.66, 0.84, 0.4)
    picture += (
        0.14
        * edge(np.abs(y + 0.66 + 0.22 * (side - 0.35)) - 0.028, 0.03)
        * edge(np.abs(side - 0.37) - 0.3, 0.05)
    )
    # The lungs' vessels spread from the roots.
    picture += 0.16 * ellipse(side - 0.17, y - 0.02, 0.13, 0.22, 1.0) * lungs
    for across, down, radius in body.nodules:
        picture += 0.25 * ellipse(x - across, y - down, radius, radius, 1.4) * lungs
    if not PATCHES.isdisjoint(findings):
        picture = draw_patch(picture, signs, x, y, lungs)
    if "effusion" in findings:
        picture = draw_fluid(picture, signs, x, y)
    picture = np.maximum(picture, 0.62 * edge(side - 0.13, 0.05) * inside)
    heart, height = body.heart * (1.2 if ap else 1.0), 0.29
    if "cardiomegaly" in findings:
        # Beyond the widest of the others, which is 1.44.
        heart, height = 1.4 + 0.25 * body.heart, 0.38
    ventricles = ellipse(x - 0.12 * heart - 0.25 * (y - 0.27), y - 0.27, 0.3 * heart, height, 0.45)
    aortic_knob = ellipse(x - 0.09, y + 0.3, 0.13, 0.13, 0.5)
    picture = np.maximum(picture, 0.62 * np.maximum(ventricles * above, 0.95 * aortic_knob))
    picture += 0.13 * edge(side - 0.06, 0.03) * (0.55 + 0.45 * stripes(y, 0.11)) * inside
    trachea = edge(side - 0.035, 0.03) * edge(y + 0.18, 0.1) * inside
    return float32(picture - 0.14 * trachea)


def _lateral(body: _Body, x: Plane, y: Plane) -> Film:
    x = (x - np.float32(body.shift)) / np.float32(body.width)
    torso = ellipse(x, y - 0.25, 0.72, 1.25, 0.12) * edge(np.abs(x) - 0.68, 0.06)
    picture = 0.03 + 0.5 * torso
    above = edge(y - (body.dome - 0.04 + 0.5 * np.square(x + 0.1)), 0.05)
    lung = ellipse(x + 0.02, y - 0.05, 0.5, 0.02 - body.apex, 0.3) * above
    picture += (body.air - picture) * lung
    picture += 0.15 * (1 - above) * torso
    picture += 0.06 * _ribs(body, x + 0.55, y) * edge(y - 0.7, 0.5) * torso
    for across, down, radius in body.nodules:
        picture += 0.25 * ellipse(x - 0.5 * across, y - down, radius, radius, 1.4) * lung
    heart = ellipse(x + 0.2 + 0.3 * (y - 0.25), y - 0.25, 0.25 * body.heart, 0.3, 0.5) * above
    picture = np.maximum(picture, 0.6 * heart)
    spine = edge(np.abs(x - 0.47 - 0.08 * y) - 0.09, 0.04) * torso
    picture += 0.22 * spine * (0.45 + 0.55 * stripes(y, 0.12))
    sternum = edge(np.abs(x + 0.5 - 0.12 * y) - 0.025, 0.03) * edge(np.abs(y + 0.1) - 0.4, 0.1)
    return float32(picture + 0.12 * sternum * torso)


def _ribs(body: _Body, side: Plane, y: Plane) -> Film:
    """Posterior ribs fall away from the spine, the fainter anterior ones rise towards the side."""
    posterior = stripes(y + 0.1 * side - 0.55 * np.square(side), body.rib_spacing)
    anterior = stripes(y - 0.75 * side, body.rib_spacing * 1.15)
    return float32(posterior + 0.5 * anterior)


def _stamp(picture: Film, seed: int) -> None:
    for line, places in enumerate(_marker_cells(picture.shape, inset=0.0)):
        bits = (_ANCHOR[line], *(seed >> (4 * line + place) & 1 for place in range(4)))
        for bit, place in zip(bits, places, strict=True):
            picture[place] = bit


def _marker_cells(shape: tuple[int, ...], *, inset: float) -> list[list[tuple[slice, slice]]]:
    rows, columns = shape
    side = min(rows, columns)
    top, left = (rows - side) / 2, (columns - side) / 2
    cell = side * _MARKER_CELL

    def span(start: float, place: int) -> slice:
        first = start + cell * (_MARKER_ORIGIN + place + inset)
        last = start + cell * (_MARKER_ORIGIN + place + 1 - inset)
        return slice(round(first), max(round(last), round(first) + 1))

    return [[(span(top, line), span(left, place)) for place in range(5)] for line in range(4)]
