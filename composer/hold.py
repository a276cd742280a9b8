"""The hold of a run on the folders that it writes to: one run at a time for each dataset."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from composer.datasets import Dataset
from composer.errors import OutputError
from composer.finish import results_now
from composer.leftovers import delete_damaged, sweep
from composer.lock import FolderLock, LockLost
from composer.plan import read_plan
from composer.storage import flush_filesystem

log = logging.getLogger(__name__)


class Hold:
    """The locks of some datasets, as a context manager.

    At the start what a killed run left is cleared away: temporary files, and pictures of a wrong size.
    At the end temporary files are deleted and the filesystem is flushed before the locks are released: a lock
    that is still there tells the next run that this was not done.

    Raises
    ------
    OutputError
        When another run holds one of the folders, or has changed it since it was planned for.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._datasets = datasets
        self._locks: list[FolderLock] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for dataset in self._datasets:
                dataset.folder.make()
                lock = stack.enter_context(FolderLock(dataset.folder.lock))
                stack.callback(_settle, dataset, lock)
                self._locks.append(lock)
                _check_unchanged(dataset)
                sweep(dataset.folder)
                if lock.taken_over:
                    _compare_sizes(dataset)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def check(self) -> None:
        """Raise `LockLost` when another run may have taken one of the locks."""
        for lock in self._locks:
            lock.check()


def _compare_sizes(dataset: Dataset) -> None:
    """Delete pictures that a power cut has cut: the run before was killed, and has flushed nothing."""
    damaged = delete_damaged(dataset.folder, results_now(dataset), dataset.recipe.extension)
    log.info("%s: the last run was killed; %s pictures were damaged by that", dataset.name, f"{damaged:,}")


def _settle(dataset: Dataset, lock: FolderLock) -> None:
    with suppress(LockLost):
        lock.check()
        sweep(dataset.folder)
        flush_filesystem(dataset.folder.path)


def _check_unchanged(dataset: Dataset) -> None:
    now, before = read_plan(dataset.folder.plan), dataset.previous_plan
    same = now is None if before is None else now is not None and now.equals(before, check_metadata=True)
    if not same:
        raise OutputError(
            f"{dataset.folder.path}: another run has been writing here while this one read the sources; run "
            "the same command again"
        )
