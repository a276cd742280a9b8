"""What the driver of a run takes for an image, and what a worker takes.

``python -m benchmarks.driver`` has workers answer as if they had made films that they did not make, so that
all that is left is the work of the driver: tasks from the plan, pipes, ledger, locks, room on the disk,
progress bar. Some answer at once, others sleep for 20 ms before, as long as a quick image takes, so that
answers come one by one. Then it measures workers that make films. Each run is a process of its own. Of a
machine that others use, processor time tells more than images a second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import psutil
import pyarrow as pa

from benchmarks.no_op import nap, no_op
from composer.attempts import Attempt, attempt
from composer.datasets import Dataset
from composer.demo.carriers import write_jpeg, write_png
from composer.demo.phantom import film
from composer.folder import DatasetFolder
from composer.hold import Hold
from composer.imaging import Recipe, Source
from composer.interruption import Interruption
from composer.lock import FolderLock
from composer.making import Making, make_images
from composer.pool import Pool
from composer.pool.limits import LIMITS
from composer.pool.processes import WorkerProcess, end
from composer.records import SOURCE_COLUMNS
from composer.worker import WARM, Task

_FUNCTIONS: dict[str, Callable[[Task], Attempt]] = {"no_op": no_op, "nap": nap}
_RUNS = (("no_op", 1), ("no_op", 2), ("no_op", 100), ("no_op", 200), ("nap", 100), ("nap", 200))
_PRELOAD = [attempt.__module__, *WARM]
# Of one MIMIC-CXR-JPG and one PadChest film.
_SIZES = ((3056, 2544), (3400, 2800))


def main() -> None:
    """Print the medians of several runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print("workers                images  driver, µs an image  images a second")
    for function, workers in _RUNS:
        runs = [_in_a_process("drive", function, workers, arguments.images) for _ in range(arguments.runs)]
        processor, seconds = (statistics.median(run[key] for run in runs) for key in ("processor", "seconds"))
        images = arguments.images
        name = f"{workers}, {'at once' if function == 'no_op' else 'after 20 ms'}"
        print(f"{name:20} {images:8,} {processor / images * 1e6:20.0f} {images / seconds:16,.0f}")
    print("\nworkers that make films, two at a time")
    runs = [_in_a_process("work") for _ in range(arguments.runs)]
    for key in runs[0]:
        print(f"{key:36} {statistics.median(run[key] for run in runs):8.3g}")
    # In turns, so that both have the same from a machine that others use.
    pairs = [(_in_a_process("convert", 1), _in_a_process("convert", 2)) for _ in range(arguments.runs)]
    for key in pairs[0][0]:
        one, two = (statistics.median(pair[place][key] for pair in pairs) for place in (0, 1))
        print(f"{key + ', of 1 and 2 workers':36} {one:8.3g} {two:8.3g}")
    gain = statistics.median(one["seconds"] / two["seconds"] for one, two in pairs)
    print(f"{'times as fast, 2 as 1':36} {gain:8.2f}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


def _in_a_process(function: str, *arguments: str | int) -> dict[str, float]:
    # Workers import the main module of the driver; given as text it is none, and costs them nothing.
    code = f"from benchmarks.driver import {function}; {function}(*{arguments!r})"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return cast("dict[str, float]", json.loads(run.stdout))


def drive(function: str, workers: int, images: int) -> None:
    """Let so many images be made that are none, and print the seconds of the driver."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, FolderLock(Path(folder) / "lock") as lock:
        # Those parts of a dataset and of a hold that count here.
        dataset = SimpleNamespace(
            name="made-up",
            folder=DatasetFolder(Path(folder)),
            recipe=Recipe(),
            plan=_plan(images),
            processor=SimpleNamespace(root=Path("/data/made-up")),
        )
        hold = Hold([])
        hold._locks = [lock]
        with Pool(_FUNCTIONS[function], workers, WARM) as pool, Path(os.devnull).open("w") as sys.stderr:
            making = Making(cast(Dataset, dataset), pool, workers, hold, Interruption(), None)
            # The workers start, and the driver is warm.
            make_images(making, dataset.plan.slice(0, 10 * workers), progress=True)
            start, processor = time.perf_counter(), time.process_time()
            make_images(making, dataset.plan, progress=True)
            seconds, processor = time.perf_counter() - start, time.process_time() - processor
        sys.stderr = sys.__stderr__
    print(json.dumps({"seconds": seconds, "processor": processor}))


def _plan(images: int) -> pa.Table:
    identities = [f"{number:032x}" for number in range(images)]
    files = [f"files/p{name[-2:]}/p{name[-8:]}/s{name[-8:]}/{name}.dcm" for name in identities]
    nothing = pa.nulls(images, pa.string())
    others = [*SOURCE_COLUMNS[1:], "rule", "held_out_by", "held_out_twin", "held_out_split"]
    return pa.table(
        {
            "number": pa.array(range(images), pa.int32()),
            "identity": identities,
            "carrier": [""] * images,
            "source": files,
            **dict.fromkeys(others, nothing),
        }
    )


def work() -> None:
    """Let two workers make films, and print how long they took to start and what they occupy."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = _films(Path(folder))
        start = time.perf_counter()
        workers = [_started()]
        found = {"first worker ready, s": time.perf_counter() - start}
        # Nearly all of it is spent in the process that workers are forked from.
        forked_from = psutil.Process(psutil.Process(workers[0].pid).ppid())
        found["of which processor, s"] = sum(forked_from.cpu_times()[:2])
        start = time.perf_counter()
        workers += [_started()]
        found["next worker ready, s"] = time.perf_counter() - start
        found["MB (PSS) at the start"] = _megabytes(workers)
        threads = 0
        for task in tasks * 5:
            for worker in workers:
                worker.send(task)
            for worker in workers:
                while not worker.pipe.poll(0.005):
                    threads = max(threads, *map(_threads, workers))
                worker.receive()
        found |= {"MB (PSS) after the films": _megabytes(workers), "threads": threads}
        end(workers)
    print(json.dumps(found))


def convert(workers: int) -> None:
    """Let workers make films, and print what that took."""
    with tempfile.TemporaryDirectory() as folder, Pool(attempt, workers, WARM) as pool:
        films = [
            task._replace(target=str(Path(folder) / f"out{number}.jpg"))
            for number, task in enumerate(_films(Path(folder)) * 12)
        ]
        list(pool.map(films[: 2 * workers]))
        list(pool.map(films))
        usage = pool.usage
    found = {"seconds": usage.seconds, "processor ms of a film": 1000 * usage.processor / len(films)}
    print(json.dumps(found | {"% of waiting": 100 * usage.waited / usage.available}))


def _films(folder: Path) -> list[Task]:
    (rows, columns), (more_rows, more_columns) = _SIZES
    write_jpeg(folder / "0.jpg", film(0, rows=rows, columns=columns))
    write_png(folder / "1.png", film(1, rows=more_rows, columns=more_columns), mode="I;16")
    names = ("0.jpg", "1.png")
    return [
        Task(n, name, "", name, Source(str(folder / name)), str(folder / f"out{n}.jpg"), Recipe())
        for n, name in enumerate(names)
    ]


def _started() -> WorkerProcess:
    worker = WorkerProcess(attempt, _PRELOAD, LIMITS)
    worker.receive()
    worker.start()
    return worker


def _proc(worker: WorkerProcess, name: str, key: str) -> int:
    text = Path(f"/proc/{worker.pid}/{name}").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith(f"{key}:")]
    return int(line.split()[1])


def _megabytes(workers: list[WorkerProcess]) -> float:
    return statistics.mean(_proc(worker, "smaps_rollup", "Pss") for worker in workers) / 1000


_threads = partial(_proc, name="status", key="Threads")


if __name__ == "__main__":
    main()
