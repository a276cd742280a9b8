"""How far pictures may be from the exact result, on real films and on exact values of the tone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.pixels import lanczos_weights
from composer.imaging import Facts, Recipe, Source, convert
from composer.imaging.dicom import decode
from composer.imaging.tone import render
from tests.composer.imaging.support import dicom_bytes, picture, real_file
from tests.composer.imaging.test_tone import STORED, VECTORS

FILMS = [real_file("RG1_UNCR.dcm"), real_file("RG3_UNCR.dcm")]


def _levels(data: bytes) -> NDArray[np.float64]:
    facts = Facts()
    return render(decode(data, facts), Recipe(), facts).levels.astype(np.float64)


@pytest.mark.parametrize(
    ("vector", "stored", "level"),
    [
        ("C LINEAR", 1500, 0.226113),
        ("E SIGMOID", 1500, 0.250490),
        ("N short table", 4095, 4000 / 4095),
    ],
)
def test_exact_levels(vector: str, stored: int, level: float) -> None:
    elements, _ = VECTORS[vector]
    found = _levels(dicom_bytes(STORED, **elements))[stored == STORED]
    assert found == pytest.approx(level, abs=1e-6)


@pytest.mark.parametrize("path", FILMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [512, 224])
def test_resampling_is_exact_but_for_rounding(path: Path, size: int) -> None:
    levels = _levels(path.read_bytes())
    pixels = picture(convert(Source(str(path)), Recipe(size=size, resize="fit", image_format="png")))[..., 0]
    down, across = (lanczos_weights(*sizes) for sizes in zip(levels.shape, pixels.shape, strict=True))
    error = np.abs(pixels - (255 * down @ levels @ across.T).clip(0, 255))
    assert error.mean() <= 0.26
    assert error.max() <= 0.6


@pytest.mark.parametrize("path", FILMS, ids=lambda path: path.stem)
def test_jpeg_is_close(path: Path) -> None:
    exact, coded = (
        picture(convert(Source(str(path)), Recipe(image_format=image_format))).astype(np.float64)
        for image_format in ("png", "jpg")
    )
    assert 10 * np.log10(255**2 / ((exact - coded) ** 2).mean()) >= 48
