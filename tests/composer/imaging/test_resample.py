"""Resampling against float64, and what integers guarantee."""

import math
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from composer.imaging import Facts, Recipe
from composer.imaging.geometry import reshape
from composer.imaging.picture import Grey, Pixels
from composer.imaging.resample import Axis, resample

Matrix = NDArray[np.float64]


def lanczos(axis: Axis) -> Matrix:
    """Return the Lanczos-3 weights of one axis in float64, of shape (wanted, size)."""
    scale = axis.size / axis.scaled
    stretch = max(1.0, scale)
    weights = np.zeros((axis.stop - axis.start, axis.size))
    for place in range(len(weights)):
        center = (axis.start + place + 0.5) * scale
        x = (np.arange(axis.size) + 0.5 - center) / stretch
        kernel = np.sinc(x) * np.sinc(x / 3) * (np.abs(x) < 3)
        weights[place] = kernel / kernel.sum()
    return weights


def ideal(grey: Grey, down: Axis, across: Axis) -> Matrix:
    return np.clip(lanczos(down) @ grey.table[grey.index] @ lanczos(across).T, 0, 1)


def noisy(rows: int, columns: int, bits: int) -> Grey:
    """Return a film with grain, edges and the whole range of its bits."""
    down, across = np.mgrid[0:rows, 0:columns]
    grain = np.random.default_rng(3).normal(0, 0.05, (rows, columns))
    edges = 0.3 * ((across // 37 + down // 53) % 2)
    y = np.clip(0.35 + 0.3 * np.sin(across / 90) * np.cos(down / 70) + grain + edges, 0, 1)
    index = np.rint(y * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    return Grey(index, np.arange(2**bits) / (2**bits - 1))


def whole(size: int, scaled: int) -> Axis:
    return Axis(size, scaled, 0, scaled)


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("bits", [8, 14])
@pytest.mark.parametrize("scaled", [(140, 100), (511, 401), (900, 640), (20, 7), (1, 1)])
def test_error_is_that_of_one_rounding(bits: int, scaled: tuple[int, int], white: int) -> None:
    grey = noisy(512, 400, bits)
    down, across = whole(512, scaled[0]), whole(400, scaled[1])
    error = np.abs(resample(grey, down, across, white) - white * ideal(grey, down, across))
    assert error.max() <= 1.0
    if error.size > 1000:
        assert error.max() <= 0.6
        assert error.mean() <= 0.27


@given(
    size=st.integers(1, 60),
    scaled=st.integers(1, 90),
    level=st.floats(0, 1),
    white=st.sampled_from([255, 65535]),
)
@settings(deadline=None)
def test_one_grey_stays_one_grey(size: int, scaled: int, level: float, white: int) -> None:
    grey = Grey(np.zeros((size, size), np.uint8), np.array([level]))
    picture = resample(grey, whole(size, scaled), whole(size, scaled), white)
    assert np.ptp(picture) == 0
    assert abs(float(picture[0, 0]) - white * level) <= 0.51


@given(rows=st.integers(2, 50), columns=st.integers(2, 50), data=st.data())
@settings(deadline=None)
def test_sums_do_not_overflow(rows: int, columns: int, data: st.DataObject) -> None:
    """Black and white alone, in the patterns that overshoot most."""
    scaled = data.draw(st.tuples(st.integers(1, 80), st.integers(1, 80)))
    index = np.array(data.draw(st.lists(st.integers(0, 1), min_size=columns, max_size=columns)), np.uint8)
    film = np.tile(index, (rows, 1)) ^ (np.arange(rows, dtype=np.uint8)[:, None] % 2)
    grey = Grey(film, np.array([0.0, 1.0]))
    down, across = whole(rows, scaled[0]), whole(columns, scaled[1])
    for white in (255, 65535):
        error = np.abs(resample(grey, down, across, white) - white * ideal(grey, down, across))
        assert error.max() <= 1.0


@pytest.mark.parametrize("white", [255, 65535])
def test_part_is_cut_out_of_the_whole(white: int) -> None:
    grey = noisy(200, 150, 12)
    picture = resample(grey, whole(200, 64), whole(150, 48), white)
    part = resample(grey, Axis(200, 64, 10, 50), Axis(150, 48, 7, 9), white)
    np.testing.assert_array_equal(part, picture[10:50, 7:9])


@pytest.mark.parametrize(("size", "scaled"), [(200, 64), (201, 64), (64, 200), (100, 100)])
def test_mirrored_film_gives_the_mirrored_picture(size: int, scaled: int) -> None:
    grey = noisy(size, size, 8)
    picture = resample(grey, whole(size, scaled), whole(size, scaled), 255)
    for axis in (0, 1):
        mirrored = replace(grey, index=np.flip(grey.index, axis))
        turned: Pixels = resample(mirrored, whole(size, scaled), whole(size, scaled), 255)
        # Of two equal weights in the middle one takes what rounding left over.
        assert np.abs(np.flip(turned, axis).astype(int) - picture).max() <= 1


@pytest.mark.parametrize("scaled", [33, 60, 100, 130])
def test_what_is_finer_than_the_picture_becomes_grey(scaled: int) -> None:
    """Stripes above the frequency that the picture can hold must not come back as coarser ones."""
    place = np.arange(400)
    for period in np.linspace(2.0, 0.75 * 400 / scaled * 2, 9):
        stripes = 0.5 + 0.5 * np.sin(2 * math.pi * place / period)
        grey = Grey(np.rint(np.tile(stripes, (400, 1)) * 255).astype(np.uint8), np.arange(256) / 255)
        picture = resample(grey, whole(400, scaled), whole(400, scaled), 255)
        inside = picture[:, 3:-3].astype(float)
        assert inside.std() <= 16, period


def test_columns_and_rows_are_not_confused() -> None:
    index = np.zeros((30, 20), np.uint16)
    index[:, 15:] = 1
    picture = resample(Grey(index, np.array([0.0, 1.0])), whole(30, 6), whole(20, 4), 255)
    assert picture.shape == (6, 4)
    assert (picture[:, 3] > 230).all()
    assert (picture[:, :2] < 30).all()


def test_film_that_is_a_view_of_another_is_read_right() -> None:
    grey = noisy(90, 120, 12)
    turned: NDArray[np.uint16] = grey.index.T.astype(np.uint16, copy=False)
    assert not turned.flags.c_contiguous
    view = replace(grey, index=turned)
    copy = replace(grey, index=np.ascontiguousarray(turned))
    axes = whole(120, 50), whole(90, 40)
    np.testing.assert_array_equal(resample(view, *axes, 255), resample(copy, *axes, 255))


@pytest.mark.long
def test_damaged_cache_is_no_obstacle(tmp_path: Path) -> None:
    code = "import composer.imaging.warm; print('compiled')"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout == "compiled\n", done.stderr
        kept = [path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc")]
        assert kept
        for path in kept:
            path.write_bytes(path.read_bytes()[:50])


@pytest.mark.parametrize("shape", [(1, 60_000), (60_000, 1), (2, 3)])
def test_long_and_thin_films_take_little(shape: tuple[int, int]) -> None:
    """Of a film that is cropped only what the crop needs is computed."""
    facts = Facts()
    grey = Grey(np.full(shape, 7, np.uint8), np.arange(256) / 255)
    tracemalloc.start()
    picture = reshape(grey, 1.0, Recipe(size=512), facts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert picture.shape == (512, 512)
    assert (picture == 7).all()
    assert peak < 40e6
