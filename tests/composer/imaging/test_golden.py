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
from composer.imaging import Recipe, Source, convert, geometry
from composer.imaging.geometry import Layout, place
from composer.imaging.picture import Levels
from composer.imaging.recipe import ImageMode, Resize
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

# Without resampling every step is our own and exact on any processor: IEEE arithmetic and one rounding. Its
# pixels are compared by hash. Where Pillow resamples, the last bits of a float may differ by processor or
# version. Noise of 1e-5 on the levels moves some 300 pixels of these pictures by a level, noise of 1e-7 still
# 6, and any would break a hash. So the means of 4 x 4 blocks are compared there, and the mean differences of
# neighbours, which tell filters apart: noise of 1e-6 moves them by 0.012 at most, bicubic for Lanczos by up
# to 1.3 and by more than 0.02 in every picture. What libjpeg decodes may differ a little more.
RESAMPLED_TOLERANCE = 0.02
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
RESAMPLED: list[tuple[str, Recipe]] = [
    (name, Recipe(size=size, resize=resize, image_format="png", image_mode="L"))
    for name in WRITERS
    for resize in get_args(Resize)
    for size in (SMALLER, LARGER)
]
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


@pytest.mark.parametrize(("source", "recipe"), RESAMPLED, ids=lambda value: str(value)[:30])
def test_resampled_pixels(source: str, recipe: Recipe) -> None:
    known = _known("resampled", source, recipe)
    tolerance = JPEG_TOLERANCE if source == "jpeg" else RESAMPLED_TOLERANCE
    np.testing.assert_allclose(
        _statistics(_pixels(source, recipe)), known, rtol=0, atol=tolerance, err_msg=CHANGED
    )


@pytest.mark.parametrize(("mode", "quality"), JPEG_FILES)
def test_structure_of_a_jpeg(mode: ImageMode, quality: int) -> None:
    assert _jpeg_file(mode, quality) == _golden()["jpeg"][f"{mode} {quality}"], CHANGED


def _noisy(levels: Levels, layout: Layout) -> Levels:
    y = place(levels, layout)
    return (y + np.random.default_rng(5).uniform(-1e-6, 1e-6, y.shape)).clip(0, 1).astype(np.float32)


def _bicubic(levels: Levels, layout: Layout) -> Levels:
    box = layout.native_box(*levels.shape)
    image = Image.fromarray(levels).resize((layout.columns, layout.rows), Image.Resampling.BICUBIC, box)
    return np.asarray(image).clip(0, 1)


@pytest.mark.parametrize(("other", "is_change"), [(_noisy, False), (_bicubic, True)])
def test_last_bits_are_no_change_but_another_filter_is(
    monkeypatch: pytest.MonkeyPatch, other: Callable[[Levels, Layout], Levels], is_change: bool
) -> None:
    monkeypatch.setattr(geometry, "place", other)
    source, recipe = "png 16", Recipe(size=SMALLER, image_format="png", image_mode="L")
    difference = np.subtract(_statistics(_pixels(source, recipe)), _known("resampled", source, recipe))
    assert (np.abs(difference).max() > RESAMPLED_TOLERANCE) == is_change


def _renew() -> None:
    parts: dict[str, dict[str, Any]] = {
        "exact": {_name(*case): _hash(_pixels(*case)) for case in EXACT},
        "resampled": {_name(*case): _statistics(_pixels(*case)) for case in RESAMPLED},
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
