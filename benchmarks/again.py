"""How long a run takes that has nothing left to make, and how much memory, for releases of several sizes.

``python -m benchmarks.again`` makes finished collections of ChestX-ray14 with so many rows, and of
MIMIC-CXR-JPG with 377,110, and runs the compose command on each again. ``--rows`` gives other sizes,
``--release`` chooses one, ``--table`` takes a real table of the NIH. Processor seconds are those of all
cores; the memory is the peak of the largest process.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.composed import composed
from benchmarks.releases import lay_out_mimic, lay_out_nih

_ROWS = (56_060, 112_120, 224_240)


def main() -> None:
    """Print the medians of several runs for each release and size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", choices=["nih", "mimic"])
    parser.add_argument("--rows", type=int, nargs="+", default=_ROWS, help="sizes of ChestX-ray14")
    parser.add_argument("--table", type=Path, help="a real Data_Entry_2017 table, instead of sizes")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.release != "mimic":
        for rows in [0] if arguments.table else arguments.rows:
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                roots = lay_out_nih(Path(folder), arguments.table, rows)
                _measure(Path(folder), roots, arguments.runs)
    if arguments.release == "mimic" or not (arguments.release or arguments.table):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            _measure(Path(folder), lay_out_mimic(Path(folder)), arguments.runs)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


def _measure(folder: Path, roots: Mapping[str, Path], runs: int) -> None:
    config = composed(folder, roots)
    measured, found = [], ""
    for _ in range(runs):
        *run, found = _run(config)
        measured.append(run)
    seconds, processor, mebibytes = (statistics.median(column) for column in zip(*measured, strict=True))
    print(
        f"{found}, median of {runs} runs: {seconds:.1f} s, {processor:.1f} s of processor time, "
        f"{mebibytes:,.0f} MiB",
        flush=True,
    )


def _run(config: Path) -> tuple[float, float, float, str]:
    """Return seconds, processor seconds and peak memory in MiB of a run, and what it found."""
    command = [sys.executable, "machex.py", "-q", "-c", str(config)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:  # noqa: S603
        assert run.stdout is not None
        table = run.stdout.read().splitlines()
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if run.returncode:
        raise SystemExit(f"the run ended with exit code {run.returncode}")
    dataset, found, *_ = table[1].split()
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, f"{dataset}, {found} rows"


if __name__ == "__main__":
    main()
