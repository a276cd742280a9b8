"""What labels state, as signs on the made-up films: an invented effusion can be seen.

As in ``phantom.py``, only operations that IEEE 754 rounds exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from composer.demo.shapes import Film, Plane, edge, ellipse, float32
from composer.labels import read_image
from composer.labels.image import Statement

# All of these are one white patch; a mass is as large, and only its outline differs.
PATCHES = frozenset({"consolidation", "infiltration", "lung_opacity", "mass", "pneumonia"})


class Signs(NamedTuple):
    """Where a person's signs are, whether shown or not; lengths in half sides of the central square.

    A side is 1 for the right of the picture and -1 for the left. The patch has the distances of its centre
    from the midline and from the middle of the picture, downwards, and its half axes.
    """

    fluid_side: int
    fluid_level: float
    air_side: int
    patch_side: int
    patch: tuple[float, float, float, float]


def signs_of(seed: int) -> Signs:
    """Return the signs of an invented person; the anatomy has a random generator of its own."""
    chance = np.random.default_rng((seed, 1))

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(chance.random())

    def side() -> int:
        return 1 if chance.random() < 0.5 else -1

    return Signs(
        fluid_side=side(),
        fluid_level=between(0.1, 0.22),
        air_side=side(),
        patch_side=side(),
        patch=(between(0.34, 0.4), between(-0.36, -0.1), between(0.19, 0.23), between(0.2, 0.27)),
    )


def shown(dataset: str, statements: Iterable[Statement]) -> frozenset[str]:
    """Return the terms of the common vocabulary that are present on an image.

    Parameters
    ----------
    dataset
        Name of the dataset's folder.
    statements
        Label, value and labeller, as the index will have them.
    """
    values = read_image(dataset, statements).values
    return frozenset(term for term, value in values.items() if value == 1)


def stated(labels: str, cells: str, labeller: str) -> list[Statement]:
    """Return what a row of CheXpert's form states: names and cells with commas between, blank or a number."""
    pairs = zip(labels.split(","), cells.split(","), strict=True)
    return [(label, int(float(cell)), labeller) for label, cell in pairs if cell]


def draw_air(picture: Film, signs: Signs, x: Plane, y: Plane, lungs: Film) -> Film:
    """Draw a pneumothorax on lungs without vessels: a collapsed lung, its outline, and a black rim."""
    side = x * np.float32(signs.air_side)
    of_one_side = lungs * edge(-side, 0.02)
    outline = np.square((side - 0.25) / np.float32(0.23)) + np.square((y - 0.1) / np.float32(0.5)) - 1
    collapsed = edge(float32(outline), 0.1)
    line = edge(float32(np.abs(outline) - 0.08), 0.1)
    picture = picture * (1 - 0.75 * of_one_side * (1 - collapsed))
    return float32(picture + of_one_side * (0.12 * collapsed + 0.15 * line))


def draw_patch(picture: Film, signs: Signs, x: Plane, y: Plane, lungs: Film) -> Film:
    """Draw an opacity of a lung, densest in its middle."""
    across, down, width, height = signs.patch
    place = ellipse(x * np.float32(signs.patch_side) - across, y - down, width, height, 1.6)
    return float32(picture + 0.8 * (0.66 - picture) * place * lungs)


def draw_fluid(picture: Film, signs: Signs, x: Plane, y: Plane) -> Film:
    """Draw an effusion at the bottom of a lung: white up to a level that rises towards the side."""
    side = x * np.float32(signs.fluid_side)
    level = signs.fluid_level - 0.9 * np.square(np.maximum(side - 0.2, 0))
    # A little wider than the lung, whose soft outline would show as a dark line.
    fluid = edge(level - y, 0.08) * ellipse(side - 0.37, y - 0.02, 0.37, 0.8, 0.3)
    return float32(np.maximum(picture, 0.68 * fluid))
