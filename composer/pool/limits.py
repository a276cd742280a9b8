"""How long and with how much memory a worker may compute: told by the worker, watched by the driver."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import sharedctypes
from time import monotonic

import psutil


class Cause(StrEnum):
    """Why a worker process was lost."""

    # It ended by itself: a fault in a codec, an exit.
    CRASHED = "crashed"
    # SIGKILL that was not ours: the system, short of memory, or somebody.
    KILLED = "killed"
    OUT_OF_MEMORY = "out of memory"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may take.

    Parameters
    ----------
    seconds
        Of the wall clock, inside `computing`.
    bytes
        By which the resident memory of the worker may exceed what it was at its start.
    """

    seconds: float
    bytes: int


# The largest picture that is not refused, 100 million pixels in colour, takes 4 s and 1.2 GiB, and its file
# at most another 1 GiB. A machine that is shared by too many is slower many times over.
LIMITS = Limits(seconds=300, bytes=4 << 30)

# When the work in hand was begun, on the clock of the machine; 0 between two.
_begun = ctypes.c_double()


@contextmanager
def computing() -> Iterator[None]:
    """Let the time inside the block count; reading and writing wait for others and stay outside."""
    _begun.value = monotonic()
    try:
        yield
    finally:
        _begun.value = 0


def tell(begun: ctypes.c_double) -> None:
    """From now on write into shared memory when computing began; a worker calls this once."""
    global _begun
    _begun = begun


class Watch:
    """What the driver sees of one worker.

    Parameters
    ----------
    limits
        What one item may take.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: psutil.Process | None = None
        self._bytes_at_start = 0
        # For `tell`. Written there and read here without a lock: eight aligned bytes are never torn.
        self.begun: ctypes.c_double = sharedctypes.RawValue("d")

    def start(self, pid: int) -> None:
        """Look at this process, whose memory now is what it has of its own."""
        with suppress(psutil.Error):
            self._process = psutil.Process(pid)
            self._bytes_at_start = self._process.memory_info().rss

    def exceeded(self) -> Cause | None:
        """Return which limit the process is beyond; None also when it has ended."""
        if self._process is None:
            return None
        try:
            grown = self._process.memory_info().rss - self._bytes_at_start
        except psutil.Error:
            return None
        begun = self.begun.value
        if begun and monotonic() - begun > self._limits.seconds:
            return Cause.TIMED_OUT
        return Cause.OUT_OF_MEMORY if grown > self._limits.bytes else None
