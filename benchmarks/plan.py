"""How long planning takes, and how much memory, for releases at their full size.

``python -m benchmarks.plan`` plans ChestX-ray14 and MIMIC-CXR-JPG as the compose command does; ``--release``
chooses one, ``--table`` takes a real table of the first, ``--command`` times ``machex.py plan`` as a whole.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.releases import lay_out_mimic, lay_out_nih
from composer.datasets import open_datasets
from composer.settings import load_settings


def main() -> None:
    """Print the median of several runs, each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", choices=["nih", "mimic"])
    parser.add_argument("--table", type=Path, help="a real Data_Entry_2017 table")
    parser.add_argument("--command", action="store_true", help="the plan command, sample and all")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        _plan(arguments.once)
        return
    for release in [arguments.release] if arguments.release else ["nih", "mimic"]:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            _measure(release, Path(folder), arguments)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


def _measure(release: str, folder: Path, arguments: argparse.Namespace) -> None:
    roots = lay_out_nih(folder, arguments.table) if release == "nih" else lay_out_mimic(folder)
    config = folder / "config.yml"
    config.write_text(
        "\n".join([f"MACHEX_PATH: {folder}/out", *(f"{key}: {path}" for key, path in roots.items())])
    )
    if arguments.command:
        command = [sys.executable, "machex.py", "plan", "-q", "-c", str(config)]
        seconds = statistics.median(_time(command) for _ in range(arguments.runs))
        print(f"{release}: machex.py plan, median of {arguments.runs} runs: {seconds:.1f} s")
        return
    runs = [_run(config) for _ in range(arguments.runs)]
    seconds, mebibytes, images = (statistics.median(column) for column in zip(*runs, strict=True))
    print(
        f"{release}: plan of {images:,.0f} images, median of {len(runs)} runs: {seconds:.1f} s, "
        f"{mebibytes:,.0f} MiB"
    )


def _time(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    return time.perf_counter() - start


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
