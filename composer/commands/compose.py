"""``machex.py [compose]``: write the collection that the configuration describes."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from composer.accounts import Accounts, closing_table
from composer.compose import compose
from composer.datasets import open_datasets
from composer.settings import Settings, load_settings
from composer.status import Status

log = logging.getLogger(__name__)


def run(arguments: Namespace) -> int:
    """Compose and print the closing table; return 1 when images failed or are missing, else 0."""
    settings = load_settings(Path(arguments.config))
    log.debug("%s", settings)
    return compose_and_report(settings, arguments.dataset, quiet=arguments.quiet)


def compose_and_report(settings: Settings, names: Sequence[str], *, quiet: bool) -> int:
    """Compose the named datasets of a configuration, all when none is named; return the exit code."""
    datasets = open_datasets(settings, names)
    accounts = compose(datasets, settings.num_workers, progress=sys.stderr.isatty() and not quiet)
    return report(accounts, settings)


def report(accounts: Sequence[Accounts], settings: Settings) -> int:
    """Print the closing table and return the exit code that the accounts call for."""
    print(closing_table(accounts))
    print(f"\ncollection: {settings.machex_path}")
    counted = [Status.FAILED] if settings.allow_missing else [Status.FAILED, Status.MISSING]
    trouble = [each.dataset for each in accounts if any(each.by_status[status] for status in counted)]
    for name in trouble:
        print(
            f"failed or missing images of {name} are named in {settings.machex_path / name / 'failures.csv'}"
        )
    return 1 if trouble else 0
