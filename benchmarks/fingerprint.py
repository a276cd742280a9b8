"""How near the fingerprints of copies of a film are, and how far those of other films.

``python -m benchmarks.fingerprint`` prints distances of fingerprints in bits of 256 and mean squared errors
of pictures: of copies, of two films of one person, and of films of different people. Films are made up: the
chest of pydicom-data and those of the demo, bent by smooth random fields, mixed, with texture, noise,
collimation and marker. All have the same gross anatomy, many the same skeleton, so that they are more alike
than those of a hospital. ``--film PATH`` adds a real film to bend, ``--people N`` sets how many people
there are.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert
from composer.imaging.fingerprint import RADIUS, distance, fingerprint
from composer.imaging.picture import Grey
from composer.imaging.similarity import compare
from composer.twins.candidates import near_pairs

Levels = NDArray[np.uint8]
Prints = NDArray[np.uint8]

SIDE = 512
EIGHT_BITS = np.arange(256) / 255
# How far two films of one person are bent, shifted and turned against each other.
PERSON = {"scale": 0.08, "shift": 0.03, "turn": 0.05, "bend": 0.05}
OTHER_DAY = {"scale": 0.03, "shift": 0.03, "turn": 0.035, "bend": 0.012}
SAME_MINUTE = {"scale": 0.008, "shift": 0.008, "turn": 0.009, "bend": 0.005}


def _jpeg(picture: Levels, quality: int) -> Levels:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def _resized(picture: Levels, columns: int, rows: int) -> Levels:
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BICUBIC))


def _windowed(picture: Levels, low: float, high: float) -> Levels:
    black, white = np.quantile(picture, (low, high))
    return np.asarray(np.rint(255 * ((picture - black) / (white - black)).clip(0, 1)), dtype=np.uint8)


def _curved(picture: Levels, gamma: float) -> Levels:
    return np.asarray(np.rint(255 * (picture / 255) ** gamma), dtype=np.uint8)


def _equalised(picture: Levels) -> Levels:
    count = np.cumsum(np.bincount(picture.ravel(), minlength=256))
    first = count[picture.min()]
    return np.asarray(np.rint(255 * (count - first) / (count[-1] - first)), dtype=np.uint8)[picture]


def _cropped(picture: Levels, share: float) -> Levels:
    cut = round(share * len(picture))
    return picture[cut:-cut, cut:-cut]


def _bordered(picture: Levels, share: float, level: int) -> Levels:
    return np.pad(picture, round(share * len(picture)), constant_values=level)


COPIES: dict[str, Callable[[Levels], Levels]] = {
    "JPEG 95": lambda picture: _jpeg(picture, 95),
    "JPEG 75": lambda picture: _jpeg(picture, 75),
    "JPEG 50": lambda picture: _jpeg(picture, 50),
    "window: 1 % clipped at both ends": lambda picture: _windowed(picture, 0.01, 0.99),
    "window: 5 % clipped at both ends": lambda picture: _windowed(picture, 0.05, 0.95),
    "window: the brightest 20 % clipped": lambda picture: _windowed(picture, 0.02, 0.8),
    "gamma 0.5": lambda picture: _curved(picture, 0.5),
    "gamma 2": lambda picture: _curved(picture, 2),
    "histogram equalised": _equalised,
    "negative": lambda picture: 255 - picture,
    "mirror image": lambda picture: picture[:, ::-1],
    "224 x 224": lambda picture: _resized(picture, 224, 224),
    "1000 x 800": lambda picture: _resized(picture, 1000, 800),
    "2048 x 2048": lambda picture: _resized(picture, 2048, 2048),
    "224 x 224, JPEG 75, equalised": lambda picture: _equalised(_jpeg(_resized(picture, 224, 224), 75)),
    "1 % cut off each side": lambda picture: _cropped(picture, 0.01),
    "2.5 % cut off each side": lambda picture: _cropped(picture, 0.025),
    "2.5 % cut off two sides": lambda picture: picture[round(0.025 * SIDE) :, round(0.025 * SIDE) :],
    "5 % cut off each side": lambda picture: _cropped(picture, 0.05),
    "black border of 2.5 %": lambda picture: _bordered(picture, 0.025, 0),
    "white border of 2.5 %": lambda picture: _bordered(picture, 0.025, 255),
    "2.5 % cut off, window, JPEG 75": lambda picture: _jpeg(
        _windowed(_cropped(picture, 0.025), 0.05, 0.95), 75
    ),
}


class People:
    """Made-up people, and films of them."""

    def __init__(self, films: list[Path]) -> None:
        recipe = Recipe(size=SIDE, resize="stretch", image_format="png", image_mode="L")
        data = [convert(Source(str(path)), recipe).data for path in films]
        self._films = [
            torch.tensor(np.asarray(Image.open(io.BytesIO(png))) / np.float32(255)) for png in data
        ]
        axis = torch.linspace(-1, 1, SIDE)
        self._y, self._x = torch.meshgrid(axis, axis, indexing="ij")
        frequency = (torch.fft.fftfreq(SIDE)[:, None].square() + torch.fft.rfftfreq(SIDE).square()).sqrt()
        self._fade = torch.where(frequency > 2 / SIDE, frequency.clamp(min=1 / SIDE) ** -1.3, 0.0)

    def person(self, seed: int) -> Tensor:
        """Return the anatomy of one: 0 to 1, 512 x 512."""
        chance = np.random.default_rng(seed)
        anatomy = self._bent(self._base(chance, seed), chance, **PERSON)
        if chance.random() < 0.35:
            anatomy = anatomy.lerp(
                self._bent(self._base(chance, seed), chance, **PERSON), chance.uniform(0.3, 0.7)
            )
        for _ in range(chance.integers(4)):
            x, y, size = chance.uniform((-0.6, -0.5, 0.05), (0.6, 0.5, 0.25))
            distance_squared = (self._x - x).square() + (self._y - y).square()
            anatomy = anatomy + chance.uniform(0.05, 0.2) * torch.exp(-distance_squared / size**2)
        spectrum = torch.fft.rfft2(torch.tensor(chance.standard_normal((SIDE, SIDE)), dtype=torch.float32))
        texture = torch.fft.irfft2(spectrum * self._fade, s=(SIDE, SIDE))
        textured: Tensor = anatomy + chance.uniform(0.01, 0.035) * texture / texture.std()
        return textured.clamp(0, 1.2) / 1.2

    def film(self, anatomy: Tensor, seed: int, **pose: float) -> Tensor:
        """Return a film of a person: another pose, exposure, noise, collimation and marker each time."""
        chance = np.random.default_rng(seed)
        levels = self._bent(anatomy, chance, **pose).clamp(0, 1) ** chance.uniform(0.75, 1.35)
        levels = chance.uniform(0.75, 1) * levels + chance.uniform(0, 0.1)
        noise = torch.tensor(chance.standard_normal((SIDE, SIDE)), dtype=torch.float32)
        levels = levels + chance.uniform(0.005, 0.02) * noise
        if chance.random() < 0.5:
            top, left, bottom, right = np.maximum(0, SIDE * chance.uniform(-0.05, 0.07, 4)).astype(int)
            collimated = torch.full_like(levels, chance.uniform(0, 0.05))
            shown = slice(top, SIDE - bottom), slice(left, SIDE - right)
            collimated[shown] = levels[shown]
            levels = collimated
        y, x = (SIDE * chance.uniform((0.02, 0.03), (0.12, 0.9))).astype(int)
        levels[y : y + 18, x : x + 6] = 1
        return levels.clamp(0, 1)

    def _base(self, chance: np.random.Generator, seed: int) -> Tensor:
        choice = int(chance.integers(len(self._films) + 2))
        if choice < len(self._films):
            return self._films[choice]
        view = ("PA", "AP")[choice - len(self._films)]
        return torch.tensor(film(seed, rows=SIDE, columns=SIDE, view=view))

    def _bent(
        self,
        picture: Tensor,
        chance: np.random.Generator,
        scale: float,
        shift: float,
        turn: float,
        bend: float,
    ) -> Tensor:
        angle = chance.uniform(-turn, turn)
        x = np.cos(angle) * self._x - np.sin(angle) * self._y
        y = np.sin(angle) * self._x + np.cos(angle) * self._y
        field = torch.stack([line * (1 + chance.uniform(-scale, scale)) for line in (x, y)])
        field += torch.tensor(2 * chance.uniform(-shift, shift, (2, 1, 1)), dtype=torch.float32)
        for knots, amplitude in ((4, bend), (8, 0.4 * bend)):
            grid = torch.tensor(amplitude * chance.standard_normal((1, 2, knots, knots)), dtype=torch.float32)
            field += interpolate(grid, size=(SIDE, SIDE), mode="bicubic", align_corners=True)[0]
        places = field.permute(1, 2, 0)[None]
        return grid_sample(picture[None, None], places, padding_mode="border", align_corners=True)[0, 0]


def _levels(picture: Tensor) -> Levels:
    return np.asarray(np.rint(255 * picture.numpy()), dtype=np.uint8)


def _print(picture: Levels) -> Prints:
    return np.frombuffer(fingerprint(Grey(picture, EIGHT_BITS)), np.uint8)


def measure(people: People, number: int, compared: int) -> None:
    """Print both tables for ``number`` people, of whom ``compared`` are copied and filmed again."""
    prints = []
    bits: dict[str, list[int]] = {}
    errors: dict[str, list[float]] = {}
    verified: dict[str, list[bool]] = {}

    def note(name: str, one: Levels, other: Levels) -> None:
        similarity = compare(one, other)
        bits.setdefault(name, []).append(int(distance(_print(one), _print(other))))
        errors.setdefault(name, []).append(similarity.mean_squared_error)
        verified.setdefault(name, []).append(similarity.same_radiograph)

    before: Levels | None = None
    for seed in range(number):
        anatomy = people.person(seed)
        first = people.film(anatomy, seed, **OTHER_DAY)
        picture = _levels(first)
        prints.append(_print(picture))
        if seed >= compared:
            continue
        for name, copy in COPIES.items():
            note(name, picture, np.ascontiguousarray(copy(picture)))
        note("one person, bent by 1 %", picture, _levels(people.film(first, number + seed, **SAME_MINUTE)))
        note("one person, another day", picture, _levels(people.film(anatomy, number + seed, **OTHER_DAY)))
        if before is not None:
            note("two people", picture, before)
        before = picture
    print(f"{'':36} bits: median  99 %  most  within {RADIUS}   error: least median  most  same radiograph")
    for name, found in bits.items():
        error = errors[name]
        near = np.mean(np.array(found) <= RADIUS)
        print(
            f"{name:36} {statistics.median(found):12.0f} {np.quantile(found, 0.99):5.0f} {max(found):5}"
            f" {near:10.4f} {min(error):14.2f} {statistics.median(error):6.1f} {max(error):6.1f}"
            f" {np.mean(verified[name]):10.4f}"
        )
    _print_pairs(np.array(prints))


def _print_pairs(prints: Prints) -> None:
    number = len(prints)
    pairs = number * (number - 1) // 2
    print(f"\n{pairs:,} pairs of different people; bits: pairs within, share, candidates per film of 930,000")
    for radius in (16, 24, 32, 40, 48, RADIUS, 60, 70):
        near = len(near_pairs(prints, radius, os.cpu_count() or 1))
        print(f"{radius:4} {near:8} {near / pairs:10.1e} {930_000 * near / pairs:10.2f}")


def measure_costs() -> None:
    """Print milliseconds of a fingerprint and a comparison, and seconds of the search among 100,000."""
    chance = np.random.default_rng(0)
    for rows, columns, bits in ((3056, 2544, 12), (1024, 1024, 8)):
        white = (1 << bits) - 1
        index = chance.integers(0, white + 1, (rows, columns)).astype(np.uint16)
        grey = Grey(index, np.arange(white + 1) / white)
        duration = _milliseconds(partial(fingerprint, grey), 200)
        print(f"fingerprint of {rows} x {columns}: {duration:.2f} ms")
    one = _levels(torch.tensor(film(1, rows=1024, columns=1024)))
    other = _levels(torch.tensor(film(2, rows=1024, columns=1024)))
    print(f"comparison of copies: {_milliseconds(partial(compare, one, one), 20):.0f} ms")
    print(f"comparison of others: {_milliseconds(partial(compare, one, other), 20):.0f} ms")
    prints = chance.integers(0, 256, (100_000, 32)).astype(np.uint8)
    near_pairs(prints[:10], RADIUS, 1)
    start = time.perf_counter()
    near_pairs(prints, RADIUS, os.cpu_count() or 1)
    seconds = time.perf_counter() - start
    print(f"all pairs of 100,000: {seconds:.1f} s; of 930,000: {86.5 * seconds:.0f} s")


def _milliseconds(call: Callable[[], object], times: int) -> float:
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return 1000 * statistics.median(durations)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--compared", type=int, default=50)
    parser.add_argument("--film", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chest = get_testdata_file("RG1_UNCR.dcm", download=False)
    if not isinstance(chest, str):
        raise SystemExit("RG1_UNCR.dcm is missing: install pydicom-data")
    measure_costs()
    measure(People([Path(chest), *arguments.film]), arguments.people, arguments.compared)


if __name__ == "__main__":
    main()
