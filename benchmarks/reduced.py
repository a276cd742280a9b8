"""What FAST_DECODE does to a film: how far its picture is from that at full size, and what decoding takes.

``python -m benchmarks.reduced`` prints the table of ``docs/pixels.md``, of made-up films with the grain of
real ones.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.grainy import KINDS, write_films
from composer.imaging import Conversion, Recipe, Source, convert

SIZES = (1024, 512, 256)


def _pixels(conversion: Conversion) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.asarray(Image.open(io.BytesIO(conversion.data)), np.float64)


def _compare(path: Path, size: int) -> tuple[float, float, float, float]:
    """Return signal to noise in dB, the largest difference in levels, and milliseconds of both decodings."""
    full, fast = (
        convert(Source(str(path)), Recipe(size=size, image_format="png", image_mode="L", fast_decode=way))
        for way in (False, True)
    )
    difference = _pixels(fast) - _pixels(full)
    noise = float(np.mean(difference**2))
    decibels = 10 * np.log10(255**2 / noise) if noise else np.inf
    return decibels, float(np.abs(difference).max()), full.facts.decode_ms, fast.facts.decode_ms


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'to':36}{'dB':>10}{'largest':>10}{'full, ms':>10}{'fast, ms':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("mimic", "vindr-j2k"):
            kind = KINDS[name]
            films = write_films(Path(folder) / name, kind, arguments.films)
            for size in SIZES:
                found = [_compare(path, size) for path in films]
                medians = [statistics.median(column) for column in zip(*found, strict=True)]
                print(f"{f'{kind.name}, {size}':36}" + "".join(f"{value:10.1f}" for value in medians))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"median of {arguments.films} films; {machine}")


if __name__ == "__main__":
    main()
