"""The made-up films: the same every time, clearly different, and told apart after lossy handling."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from composer.demo.phantom import film, seed_of
from composer.demo.shapes import Film

VIEWS = ("PA", "AP", "lateral")


def eight_bit(picture: Film) -> Image.Image:
    return Image.fromarray(np.rint(picture * 255).astype(np.uint8))


def mean(picture: Film, *, x: tuple[float, float], y: tuple[float, float]) -> float:
    """Average a region given in fractions of the picture."""
    rows, columns = picture.shape
    region = picture[int(y[0] * rows) : int(y[1] * rows), int(x[0] * columns) : int(x[1] * columns)]
    return float(region.mean())


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("rows", "columns"), [(256, 256), (300, 200), (97, 211)])
def test_shape_and_range(view: str, rows: int, columns: int) -> None:
    picture = film(3, rows=rows, columns=columns, view=view)
    assert picture.shape == (rows, columns)
    assert picture.dtype == np.float32
    assert (picture.min(), picture.max()) == (0, 1)


# Whoever changes the drawing on purpose replaces these: the miniatures' bytes change with them.
@pytest.mark.parametrize(
    ("view", "digest"),
    [("PA", "9e21a6898718bc50"), ("AP", "055150fef1d51c62"), ("lateral", "fcd059baadc8406d")],
)
def test_the_same_film_on_every_machine(view: str, digest: str) -> None:
    picture = film(7, rows=128, columns=128, view=view)
    assert hashlib.sha256(picture.astype("<f4").tobytes()).hexdigest()[:16] == digest


def test_other_seeds_are_other_people() -> None:
    pictures = [film(seed, rows=128, columns=128) for seed in range(8)]
    for place, one in enumerate(pictures):
        for other in pictures[place + 1 :]:
            assert np.abs(one - other)[16:].mean() > 0.02


def test_lungs_are_darker_than_what_surrounds_them() -> None:
    for seed in range(20):
        picture = film(seed, rows=256, columns=256)
        lungs = mean(picture, x=(0.25, 0.35), y=(0.3, 0.5))
        assert mean(picture, x=(0, 0.05), y=(0.2, 0.3)) < 0.1 < lungs
        assert lungs + 0.15 < mean(picture, x=(0.47, 0.53), y=(0.3, 0.5))
        assert lungs + 0.15 < mean(picture, x=(0.3, 0.7), y=(0.9, 1))


def test_the_heart_is_wider_from_the_front() -> None:
    for seed in range(20):
        pa, ap = (film(seed, rows=256, columns=256, view=view) for view in ("PA", "AP"))
        assert mean(ap, x=(0.3, 0.8), y=(0.5, 0.7)) > mean(pa, x=(0.3, 0.8), y=(0.5, 0.7)) + 0.01


def test_a_lateral_film_has_its_spine_at_one_side() -> None:
    for seed in range(20):
        picture = film(seed, rows=256, columns=256, view="lateral")
        assert mean(picture, x=(0.7, 0.78), y=(0.3, 0.6)) > mean(picture, x=(0.45, 0.6), y=(0.3, 0.45)) + 0.15


@pytest.mark.parametrize("seed", [0, 1, 0x5A5A, 0xA5A5, 65535])
@pytest.mark.parametrize("view", VIEWS)
def test_the_marker_survives_jpeg_crop_and_resizing(seed: int, view: str) -> None:
    image = eight_bit(film(seed, rows=400, columns=320, view=view))
    image = image.crop((0, 40, 320, 360)).resize((256, 256), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    assert seed_of(np.asarray(Image.open(buffer))) == seed


def test_the_marker_is_read_in_any_range_of_values() -> None:
    picture = film(4711, rows=200, columns=260)
    assert seed_of(np.rint(picture * 4095).astype(np.uint16)) == 4711
    assert seed_of(picture * 0.2 + 5) == 4711


def test_a_wrong_picture_has_no_marker() -> None:
    picture = film(4711, rows=256, columns=256)
    for wrong in (
        1 - picture,
        picture[::-1],
        picture[:, ::-1],
        picture.T[:, ::-1],
        picture * 0,
        picture[32:],
    ):
        with pytest.raises(ValueError, match="no marker"):
            seed_of(wrong)


@pytest.mark.parametrize("seed", [-1, 65536])
def test_a_seed_that_the_marker_cannot_hold(seed: int) -> None:
    with pytest.raises(ValueError, match=f"seed is {seed}; expected 0 to 65535"):
        film(seed, rows=64, columns=64)


def test_an_unknown_view() -> None:
    with pytest.raises(ValueError, match="view is 'oblique'; expected 'PA', 'AP' or 'lateral'"):
        film(1, rows=64, columns=64, view="oblique")
