"""Whether two pictures show one radiograph: compared pixel by pixel, after what conversion may have changed.

Between two copies of a radiograph lie other windows, curves and compression, an inversion or a mirror, a crop
or a border. Two films of one person differ in more: no curve and no crop makes them equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from composer.imaging.picture import Pixels

Plane = NDArray[np.float64]

# The films of RSNA are found among those of NIH at this size: copies have a mean squared error below 10, and
# from there to 50 there is hardly any pair.
SIDE = 256
_MOST_ERROR = 10.0
# A picture with hardly any contrast is explained by every other: a share of its variance must be, too.
_LEAST_EXPLAINED = 0.95

# Registration begins at this size, where a crop of 5 % is less than two pixels, and ends at half of `SIDE`.
_COARSEST = 32
_MOST_STEPS = 20
# Scales and shifts, in half sides of the picture: copies that differ by more are not looked for.
_LOWEST = np.array([0.85, -0.15, 0.85, -0.15])
_HIGHEST = np.array([1.18, 0.15, 1.18, 0.15])
_LONGEST_STEP = 0.05
# Pixels at the edge of the part that both show are mixed with what only one of them shows.
_MARGIN = 4


@dataclass(frozen=True, slots=True)
class Similarity:
    """How far two pictures are from one radiograph.

    Attributes
    ----------
    mean_squared_error
        Between the two at 256 x 256 pixels on the scale of 8 bits, after the curve of grey levels that makes
        them most alike, in the part that both show. When they lie differently, of both smoothed slightly.
    explained
        Share of the variance that this curve explains (the correlation ratio), 0 to 1.
    inverted, mirrored
        Whether one is the negative, or the mirror image, of the other.
    overlap
        Share of the first picture that was compared: what the second shows too, less a narrow margin.
    """

    mean_squared_error: float
    explained: float
    inverted: bool
    mirrored: bool
    overlap: float

    @property
    def same_radiograph(self) -> bool:
        """Whether both are copies of one radiograph."""
        return self.mean_squared_error < _MOST_ERROR and self.explained > _LEAST_EXPLAINED


def compare(first: Pixels, second: Pixels) -> Similarity:
    """Compare two pictures.

    Parameters
    ----------
    first, second
        Of any size and aspect; both are brought to 256 x 256. Smaller ones give larger errors.
    """
    one, other = _thumbnail(first), _thumbnail(second)
    identity = np.array([1.0, 0.0, 1.0, 0.0])
    turned = np.ascontiguousarray(other[:, ::-1])
    best = min(
        (_measure(one, other, identity, mirrored=False), _measure(one, turned, identity, mirrored=True)),
        key=lambda found: found.mean_squared_error,
    )
    if best.same_radiograph:
        return best
    # Interpolation smooths one of them, more or less from place to place: both are made smooth beforehand.
    smooth_one = _smooth(one)
    registered = (
        _measure(smooth_one, _smooth(plane), _register(one, plane, identity), mirrored=mirrored)
        for plane, mirrored in ((other, False), (turned, True))
    )
    return min(best, *registered, key=lambda found: found.mean_squared_error)


def _thumbnail(pixels: Pixels) -> Plane:
    """Return the means of 256 x 256 parts, 0 to 255."""
    levels = pixels.astype(np.float32) / (1 if pixels.dtype == np.uint8 else 257)
    image = Image.fromarray(levels).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float64)


def _measure(one: Plane, other: Plane, place: Plane, *, mirrored: bool) -> Similarity:
    y, x = _positions(place, SIDE)
    shown = np.ix_(*(np.flatnonzero(_inside(position, SIDE))[_MARGIN:-_MARGIN] for position in (y, x)))
    a, b = one[shown].ravel(), _sample(other, y, x)[shown].ravel()
    covariance = np.cov(a, b, bias=True)
    # Where one picture is clipped the other is not a function of it: only the other way round.
    found = []
    for target, source, variance in ((a, b, covariance[0, 0]), (b, a, covariance[1, 1])):
        error = _unexplained(target, source)
        found.append((error, 1 - error / variance if variance > 0 else 0.0))
    error, explained = min(found)
    inverted = bool(covariance[0, 1] < 0)
    return Similarity(float(error), float(explained), inverted, mirrored, a.size / SIDE**2)


def _unexplained(target: Plane, source: Plane) -> float:
    """Return the mean squared error of ``target`` after the nearest function of the levels of ``source``."""
    level = np.rint(source).astype(np.intp)
    count = np.maximum(np.bincount(level), 1)
    mean = np.bincount(level, target) / count
    return float(np.mean(np.square(target - mean[level])))


def _register(one: Plane, other: Plane, place: Plane) -> Plane:
    """Return where ``one`` lies in ``other``: scale and shift down, scale and shift across.

    Gauss-Newton steps on the differences of grey levels, of which gain and offset are fitted too, from coarse
    to fine (Lucas and Kanade 1981).
    """
    pyramid = [(one, other)]
    while len(pyramid[0][0]) > _COARSEST:
        coarse = [plane.reshape(len(plane) // 2, 2, -1, 2).mean((1, 3)) for plane in pyramid[0]]
        pyramid.insert(0, (coarse[0], coarse[1]))
    for target, source in pyramid[:-1]:
        slopes: tuple[Plane, ...] = tuple(np.gradient(source))
        for _ in range(_MOST_STEPS):
            step = _step(target, source, slopes, place)
            place = np.clip(place + step, _LOWEST, _HIGHEST)
            if np.abs(step).max() < 0.05 / len(target):
                break
    return place


def _step(target: Plane, source: Plane, slopes: tuple[Plane, ...], place: Plane) -> Plane:
    size = len(target)
    y, x = _positions(place, size)
    rows, columns = _inside(y, size), _inside(x, size)
    shown = np.ix_(rows, columns)
    centres = _centres(size)
    down, across = centres[rows][:, None], centres[columns][None, :]
    sampled, wanted = _sample(source, y, x)[shown], target[shown]
    gain = np.cov(sampled.ravel(), wanted.ravel(), bias=True)[0, 1] / (sampled.var() + 1e-9)
    slope_down, slope_across = (gain * size / 2 * _sample(slope, y, x)[shown] for slope in slopes)
    error = wanted - wanted.mean() - gain * (sampled - sampled.mean())
    columns_of_jacobian = (
        slope_down * down,
        slope_down,
        slope_across * across,
        slope_across,
        sampled,
        np.ones_like(sampled),
    )
    jacobian = np.stack([column.ravel() for column in columns_of_jacobian])
    normal = jacobian @ jacobian.T
    # A picture without any structure gives no equations.
    normal += np.diag(1e-4 * np.diag(normal) + 1e-9)
    step: Plane = np.linalg.solve(normal, jacobian @ error.ravel())[:4]
    return np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)


def _smooth(plane: Plane) -> Plane:
    """Return means over three neighbours of weights 1, 2, 1 on each axis."""
    for axis in (0, 1):
        plane = (np.roll(plane, 1, axis) + 2 * plane + np.roll(plane, -1, axis)) / 4
    return plane


def _centres(size: int) -> Plane:
    return (np.arange(size) + 0.5) * 2 / size - 1


def _positions(place: Plane, size: int) -> tuple[Plane, Plane]:
    """Return where rows and columns lie, in pixels."""
    centres = _centres(size)
    y, x = place[0] * centres + place[1], place[2] * centres + place[3]
    return (y + 1) * size / 2 - 0.5, (x + 1) * size / 2 - 0.5


def _inside(position: Plane, size: int) -> NDArray[np.bool_]:
    return (position >= 0) & (position <= size - 1)


def _sample(plane: Plane, y: Plane, x: Plane) -> Plane:
    """Interpolate linearly; positions outside get some value."""
    top, left = (np.clip(position.astype(np.intp), 0, len(plane) - 2) for position in (y, x))
    down, across = (y - top)[:, None], x - left
    rows = plane[top] * (1 - down) + plane[top + 1] * down
    sampled: Plane = rows[:, left] * (1 - across) + rows[:, left + 1] * across
    return sampled
