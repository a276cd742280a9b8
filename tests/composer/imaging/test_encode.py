"""Writing pictures."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from composer.imaging import Recipe
from composer.imaging.encode import encode
from tests.composer.imaging.support import film

LEVELS = (film(64, 64) / np.float32(4095)).astype(np.float32)


def _written(**settings: Any) -> Image.Image:  # noqa: ANN401
    return Image.open(io.BytesIO(encode(LEVELS, Recipe(**settings))))


@pytest.mark.parametrize(
    ("settings", "file_format", "mode"),
    [
        ({}, "JPEG", "RGB"),
        ({"image_mode": "L"}, "JPEG", "L"),
        ({"image_format": "png"}, "PNG", "RGB"),
        ({"image_format": "png", "image_mode": "L"}, "PNG", "L"),
        ({"image_format": "png16"}, "PNG", "I;16"),
    ],
)
def test_formats(settings: dict[str, Any], file_format: str, mode: str) -> None:
    image = _written(**settings)
    assert (image.format, image.mode, image.size) == (file_format, mode, (64, 64))
    assert not image.getexif()
    assert "icc_profile" not in image.info


def test_png_is_exact() -> None:
    pixels = np.asarray(_written(image_format="png"))
    np.testing.assert_array_equal(pixels, np.rint(255 * LEVELS)[..., None].repeat(3, axis=2))
    wide = np.asarray(_written(image_format="png16"))
    np.testing.assert_array_equal(wide, np.rint(65535 * LEVELS))


def test_halves_are_rounded_to_even() -> None:
    levels = np.array([[0.5, 1.5, 2.5]], dtype=np.float32) / np.float32(255)
    assert (levels * 255).tolist() == [[0.5, 1.5, 2.5]]
    data = encode(levels, Recipe(image_format="png", image_mode="L"))
    assert np.asarray(Image.open(io.BytesIO(data))).tolist() == [[0, 2, 2]]


def test_jpeg_is_close_and_grey() -> None:
    down, across = np.mgrid[0:128, 0:128] / 128
    levels = (0.5 + 0.4 * np.sin(5 * down) * np.cos(4 * across)).astype(np.float32)
    pixels = np.asarray(Image.open(io.BytesIO(encode(levels, Recipe()))), dtype=float)
    assert np.ptp(pixels, axis=2).max() == 0
    error = ((pixels[..., 0] - np.rint(255 * levels)) ** 2).mean()
    assert 10 * np.log10(255**2 / error) >= 48


def test_quality_matters() -> None:
    assert len(encode(LEVELS, Recipe(jpeg_quality=50))) < len(encode(LEVELS, Recipe()))
