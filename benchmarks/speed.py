"""How long a film takes: in the public MaCheX, here, and in the codecs alone, on the same files.

``python -m benchmarks.speed`` writes films of six kinds (``benchmarks.grainy``) and has pictures made of
them by the public MaCheX (``benchmarks.public_machex``), by bare calls of decoder, resampling and encoder
in a loop, and by one and by two workers of ours, as a run does it, ledger included. Each is a process of
its own, in turns; the start is left out, and the files are in the cache of the system. Of several rounds
the medians count. ``--processor`` takes the time of the processor instead of the clock's, for machines that
others use; what is then left out of ours are pipe and driver.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.grainy import KINDS, endless_films, write_films
from composer.attempts import attempt
from composer.imaging import Recipe, Source
from composer.ledger import Ledger
from composer.pool import Lost, Pool
from composer.pool.processes import worker_environment
from composer.worker import WARM, Task


class Row(NamedTuple):
    """A line of the table: films, by FAST_DECODE or not, how many in a run, and what is to be reached."""

    kind: str
    fast: bool
    images: int
    bar: float


ROWS = (
    Row("nih", False, 160, 1.9),
    Row("mimic", False, 48, 1.8),
    Row("padchest", False, 32, 2.1),
    Row("vindr", False, 64, 3.0),
    Row("vindr-j2k", False, 8, 1.0),
    Row("rsna", False, 160, 2.6),
    Row("mimic", True, 48, 2.2),
    Row("vindr-j2k", True, 8, 2.8),
)
# Where they are: the first two load nothing else of ours, which may set up memory in its own way.
_RUNNERS = {
    "public": "benchmarks.public_machex",
    "bare": "benchmarks.bare",
    "one": "benchmarks.speed",
    "two": "benchmarks.speed",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--films", type=int, default=16, help="different films of a kind (16)")
    parser.add_argument("--processor", action="store_true", help="time of the processor, not of the clock")
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="only this kind; repeatable")
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.kind or row.kind in arguments.kind]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for kind in dict.fromkeys(row.kind for row in rows):
            files = write_films(Path(folder) / kind, KINDS[kind], arguments.films)
            megabytes = statistics.mean(path.stat().st_size for path in files) / 1e6
            print(f"{KINDS[kind].name}: {megabytes:.2f} MB a file", flush=True)
        head = _HEAD[:-2] if arguments.processor else _HEAD
        print(f"\n{'ms a film':44}" + "".join(f"{name:>10}" for name in head), flush=True)
        for row in rows:
            runs = [_round(Path(folder), row, processor=arguments.processor) for _ in range(arguments.runs)]
            medians = [statistics.median(column) for column in zip(*runs, strict=True)]
            _print_row(row, medians, processor=arguments.processor)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"median of {arguments.runs} runs; {machine}")


_HEAD = ("MaCheX", "bare", "ours", "ratio", "bar", "to bare", "2 workers", "2 bare")


def _print_row(row: Row, milliseconds: Sequence[float], *, processor: bool) -> None:
    public, bare, one, two, both = milliseconds
    name = KINDS[row.kind].name + (", FAST_DECODE" if row.fast else "")
    cells = [public, bare, one, public / one, row.bar, one / bare]
    # Processors do not wait for each other: what two workers, or two loops, gain is told by the clock alone.
    cells += [] if processor else [one / two, bare / both]
    print(f"{name:44}" + "".join(f"{cell:10.2f}" for cell in cells), flush=True)


def _round(folder: Path, row: Row, *, processor: bool) -> list[float]:
    """Return the milliseconds of each runner, in turns, so that all have the same from a shared machine.

    The last are those of two loops of bare calls at a time: what a machine can gain by its second core.
    """
    alone = [_seconds(_start(runner, folder, row))[processor] for runner in _RUNNERS]
    loops = [_start("bare", folder, row) for _ in range(2)]
    both = max(_seconds(loop)[processor] for loop in loops) / 2
    return [seconds / row.images * 1000 for seconds in (*alone, both)]


def _start(runner: str, folder: Path, row: Row) -> subprocess.Popen[str]:
    # Workers import the main module of the driver; given as text it is none, and costs them nothing.
    call = f"{runner}({str(folder)!r}, {row.kind!r}, {row.fast}, {row.images})"
    command = [sys.executable, "-c", f"from {_RUNNERS[runner]} import {runner}; print(*{call})"]
    # The calls alone get what our workers have, so that the rest is the difference; MaCheX one thread.
    ours = worker_environment()
    given = {name: ours[name] for name in ours if runner != "public" or name.endswith("THREADS")}
    environment = {**os.environ, **given}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603


def _seconds(process: subprocess.Popen[str]) -> list[float]:
    output, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{process.args!r} failed")
    return [float(text) for text in output.split()]


def one(folder: str, kind: str, fast: bool, images: int) -> tuple[float, float]:
    """Have one worker of ours make so many pictures.

    Returns
    -------
    Seconds by the clock, and of the worker's processor.
    """
    return _ours(folder, kind, fast=fast, images=images, workers=1)


def two(folder: str, kind: str, fast: bool, images: int) -> tuple[float, float]:
    """Have two workers do what `one` does."""
    return _ours(folder, kind, fast=fast, images=images, workers=2)


def _ours(folder: str, kind: str, *, fast: bool, images: int, workers: int) -> tuple[float, float]:
    with (
        tempfile.TemporaryDirectory(dir=folder) as target,
        Pool(attempt, workers, [attempt.__module__, *WARM]) as pool,
        Ledger(Path(target) / "ledger.jsonl", "speed") as ledger,
    ):
        tasks = _tasks(folder, kind, Path(target), Recipe(fast_decode=fast))
        for _ in pool.map(itertools.islice(tasks, 4 * workers)):
            pass
        start = time.perf_counter()
        for task, result in pool.map(itertools.islice(tasks, images)):
            if isinstance(result, Lost) or result.failed:
                raise RuntimeError(f"{task.file} failed: {result}")
            ledger.append_line(result.line)
        return time.perf_counter() - start, pool.usage.processor / workers


def _tasks(folder: str, kind: str, target: Path, recipe: Recipe) -> Iterator[Task]:
    for number, path in enumerate(endless_films(folder, kind)):
        source = Source(str(path), original_bits_stored=KINDS[kind].original_bits_stored)
        yield Task(number, path.stem, "", path.name, source, str(target / f"{number}.jpg"), recipe)


if __name__ == "__main__":
    main()
