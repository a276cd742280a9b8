"""A supervised pool of processes that survives the loss of any worker.

The pools of the standard library hang or break as a whole when a worker is killed. Here the driver has a
pipe to each worker and knows at any time which items it holds, so that the loss of a worker costs at most
the item that it had in hand; and no item holds a worker for ever, or takes the memory of the machine.
"""

from __future__ import annotations

import collections
import selectors
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, Self, TypeVar

from composer.errors import OutputError
from composer.pool import processes
from composer.pool.limits import LIMITS, Cause, Limits
from composer.pool.supply import Entry, Supply
from composer.pool.usage import Spent, Usage

Item = TypeVar("Item")
Result = TypeVar("Result")

# One item in hand and one waiting in the pipe, so that no worker waits for the driver.
_DEPTH = 2
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


class _Worker(processes.WorkerProcess, Generic[Item]):
    """A process and the entries it was given, oldest first; ``is_new`` before its first answer of a round."""

    def __init__(self, function: Callable[[Item], object], preload: Sequence[str], limits: Limits) -> None:
        super().__init__(function, preload, limits)
        self.entries: collections.deque[Entry[Item]] = collections.deque()
        self.is_new = True

    def takes(self, depth: int) -> bool:
        """Return whether it has room for one more beside ``depth`` entries: none beside a suspect."""
        return (
            len(self.entries) <= depth
            and self.ended_for is None
            and not (self.entries and self.entries[0].losses)
        )

    def give(self, entry: Entry[Item]) -> None:
        self.entries.append(entry)
        self.send(entry.item)


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
        What one item may take; time counts inside of `composer.pool.limits.computing` alone.

    Attributes
    ----------
    usage
        Of the last round, up to its last answer.
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
        self._held = 0
        # Whether a worker may have no item while another has two.
        self._uneven = True
        self.usage = Usage()

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
        supply = Supply(items)
        errors: list[BaseException] = []
        self._begin_round()
        start = monotonic()
        try:
            while self._even_out(supply):
                self._look()
                for key, _ in self._selector.select(0 if self._uneven else _SECONDS_BETWEEN_LOOKS):
                    worker: _Worker[Item] = key.data
                    try:
                        message = worker.receive()
                    except (EOFError, OSError):
                        yield from self._bury(worker, supply)
                        continue
                    if not worker.started:
                        worker.start()
                        self._failed_starts = 0
                        continue
                    item, answer = self._take(worker, message)
                    if isinstance(answer, BaseException):
                        errors.append(answer)
                        supply.close()
                    # Before anything is done with the answer, so that the worker does not wait for that.
                    self._fill(worker, supply)
                    if not isinstance(answer, BaseException):
                        yield item, answer
        finally:
            self.usage.end(monotonic() - start)
            # Whoever stops listening gives up what is in flight.
            self._remove([worker for worker in self._workers if worker.entries], at_once=True)
        if errors:
            raise errors[0]

    def _begin_round(self) -> None:
        self.usage = Usage(workers=len(self._workers))
        self._uneven = True
        self._held = 0
        for worker in self._workers:
            worker.is_new = True

    def _even_out(self, supply: Supply[Item]) -> bool:
        """Give an item to each worker that has none, then a second, where that is due.

        While there are items, one more worker is started at each call, not all that lack: those that are
        there need not wait for that.

        Returns
        -------
        Whether an answer, or the end of a worker, is still to come.
        """
        if self._uneven:
            for worker in self._workers:
                self._fill(worker, supply)
            if len(self._workers) < self._size and (entry := supply.draw(alone=True)):
                self._give(self._start(), entry)
            else:
                self._uneven = False
                for worker in self._workers:
                    self._fill(worker, supply)
        # One that was killed as it gave its last answer is replaced when its pipe has ended.
        return self._held > 0 or any(worker.ended_for for worker in self._workers)

    def _fill(self, worker: _Worker[Item], supply: Supply[Item]) -> None:
        """Give a worker what it has room for: no second item while another may have none."""
        depth = 0 if self._uneven else _DEPTH - 1
        while worker.takes(depth) and (entry := supply.draw(alone=not worker.entries)):
            self._give(worker, entry)

    def _give(self, worker: _Worker[Item], entry: Entry[Item]) -> None:
        self._held += 1
        worker.give(entry)

    def _take(self, worker: _Worker[Item], message: tuple[Result, Spent]) -> tuple[Item, Result]:
        answer, spent = message
        self._held -= 1
        self.usage.add(spent, first=worker.is_new)
        worker.is_new = False
        return worker.entries.popleft().item, answer

    def _start(self) -> _Worker[Item]:
        worker = _Worker[Item](self._function, self._preload, self._limits)
        self._workers.append(worker)
        self._selector.register(worker.pipe, selectors.EVENT_READ, worker)
        self.usage.workers = max(self.usage.workers, len(self._workers))
        return worker

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

    def _bury(self, worker: _Worker[Item], supply: Supply[Item]) -> Iterator[tuple[Item, Lost]]:
        """Take a dead worker out; what it held is done again, unless it is to blame."""
        self._remove([worker])
        self._held -= len(worker.entries)
        self._uneven = True
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
