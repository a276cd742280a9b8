"""A supervised pool of processes that survives the loss of any worker.

The pools of the standard library hang or break as a whole when a worker is killed. Here the driver has a
pipe to each worker and knows at any time which items it holds, so that the loss of a worker costs at most
the item that it had in hand.
"""

from __future__ import annotations

import collections
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, forkserver, get_context, resource_tracker
from typing import Any, Generic, Self, TypeVar

from composer.errors import OutputError

Item = TypeVar("Item")
Result = TypeVar("Result")

# One item in hand and one waiting in the pipe, so that no worker waits for the driver.
_DEPTH = 2
# A worker can be killed from outside; the item that two workers died of is to blame.
_DEATHS = 2
# So many workers in a row that die before their first word mean that none can live here.
_FAILED_STARTS = 5
_SECONDS_TO_END = 10
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands for the result of an item whose workers died; ``exit_code`` is negative for a signal."""

    exit_code: int | None


@dataclass(slots=True)
class _Entry(Generic[Item]):
    item: Item
    deaths: int = 0


class _Worker(Generic[Item]):
    """A process, the driver's end of its pipe, and the entries it was given, oldest first."""

    def __init__(self, function: Callable[[Item], Any]) -> None:
        processes = get_context("forkserver")
        self.pipe, theirs = processes.Pipe()
        self.process = processes.Process(target=_serve, args=(function, theirs), daemon=True)
        try:
            self.process.start()
        except (OSError, EOFError) as error:
            # The process that workers are forked from has gone.
            raise OutputError(f"workers cannot be started ({type(error).__name__}); run again") from error
        # With the driver's copy closed, the death of the process shows as the end of the pipe.
        theirs.close()
        self.entries: collections.deque[_Entry[Item]] = collections.deque()
        self.started = False

    def give(self, entry: _Entry[Item]) -> None:
        self.entries.append(entry)
        # A broken pipe means that the process has died, which the next look at the pipe will show.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(entry.item)

    def end(self) -> int | None:
        """Close the pipe, which ends the process, and return its exit code."""
        self.pipe.close()
        self.process.join(_SECONDS_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


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
    """

    def __init__(self, function: Callable[[Item], Result], size: int, preload: Sequence[str] = ()) -> None:
        self._function = function
        self._preload = [function.__module__, *preload]
        self._size = size
        self._workers: list[_Worker[Item]] = []
        self._failed_starts = 0

    def __enter__(self) -> Self:
        _start_fork_server(self._preload)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers:
            if kind is not None:
                worker.process.terminate()
            worker.end()
        self._workers.clear()

    def map(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | Lost]]:
        """Yield every item with its result, in the order in which they are done.

        Items are drawn as workers become free: no more than two per worker are held at any time.

        Raises
        ------
        OutputError
            When processes cannot be started here.
        """
        again: collections.deque[_Entry[Item]] = collections.deque()
        source = (_Entry(item) for item in items)
        while True:
            self._feed(again, source)
            busy = {worker.pipe: worker for worker in self._workers if worker.entries}
            if not busy:
                return
            ready = set(connection.wait(busy))
            for worker in [worker for pipe, worker in busy.items() if pipe in ready]:
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._bury(worker, again)
                    continue
                if not worker.started:
                    worker.started = True
                    self._failed_starts = 0
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    yield worker.entries.popleft().item, answer

    def _feed(self, again: collections.deque[_Entry[Item]], source: Iterator[_Entry[Item]]) -> None:
        """Fill up every worker, starting new ones while there are items for them."""
        for depth, place in itertools.product(range(_DEPTH), range(self._size)):
            if place < len(self._workers) and len(self._workers[place].entries) > depth:
                continue
            entry = again.popleft() if again else next(source, None)
            if entry is None:
                return
            if place == len(self._workers):
                self._workers.append(_Worker(self._function))
            self._workers[place].give(entry)

    def _bury(
        self, worker: _Worker[Item], again: collections.deque[_Entry[Item]]
    ) -> Iterator[tuple[Item, Lost]]:
        """Take a dead worker out; what it held is done again, unless that killed it before."""
        self._workers.remove(worker)
        exit_code = worker.end()
        if worker.started:
            in_hand = worker.entries[0]
            in_hand.deaths += 1
            if in_hand.deaths >= _DEATHS:
                worker.entries.popleft()
                yield in_hand.item, Lost(exit_code)
        else:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                remedy = "if memory is short, lower NUM_WORKERS"
                raise OutputError(f"workers end as they start (exit code {exit_code}); {remedy}")
        again.extend(worker.entries)


def _start_fork_server(preload: list[str]) -> None:
    """Start the process that workers are forked from, with these modules loaded once."""
    get_context("forkserver").set_forkserver_preload(preload)
    environment = {
        # Numerical libraries read these when they are loaded; without them each worker of a 200-core machine
        # would start 200 threads.
        **dict.fromkeys(_ONE_THREAD, "1"),
        # Up to Python 3.11 the fork server looks for modules in the working directory alone.
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    # This one lets interrupts through again when it starts.
    resource_tracker.ensure_running()
    with _environment(environment), _without_interrupts():
        forkserver.ensure_running()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back; processes that are started meanwhile never see it, and leave it to the driver."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(function: Callable[[Any], Any], pipe: connection.Connection) -> None:
    """Answer items until the pipe ends; the first message says that this process has started."""
    # Ctrl-C reaches the whole process group; it is the driver that decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The pipe also breaks when the driver is killed: there is nobody left to tell.
    with suppress(EOFError, OSError):
        pipe.send(True)
        while True:
            item = pipe.recv()
            try:
                answer = function(item)
            except Exception as error:
                # The driver raises it.
                answer = error
            pipe.send(answer)
