"""Films with the size and grain of real ones, so that their files are as large and as hard to decode.

Sizes of real files: NIH 0.45 MB, MIMIC-CXR-JPG 2.1 MB, PadChest 11 MB, VinDr-CXR 13 MB, as JPEG 2000 7.6 MB.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from composer.demo.carriers import write_dicom, write_jpeg, write_png
from composer.demo.phantom import film
from composer.demo.shapes import Film


@dataclass(frozen=True)
class Kind:
    """Films of one release.

    Attributes
    ----------
    name
        Of the release and the coding, for people.
    rows, columns, grain
        Size in pixels; standard deviation of the noise in white tissue, as a part of the range.
    suffix, write
        How a film becomes a file.
    original_bits_stored
        What the table of the release tells, as in `composer.imaging.Source`.
    """

    name: str
    rows: int
    columns: int
    grain: float
    suffix: str
    write: Callable[[Path, Film], None]
    original_bits_stored: int | None = None


def _write_jpeg(path: Path, film: Film) -> None:
    write_jpeg(path, film, quality=95)


def _write_padchest(path: Path, film: Film) -> None:
    # Its publisher divided values of 12 bits by 4096 and saved 16 bits.
    write_png(path, (np.rint(film * 4095) / 4096).astype(np.float32), mode="I;16")


def _write_raw(path: Path, film: Film) -> None:
    write_dicom(path, film, bits_stored=14)


def _write_jpeg_2000(path: Path, film: Film) -> None:
    write_dicom(path, film, bits_stored=14, transfer_syntax=JPEG2000Lossless)


def _write_baseline(path: Path, film: Film) -> None:
    write_dicom(path, film, bits_stored=8, transfer_syntax=JPEGBaseline8Bit)


KINDS = {
    "nih": Kind("NIH, PNG of 8 bits", 1024, 1024, 0.0075, ".png", write_png),
    "mimic": Kind("MIMIC-CXR-JPG, CheXpert, JPEG", 3056, 2544, 0.0115, ".jpg", _write_jpeg),
    "padchest": Kind("PadChest, PNG of 16 bits", 3400, 2800, 0.006, ".png", _write_padchest, 12),
    "vindr": Kind("VinDr-CXR, uncompressed", 2880, 2304, 0.01, ".dicom", _write_raw),
    "vindr-j2k": Kind("VinDr-CXR, JPEG 2000", 2880, 2304, 0.0075, ".dicom", _write_jpeg_2000),
    "rsna": Kind("RSNA, SIIM-ACR, JPEG in DICOM", 1024, 1024, 0.0075, ".dcm", _write_baseline),
}


def write_films(folder: Path, kind: Kind, count: int) -> list[Path]:
    """Write so many films of a kind into a folder, and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed}{kind.suffix}" for seed in range(count)]
    for seed, path in enumerate(paths):
        kind.write(path, grainy(kind, seed))
    return paths


def films_of(folder: str, kind: str) -> list[Path]:
    """Return the films of a kind that were written below a folder."""
    return sorted(path for path in (Path(folder) / kind).iterdir() if path.is_file())


def endless_films(folder: str, kind: str) -> Iterator[Path]:
    """Yield them again and again."""
    return itertools.cycle(films_of(folder, kind))


def grainy(kind: Kind, seed: int) -> Film:
    """Return a film whose grain is fine, and stronger where more light fell."""
    # The phantom's own grain is coarse: enlarged it becomes structure.
    small = Image.fromarray(film(seed, rows=kind.rows // 4, columns=kind.columns // 4))
    levels = 0.03 + 0.9 * np.asarray(small.resize((kind.columns, kind.rows), Image.Resampling.BICUBIC))
    noise = np.random.default_rng(seed).standard_normal((kind.rows, kind.columns), dtype=np.float32)
    grainy: Film = (levels + kind.grain * noise * (0.4 + levels)).clip(0, 1).astype(np.float32)
    return grainy
