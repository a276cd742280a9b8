"""What the public MaCheX does with a film, in a few lines of our own: the bar of ``benchmarks.speed``.

Decode, three channels, short side to 1024 with a bilinear filter, centre crop, JPEG 95; DICOM is stretched
between its extremes before. A PadChest film comes out white: current versions of Pillow cut 16 bits off at
255.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread

from benchmarks.grainy import endless_films

SIZE = 1024


def compose(source: Path, target: Path) -> None:
    """Make one picture."""
    image = _dicom(source) if source.suffix in (".dcm", ".dicom") else Image.open(source)
    _cropped(image.convert("RGB")).save(target, quality=95)


def public(folder: str, kind: str, fast: bool, images: int) -> tuple[float, float]:
    """Make so many pictures of the films of a kind; it knows no ``fast``.

    Returns
    -------
    Seconds by the clock, and of the processor.
    """
    with tempfile.TemporaryDirectory(dir=folder) as target:
        films = endless_films(folder, kind)
        compose(next(films), Path(target) / "0.jpg")
        start, processor = time.perf_counter(), time.process_time()
        for number in range(images):
            compose(next(films), Path(target) / f"{number}.jpg")
        return time.perf_counter() - start, time.process_time() - processor


def _dicom(path: Path) -> Image.Image:
    values = dcmread(path).pixel_array
    stretched = (values - np.min(values)) / (np.max(values) - np.min(values))
    return Image.fromarray(np.uint8(stretched * 255))


def _cropped(image: Image.Image) -> Image.Image:
    short = min(image.size)
    width, height = (side if short == SIZE else int(SIZE * side / short) for side in image.size)
    scaled = (
        image if (width, height) == image.size else image.resize((width, height), Image.Resampling.BILINEAR)
    )
    left, top = round((width - SIZE) / 2), round((height - SIZE) / 2)
    return scaled.crop((left, top, left + SIZE, top + SIZE))
