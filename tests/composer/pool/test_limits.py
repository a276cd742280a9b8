"""Limits: what counts as computing, and when a process is beyond them."""

import ctypes
import os
import subprocess
import sys
import time

import pytest

from composer.pool import limits
from composer.pool.limits import Cause, Limits, Watch, computing, tell

AMPLE = Limits(seconds=100, bytes=1 << 40)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> ctypes.c_double:
    shared = ctypes.c_double()
    monkeypatch.setattr(limits, "_begun", limits._begun)
    tell(shared)
    return shared


def test_time_counts_inside_computing_alone(begun: ctypes.c_double) -> None:
    assert begun.value == 0
    before = time.monotonic()
    with computing():
        assert before <= begun.value <= time.monotonic()
    assert begun.value == 0


def test_computing_ends_with_an_error(begun: ctypes.c_double) -> None:
    with pytest.raises(ZeroDivisionError), computing():
        raise ZeroDivisionError
    assert begun.value == 0


def test_nobody_needs_to_look() -> None:
    with computing():
        pass


@pytest.mark.parametrize(("seconds_ago", "cause"), [(None, None), (90, None), (110, Cause.TIMED_OUT)])
def test_time(seconds_ago: float | None, cause: Cause | None) -> None:
    watch = Watch(AMPLE)
    watch.start(os.getpid())
    watch.begun.value = 0 if seconds_ago is None else time.monotonic() - seconds_ago
    assert watch.exceeded() == cause


def test_memory_counts_above_that_of_the_start() -> None:
    watch = Watch(Limits(seconds=100, bytes=32 << 20))
    # More than the limit, but before the start.
    of_its_own = b"x" * (64 << 20)
    watch.start(os.getpid())
    assert watch.exceeded() is None
    more = b"x" * (64 << 20)
    assert watch.exceeded() == Cause.OUT_OF_MEMORY
    del of_its_own, more


def test_process_that_has_ended_is_beyond_no_limit() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    watch = Watch(Limits(seconds=0, bytes=-(1 << 40)))
    watch.begun.value = 1
    watch.start(process.pid)
    assert watch.exceeded() is not None
    process.kill()
    process.communicate()
    assert watch.exceeded() is None
    watch.start(process.pid)
    assert watch.exceeded() is None
