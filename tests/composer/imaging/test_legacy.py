"""`minmax` beside the arithmetic of the public MaCheX for DICOM files, restated here.

The public tool stretches the stored values between their extremes, inverts MONOCHROME1, cuts off to 8 bits,
makes three channels, brings the short side to the size with an antialiased bilinear filter, cuts the centre
out and writes JPEG of quality 95. What is left between the two is its cutting off, half a level, and the
filter.
"""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from composer.demo.carriers import write_dicom
from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert
from tests.composer.imaging.support import picture, real_file

SIZE = 256
LIMIT = 2.0


def public_machex(path: Path, size: int) -> NDArray[np.int64]:
    dataset = pydicom.dcmread(path)
    values = dataset.pixel_array.astype(np.float64)
    values = (values - values.min()) / (values.max() - values.min())
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = 1 - values
    image = Image.fromarray((values * 255).astype(np.uint8)).convert("RGB")
    short = min(image.size)
    width, height = (int(size * side / short) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    image = image.crop((left, top, left + size, top + size))
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=95)
    return np.asarray(Image.open(file)).astype(np.int64)


def mean_difference(path: Path, size: int) -> float:
    ours = picture(convert(Source(str(path)), Recipe(size=size, tone="minmax"))).astype(np.int64)
    theirs = public_machex(path, size)
    assert ours.shape == theirs.shape == (size, size, 3)
    return float(np.abs(ours - theirs).mean())


@pytest.mark.parametrize(
    ("photometric_interpretation", "shape"), [("MONOCHROME1", (401, 362)), ("MONOCHROME2", (360, 500))]
)
@pytest.mark.parametrize(
    ("bits_stored", "transfer_syntax"),
    [
        (8, ExplicitVRLittleEndian),
        (8, JPEGBaseline8Bit),
        (10, ImplicitVRLittleEndian),
        (12, ImplicitVRLittleEndian),
        (12, RLELossless),
        (14, JPEG2000Lossless),
        (16, JPEG2000Lossless),
    ],
)
def test_films_like_those_of_vindr(
    tmp_path: Path,
    bits_stored: int,
    transfer_syntax: str,
    photometric_interpretation: str,
    shape: tuple[int, int],
) -> None:
    path = tmp_path / "film.dicom"
    # Not from black to white, so that there is something to stretch, and a window that `minmax` must ignore.
    levels = 0.2 + 0.5 * film(6000, rows=shape[0], columns=shape[1])
    write_dicom(
        path,
        levels.astype(np.float32),
        bits_stored=bits_stored,
        photometric_interpretation=photometric_interpretation,
        transfer_syntax=transfer_syntax,
        window=(2.0**bits_stored / 2, 2.0**bits_stored / 4),
    )
    assert mean_difference(path, SIZE) <= LIMIT


@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "RG3_UNCR.dcm"])
def test_real_films(name: str) -> None:
    assert mean_difference(real_file(name), 1024) <= LIMIT
