"""Copies of a radiograph are recognised on their pixels, other films are told apart."""

import io

import numpy as np
import pytest
from PIL import Image

from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert
from composer.imaging.similarity import compare
from tests.composer.imaging.support import real_file
from tests.composer.imaging.test_fingerprint import COPIES, Levels, cropped, jpeg, windowed


@pytest.fixture(scope="module")
def chest() -> Levels:
    conversion = convert(Source(str(real_file("RG1_UNCR.dcm"))), Recipe(image_format="png", image_mode="L"))
    return np.asarray(Image.open(io.BytesIO(conversion.data)))


def made_up(seed: int) -> Levels:
    levels: Levels = np.rint(255 * film(seed, rows=700, columns=700)).astype(np.uint8)
    return levels


@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_the_same_radiograph(chest: Levels, copy: str) -> None:
    for picture in (chest, made_up(3)):
        found = compare(picture, COPIES[copy](picture))
        assert found.same_radiograph, found
        assert found.inverted == (copy.startswith("negative") or copy == "several")
        assert found.mirrored == ("mirror" in copy or copy == "several")


def test_the_order_does_not_matter(chest: Levels) -> None:
    copy = jpeg(windowed(cropped(chest, 0.02), 0.02, 0.8), 75)
    assert compare(chest, copy).same_radiograph
    assert compare(copy, chest).same_radiograph


def test_other_films_are_not(chest: Levels) -> None:
    for one, other in ((chest, made_up(3)), (made_up(3), made_up(4))):
        found = compare(one, other)
        assert not found.same_radiograph
        assert found.mean_squared_error > 50


def test_another_breath_is_another_film(chest: Levels) -> None:
    # The lower half is stretched by 15 %, which no crop does.
    rows = np.arange(1024)
    breath = np.where(rows < 512, rows, 512 + (rows - 512) / 1.15).astype(int)
    assert not compare(chest, chest[breath]).same_radiograph


def test_error_is_on_the_scale_of_8_bits(chest: Levels) -> None:
    noise = np.random.default_rng(0).normal(0, 2, (256, 256)).repeat(4, axis=0).repeat(4, axis=1)
    levels = 10 + 0.9 * chest + noise
    for noisy in (np.rint(levels).astype(np.uint8), np.rint(257 * levels).astype(np.uint16)):
        assert 3.5 < compare(chest, noisy).mean_squared_error < 5


def test_overlap(chest: Levels) -> None:
    assert compare(chest, chest).overlap > 0.9
    assert 0.8 < compare(chest, cropped(chest, 0.03)).overlap < 0.9


@pytest.mark.parametrize("grey", [0, 128])
def test_a_picture_without_contrast_is_like_no_other(chest: Levels, grey: int) -> None:
    flat = np.full((300, 300), grey, np.uint8)
    assert not compare(flat, chest).same_radiograph
    assert not compare(chest, flat).same_radiograph
    faint = (grey + chest / 100).astype(np.uint8)
    assert not compare(faint, made_up(3)).same_radiograph


def test_small_pictures() -> None:
    assert compare(np.array([[9]], np.uint8), np.array([[9, 8]], np.uint8)).same_radiograph is False
