"""``machex.py overlap``: find the radiographs that are in a collection more than once."""

from __future__ import annotations

import io
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from composer.commands.composed import composed_folders
from composer.contact_sheet import MAXIMUM_PICTURES, write_contact_sheet
from composer.errors import UsageError
from composer.folder import DatasetFolder
from composer.folds import family_names, read_pairs
from composer.lock import check_not_held
from composer.overlap.listing import listed, overview, worth_a_look
from composer.overlap.pairs import PAIRS, composed, verified_pairs
from composer.settings import Settings, load_settings
from composer.storage import atomic_write

log = logging.getLogger(__name__)

_TABLE, _SHEET = "overlap.csv", "overlap.png"


def run(arguments: Namespace) -> int:
    """Print what was found, and write the pairs and a contact sheet of some of them; return 0."""
    settings = load_settings(Path(arguments.config), roots_needed=False)
    target = _target(arguments.output)
    names = _families_first(folder.path.name for folder in composed_folders(settings, arguments.dataset))
    for name in names:
        check_not_held(DatasetFolder(settings.machex_path / name).lock)
    progress = sys.stderr.isatty() and not arguments.quiet
    groups = _groups(names, everything=arguments.all, named=bool(arguments.dataset))
    found = [_found(settings, group, progress=progress) for group in groups]
    if not found:
        raise UsageError(f"no dataset in {settings.machex_path} has films of another one: add --all")
    rows = listed(*map(pa.concat_tables, zip(*found, strict=True)))
    print(overview(rows))
    _write_table(target / _TABLE, rows)
    print(f"pairs: {target / _TABLE} ({rows.num_rows:,})")
    shown = rows.take(worth_a_look(rows, MAXIMUM_PICTURES // 2))
    if shown.num_rows:
        write_contact_sheet(target / _SHEET, settings.machex_path, _side_by_side(shown))
        print(f"contact sheet: {target / _SHEET} ({shown.num_rows:,} pairs, the doubtful ones first)")
    return 0


def _target(folder: str) -> Path:
    """Return where the results go, after a look whether they can: not only when all is done."""
    path = Path(folder)
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path.absolute()} is no folder to write {_TABLE} into: name another with -o")
    return path


def _families_first(names: Iterable[str]) -> list[str]:
    """Return the names with those of a family in its order, so that a pair is always named the same way."""
    in_families = [name for family in family_names() for name in family]
    return sorted(
        names, key=lambda name: in_families.index(name) if name in in_families else len(in_families)
    )


def _groups(names: Sequence[str], *, everything: bool, named: bool) -> list[list[str]]:
    """Return the groups of datasets in which every film is compared with every other.

    Parameters
    ----------
    everything
        Whether all are one group, and not each family by itself.
    named
        Whether the user named the datasets: those without a family are looked at, too.
    """
    if everything:
        return [list(names)]
    groups = [[name for name in family if name in names] for family in family_names()]
    alone = [name for name in names if not any(name in group for group in groups)]
    if alone and not named:
        log.info("not looked at, because they are of no family: %s (--all does)", ", ".join(alone))
    return [group for group in [*groups, *([name] for name in alone if named)] if group]


def _found(settings: Settings, group: Sequence[str], *, progress: bool) -> tuple[pa.Table, pa.Table]:
    """Return the pairs within a group of datasets, and its films."""
    folders = [settings.machex_path / name for name in group]
    films = pa.concat_tables([composed(folder) for folder in folders])
    log.info("%s: %s films are compared", ", ".join(group), f"{films.num_rows:,}")
    if unknown := films["fingerprint"].null_count:
        log.warning(
            "%s: %s films have no fingerprint and are not looked at: they are blank, or were composed by an "
            "older version",
            ", ".join(group),
            f"{unknown:,}",
        )
    known = pa.concat_tables([read_pairs(folder, PAIRS) for folder in folders])
    pairs = verified_pairs(films, None, known, settings.num_workers, progress=progress)
    return pairs, films


def _write_table(path: Path, rows: pa.Table) -> None:
    data = io.BytesIO()
    csv.write_csv(rows, data, csv.WriteOptions(quoting_style="needed"))
    with atomic_write(path) as file:
        file.write(data.getvalue())


def _side_by_side(rows: pa.Table) -> pa.Table:
    """Return the films of pairs as a contact sheet takes them, which has an even number of columns."""
    pictures = []
    for row in rows.to_pylist():
        notes = (f"pair {row['pair']}", f"error {row['error']:.1f}")
        for which, note in zip(("first", "second"), notes, strict=True):
            dataset, path = row[f"{which}_dataset"], row[f"{which}_path"]
            picture = {"id": int(Path(path).stem), "path": f"{dataset}/{path}", "view": f"{dataset}, {note}"}
            pictures.append(picture)
    return pa.Table.from_pylist(pictures)
