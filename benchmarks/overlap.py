"""How many copies of a film are found, how many other films are taken for copies, and what the search costs.

``python -m benchmarks.overlap`` composes made-up films and copies of them as a run does, looks for pairs, and
prints recall and precision of each kind of copy: of the pairs that fingerprints propose, and of those that
are left after their pictures were compared. Then it searches random fingerprints, in a process of its own.
The films are those of ``benchmarks/fingerprint.py`` and of the demo, and a real one, the chest of
pydicom-data; ``--films N`` sets how many there are, ``--fingerprints N`` how many are searched.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file

from benchmarks.fingerprint import OTHER_DAY, SAME_MINUTE, SIDE, People
from composer.demo.carriers import write_dicom, write_jpeg, write_png
from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert
from composer.imaging.fingerprint import RADIUS
from composer.overlap.pairs import PAIRS, verified_pairs
from composer.twins.candidates import near_pairs

Film = NDArray[np.float32]

RECIPE = Recipe(size=SIDE)
WORKERS = os.cpu_count() or 1
# The chest of pydicom-data, without loss, and the same film with it.
CHEST, CHEST_AGAIN = "RG1_UNCR.dcm", "RG1_J2KI.dcm"
FILMS_OF_ALL = 930_000


def _resized(levels: Film, side: int) -> Film:
    size = (side, side)
    return np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)


def _windowed(levels: Film) -> tuple[float, float]:
    """Return centre and width of a window that clips 5 % at both ends of 12 bits."""
    black, white = np.quantile(4095 * levels, (0.05, 0.95))
    return float(black + white) / 2, float(white - black)


def _cropped(levels: Film, share: float) -> Film:
    cut = round(share * len(levels))
    return np.ascontiguousarray(levels[cut:-cut, cut:-cut])


# How the source of a copy is written; the first film of each pair is a DICOM file of 12 bits.
COPIES: dict[str, Callable[[Path, Film], None]] = {
    "JPEG again, quality 75": lambda path, levels: write_jpeg(path, levels, quality=75),
    "8 from 12 bit": write_png,
    "other window": lambda path, levels: write_dicom(path, levels, window=_windowed(levels)),
    "crop of 5 % (2.5 % off each side)": lambda path, levels: write_png(path, _cropped(levels, 0.025)),
    "crop of 10 % (5 % off each side)": lambda path, levels: write_png(path, _cropped(levels, 0.05)),
    "224 x 224": lambda path, levels: write_png(path, _resized(levels, 224)),
    "1400 x 1400": lambda path, levels: write_png(path, _resized(levels, 1400)),
    "inverted": lambda path, levels: write_png(path, 1 - levels),
    "mirrored": lambda path, levels: write_png(path, np.ascontiguousarray(levels[:, ::-1])),
    "mirrored, crop of 5 %, JPEG 75": lambda path, levels: write_jpeg(
        path, np.ascontiguousarray(_cropped(levels, 0.025)[:, ::-1]), quality=75
    ),
}


def _source(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    if not isinstance(path, str):
        raise SystemExit(f"{name} is missing: install pydicom-data")
    return Path(path)


class Collection:
    """Films composed into a folder, as tables that `verified_pairs` takes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def compose(self, dataset: str, sources: list[Path]) -> pa.Table:
        """Convert sources, whose place in the list is their identity."""
        (self._folder / dataset).mkdir()
        rows = []
        for number, source in enumerate(sources):
            made = convert(Source(str(source)), RECIPE)
            file = self._folder / dataset / f"{number}.jpg"
            file.write_bytes(made.data)
            row = {
                "dataset": dataset,
                "identity": str(number),
                "sha256": hashlib.sha256(made.data).hexdigest(),
            }
            rows.append({**row, "fingerprint": made.facts.fingerprint, "file": str(file)})
        return pa.Table.from_pylist(rows)

    def written(self, dataset: str, films: list[Film], write: Callable[[Path, Film], None]) -> pa.Table:
        """Write films as sources, and compose these."""
        paths = [self._folder / "sources" / dataset / f"{number}" for number in range(len(films))]
        for path, levels in zip(paths, films, strict=True):
            write(path, levels)
        return self.compose(dataset, paths)


def measure_pairs(folder: Path, number: int) -> None:
    """Print recall and precision for each kind of copy of so many films, and what becomes of other films."""
    people = People([_source(CHEST)])
    half = number // 2
    anatomies = [people.person(seed) for seed in range(number - half)]
    firsts = [people.film(anatomy, seed, **OTHER_DAY) for seed, anatomy in enumerate(anatomies)]
    drawn = [film(seed, rows=SIDE, columns=SIDE) for seed in range(half)]
    films = [np.asarray(first.numpy(), np.float32) for first in firsts] + drawn
    collection = Collection(folder)
    originals = collection.written("originals", films, write_dicom)
    print(
        f"{number:,} films, a copy of each: {number * (number - 1):,} pairs of different films for each kind"
    )
    print(f"{'':36} fingerprints: recall  precision   pixels too: recall  precision")
    for name, write in COPIES.items():
        _print_kind(name, originals, collection.written(name.replace("/", ""), films, write))
    chest = collection.compose("chest", [_source(CHEST)])
    _print_kind(
        "the real chest, JPEG 2000 with loss", chest, collection.compose("again", [_source(CHEST_AGAIN)])
    )

    print(f"{'other films':36} pairs  candidates  same radiograph")
    _print_others("among all", originals, None)
    for name, pose, source in (
        ("one person, another day", OTHER_DAY, anatomies),
        ("one person, bent by 1 %", SAME_MINUTE, firsts),
    ):
        again = [people.film(each, number + seed, **pose).numpy() for seed, each in enumerate(source)]
        _print_others(name, originals.slice(0, len(again)), collection.written(name, again, write_dicom))


def _pairs(first: pa.Table, second: pa.Table | None) -> pa.Table:
    pairs = verified_pairs(first, second, PAIRS.empty_table(), WORKERS, progress=False)
    assert pairs["problem"].null_count == pairs.num_rows
    return pairs


def _print_kind(name: str, first: pa.Table, second: pa.Table) -> None:
    pairs = _pairs(first, second)
    is_copy = pc.equal(pairs["first_identity"], pairs["second_identity"]).to_numpy()
    same = pairs["same"].to_numpy()
    measures = []
    for found in (is_copy, is_copy[same]):
        # Where nothing is found nothing is wrong.
        precision = found.mean() if len(found) else 1.0
        measures += [np.count_nonzero(found) / first.num_rows, precision]
    print("{:36} {:20.4f} {:10.4f} {:20.4f} {:10.4f}".format(name, *measures))


def _print_others(name: str, first: pa.Table, second: pa.Table | None) -> None:
    pairs = _pairs(first, second)
    number = first.num_rows
    looked_at = number * (number - 1) // 2 if second is None else number
    if second is not None:
        pairs = pairs.filter(pc.equal(pairs["first_identity"], pairs["second_identity"]))
    print(f"{name:36} {looked_at:,} {pairs.num_rows:10,} {pc.sum(pairs['same']).as_py() or 0:10,}")


def measure_search(number: int) -> None:
    """Print seconds and memory of the search among so many fingerprints, and what that means for all."""
    prints = np.random.default_rng(0).integers(0, 256, (number, 32)).astype(np.uint8)
    near_pairs(prints[:1000], RADIUS, 1)
    before = _peak_memory()
    start = time.perf_counter()
    near_pairs(prints, RADIUS, WORKERS)
    seconds = time.perf_counter() - start
    memory = _peak_memory()
    print(
        f"all pairs of {number:,}: {seconds:.1f} s with {WORKERS} threads, {memory:.0f} MiB, of which "
        f"{memory - before:.0f} MiB for the search"
    )
    # Pairs grow with the square.
    print(f"all pairs of {FILMS_OF_ALL:,} would take {seconds * (FILMS_OF_ALL / number) ** 2:.0f} s")


def _peak_memory() -> float:
    """Return MiB; what getrusage says counts the memory of the process that started this one, too."""
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) / 1024


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--fingerprints", type=int, default=100_000)
    parser.add_argument("--search-only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search_only:
        measure_search(arguments.fingerprints)
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        measure_pairs(Path(folder), arguments.films)
    command = [sys.executable, "-m", "benchmarks.overlap", "--search-only"]
    subprocess.run([*command, "--fingerprints", str(arguments.fingerprints)], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
