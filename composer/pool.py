"""A supervised pool of processes that survives the loss of any worker.

The pools of the standard library hang or break as a whole when a worker is killed. Here the driver has a
pipe to each worker and knows at any time which items it holds, so that the loss of a worker costs at most
the item that it had in hand; and no item holds a worker for ever, or takes the memory of the machine.
"""

from __future__ import annotations

import collections
import itertools
import selectors
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Generic, Self, TypeVar

from composer import processes
from composer.errors import OutputError
from composer.limits import LIMITS, Cause, Limits

Item = TypeVar("Item")
Result = TypeVar("Result")

# One item in hand and one waiting in the pipe, so that no worker waits for the driver.
_DEPTH = 2
# An item is to blame for the second worker that crashes on it or exceeds a limit: one may have been stopped
# from outside. SIGKILL says nothing of the item, unless it meets every worker that has it in hand.
_FAULTS, _LOSSES = 2, 5
# So many workers in a row that die before their first word mean that none can live here.
_FAILED_STARTS = 5
_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands for the result of an item whose workers were lost.

    Attributes
    ----------
    cause
        Of the last loss.
    exit_code
        Of the last worker, negative for a signal; None when it does not end.
    """

    cause: Cause
    exit_code: int | None


@dataclass(slots=True)
class _Entry(Generic[Item]):
    """An item, how many workers were lost with it in hand, and how many of these by a fault of theirs."""

    item: Item
    losses: int = 0
    faults: int = 0

    def blame(self, cause: Cause) -> bool:
        """Count a loss; return whether the item is to blame for it."""
        self.losses += 1
        self.faults += cause is not Cause.KILLED
        return self.faults >= _FAULTS or self.losses >= _LOSSES


class _Worker(processes.WorkerProcess, Generic[Item]):
    """A process and the entries it was given, oldest first."""

    def __init__(self, function: Callable[[Item], object], preload: Sequence[str], limits: Limits) -> None:
        super().__init__(function, preload, limits)
        self.entries: collections.deque[_Entry[Item]] = collections.deque()

    def takes(self, depth: int) -> bool:
        """Return whether it has room for one more beside ``depth`` entries: none beside a suspect."""
        return (
            len(self.entries) <= depth
            and self.ended_for is None
            and not (self.entries and self.entries[0].losses)
        )

    def give(self, entry: _Entry[Item]) -> None:
        self.entries.append(entry)
        # A broken pipe means that the process has died, which the next look at the pipe will show.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(entry.item)


class _Supply(Generic[Item]):
    """The entries that wait: those to be done again, suspects first, then new ones."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._new = (_Entry(item) for item in items)
        self._again: collections.deque[_Entry[Item]] = collections.deque()
        self._open = True

    def draw(self, *, alone: bool) -> _Entry[Item] | None:
        """Return the next entry, a suspect only for a worker that holds nothing else."""
        if not self._open:
            return None
        if self._again and (alone or not self._again[0].losses):
            return self._again.popleft()
        return next(self._new, None)

    def take_back(self, entries: Iterable[_Entry[Item]]) -> None:
        for entry in entries:
            self._again.appendleft(entry) if entry.losses else self._again.append(entry)

    def close(self) -> None:
        """Let nothing more be drawn."""
        self._open = False


class Pool(Generic[Item, Result]):
    """Processes that apply one function to many items; a context manager.

    Parameters
    ----------
    function
        Importable by name. What it raises, `map` raises.
    size
        How many processes at most.
    preload
        Modules that are loaded once, in the process from which the others are forked, besides that of the
        function.
    limits
        What one item may take; time counts inside of `composer.limits.computing` alone.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        size: int,
        preload: Sequence[str] = (),
        limits: Limits = LIMITS,
    ) -> None:
        self._function = function
        self._preload = [function.__module__, *preload]
        self._size = size
        self._limits = limits
        self._workers: list[_Worker[Item]] = []
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0
        self._looked = monotonic()

    def __enter__(self) -> Self:
        processes.start_fork_server(self._preload)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._remove(self._workers, at_once=kind is not None)
        self._selector.close()

    def map(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | Lost]]:
        """Yield every item with its result, in the order in which they are done.

        Items are drawn as workers become free: no more than two per worker are held at any time. To end
        early, let the items end: what is held is finished.

        Raises
        ------
        OutputError
            When processes cannot be started here.
        Exception
            The first that the function raised, when the items that were held then are finished.
        """
        supply = _Supply(items)
        errors: list[BaseException] = []
        try:
            while self._feed(supply):
                self._look()
                for key, _ in self._selector.select(_SECONDS_BETWEEN_LOOKS):
                    worker: _Worker[Item] = key.data
                    try:
                        answer = worker.pipe.recv()
                    except (EOFError, OSError):
                        yield from self._bury(worker, supply)
                        continue
                    if not worker.started:
                        worker.start()
                        self._failed_starts = 0
                        continue
                    item = worker.entries.popleft().item
                    if isinstance(answer, BaseException):
                        errors.append(answer)
                        supply.close()
                    else:
                        yield item, answer
        finally:
            # Whoever stops listening gives up what is in flight.
            self._remove([worker for worker in self._workers if worker.entries], at_once=True)
        if errors:
            raise errors[0]

    def _feed(self, supply: _Supply[Item]) -> bool:
        """Fill up every worker, starting new ones while there are items; return whether any is busy."""
        for depth, place in itertools.product(range(_DEPTH), range(self._size)):
            if place < len(self._workers) and not self._workers[place].takes(depth):
                continue
            entry = supply.draw(alone=depth == 0)
            if entry is None:
                break
            if place == len(self._workers):
                self._start()
            self._workers[place].give(entry)
        return any(worker.entries for worker in self._workers)

    def _start(self) -> None:
        worker = _Worker[Item](self._function, self._preload, self._limits)
        self._workers.append(worker)
        self._selector.register(worker.pipe, selectors.EVENT_READ, worker)

    def _remove(self, workers: Sequence[_Worker[Item]], *, at_once: bool = False) -> None:
        for worker in workers:
            self._selector.unregister(worker.pipe)
        processes.end(workers, at_once=at_once)
        self._workers = [worker for worker in self._workers if worker not in workers]

    def _look(self) -> None:
        """Let the workers that are busy be killed if they exceed a limit, every now and then."""
        if monotonic() - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        for worker in self._workers:
            if worker.entries:
                worker.watch()
        self._looked = monotonic()

    def _bury(self, worker: _Worker[Item], supply: _Supply[Item]) -> Iterator[tuple[Item, Lost]]:
        """Take a dead worker out; what it held is done again, unless it is to blame."""
        self._remove([worker])
        exit_code = worker.exit_code
        if not worker.started:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                remedy = "if memory is short, lower NUM_WORKERS"
                raise OutputError(f"workers end as they start (exit code {exit_code}); {remedy}")
        elif worker.entries:
            by_itself = Cause.KILLED if exit_code == -signal.SIGKILL else Cause.CRASHED
            cause = worker.ended_for or by_itself
            if worker.entries[0].blame(cause):
                yield worker.entries.popleft().item, Lost(cause, exit_code)
        supply.take_back(worker.entries)
