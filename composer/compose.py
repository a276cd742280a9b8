"""Composing: every planned image of every dataset through the pool, into the ledger, into the index."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress

from composer.accounts import Accounts
from composer.attempts import attempt
from composer.datasets import Dataset
from composer.errors import OutputError
from composer.finish import finish
from composer.guard import Guarded, fingerprint_held_out
from composer.hold import Hold
from composer.interruption import Interruption, postponed_interrupts
from composer.lock import LockLost
from composer.making import Making, make_images
from composer.overlap.moves import Folds, folds_before
from composer.overlap.settle import settle
from composer.plan import write_plan
from composer.pool import Pool
from composer.profile import Work
from composer.request import EVERYTHING, Request, to_make
from composer.twins.held_out import HeldOutFile
from composer.worker import WARM

log = logging.getLogger(__name__)


def compose(
    datasets: Sequence[Dataset],
    workers: int,
    *,
    progress: bool,
    request: Request = EVERYTHING,
    works: list[Work] | None = None,
) -> list[Accounts]:
    """Write what is missing of each dataset, and its index; return the accounts in the same order.

    A failing image is a line in the ledger and in ``failures.csv``, never the end of the run.

    Parameters
    ----------
    datasets
        As `composer.datasets.open_datasets` gives them.
    workers
        How many processes convert images.
    progress
        Whether to show a bar.
    works
        What was done for each dataset is added here.

    Raises
    ------
    OutputError
        When the result cannot be written, or another run writes there.
    Interrupted
        After Ctrl-C; the index of what is done has been written.
    """
    accounts = []
    works = [] if works is None else works
    collection = datasets[0].folder.path.parent
    with postponed_interrupts() as interruption, Hold(datasets) as hold:
        before = folds_before(collection)
        for dataset in datasets:
            # The index of pictures that are going to be replaced is emptied no earlier than need be.
            if not dataset.is_redone:
                _begin(dataset)
        held_out = fingerprint_relatives(datasets, workers, interruption, progress=progress)
        with Pool(attempt, workers, WARM) as pool:
            for dataset in datasets:
                interruption.check()
                if dataset.is_redone:
                    _begin(dataset)
                making = Making(dataset, pool, workers, hold, interruption, held_out.get(dataset.name))
                work, counted = _compose(making, request, progress=progress)
                works.append(work)
                accounts.append(counted)
        interruption.check()
        settle_folds(datasets, workers, before, interruption, hold, progress=progress)
    return accounts


def settle_folds(
    datasets: Sequence[Dataset],
    workers: int,
    before: Folds,
    interruption: Interruption,
    hold: Hold,
    *,
    progress: bool,
) -> None:
    """Find the films that these datasets share with others, bring the folds in line, and tell what changed.

    Parameters
    ----------
    before
        As `composer.overlap.folds_before` gave it before anything was written.

    Raises
    ------
    OutputError
        When an index cannot be written.
    Interrupted
        After Ctrl-C; the next run goes on.
    """

    def check() -> None:
        interruption.check()
        hold.check()

    names = [dataset.name for dataset in datasets]
    collection = datasets[0].folder.path.parent
    for message in settle(collection, names, workers, before=before, check=check, progress=progress):
        log.warning("%s", message)


def fingerprint_relatives(
    datasets: Sequence[Dataset], workers: int, interruption: Interruption, *, progress: bool
) -> dict[str, HeldOutFile]:
    """Read the films that others hold out; see `composer.guard.fingerprint_held_out`."""
    guarded = [
        Guarded(dataset.name, dataset.guard, dataset.folder.held_out) for dataset in datasets if dataset.guard
    ]
    return fingerprint_held_out(guarded, workers, interruption, progress=progress)


def _begin(dataset: Dataset) -> None:
    """Bring a folder into the state in which images can be written; see docs/durability.md for the order.

    An index is emptied before the pictures that it describes are replaced. It is written when there is none,
    for readers expect one in every folder of a collection; but after the plan, by which the folder is ours.
    """
    folder = dataset.folder
    if dataset.is_redone:
        finish(dataset)
    write_plan(folder.plan, dataset.plan, dataset.previous_plan, dataset.recipe.as_dict())
    if not folder.index_json.exists():
        finish(dataset)


def _compose(making: Making, request: Request, *, progress: bool) -> tuple[Work, Accounts]:
    dataset = making.dataset
    try:
        _check_there(dataset)
        work = make_images(making, to_make(dataset, request), progress=progress)
    except LockLost:
        # The folder is another run's now.
        raise
    except OutputError:
        # Where there still is room, the index of what is done.
        with suppress(OutputError):
            _check_there(dataset)
            finish(dataset)
        raise
    _check_there(dataset)
    return work, finish(dataset, prune=request.prune)


def _check_there(dataset: Dataset) -> None:
    """Raise `OutputError` when the plan is gone, as with its disk: nothing is written below a mount point."""
    plan = dataset.folder.plan
    try:
        plan.stat()
    except OSError as error:
        raise OutputError(
            f"{plan} is gone ({os.strerror(error.errno or 0)}): was the disk unmounted? Bring it back, then "
            "run the same command again"
        ) from error
