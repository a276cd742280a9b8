"""Ctrl-C, SIGTERM and SIGHUP while images are written: once to finish what is in flight, twice to stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from composer.errors import Interrupted, StoppedAtOnce

log = logging.getLogger(__name__)

# SIGTERM comes from Slurm and from systemd, SIGHUP when the terminal closes.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Whether the user, or the cluster, asked the run to end."""

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raise `Interrupted` when that was asked for."""
        if self.requested:
            raise Interrupted("interrupted; run the same command again to go on")

    def receive(self, number: int, _: FrameType | None) -> None:
        """Note the first signal, and stop at the second with `StoppedAtOnce`."""
        if self.requested:
            raise StoppedAtOnce("stopped at once; run the same command again to go on")
        self.requested = True
        name = signal.Signals(number).name
        log.warning("%s: finishing the images in flight; once more stops at once", name)


@contextmanager
def postponed_interrupts() -> Iterator[Interruption]:
    """Let signals that end a process be asked for while the block runs, instead of ending it anywhere.

    A signal that is ignored, as ``nohup`` does with SIGHUP, stays ignored. Only the main thread receives
    signals: in another one nothing is changed.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interruption.receive)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let signals wait for the end of the block.

    Python, while it imports, and pydantic, while it makes a model, swallow some of the exceptions that a
    signal raises.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
