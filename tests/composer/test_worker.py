"""One task in a worker: what counts as computing, and what becomes of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer import worker
from composer.imaging import Loaded, Recipe, Source
from composer.pool import limits
from composer.worker import UNEXPECTED, Task, make_image, try_image


@pytest.fixture
def task(tmp_path: Path) -> Task:
    Image.fromarray(np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)).save(tmp_path / "a.png")
    source, target = Source(str(tmp_path / "a.png")), str(tmp_path / "a.jpg")
    return Task(7, "a", "", "a.png", source, target, Recipe(size=32))


def test_time_of_writing_is_reported(task: Task) -> None:
    made, tried = make_image(task), try_image(task)
    assert made.facts is not None
    assert tried.facts is not None
    assert made.facts.write_ms > 0 == tried.facts.write_ms
    assert made.sha256 == tried.sha256


def test_only_conversion_counts_as_computing(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {}

    def note(name: str) -> None:
        original = getattr(worker, name)

        def noting(*arguments: object) -> object:
            counted[name] = limits._begun.value > 0
            return original(*arguments)

        monkeypatch.setattr(worker, name, noting)

    for name in ("load", "pixels_of", "write_pixels", "atomic_write"):
        note(name)
    make_image(task)
    assert counted == {"load": False, "pixels_of": True, "write_pixels": True, "atomic_write": False}


def test_fault_of_the_program_is_an_outcome_and_computing_ends(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(loaded: Loaded, recipe: Recipe) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(worker, "pixels_of", broken)
    outcome = make_image(task)
    assert outcome.reason == UNEXPECTED
    assert "ZeroDivisionError in test_worker.py" in str(outcome.message)
    assert limits._begun.value == 0


def test_image_that_is_refused_leaves_nothing(task: Task) -> None:
    outcome = make_image(task._replace(source=Source(task.source.path + "x")))
    assert outcome.reason == "missing"
    assert not Path(task.target).exists()
    assert limits._begun.value == 0
