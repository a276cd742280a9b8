"""Attempts: what workers tell the driver, and what they load to do it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer.attempts import attempt, attempt_of, line_of
from composer.imaging import Facts, Recipe, Source
from composer.worker import Outcome, Task
from tests.composer.toys import failed, written
from tests.conftest import REPOSITORY


@pytest.fixture
def task(tmp_path: Path) -> Task:
    Image.fromarray(np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)).save(tmp_path / "a.png")
    source, target = Source(str(tmp_path / "a.png")), str(tmp_path / "a.jpg")
    return Task(7, "a", "", "a.png", source, target, Recipe(size=32))


def test_attempt_has_a_whole_line_and_what_the_driver_counts(task: Task) -> None:
    done = attempt(task)
    assert done.line.endswith(b"}\n")
    assert done.line.count(b"\n") == 1
    line = json.loads(done.line)
    size = Path(task.target).stat().st_size
    assert (line["identity"], line["number"], line["status"], line["bytes"]) == ("a", 7, "written", size)
    assert line["recipe"] == task.recipe.digest
    assert (done.size, done.failed) == (size, False)
    names = ("read_ms", "decode_ms", "tone_ms", "encode_ms", "write_ms")
    assert done.durations == tuple(line[name] for name in names)


def test_image_that_cannot_be_converted_is_an_attempt_too(task: Task) -> None:
    done = attempt(task._replace(source=Source(task.source.path + "x")))
    assert json.loads(done.line)["status"] == "missing"
    assert (done.size, done.failed) == (None, True)
    assert done.durations[1:] == (0, 0, 0, 0)


def test_image_whose_workers_were_lost_has_no_durations() -> None:
    done = attempt_of(failed("b", "crashed"), "r1")
    assert done.failed
    assert done.durations == ()
    assert json.loads(done.line)["reason"] == "crashed"


def test_film_that_is_held_out_elsewhere_has_not_failed() -> None:
    outcome = Outcome(1, "a", "", "a.png", facts=Facts(), rule="twin held out by b", twin="b/1")
    assert json.loads(attempt_of(outcome, "r1").line)["status"] == "left out"
    assert not attempt_of(outcome, "r1").failed


def test_line_break_in_a_name_breaks_no_line() -> None:
    assert line_of(written("a\nb\u2028"), "r1").count(b"\n") == 1


def test_workers_load_no_library_of_tables_or_tensors() -> None:
    # What the fork server loads, and the main module, which every worker loads.
    modules = "composer.attempts, composer.imaging.warm, composer.pool.processes, machex"
    code = f"import sys, {modules}; print(*(name for name in sys.argv if name in sys.modules))"
    heavy = ["torch", "pandas", "pyarrow", "pydantic", "processors"]
    command = [sys.executable, "-c", code, *heavy]
    loaded = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
