"""How long verifying takes, and how much memory, for ChestX-ray14 at its full size.

``python -m benchmarks.verify`` looks at every picture; ``--sources`` at the sources too; ``--deep`` reads the
pictures. ``--images`` says how many there are; they are hard links to a few.
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
from contextlib import ExitStack
from pathlib import Path

from benchmarks.composed import composed
from benchmarks.releases import lay_out_nih
from composer.folder import DatasetFolder
from composer.pool import Pool
from composer.settings import load_settings
from composer.verification.findings import Kind
from composer.verification.inspection import inspect
from composer.verification.verify import verify
from processors import all_processors


def main() -> None:
    """Print the median of several runs, each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--sources", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        _verify(arguments.once, deep=arguments.deep, sources=arguments.sources)
        return
    flags = [f"--{name}" for name in ("deep", "sources") if getattr(arguments, name)]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        config = composed(Path(folder), lay_out_nih(Path(folder)), arguments.images)
        runs = [_run(config, flags) for _ in range(arguments.runs)]
    seconds, mebibytes = (statistics.median(column) for column in zip(*runs, strict=True))
    what = f"{' '.join(['verify', *flags])}, {arguments.images:,} images"
    print(f"{what}, median of {len(runs)} runs: {seconds:.1f} s, {mebibytes:,.0f} MiB")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


def _run(config: Path, flags: list[str]) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.verify", "--once", str(config), *flags]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    seconds, mebibytes = output.split()
    return float(seconds), float(mebibytes)


def _verify(config: Path, *, deep: bool, sources: bool) -> None:
    settings = load_settings(config)
    start = time.perf_counter()
    with ExitStack() as stack:
        readers = stack.enter_context(Pool(inspect, settings.num_workers)) if deep else None
        (processor,) = (each for each in all_processors() if settings.root(each))
        root = settings.root(processor) if sources else None
        found = verify(DatasetFolder(settings.machex_path / processor.folder), root=root, readers=readers)
    seconds = time.perf_counter() - start
    # With fewer images than the release has, it notes that others were not tried.
    bad = [finding for finding in found.findings if finding.kind is not Kind.NOTE]
    assert not bad, bad[:3]
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
