"""Kill the whole run at any moment and run it again: the same bytes in the end, and nothing left over."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runs import attempts, check_completes, configured, images_to_do, start, tree, wait_until

Moment = Callable[[], bool]


def moments(collection: Path, images: int, chance: random.Random) -> Iterator[Moment]:
    """Yield the moments of the kills of one collection: start, three among its images, the index."""
    yield after(chance.uniform(0, 1.2))
    # In this order, because each run goes on where the one before was killed.
    for place in sorted(chance.sample(range(1, images), 3)):
        yield lambda: attempts(collection) >= place  # noqa: B023 - called before the next
    # At a random place of what follows the last image, which is the index, the flush and the lock.
    yield shortly_after(lambda: attempts(collection) == images, chance.uniform(0, 0.1))


def after(seconds: float) -> Moment:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def shortly_after(happens: Moment, seconds: float) -> Moment:
    def has_happened() -> bool:
        if not happens():
            return False
        time.sleep(seconds)
        return True

    return has_happened


def kill(process: "subprocess.Popen[str]") -> bool:
    """Kill the whole process group, and return whether it still ran."""
    lives = process.poll() is None
    if lives:
        os.killpg(process.pid, signal.SIGKILL)
    # To the end of all that hold standard error, the workers too.
    process.communicate()
    return lives


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("collections", [1, pytest.param(10, marks=pytest.mark.long)])
def test_killed_runs_end_in_the_tree_of_an_undisturbed_one(
    films: Path, tmp_path: Path, collections: int
) -> None:
    collection = tmp_path / "out"
    config = configured(films, tmp_path, collection)
    undisturbed = tree(films / "machex_dataset")
    images = attempts(films / "machex_dataset")
    killed = 0
    for seed in range(collections):
        for happens in moments(collection, images, random.Random(seed)):
            process = start(config, "-q")
            wait_until(process, happens)
            killed += kill(process)
        check_completes(config, collection, undisturbed)
        assert images_to_do(config) == 0
        shutil.rmtree(collection)
    # A run may end before its moment, where that is the last.
    assert killed >= 4 * collections
