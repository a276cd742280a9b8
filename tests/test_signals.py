"""Signals that end a run at any moment: a message, an index of what is done, and no process left behind."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.runs import (
    attempts,
    check_completes,
    check_stopped,
    configured,
    processes_left,
    start,
    tree,
    wait_until,
)

Run = subprocess.Popen[str]
GO_ON = "run the same command again to go on"


def to_group(*numbers: signal.Signals) -> Callable[[Run], None]:
    """Return who sends these signals to a whole process group, one after the other."""

    def send(run: Run) -> None:
        for place, number in enumerate(numbers):
            if place:
                with suppress(subprocess.TimeoutExpired):
                    run.wait(0.5 if number is signal.SIGKILL else 0.05)
            # The last process may have ended.
            with suppress(ProcessLookupError):
                os.killpg(run.pid, number)

    return send


SENDERS = {
    "Ctrl-C": to_group(signal.SIGINT),
    "Slurm": to_group(signal.SIGTERM),
    "systemd, the driver alone": lambda run: run.send_signal(signal.SIGTERM),
    "closed terminal": to_group(signal.SIGHUP),
    "Ctrl-C twice": to_group(signal.SIGINT, signal.SIGINT),
    "Slurm, impatient": to_group(signal.SIGTERM, signal.SIGKILL),
}
STAGES = ("planning", "start of workers", "images")


def reach(stage: str, run: Run, collection: Path) -> None:
    """Wait until a run has come to a stage."""
    if stage == "planning":
        # With -v the settings are shown first.
        assert run.stderr is not None
        assert run.stderr.readline()
    elif stage == "start of workers":
        wait_until(run, lambda: any(collection.glob("*/lock")))
    else:
        before = attempts(collection)
        wait_until(run, lambda: attempts(collection) >= before + 5)


def is_listening(run: Run) -> bool:
    """Return whether the program is loaded so far that it handles the last of the signals.

    Before, the interpreter starts, and no program can say what happens.
    """
    status = Path(f"/proc/{run.pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGHUP - 1) & 1)


def check_ended(run: Run, collection: Path) -> None:
    """Compare how a run ended with what is promised for signals."""
    _, errors = run.communicate(timeout=60)
    assert "Traceback" not in errors
    assert processes_left(run.pid) == []
    if run.returncode == -signal.SIGKILL:
        return
    # A second Ctrl-C may meet the interpreter as it ends, of which a shell says 130 as well.
    assert run.returncode in (130, -signal.SIGINT), errors
    assert GO_ON in errors.splitlines()[-1]
    check_stopped(collection, is_current="stopped at once" not in errors)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "rounds",
    [
        # Every sender and every stage, each run going on where the one before was stopped.
        [[(sender, STAGES[place % 3]) for place, sender in enumerate(SENDERS)]],
        pytest.param([[(sender, stage)] for sender in SENDERS for stage in STAGES], marks=pytest.mark.long),
    ],
    ids=["short", "long"],
)
def test_signals_at_every_stage(films: Path, tmp_path: Path, rounds: list[list[tuple[str, str]]]) -> None:
    undisturbed = tree(films / "machex_dataset")
    for place, stopped in enumerate(rounds):
        collection = tmp_path / f"out{place}"
        config = configured(films, tmp_path, collection)
        for sender, stage in stopped:
            run = start(config, "-v" if stage == "planning" else "-q")
            reach(stage, run, collection)
            SENDERS[sender](run)
            check_ended(run, collection)
        check_completes(config, collection, undisturbed)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("times", [4, pytest.param(100, marks=pytest.mark.long)])
def test_signals_in_the_first_second(films: Path, tmp_path: Path, times: int) -> None:
    collection = tmp_path / "out"
    config = configured(films, tmp_path, collection)
    moments = random.Random(times)
    senders = list(SENDERS.values())
    for place in range(times):
        run = start(config, "-q")
        wait_until(run, lambda: is_listening(run))  # noqa: B023 - called at once
        time.sleep(moments.uniform(0, 1))
        senders[place % len(senders)](run)
        check_ended(run, collection)
    check_completes(config, collection, tree(films / "machex_dataset"))
