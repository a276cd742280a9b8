"""``machex.py index``: write the index files anew from the sources' tables and the ledger."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from composer.commands.compose import report
from composer.compose import fingerprint_relatives, settle_folds
from composer.datasets import check_free, open_datasets
from composer.errors import UsageError
from composer.finish import finish
from composer.hold import Hold
from composer.interruption import postponed_interrupts
from composer.ledger import compact
from composer.overlap.moves import folds_before
from composer.plan import write_plan
from composer.settings import load_settings


def run(arguments: Namespace) -> int:
    """Write every index again, without touching an image; return as `compose` does."""
    settings = load_settings(Path(arguments.config))
    check_free(settings, arguments.dataset)
    datasets = open_datasets(settings, arguments.dataset)
    absent = [dataset.name for dataset in datasets if dataset.previous_plan is None]
    if absent:
        raise UsageError(
            f"nothing has been composed yet of {', '.join(absent)}: run the compose command first"
        )
    accounts = []
    with postponed_interrupts() as interruption, Hold(datasets) as hold:
        before = folds_before(settings.machex_path)
        # So that films which look like a held-out one leave the index until they were compared with it.
        fingerprint_relatives(datasets, settings.num_workers, interruption, progress=False)
        for dataset in datasets:
            interruption.check()
            write_plan(dataset.folder.plan, dataset.plan, dataset.previous_plan, dataset.recipe.as_dict())
            compact(dataset.folder.ledger)
            accounts.append(finish(dataset))
        settle_folds(datasets, settings.num_workers, before, interruption, hold, progress=False)
    return report(accounts, settings)
