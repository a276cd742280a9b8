"""The hold of a run on the folders that it writes to: one run at a time for each dataset."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

import pyarrow.compute as pc

from composer.datasets import Dataset
from composer.errors import Interrupted, OutputError
from composer.ledger import read_ledger
from composer.leftovers import delete_damaged, sweep
from composer.lock import FolderLock, LockLost
from composer.plan import plan_digest
from composer.storage import flush_filesystem

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 0.1


class Hold:
    """The locks of some datasets, as a context manager.

    At the start what a killed run left is cleared away: temporary files, and pictures of a wrong size.
    At the end temporary files are deleted and the filesystem is flushed before the locks are released. When
    that fails, or the block ends with an error, the locks are left to expire at once: a lock that is still
    there tells the next run to look for pictures that differ from their lines.

    Raises
    ------
    OutputError
        When another run holds one of the folders, or has changed it since it was planned for.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._datasets = datasets
        self._locks: list[FolderLock] = []
        self._stack = ExitStack()
        self._checked = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for dataset in self._datasets:
                dataset.folder.make()
                lock = stack.enter_context(FolderLock(dataset.folder.lock))
                lock.unsettled = lock.taken_over
                self._locks.append(lock)
                _check_unchanged(dataset)
                sweep(dataset.folder)
                if lock.taken_over:
                    _compare_sizes(dataset)
                lock.unsettled = True
                stack.enter_context(_settled(dataset, lock))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def check(self) -> None:
        """Raise `LockLost` when another run may have taken one of the locks; looks ten times a second."""
        # This clock goes on while the machine sleeps, so that a sleeper looks before it writes again.
        now = time.time()
        if not 0 <= now - self._checked < _SECONDS_BETWEEN_LOOKS:
            for lock in self._locks:
                lock.check()
            self._checked = now


def _compare_sizes(dataset: Dataset) -> None:
    """Delete pictures that are not what their lines say: the run before was killed, and flushed nothing.

    All of them, also those that are not selected now: they may be again.
    """
    ledger = read_ledger(dataset.folder.ledger, ("number", "recipe", "status", "bytes"))
    lines = ledger.filter(pc.equal(ledger["recipe"], dataset.recipe.digest))
    damaged = delete_damaged(dataset.folder, lines, dataset.recipe.extension)
    log.info("%s: the last run was killed; %s pictures were damaged by that", dataset.name, f"{damaged:,}")


@contextmanager
def _settled(dataset: Dataset, lock: FolderLock) -> Iterator[None]:
    """Leave a folder in a state that needs no second look, unless the block ends with an error."""
    stopped = None
    try:
        yield
    except Interrupted as interrupted:
        stopped = interrupted
    except BaseException:
        with suppress(LockLost, OutputError):
            lock.check()
            sweep(dataset.folder)
        raise
    with suppress(LockLost):
        lock.check()
        sweep(dataset.folder)
        flush_filesystem(dataset.folder.path)
        lock.unsettled = False
    if stopped is not None:
        raise stopped


def _check_unchanged(dataset: Dataset) -> None:
    if plan_digest(dataset.folder.plan) != dataset.previous_digest:
        raise OutputError(
            f"{dataset.folder.path}: another run has been writing here while this one read the sources; run "
            "the same command again"
        )
