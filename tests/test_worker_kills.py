"""Kill random workers of a run: it goes on as if nothing had happened."""

import random
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import composed_films
from tests.runs import attempts, configured, start, tree


def workers_of(driver: psutil.Process) -> list[psutil.Process]:
    """Return the processes that the fork server has forked."""
    with suppress(psutil.NoSuchProcess):
        for child in driver.children():
            if "multiprocessing.forkserver" in " ".join(child.cmdline()):
                return child.children()
    return []


def kill_workers(run: subprocess.Popen[str], collection: Path, moments: random.Random) -> int:
    """Kill a random worker every few images while the run lasts; return how many were killed.

    Not every few seconds: on a busy machine an image would meet five kills in a row, and be blamed.
    """
    driver = psutil.Process(run.pid)
    killed = last = 0
    while run.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            run.wait(moments.uniform(0, 0.05))
        workers = workers_of(driver)
        if workers and attempts(collection) - last >= 5:
            with suppress(psutil.NoSuchProcess):
                moments.choice(workers).kill()
                killed += 1
                last = attempts(collection)
    return killed


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kills", "copies"), [(8, 10), pytest.param(100, 120, marks=pytest.mark.long)])
def test_run_whose_workers_are_killed_makes_every_image(tmp_path: Path, kills: int, copies: int) -> None:
    films = composed_films(tmp_path / "films", copies=copies)
    collection = tmp_path / "out"
    run = start(configured(films, tmp_path, collection), "-q")
    killed = kill_workers(run, collection, random.Random(kills))
    _, complaints = run.communicate()
    assert run.returncode == 0, complaints
    assert tree(collection) == tree(films / "machex_dataset")
    assert killed >= kills
