"""What the arithmetic gives today, so that no change of pixels goes unnoticed.

``golden.json`` belongs to one value of `Recipe.ARITHMETIC`. After raising that, renew the file by

    python -m tests.composer.imaging.test_golden
"""

import hashlib
import io
import json
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from pydicom.uid import JPEG2000Lossless

from composer.demo.carriers import write_dicom, write_jpeg, write_png
from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert
from composer.imaging.recipe import ImageFormat, ImageMode, Resize
from tests.composer.imaging.support import picture

FILE = Path(__file__).with_name("golden.json")
CHANGED = "pixels changed: raise Recipe.ARITHMETIC and renew the hashes"

# An odd and an even side, neither a multiple of the sizes below, so that every rounding of the layout counts.
FILM = film(1234, rows=89, columns=72)
WRITERS: dict[str, Callable[[Path], None]] = {
    "png 8": lambda path: write_png(path, FILM),
    "png 8, wide": lambda path: write_png(path, FILM.T),
    "png 16": lambda path: write_png(path, FILM, mode="I;16"),
    "jpeg": lambda path: write_jpeg(path, FILM),
    "dicom 12, window, MONOCHROME1": lambda path: write_dicom(
        path, FILM, photometric_interpretation="MONOCHROME1", window=(1900, 3000)
    ),
    "dicom 14, JPEG 2000": lambda path: write_dicom(
        path, FILM, bits_stored=14, transfer_syntax=JPEG2000Lossless
    ),
    "dicom 12, tall pixels": lambda path: write_dicom(path, FILM, attributes={"PixelSpacing": [0.2, 0.15]}),
}
SMALLER, LARGER = 48, 96

# Every step is our own and exact on any processor: IEEE arithmetic up to a table of levels, then integers.
# Pixels are compared by hash. What libjpeg decodes may differ a little, so that the means of blocks are
# compared there, and the mean differences of neighbours, which tell filters apart.
JPEG_TOLERANCE = 0.5
WITHOUT_RESAMPLING = (
    Recipe(size=LARGER, resize="fit", image_format="png", image_mode="L"),
    Recipe(size=LARGER, resize="fit", image_format="png16"),
    Recipe(size=72, resize="crop", image_format="png", image_mode="L"),
)
EXACT: list[tuple[str, Recipe]] = [
    (name, recipe)
    for name in WRITERS
    if name not in {"jpeg", "dicom 12, tall pixels"}
    for recipe in WITHOUT_RESAMPLING
]
SIZES: list[tuple[int, ImageFormat]] = [(SMALLER, "png"), (LARGER, "png"), (SMALLER, "png16")]
RESAMPLED: list[tuple[str, Recipe]] = [
    (name, Recipe(size=size, resize=resize, image_format=image_format, image_mode="L"))
    for name in WRITERS
    for resize in get_args(Resize)
    for size, image_format in SIZES
]
EXACT += [case for case in RESAMPLED if case[0] != "jpeg"]
DECODED_BY_LIBJPEG = [case for case in RESAMPLED if case[0] == "jpeg"]
JPEG_FILES = [(mode, quality) for mode in get_args(ImageMode) for quality in (75, 95, 100)]


def _name(source: str, recipe: Recipe) -> str:
    return f"{source}, {recipe.resize} to {recipe.size} as {recipe.image_format}"


def _pixels(source: str, recipe: Recipe) -> NDArray[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        WRITERS[source](path)
        return picture(convert(Source(str(path)), recipe))


def _hash(pixels: NDArray[Any]) -> str:
    """Return the SHA-256 of shape and values; the values as little endian words."""
    return hashlib.sha256(str(pixels.shape).encode() + pixels.astype("<u2").tobytes()).hexdigest()


def _statistics(pixels: NDArray[Any]) -> list[float]:
    """Return height, width, 16 means of blocks, and mean differences of neighbours down and across."""
    values = pixels.astype(float)
    blocks = [
        float(block.mean()) for band in np.array_split(values, 4) for block in np.array_split(band, 4, axis=1)
    ]
    differences = [float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (0, 1)]
    return [*map(float, pixels.shape), *(round(value, 3) for value in [*blocks, *differences])]


def _jpeg_file(mode: ImageMode, quality: int) -> dict[str, Any]:
    """Return what a JPEG is but for its coded pixels: segments, sampling, tables, what Pillow found."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        write_png(path, FILM)
        data = convert(Source(str(path)), Recipe(size=SMALLER, image_mode=mode, jpeg_quality=quality)).data
    image = Image.open(io.BytesIO(data))
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    return {
        "mode": image.mode,
        "segments": list(_segments(data)),
        "components": [list(component) for component in image.layer],
        "quantization": {str(number): list(table) for number, table in image.quantization.items()},
        "info": sorted(image.info),
    }


def _segments(data: bytes) -> Iterator[str]:
    """Yield marker and length of every segment up to the coded pixels."""
    position, marker = 2, 0
    while marker != 0xDA:
        marker, length = struct.unpack_from(">xBH", data, position)
        yield f"{marker:X} {length}"
        position += 2 + length


@cache
def _golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def _known(part: str, source: str, recipe: Recipe) -> Any:  # noqa: ANN401  # a hash, or numbers
    return _golden()[part][_name(source, recipe)]


def test_values_are_those_of_the_arithmetic() -> None:
    assert _golden()["arithmetic"] == Recipe.ARITHMETIC, f"renew the hashes: {__doc__}"


@pytest.mark.parametrize(("source", "recipe"), EXACT, ids=lambda value: str(value)[:30])
def test_exact_pixels(source: str, recipe: Recipe) -> None:
    assert _hash(_pixels(source, recipe)) == _known("exact", source, recipe), CHANGED


@pytest.mark.parametrize(("source", "recipe"), DECODED_BY_LIBJPEG, ids=lambda value: str(value)[:30])
def test_pixels_of_a_jpeg(source: str, recipe: Recipe) -> None:
    found, known = _pixels(source, recipe), _known("decoded by libjpeg", source, recipe)
    scale = 1 if found.dtype == np.uint8 else 257
    np.testing.assert_allclose(
        _statistics(found), known, rtol=0, atol=JPEG_TOLERANCE * scale, err_msg=CHANGED
    )


@pytest.mark.parametrize(("mode", "quality"), JPEG_FILES)
def test_structure_of_a_jpeg(mode: ImageMode, quality: int) -> None:
    assert _jpeg_file(mode, quality) == _golden()["jpeg"][f"{mode} {quality}"], CHANGED


def _renew() -> None:
    parts: dict[str, dict[str, Any]] = {
        "exact": {_name(*case): _hash(_pixels(*case)) for case in EXACT},
        "decoded by libjpeg": {_name(*case): _statistics(_pixels(*case)) for case in DECODED_BY_LIBJPEG},
        "jpeg": {f"{mode} {quality}": _jpeg_file(mode, quality) for mode, quality in JPEG_FILES},
    }
    lines = [f'"arithmetic": {Recipe.ARITHMETIC}']
    for part, cases in parts.items():
        # A case to a line, so that a difference shows what changed.
        values = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in cases.items())
        lines.append(f'"{part}": {{\n{values}\n }}')
    FILE.write_text("{\n " + ",\n ".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    _renew()
