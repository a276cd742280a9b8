"""How far other ways of converting a radiograph are from ours, and what filters do to it.

``python -m benchmarks.pixels`` prints the tables of ``docs/pixels.md``: grey levels of two real films under
the arithmetic of other tools, restated here, and errors and times of resampling. ``--picture`` writes
``docs/pixels.jpg``.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_voi_lut

from composer.demo.carriers import write_dicom
from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert

Pixels = NDArray[np.uint8]
Values = NDArray[Any]

NATIVE = Recipe(size=1 << 16, resize="fit", image_format="png", image_mode="L")
# A chest (CR, 15 bits) and a leg with white collimation (CR, 10 bits), both MONOCHROME1 with a window.
FILMS = ("RG1_UNCR.dcm", "RG3_UNCR.dcm")
# A common size of MIMIC-CXR.
ROWS, COLUMNS, SIZE, BITS = 3056, 2544, 1024, 12


def _levels(values: Values) -> Pixels:
    return values.clip(0, 255).astype(np.uint8)


def _stretched(values: Values) -> Values:
    values = values.astype(np.float64) - values.min()
    return np.asarray(values / values.max())


def _upright(levels: Values, dataset: Dataset, white: float) -> Values:
    return white - levels if dataset.PhotometricInterpretation == "MONOCHROME1" else levels


def _machex(dataset: Dataset) -> Pixels:
    return _levels(_upright(_stretched(dataset.pixel_array), dataset, 1) * 255)


def _xrv(dataset: Dataset) -> Pixels:
    white = (1 << dataset.BitsStored) - 1
    return _levels(_upright(dataset.pixel_array.astype(np.float64), dataset, white) * (255 / white) + 0.5)


def _xrv_voi(dataset: Dataset) -> Pixels:
    white = (1 << dataset.BitsStored) - 1
    return _levels(
        _upright(apply_voi_lut(dataset.pixel_array, dataset), dataset, white) * (255 / white) + 0.5
    )


def _voi_stretched(dataset: Dataset) -> Pixels:
    values = apply_voi_lut(dataset.pixel_array, dataset)
    return _levels(_stretched(_upright(values, dataset, values.max())) * 255)


def _by_maximum(dataset: Dataset) -> Pixels:
    values = dataset.pixel_array
    return _upright(_levels(np.rint(values * (255 / values.max()))), dataset, 255).astype(np.uint8)


def _percentiles(dataset: Dataset) -> Pixels:
    values = dataset.pixel_array
    low, high = np.percentile(values, (0.5, 99.5))
    return _levels(_upright(((values - low) / (high - low)).clip(0, 1), dataset, 1) * 255)


def _equalised(dataset: Dataset) -> Pixels:
    pixels = _machex(dataset)
    count = np.cumsum(np.bincount(pixels.ravel(), minlength=256))
    first = count[pixels.min()]
    table = np.rint((count - first) / (count[-1] - first) * 255)
    return _levels(table[pixels])


def _not_inverted(dataset: Dataset) -> Pixels:
    return _levels(_stretched(dataset.pixel_array) * 255)


PIPELINES: dict[str, Callable[[Dataset], Pixels]] = {
    "public MaCheX: min-max": _machex,
    "TorchXRayVision, VOI on": _xrv_voi,
    "TorchXRayVision, default": _xrv,
    "apply_voi_lut, then stretched": _voi_stretched,
    "x * 255 / max": _by_maximum,
    "percentiles 0.5 to 99.5": _percentiles,
    "min-max, then equalised": _equalised,
    "min-max, never inverted": _not_inverted,
}


def _ours(path: Path, recipe: Recipe = NATIVE) -> tuple[Pixels, float]:
    """Return the picture, and the milliseconds of tone and geometry."""
    conversion = convert(Source(str(path)), recipe)
    return np.asarray(Image.open(io.BytesIO(conversion.data))), conversion.facts.tone_ms


def tone_differences() -> dict[str, list[float]]:
    """Return the mean absolute difference from our grey levels, for each pipeline and film."""
    paths = [Path(str(get_testdata_file(name, download=False))) for name in FILMS]
    ours = [_ours(path)[0].astype(np.int64) for path in paths]
    return {
        name: [
            float(np.abs(pipeline(pydicom.dcmread(path)) - mine).mean())
            for path, mine in zip(paths, ours, strict=True)
        ]
        for name, pipeline in PIPELINES.items()
    }


def _print_tones() -> None:
    print(f"{'mean absolute difference in grey levels':40}" + "".join(f"{name:>14}" for name in FILMS))
    for name, found in tone_differences().items():
        print(f"{name:40}" + "".join(f"{mean:14.2f}" for mean in found))


def _write_film(path: Path) -> Values:
    """Write a film with grain as DICOM, and return what it stores."""
    grain = np.random.default_rng(3).normal(0, 0.01, (ROWS, COLUMNS))
    levels = (film(77, rows=ROWS, columns=COLUMNS) + grain).clip(0, 1).astype(np.float32)
    write_dicom(path, levels, bits_stored=BITS)
    return pydicom.dcmread(path).pixel_array


def lanczos_weights(size: int, scaled: int) -> NDArray[np.float64]:
    """Return the weights of Lanczos-3, of shape (scaled, size)."""
    stretch = size / scaled
    centers = (np.arange(scaled) + 0.5) * stretch
    x = (np.arange(size)[None, :] + 0.5 - centers[:, None]) / stretch
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _print_filters(runs: int) -> None:
    torch.set_num_threads(1)
    scaled = int(SIZE * ROWS / COLUMNS)
    top = round((scaled - SIZE) / 2)
    part = slice(top, top + SIZE)
    box = (0, top * ROWS / scaled, COLUMNS, (top + SIZE) * ROWS / scaled)
    fine = np.linspace(0, 1, 1 << BITS, dtype=np.float32)
    coarse = np.rint(255 * fine).astype(np.uint8)

    def pillow(table: Values, resampling: Image.Resampling) -> Pixels:
        resized = np.asarray(Image.fromarray(np.take(table, stored)).resize((SIZE, SIZE), resampling, box))
        return resized if table is coarse else _levels(np.rint(255 * resized))

    def antialiased(mode: str) -> Pixels:
        levels = torch.from_numpy(np.take(fine, stored))[None, None]
        resized = torch.nn.functional.interpolate(levels, size=(scaled, SIZE), mode=mode, antialias=True)
        return _levels(np.rint(255 * resized[0, 0, part].numpy()))

    resampling = Image.Resampling
    filters: dict[str, Callable[[], Pixels]] = {
        "Lanczos, float, Pillow": lambda: pillow(fine, resampling.LANCZOS),
        "Lanczos, 8 bits, Pillow": lambda: pillow(coarse, resampling.LANCZOS),
        "bicubic, 8 bits, Pillow": lambda: pillow(coarse, resampling.BICUBIC),
        "bilinear, 8 bits, Pillow (MaCheX)": lambda: pillow(coarse, resampling.BILINEAR),
        "box, 8 bits, Pillow": lambda: pillow(coarse, resampling.BOX),
        "bicubic, float, torch antialias": lambda: antialiased("bicubic"),
        "bilinear, float, torch antialias": lambda: antialiased("bilinear"),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.dcm"
        stored = _write_film(path)
        down, across = lanczos_weights(ROWS, scaled)[part], lanczos_weights(COLUMNS, SIZE)
        exact = (255 * (down @ (stored / (2.0**BITS - 1)) @ across.T)).clip(0, 255)
        recipe = Recipe(size=SIZE, image_format="png", image_mode="L")
        _ours(path, recipe)
        taken = [_ours(path, recipe) for _ in range(runs)]
        print(f"\n{COLUMNS} x {ROWS} to {SIZE}: grey levels from exact Lanczos-3; median of {runs} runs")
        print(f"{'':40}{'mean':>14}{'largest':>14}{'ms':>14}")
        _print_filter("ours", taken[0][0], exact, statistics.median(each for _, each in taken))
        for name, resample in filters.items():
            times = []
            for _ in range(runs):
                start = time.perf_counter()
                pixels = resample()
                times.append((time.perf_counter() - start) * 1000)
            _print_filter(name, pixels, exact, statistics.median(times))


def _print_filter(name: str, pixels: Pixels, exact: Values, milliseconds: float) -> None:
    error = np.abs(pixels - exact)
    print(f"{name:40}{error.mean():14.3f}{error.max():14.2f}{milliseconds:14.0f}")


def _write_picture(target: Path) -> None:
    """Write one made-up film under each pipeline, side by side."""
    # Stored inverted; tissue takes the middle of the range, the lead marker one end of it.
    levels = film(77, rows=440, columns=400)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.dcm"
        stored = np.where(levels >= 1, 1, 0.3 + 0.45 * levels).astype(np.float32)
        write_dicom(path, stored, photometric_interpretation="MONOCHROME1", window=(1980, 2100))
        dataset = pydicom.dcmread(path)
        pictures = {"this project": _ours(path)[0]}
        pictures |= {name: pipeline(dataset) for name, pipeline in PIPELINES.items()}
    columns, width, height, margin = 3, 300, 330, 22
    rows = -(-len(pictures) // columns)
    sheet = Image.new("L", (columns * width, rows * (height + margin)), 255)
    draw = ImageDraw.Draw(sheet)
    for place, (name, pixels) in enumerate(pictures.items()):
        left, top = place % columns * width, place // columns * (height + margin)
        draw.text((left + 4, top + 5), name, fill=0)
        small = Image.fromarray(pixels).resize((width - 6, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (left + 3, top + margin))
    sheet.save(target, quality=80)


def main() -> None:
    """Print the tables, or write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the picture and nothing else")
    arguments = parser.parse_args()
    if arguments.picture:
        _write_picture(arguments.picture)
        return
    _print_tones()
    _print_filters(arguments.runs)
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
