"""Worker processes: how they are started, what they do, and how they end."""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, forkserver, get_context, parent_process, resource_tracker
from multiprocessing.context import ForkServerProcess
from time import monotonic, perf_counter, process_time
from typing import Any

from composer.errors import OutputError
from composer.interruption import signals_held_back
from composer.pool.limits import Cause, Limits, Watch, tell
from composer.pool.usage import Spent

_SECONDS_TO_END = 10
# What libraries read when they are loaded.
_ONE_THREAD = dict.fromkeys(
    # Numerical libraries would start 200 threads in each worker of a 200-core machine.
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
    "1",
)
_MEMORY = {
    # The GNU C library gives the memory of each film back, and has the system clear pages for the next one.
    # Let it keep so much, and also of large blocks.
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}


def worker_environment() -> dict[str, str]:
    """Return the variables that workers start with besides the driver's; those of memory the user may set."""
    return _ONE_THREAD | {name: os.environ.get(name, value) for name, value in _MEMORY.items()}


class _Process(ForkServerProcess):
    def join(self, timeout: float | None = 0) -> None:
        """Wait no longer than told.

        When the program ends, multiprocessing waits without a limit for every process that is left: for
        ever, if that hangs in a system call.
        """
        super().join(timeout)


class WorkerProcess:
    """A process that applies a function to what it is sent, and the driver's end of its pipe.

    Its first message says that it has started, each further one is an answer: the result, or the exception,
    and what the time went into.

    Parameters
    ----------
    function
        Importable by name.
    preload
        Modules that are loaded once, in the process from which the others are forked.
    limits
        What one item may take.

    Attributes
    ----------
    pipe
        It ends when the process does.
    started
        Whether the first message came.
    ended_for
        Why `watch` has killed it.

    Raises
    ------
    OutputError
        When no process can be started.
    """

    def __init__(self, function: Callable[[Any], Any], preload: Sequence[str], limits: Limits) -> None:
        self._watch = Watch(limits)
        self.started = False
        self.ended_for: Cause | None = None
        # The one that was started first may have been killed since.
        start_fork_server(preload)
        with _start_errors():
            self.pipe, theirs = get_context("forkserver").Pipe()
            self._process = _Process(target=_serve, args=(function, theirs, self._watch.begun), daemon=True)
            self._process.start()
        # With the driver's copy closed, the death of the process shows as the end of the pipe.
        theirs.close()

    def send(self, item: object) -> None:
        """Give it an item."""
        # A broken pipe means that the process has died, which the next look at the pipe will show.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send_bytes(_packed(item))

    def receive(self) -> Any:  # noqa: ANN401 - whatever the function returns
        """Return its next message; raise EOFError or OSError when it has died."""
        return _unpacked(self.pipe.recv_bytes())

    def start(self) -> None:
        """Take note of the first message."""
        self.started = True
        self._watch.start(self.pid)

    def watch(self) -> None:
        """Kill the process if it exceeds a limit; what it answered before still comes, then the end."""
        if self.started and self.ended_for is None and (cause := self._watch.exceeded()):
            self.ended_for = cause
            self.kill()

    def kill(self) -> None:
        """End the process without waiting for it."""
        if self._process.is_alive():
            self._process.kill()

    def join(self, seconds: float) -> None:
        """Wait for the end of the process."""
        self._process.join(seconds)

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of the process, negative for a signal; None while it lives."""
        return self._process.exitcode


def end(workers: Sequence[WorkerProcess], *, at_once: bool = False) -> None:
    """Close the pipes, which ends processes that are idle, and wait; kill what is left.

    Parameters
    ----------
    at_once
        Whether to kill all of them.
    """
    for worker in workers:
        worker.pipe.close()
        if at_once:
            worker.kill()
    _wait(workers)
    for worker in workers:
        worker.kill()
    if not at_once:
        _wait(workers)


def _wait(workers: Sequence[WorkerProcess]) -> None:
    # Not even SIGKILL ends a process that hangs in a system call, on storage that does not answer.
    deadline = monotonic() + _SECONDS_TO_END
    for worker in workers:
        worker.join(max(0, deadline - monotonic()))


def start_fork_server(preload: Sequence[str]) -> None:
    """Start the process that workers are forked from, unless it runs, with these modules loaded once."""
    get_context("forkserver").set_forkserver_preload(list(preload))
    environment = {
        **worker_environment(),
        # Up to Python 3.11 the fork server looks for modules in the working directory alone.
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    # Processes that are started meanwhile, and theirs, never see the signals: a terminal and Slurm send them
    # to the whole group, and it is the driver that decides.
    with _start_errors():
        # This one lets some signals through again when it starts, so that it comes first.
        with signals_held_back():
            resource_tracker.ensure_running()
        with _environment(environment), signals_held_back():
            forkserver.ensure_running()


@contextmanager
def _start_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        raise OutputError(f"workers cannot be started ({type(error).__name__}); run again") from error


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _serve(function: Callable[[Any], Any], pipe: connection.Connection, begun: ctypes.c_double) -> None:
    """Answer items until the pipe ends."""
    tell(begun)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    # The pipe also breaks when the driver is killed: there is nobody left to answer.
    with suppress(EOFError, OSError):
        pipe.send_bytes(_packed(None))
        done = perf_counter()
        while True:
            item = _unpacked(pipe.recv_bytes())
            start, processor = perf_counter(), process_time()
            try:
                answer = function(item)
            except Exception as error:
                # The driver raises it.
                answer = error
            waited, done = start - done, perf_counter()
            pipe.send_bytes(_packed((answer, Spent(waited, done - start, process_time() - processor))))


def _packed(message: object) -> bytes:
    # `Connection.send` takes twice as long: it makes a pickler in Python for what only processes can share.
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def _unpacked(data: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    return pickle.loads(data)  # noqa: S301 - from a process of ours


def _end_with_driver() -> None:
    """End this process in the middle of an item when the driver is killed.

    The next run may begin at once, and writes the same files.
    """
    driver = parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)
