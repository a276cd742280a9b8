"""How long planning takes, and how much memory: ChestX-ray14 at its full size, as links to small pictures.

``python -m benchmarks.plan`` invents a table; ``--table`` takes a real one.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from composer.datasets import open_datasets
from composer.demo.carriers import write_png
from composer.demo.phantom import film
from composer.settings import load_settings

ROWS = 112_120
# ext4 allows 65,000 links to one file.
FILES = 4
TABLE = "Data_Entry_2017_v2020.csv"
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
)


def main() -> None:
    """Print the median of several runs, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, help="a real Data_Entry_2017 table")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        _plan(arguments.once)
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        config = _lay_out(Path(folder), arguments.table)
        runs = [_run(config) for _ in range(arguments.runs)]
    seconds, mebibytes, images = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"plan of {images:,.0f} images, median of {len(runs)} runs: {seconds:.1f} s, {mebibytes:,.0f} MiB")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


def _lay_out(folder: Path, table: Path | None) -> Path:
    root = folder / "nih"
    (root / "images").mkdir(parents=True)
    if table:
        shutil.copy(table, root / TABLE)
    else:
        _invent(root / TABLE)
    for seed in range(FILES):
        write_png(folder / f"{seed}.png", film(seed, rows=32, columns=32))
    with (root / TABLE).open(encoding="utf-8-sig", newline="") as file:
        names = [row[0] for row in csv.reader(file)][1:]
    for place, name in enumerate(names):
        os.link(folder / f"{place % FILES}.png", root / "images" / name)
    held_out = {name for name in names if int(name[:8]) % 11 == 0}
    (root / "test_list.txt").write_text("\n".join(sorted(held_out)))
    (root / "train_val_list.txt").write_text("\n".join(name for name in names if name not in held_out))
    config = folder / "config.yml"
    config.write_text(f"MACHEX_PATH: {folder}/out\nCHEXRAY14_ROOT: {root}\n")
    return config


def _invent(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for place in range(ROWS):
            patient, follow_up = place // 4 + 1, place % 4
            file.write(
                f"{patient:08d}_{follow_up:03d}.png,Effusion|Infiltration,{follow_up},{patient},"
                f"{patient % 90},F,PA,2500,2048,0.168,0.168\n"
            )


def _run(config: Path) -> tuple[float, float, int]:
    command = [sys.executable, "-m", "benchmarks.plan", "--once", str(config)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    seconds, mebibytes, images = output.split()
    return float(seconds), float(mebibytes), int(images)


def _plan(config: Path) -> None:
    start = time.perf_counter()
    (dataset,) = open_datasets(load_settings(config))
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, dataset.found)


if __name__ == "__main__":
    main()
