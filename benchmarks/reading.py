"""How fast the reader feeds a training loop, beside the public MaCheX's reader, on the same pictures.

``python -m benchmarks.reading`` writes pictures of 1024 x 1024 with the grain of real films
(``benchmarks.grainy``) and reads them in one process, and through a ``DataLoader`` with two workers; each
reader in a process of its own, in turns, of several rounds the medians; through a loader ours also with
``collate``, which hands its batches over faster. The files are in the cache of the system. ``--steps`` takes
an item apart instead, and says what limits it. ``--index`` opens the index of 930,000 pictures, and looks how
a loader's worker grows over an epoch of it, and over one of pictures.

MaCheX's reader makes and frees some 30 MB for an item. Whether the C library hands that back to the system
each time is a matter of how a process has laid out its heap, and new memory is expensive: least and most
milliseconds of its rounds stand beside the median.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.grainy import KINDS, grainy
from benchmarks.public_reader import public_collection
from composer.pieces import PIECE
from dataset import MaCheXDataset, collate

# What is read, with the bar in one process and through a loader with two workers.
READERS: dict[str, tuple[dict[str, Any], float, float]] = {
    "default item": ({}, 2, 1.4),
    "channels=1, dtype=uint8": ({"channels": 1, "dtype": "uint8"}, 5, 5),
    "size=256": ({"size": 256}, 7, 7),
}
_ROWS = 930_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--films", type=int, default=16, help="different pictures (16)")
    parser.add_argument("--items", type=int, default=512, help="items that are read in a run (512)")
    parser.add_argument("--steps", action="store_true", help="the parts of an item")
    parser.add_argument("--index", action="store_true", help="the index of a whole collection")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        if arguments.index:
            _measure_index(Path(folder))
            _measure_growth(write_collection(Path(folder) / "pictures", arguments.films, 2000))
        else:
            root = write_collection(Path(folder), arguments.films, max(arguments.items, arguments.films))
            (_measure_steps if arguments.steps else _measure_readers)(root, arguments)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


# --- Pictures


def write_collection(folder: Path, films: int, items: int) -> Path:
    """Write so many pictures, and links to them until there are as many as items."""
    root = folder / "collection"
    place = root / "chex-ray14"
    (place / "00").mkdir(parents=True)
    for number in range(items):
        file = place / f"00/{number:06d}.jpg"
        if number < films:
            values = np.rint(grainy(KINDS["nih"], number) * 255).astype(np.uint8)
            Image.fromarray(values).convert("RGB").save(file, quality=95)
        else:
            file.hardlink_to(place / f"00/{number % films:06d}.jpg")
    paths = [f"00/{number:06d}.jpg" for number in range(items)]
    numbers = pa.array(range(items), pa.int32())
    pq.write_table(pa.table({"id": numbers, "path": paths, "key": paths}), place / "index.parquet")
    entries = {f"{number:06d}": {"path": str(place / path), "key": path} for number, path in enumerate(paths)}
    (place / "index.json").write_text(json.dumps(entries))
    return root


def _measure_readers(root: Path, arguments: argparse.Namespace) -> None:
    sizes = [file.stat().st_size for file in sorted(root.glob("*/00/*.jpg"))[: arguments.films]]
    print(f"{statistics.mean(sizes) / 1000:.0f} kB a picture; ms an item, median of {arguments.runs} runs")
    print(f"{'':28}{'loader':>16}{'MaCheX':>10}{'least':>8}{'most':>8}{'ours':>8}{'ratio':>8}{'bar':>6}")
    for loader, ways in (("none", ["none"]), ("two workers", ["two workers", "with collate"])):
        calls = [("public", loader), *((name, way) for way in ways for name in READERS)]
        runs = [[_apart(root, *call) for call in calls] for _ in range(arguments.runs)]
        public, *ours = zip(*runs, strict=True)
        for (name, way), figures in zip(calls[1:], ours, strict=True):
            theirs, milliseconds = statistics.median(public), statistics.median(figures)
            others = f"{theirs:10.2f}{min(public):8.2f}{max(public):8.2f}"
            bar = READERS[name][1 + (loader != "none")]
            print(
                f"{name:28}{way:>16}{others}{milliseconds:8.2f}{theirs / milliseconds:8.2f}{bar:6}",
                flush=True,
            )


def _apart(root: Path, name: str, loader: str) -> float:
    call = f"from benchmarks.reading import read; print(read({str(root)!r}, {name!r}, {loader!r}))"
    command = [sys.executable, "-c", call]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)  # noqa: S603


def read(root: str, name: str, way: str) -> float:
    """Read all items by one reader, and return the milliseconds of each; the start is left out."""
    torch.set_num_threads(1)  # as in workers
    pictures: Dataset[Any] = (
        public_collection(Path(root)) if name == "public" else MaCheXDataset(root, **READERS[name][0])
    )
    count = len(pictures)  # type: ignore[arg-type]  # both have a length
    if way == "none":
        start = time.perf_counter()
        for item in range(count):
            pictures[item]
        return (time.perf_counter() - start) / count * 1000
    loader: DataLoader[Any] = DataLoader(
        pictures,
        batch_size=8,
        num_workers=2,
        multiprocessing_context="fork",
        persistent_workers=True,
        collate_fn=collate if way == "with collate" else None,
    )
    for _ in loader:  # workers start, and find their memory
        pass
    start = time.perf_counter()
    for batch in loader:
        batch["img"][:, :, ::64, ::64].sum()
    return (time.perf_counter() - start) / count * 1000


# --- The parts of an item


def _measure_steps(root: Path, arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    file = root / "chex-ray14/00/000000.jpg"
    data = file.read_bytes()
    plane = torch.from_numpy(simplejpeg.decode_jpeg(data, "GRAY")[..., 0])
    three = plane.float().div_(255).expand(3, -1, -1).contiguous()
    batch = torch.stack([three] * 8)
    written = os.memfd_create("batch")
    steps: dict[str, Callable[[], Any]] = {
        "read the file": file.read_bytes,
        "decode the luma plane": lambda: simplejpeg.decode_jpeg(data, "GRAY"),
        "decode it at a quarter": lambda: simplejpeg.decode_jpeg(data, "GRAY", min_height=256, min_width=256),
        "to float32 and three channels": lambda: plane.float().div_(255).expand(3, -1, -1).contiguous(),
        "copy into a batch of 8, the part of one": lambda: batch[0].copy_(three),
        "the same into new shared memory": lambda: (
            torch.empty(0).set_(_new_shared(three)).copy_(three.flatten())
        ),
        "the same written as a file": lambda: _written_anew(written, three),
    }
    for name, step in steps.items():
        seconds = [_seconds(step) for _ in range(20 * arguments.runs)]
        print(f"{name:44}{statistics.median(seconds) * 1000:8.2f} ms", flush=True)


def _new_shared(like: torch.Tensor) -> torch.UntypedStorage:
    storage: torch.UntypedStorage = torch.UntypedStorage._new_shared(like.nbytes)  # type: ignore[no-untyped-call]
    return storage


def _written_anew(descriptor: int, tensor: torch.Tensor) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, memoryview(tensor.numpy()), 0)  # type: ignore[arg-type]  # it is a buffer


def _seconds(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


# --- The index


def _measure_index(folder: Path) -> None:
    root = folder / "collection"
    for name, rows in (("chex-ray14", 120_000), ("mimic", 400_000), ("padchest", 410_000)):
        _write_index(root / name, rows)
    call = f"from benchmarks.reading import look; look({str(root)!r})"
    subprocess.run([sys.executable, "-c", call], check=True)  # noqa: S603


def _write_index(folder: Path, rows: int) -> None:
    """Write an index with a hundred columns, the texts among them no two alike."""
    folder.mkdir(parents=True)
    writer = None
    for first in range(0, rows, PIECE):
        numbers = range(first, min(first + PIECE, rows))
        label = {"label": "Pleural Effusion", "value": 1, "labeller": "CheXpert"}
        columns = {
            "id": pa.array(numbers, pa.int32()),
            "path": [f"{number // 10_000:02d}/{number:06d}.jpg" for number in numbers],
            "key": [
                f"files/p10/p1{number:07d}/s5{number:07d}/{number * 7919:032x}.jpg" for number in numbers
            ],
            "view": [("PA", "AP", "lateral")[number % 3] for number in numbers],
            "split": [("train", None)[number % 2] for number in numbers],
            "report": [f"No change since study {number}. " * 10 for number in numbers],
            "labels": [[label] * (number % 8) for number in numbers],
            "native": pa.array(
                [[("Rows", str(number))] * 6 for number in numbers], pa.map_(pa.string(), pa.string())
            ),
            **{
                f"label_{term}": pa.array([number % 2 for number in numbers], pa.int8()) for term in range(42)
            },
            **{f"fact_{fact}": [float(number) for number in numbers] for fact in range(25)},
            **{f"nothing_{fact}": pa.nulls(len(numbers), pa.string()) for fact in range(25)},
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(folder / "index.parquet", table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def look(root: str) -> None:
    """Print what the index of a whole collection takes."""
    process = psutil.Process()
    before, start = process.memory_full_info().uss, time.perf_counter()
    pictures = MaCheXDataset(root, fields=("id",))
    seconds, grown = time.perf_counter() - start, process.memory_full_info().uss - before
    print(f"open {len(pictures):,} rows: {seconds:.2f} s, {grown / 1e6:.0f} MB more")
    print(f"pickled: {len(pickle.dumps(pictures)) / 1e6:.1f} MB")
    once = _seconds(lambda: pictures.row(0))
    many = [_seconds(lambda number=number: pictures.row(number)) for number in range(1, 5_000)]  # type: ignore[misc]  # a default binds it
    print(f"row: the first {once:.2f} s, then {statistics.median(many) * 1000:.3f} ms")
    more = _growth(MaCheXDataset(root, fields=("id", "view")), 1000, 1000)
    print(f"a worker from its 1,000th item to the end of an epoch: {more:.1f} MB more")


def _measure_growth(root: Path) -> None:
    for name, (options, *_) in READERS.items():
        grown = _growth(MaCheXDataset(root, **options), 8, 200)
        print(f"a worker from its 200th to its 2,000th picture, {name}: {grown:.1f} MB more")


def _growth(pictures: MaCheXDataset, batch: int, every: int) -> float:
    """Return by how many MB a worker grows from its item of that number to the end of an epoch."""
    loader: DataLoader[Any] = DataLoader(
        _Watched(pictures, every),
        batch_size=batch,
        shuffle=True,
        num_workers=1,
        multiprocessing_context="fork",
        collate_fn=_sizes,
    )
    sizes: list[int] = [size for batch_sizes in loader for size in batch_sizes if size]
    return (sizes[-1] - sizes[0]) / 1e6


class _Watched(Dataset[tuple[Any, int]]):
    """Items that are read, and with some of them the memory that only this process has then."""

    def __init__(self, pictures: MaCheXDataset, every: int) -> None:
        self._pictures, self._every, self._count = pictures, every, 0

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, item: int) -> tuple[Any, int]:
        found = self._pictures[item]
        self._count += 1
        is_due = self._count % self._every == 0
        return found, int(psutil.Process().memory_full_info().uss) if is_due else 0


def _sizes(items: list[tuple[dict[str, Any], int]]) -> list[int]:
    collate([found for found, _ in items])
    return [size for _, size in items]


if __name__ == "__main__":
    main()
