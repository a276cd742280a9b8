"""Soft shapes that made-up films are drawn from, exact to the last bit on every processor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.float32]
Plane = NDArray[Any]


def edge(distance: Plane, softness: float) -> Film:
    """Return 1 where a distance is negative, 0 where positive, a smooth step of that width between."""
    inside = np.clip(np.float32(0.5) - distance * np.float32(1 / softness), 0, 1)
    return float32(inside * inside * (3 - 2 * inside))


def ellipse(x: Plane, y: Plane, width: float, height: float, softness: float) -> Film:
    """Return 1 inside an ellipse of these half axes around (0, 0), 0 outside, a smooth step between."""
    return edge(float32(np.square(x / np.float32(width)) + np.square(y / np.float32(height)) - 1), softness)


def stripes(distance: Plane, period: float) -> Film:
    """Return 1 on stripes as wide as the gaps between them, 0 in the gaps."""
    phase = distance * np.float32(1 / period)
    return edge(float32(np.abs(phase - np.floor(phase) - np.float32(0.5)) - np.float32(0.24)), 0.25)


def float32(values: NDArray[np.floating]) -> Film:
    """Return values in the type of films."""
    return values.astype(np.float32, copy=False)
