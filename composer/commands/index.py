"""``machex.py index``: write the index files anew from the sources' tables and the ledger."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from composer.commands.compose import report
from composer.compose import finish
from composer.datasets import open_datasets
from composer.errors import UsageError
from composer.settings import load_settings


def run(arguments: Namespace) -> int:
    """Write every index again, without touching an image; return as `compose` does."""
    settings = load_settings(Path(arguments.config))
    datasets = open_datasets(settings, arguments.dataset)
    absent = [dataset.name for dataset in datasets if dataset.previous_plan is None]
    if absent:
        raise UsageError(
            f"nothing has been composed yet of {', '.join(absent)}: run the compose command first"
        )
    return report([finish(dataset) for dataset in datasets], settings)
