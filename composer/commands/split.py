"""``machex.py split``: count the folds of a collection, and export them so that others can use the same."""

from __future__ import annotations

import csv
import io
import os
import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from composer.accounts import aligned
from composer.commands.composed import composed_folders
from composer.errors import UsageError
from composer.folder import DatasetFolder
from composer.folds import FOLDS
from composer.lock import check_not_held
from composer.overlap.moves import stored
from composer.overlap.settle import unsettled
from composer.settings import Settings, load_settings
from composer.storage import atomic_write


def run(arguments: Namespace) -> int:
    """Print how many films of each dataset are in each fold, and write the file; return 0."""
    settings = load_settings(Path(arguments.config), roots_needed=False)
    target = None if arguments.export is None else _target(arguments.export)
    names = sorted(folder.path.name for folder in composed_folders(settings, arguments.dataset))
    _check_not_held(settings, names)
    rows = {name: _rows(settings.machex_path / name) for name in names}
    _check_folds(settings, rows, arguments.config)
    # What a run changed meanwhile would be half of one split and half of another.
    _check_not_held(settings, names)
    found = {name: each for name, each in rows.items() if each is not None}
    print(_table(found))
    if target is not None:
        _write(target, pa.concat_tables(found.values()))
        print(f"folds: {target}")
    return 0


def _target(name: str) -> Path:
    """Return the file to write, after a look whether that can be: not only when all is read."""
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path.absolute()} is no file that can be written: name another with --export")
    return path


def _check_not_held(settings: Settings, names: Sequence[str]) -> None:
    for name in names:
        check_not_held(DatasetFolder(settings.machex_path / name).lock)


def _rows(folder: Path) -> pa.Table | None:
    """Return dataset, identity and fold of every film, sorted; None when its index does not tell them."""
    rows = stored(folder, ("identity", "fold"))
    if rows is None:
        return None
    dataset = pa.array([folder.name] * rows.num_rows, pa.string())
    return rows.sort_by("identity").add_column(0, "dataset", dataset)


def _check_folds(settings: Settings, rows: Mapping[str, pa.Table | None], config: str) -> None:
    """Raise `UsageError` when an index tells no folds, or others than follow from the collection."""
    problems = [f"{name}: it tells no folds" for name, each in rows.items() if each is None]
    again = shlex.join(["python", "machex.py", "index", "-c", config])
    if problems:
        heading = f"an older version wrote these indexes, or they are damaged; write them anew: {again}"
        raise UsageError(heading, problems)
    behind = [name for name in unsettled(settings.machex_path) if name in rows]
    if behind:
        heading = (
            f"films of one patient are in two folds, as after a run that was stopped; mend that: {again}"
        )
        raise UsageError(heading, [f"{name}: its folds do not follow from the collection" for name in behind])


def _table(rows: Mapping[str, pa.Table]) -> str:
    """Return a line per dataset and their sum: films, and how many are in each fold."""
    counts = {
        name: [pc.sum(pc.equal(each["fold"], fold)).as_py() or 0 for fold in range(FOLDS)]
        for name, each in rows.items()
    }
    if len(counts) > 1:
        counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    lines = [["dataset", "films", *(f"fold {fold}" for fold in range(FOLDS))]]
    lines += [[name, f"{sum(each):,}", *(f"{count:,}" for count in each)] for name, each in counts.items()]
    return aligned(lines)


def _write(path: Path, rows: pa.Table) -> None:
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows.column_names)
        for batch in rows.to_batches(max_chunksize=10_000):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        text.detach()
