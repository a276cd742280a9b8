"""Fingerprints of copies are near each other, those of other films are not."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert
from composer.imaging.fingerprint import RADIUS, SIZE, distance, fingerprint
from composer.imaging.picture import Grey
from tests.composer.imaging.support import real_file

Levels = NDArray[np.uint8]
EIGHT_BITS = np.arange(256) / 255


def print_of(picture: Levels) -> NDArray[np.uint8]:
    return np.frombuffer(fingerprint(Grey(picture, EIGHT_BITS)), np.uint8)


def jpeg(picture: Levels, quality: int) -> Levels:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def resized(picture: Levels, columns: int, rows: int) -> Levels:
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.LANCZOS))


def windowed(picture: Levels, low: float, high: float) -> Levels:
    black, white = np.quantile(picture, (low, high))
    levels: Levels = np.rint(255 * ((picture - black) / (white - black)).clip(0, 1)).astype(np.uint8)
    return levels


def cropped(picture: Levels, share: float) -> Levels:
    down, across = (round(share * size) for size in picture.shape)
    return picture[down:-down, across:-across]


COPIES: dict[str, Callable[[Levels], Levels]] = {
    "jpeg": lambda picture: jpeg(picture, 50),
    "small": lambda picture: resized(picture, 224, 224),
    "large": lambda picture: resized(picture, 2000, 1700),
    "window": lambda picture: windowed(picture, 0.05, 0.9),
    "curve": lambda picture: (picture.astype(np.float64) ** 2 / 255).astype(np.uint8),
    "negative": lambda picture: 255 - picture,
    "mirror": lambda picture: picture[:, ::-1],
    "negative of the mirror": lambda picture: 255 - picture[:, ::-1],
    "crop": lambda picture: cropped(picture, 0.025),
    "border": lambda picture: np.pad(picture, round(0.025 * len(picture))),
    "several": lambda picture: jpeg(255 - resized(cropped(picture[:, ::-1], 0.02), 512, 512), 75),
}


@pytest.fixture(scope="module")
def films() -> list[Levels]:
    conversion = convert(Source(str(real_file("RG1_UNCR.dcm"))), Recipe(image_format="png", image_mode="L"))
    made_up = [
        np.rint(255 * film(seed, rows=900, columns=800, view=view)).astype(np.uint8)
        for seed, view in ((3, "PA"), (5, "AP"), (9, "lateral"))
    ]
    return [np.asarray(Image.open(io.BytesIO(conversion.data))), *made_up]


@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_near(films: list[Levels], copy: str) -> None:
    for picture in films:
        assert distance(print_of(picture), print_of(COPIES[copy](picture))) <= RADIUS


def test_other_films_are_far(films: list[Levels]) -> None:
    prints = np.array([print_of(picture) for picture in films])
    between = distance(prints[:, None], prints)
    assert (np.diag(between) == 0).all()
    assert between[~np.eye(len(films), dtype=bool)].min() > RADIUS


def test_compression_of_white_parts_gives_no_structure_by_chance() -> None:
    # Half of this film is collimation, white in the film itself.
    recipe = Recipe(image_format="png", image_mode="L")
    leg = np.asarray(Image.open(io.BytesIO(convert(Source(str(real_file("RG3_UNCR.dcm"))), recipe).data)))
    assert distance(print_of(leg), print_of(jpeg(leg, 50))) <= 20


def test_does_not_depend_on_bits_or_how_levels_are_stored() -> None:
    levels = film(3, rows=600, columns=500)
    fine = Grey.of_levels(levels)
    index = np.rint(levels * 4095).astype(np.uint16)
    reversed_index = Grey((4095 - index).astype(np.uint16), 1 - np.arange(4096) / 4095)
    twelve_bits = Grey(index, np.arange(4096) / 4095)
    assert fingerprint(twelve_bits) == fingerprint(reversed_index)
    one, other = (np.frombuffer(fingerprint(grey), np.uint8) for grey in (fine, twelve_bits))
    assert distance(one, other) <= 4


def test_is_the_same_on_every_processor() -> None:
    assert fingerprint(Grey.of_levels(film(7, rows=700, columns=600))).hex() == GOLDEN


GOLDEN = "aa2d9cb063db6eed9d6e9519929266a7baa54c5ab9a54b43a54a4c9453aa2653"


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (31, 20), (257, 255)])
def test_any_size(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert len(fingerprint(Grey(picture, EIGHT_BITS))) == SIZE


def test_one_grey_level_has_no_fingerprint() -> None:
    assert fingerprint(Grey(np.full((300, 200), 77, np.uint8), EIGHT_BITS)) == bytes(SIZE)


def test_distance_turns_bits_as_mirror_and_negative_do() -> None:
    chance = np.random.default_rng(1)
    one, other = chance.integers(0, 256, (2, 50, SIZE)).astype(np.uint8)
    turned = np.arange(8 * SIZE) >= 4 * SIZE
    bits, others = (np.unpackbits(prints, axis=1).astype(bool) for prints in (one, other))
    variants = [others, ~others, others ^ turned, ~(others ^ turned)]
    expected = np.min([(bits ^ variant).sum(axis=1) for variant in variants], axis=0)
    np.testing.assert_array_equal(distance(one, other), expected)
