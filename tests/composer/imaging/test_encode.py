"""Writing pictures."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from composer.imaging import Recipe
from composer.imaging.encode import encode
from tests.composer.imaging.support import film

FILM = film(64, 64)


def _written(**settings: Any) -> Image.Image:  # noqa: ANN401
    return Image.open(io.BytesIO(_encoded(**settings)))


def _encoded(**settings: Any) -> bytes:  # noqa: ANN401
    recipe = Recipe(**settings)
    return encode((FILM * 16).astype(np.uint16) if recipe.white > 255 else _eight_bits(), recipe)


def _eight_bits() -> NDArray[np.uint8]:
    return (FILM >> 4).astype(np.uint8)


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
    np.testing.assert_array_equal(pixels, _eight_bits()[..., None].repeat(3, axis=2))
    wide = np.asarray(_written(image_format="png16"))
    np.testing.assert_array_equal(wide, FILM * 16)


def test_jpeg_is_close_and_grey() -> None:
    down, across = np.mgrid[0:128, 0:128] / 128
    smooth = np.rint(127 + 100 * np.sin(5 * down) * np.cos(4 * across)).astype(np.uint8)
    pixels = np.asarray(Image.open(io.BytesIO(encode(smooth, Recipe()))), dtype=float)
    assert np.ptp(pixels, axis=2).max() == 0
    error = ((pixels[..., 0] - smooth) ** 2).mean()
    assert 10 * np.log10(255**2 / error) >= 48


def test_quality_matters() -> None:
    assert len(_encoded(jpeg_quality=50)) < len(_encoded())
