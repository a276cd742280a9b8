"""How long the ledger of a million images takes to append to, read and compact, and how much memory.

``python -m benchmarks.ledger`` writes it as a run does, of DICOM films with all their facts and one line in
twenty superseded, and reads it in processes of their own.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.films import film
from composer.ledger import Ledger, compact, read_ledger
from composer.worker import Outcome

# What tells which images are still to be made.
_STATE = ("identity", "number", "carrier", "recipe", "status", "reason", "message", "bytes")
_ACTIONS: dict[str, Callable[[Path], object]] = {
    "state of the images": lambda path: read_ledger(path, _STATE),
    "all columns": read_ledger,
    "compaction": compact,
}


def main() -> None:
    """Print the median of several runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        _act(arguments.once[0], Path(arguments.once[1]))
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "ledger.jsonl"
        _append(path, arguments.images)
        for action in _ACTIONS:
            runs = [_run(action, path) for _ in range(arguments.runs)]
            seconds, processor, mebibytes = (statistics.median(column) for column in zip(*runs, strict=True))
            print(
                f"{action}, median of {len(runs)} runs: {seconds:.1f} s "
                f"({processor:.1f} s of all cores), {mebibytes:,.0f} MiB"
            )
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


def _append(path: Path, images: int) -> None:
    seconds = 0.0
    with Ledger(path, "37118e6a5e0c8eb3") as ledger:
        for outcome in _outcomes(images):
            start = time.perf_counter()
            ledger.append(outcome)
            seconds += time.perf_counter() - start
    lines = images + len(range(0, images, 20))
    print(
        f"{lines:,} lines, {path.stat().st_size / 1e9:.2f} GB, {seconds / lines * 1e6:.0f} µs to append one"
    )


def _outcomes(images: int) -> Iterator[Outcome]:
    draw = random.Random(1)  # noqa: S311
    for number in range(images):
        outcome = film(number, draw)
        yield outcome
        if number % 20 == 0:
            yield outcome


def _run(action: str, path: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "benchmarks.ledger", "--once", action, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    seconds, processor, mebibytes = map(float, output.split())
    return seconds, processor, mebibytes


def _act(action: str, path: Path) -> None:
    copy = Path(shutil.copy(path, path.with_name("copy.jsonl")))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, processor = time.perf_counter(), time.process_time()
    result = _ACTIONS[action](copy)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    print(seconds, processor, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    del result


if __name__ == "__main__":
    main()
