"""How long the ledger of a million images takes to append to, read and compact, and how much memory.

``python -m benchmarks.ledger`` writes it as a run does, of DICOM films with all their facts and one line in
twenty superseded, and reads it in processes of their own.
"""

from __future__ import annotations

import argparse
import hashlib
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

from composer.imaging import Facts
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
        outcome = _film(number, draw)
        yield outcome
        if number % 20 == 0:
            yield outcome


def _film(number: int, draw: random.Random) -> Outcome:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    rows, columns = draw.randint(1500, 3500), draw.randint(1500, 3500)
    facts = Facts(
        source_bytes=draw.randint(5_000_000, 20_000_000),
        source_modified=1_700_000_000_000_000_000 + draw.randint(0, 10**15),
        source_format="dicom",
        transfer_syntax="1.2.840.10008.1.2.4.90",
        decoder="python-gdcm 3.2.6",
        bits_allocated=16,
        bits_stored=12,
        photometric_interpretation="MONOCHROME2",
        presentation_lut_shape="IDENTITY",
        patient_sex="F",
        patient_age="040Y",
        view_position="PA",
        patient_orientation="L\\F",
        voi_kind="window",
        voi_index=0,
        window_center=2048.0,
        window_width=4095.0,
        voi_lut_function="LINEAR",
        rescale_slope=1.0,
        rescale_intercept=0.0,
        native_rows=rows,
        native_columns=columns,
        pixel_spacing_row=0.139,
        pixel_spacing_column=0.139,
        scale_row=1024 / rows,
        scale_column=1024 / columns,
        crop_box=[0.0, draw.random() * 300, float(columns), rows - draw.random() * 300],
        rows=1024,
        columns=1024,
        flags=["upscaled"],
        read_ms=round(draw.random() * 50, 3),
        decode_ms=round(draw.random() * 300, 3),
        tone_ms=round(draw.random() * 50, 3),
        encode_ms=round(draw.random() * 50, 3),
    )
    name = f"files/p{number % 100:02d}/p{number:08d}/s{number:08d}/images_of_this_study/{digest[:32]}.dicom"
    return Outcome(
        number, digest[:32], "", name, bytes=draw.randint(150_000, 300_000), sha256=digest, facts=facts
    )


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
