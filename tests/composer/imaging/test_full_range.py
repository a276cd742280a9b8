"""Films whose files use their bits differently: each comes out with its full range of grey.

Read wrongly, the 16-bit PNG files of PadChest are white, and 12 bits under a header of 16 nearly black.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from composer.demo.carriers import write_dicom
from composer.demo.phantom import film as phantom
from composer.imaging import Conversion, Recipe, Source, convert
from tests.composer.imaging.support import NATIVE, picture

FILM = phantom(4321, rows=180, columns=160).astype(np.float64)


def _stored(bits: int) -> NDArray[np.float64]:
    return np.rint(FILM * ((1 << bits) - 1))


def _published(bits: int) -> NDArray[np.float64]:
    """Return what PadChest's publisher saved: values divided by 4096, whatever their bits, as 16 bits."""
    return np.rint(_stored(bits) / 4096 * 65535)


# Name, values, bits that the table names, value that becomes white.
PNG_FILES: list[tuple[str, NDArray[np.float64], int | None, float]] = [
    ("12 bits on the scale to 65535", _published(12), 12, 65519.0),
    ("12 bits on the scale to 4095", _stored(12), 12, 4095.0),
    ("10 bits on the scale to 65535", _published(10), 10, 16367.75),
    ("10 bits on the scale to 1023", _stored(10), 10, 1023.0),
    ("16 bits", _stored(16), 16, 65535.0),
    ("scale to 65535, no table", _published(12), None, 65535.0),
    ("scale to 4095, no table", _stored(12), None, 4095.0),
]


def _check(conversion: Conversion, recipe: Recipe) -> None:
    pixels: NDArray[Any] = picture(conversion)
    if recipe is NATIVE:
        # The film itself; dividing by 4096 instead of 4095 is less than a level.
        np.testing.assert_allclose(pixels, 255 * FILM, rtol=0, atol=1)
    assert pixels.min() <= 10
    assert pixels.max() >= 245
    assert 0.9 < pixels.mean() / (255 * FILM).mean() < 1.1
    assert len(np.unique(pixels)) > 150
    assert (pixels > 250).mean() < 0.05
    assert (pixels < 5).mean() < 0.2


@pytest.mark.parametrize("recipe", [NATIVE, Recipe(size=160)], ids=["native", "default"])
@pytest.mark.parametrize("case", PNG_FILES, ids=lambda case: case[0])
def test_png_of_16_bits(
    tmp_path: Path, case: tuple[str, NDArray[np.float64], int | None, float], recipe: Recipe
) -> None:
    _, values, bits, white = case
    path = tmp_path / "film.png"
    Image.fromarray(values.astype(np.uint16)).save(path)
    conversion = convert(Source(str(path), original_bits_stored=bits), recipe)
    _check(conversion, recipe)
    assert conversion.facts.full_scale == pytest.approx(white, abs=0.01)
    assert "range_repaired" not in conversion.facts.flags


@pytest.mark.parametrize("recipe", [NATIVE, Recipe(size=160)], ids=["native", "default"])
@pytest.mark.parametrize("photometric_interpretation", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("bits", [12, 13])
def test_fewer_bits_than_the_header_says(
    tmp_path: Path, bits: int, photometric_interpretation: str, recipe: Recipe
) -> None:
    path = tmp_path / "film.dcm"
    write_dicom(
        path,
        FILM.astype(np.float32),
        bits_stored=bits,
        photometric_interpretation=photometric_interpretation,
        attributes={"BitsStored": 16, "HighBit": 15},
    )
    conversion = convert(Source(str(path)), recipe)
    _check(conversion, recipe)
    assert "range_repaired" in conversion.facts.flags
