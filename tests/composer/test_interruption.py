"""Signals: once to finish what is in flight, twice to stop at once."""

import logging
import os
import signal
import threading
from types import FrameType

import pytest

from composer.errors import Interrupted, StoppedAtOnce
from composer.interruption import postponed_interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_first_signal_is_noted_and_the_second_stops(
    number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="composer")
    with postponed_interrupts() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)
        assert interruption.requested
        with pytest.raises(Interrupted, match="interrupted; run the same command again"):
            interruption.check()
        with pytest.raises(StoppedAtOnce, match="stopped at once; run the same command again"):
            os.kill(os.getpid(), number)
    assert f"{number.name}: finishing the images in flight" in caplog.text


def test_handlers_are_as_before_afterwards() -> None:
    def own(_: int, __: FrameType | None) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGTERM, own)
    try:
        with postponed_interrupts():
            assert signal.getsignal(signal.SIGTERM) is not own
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_signal_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with postponed_interrupts() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interruption.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_leave_signals_alone() -> None:
    handlers = []

    def run() -> None:
        with postponed_interrupts() as interruption:
            handlers.append((signal.getsignal(signal.SIGINT), interruption.requested))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [(before, False)]
