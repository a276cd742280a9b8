"""``machex.py [compose]``: write the collection that the configuration describes."""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from composer.accounts import Accounts, closing_table, planned_counts, status_table
from composer.compose import compose
from composer.contact_sheet import MAXIMUM_PICTURES, write_contact_sheet
from composer.datasets import check_free, open_datasets
from composer.errors import UsageError
from composer.finish import sample_index
from composer.profile import Work, profile
from composer.request import EVERYTHING, Request
from composer.settings import Settings, load_settings, usable_cores
from composer.status import Status
from composer.unconfigured import delete_unconfigured, unconfigured

log = logging.getLogger(__name__)


def run(arguments: Namespace) -> int:
    """Compose and print the closing table; return 1 when images failed or are missing, else 0."""
    settings = load_settings(Path(arguments.config))
    log.debug("%s", settings)
    sheets = _folder_of_sheets(arguments.limit, arguments.output)
    gone = [name for name in unconfigured(settings) if name in arguments.dataset and arguments.prune]
    names = [name for name in arguments.dataset if name not in gone]
    request = Request(arguments.limit, arguments.retry_failed, arguments.prune)
    exit_code = 0
    if names or not gone:
        exit_code = compose_and_report(
            settings, names, quiet=arguments.quiet, request=request, redo=arguments.redo, sheets=sheets
        )
    for name in gone:
        delete_unconfigured(settings, name)
    return exit_code


def _folder_of_sheets(limit: int | None, folder: str | None) -> Path | None:
    """Return where contact sheets go, after a look whether they can: not only when all is done."""
    if limit is None:
        if folder is not None:
            raise UsageError("-o is where the contact sheets of --limit go: add --limit N, or leave it out")
        return None
    path = Path(folder or ".")
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path.absolute()} is no folder to write contact sheets into: name another with -o")
    return path


def compose_and_report(
    settings: Settings,
    names: Sequence[str],
    *,
    quiet: bool,
    request: Request = EVERYTHING,
    redo: bool = False,
    sheets: Path | None = None,
) -> int:
    """Compose the named datasets of a configuration, all when none is named; return the exit code.

    Where ``sheets`` is a folder, a contact sheet of each dataset's sample is put there.
    """
    check_free(settings, names)
    datasets = open_datasets(settings, names, redo=redo)
    counts = [(each.name, each.found, planned_counts(each.plan, each.repeated)[0]) for each in datasets]
    log.info("planned:\n%s\n", status_table(counts))
    if not names:
        for name in unconfigured(settings):
            log.warning("%s is in the collection but not in the configuration: it stays as it is", name)
    progress = sys.stderr.isatty() and not quiet
    works: list[Work] = []
    accounts = compose(datasets, settings.num_workers, progress=progress, request=request, works=works)
    exit_code = report(accounts, settings, works)
    if sheets is not None and request.limit is not None:
        for dataset in datasets:
            path = sheets / f"contact-sheet-{dataset.name}.png"
            index = sample_index(dataset, min(request.limit, MAXIMUM_PICTURES))
            write_contact_sheet(path, dataset.folder.path, index)
            print(f"contact sheet of {dataset.name}: {path} ({index.num_rows:,} pictures)")
    return exit_code


def report(accounts: Sequence[Accounts], settings: Settings, works: Sequence[Work] = ()) -> int:
    """Print the closing table and where the time went; return the exit code that the accounts call for."""
    print(closing_table(accounts))
    if (where := profile(works, usable_cores())) is not None:
        print(f"\n{where}")
    print(f"\ncollection: {settings.machex_path}")
    counted = [Status.FAILED] if settings.allow_missing else [Status.FAILED, Status.MISSING]
    trouble = [each for each in accounts if any(each.by_status[status] for status in counted)]
    for each in trouble:
        path = settings.machex_path / each.dataset / "failures.csv"
        print(f"failed or missing images of {each.dataset} are named in {path}")
    if any(each.by_status[Status.FAILED] for each in trouble):
        print("a run leaves what has failed alone; once the files are mended, add --retry-failed")
    return 1 if trouble else 0
