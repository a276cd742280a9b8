"""Kill the whole run at any moment and run it again: the same bytes in the end, and nothing left over."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, machex

COPIES = 25


def tree(collection: Path) -> dict[str, str]:
    """Hash every file but the ledger, which holds times."""
    return {
        path.relative_to(collection).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(collection.rglob("*"))
        if path.is_file() and path.name != "ledger.jsonl"
    }


@pytest.fixture
def config(demo: Path, tmp_path: Path) -> Path:
    """Return a configuration of two datasets, one of them with films enough for a run of some seconds."""
    train = tmp_path / "vindr/train"
    train.mkdir(parents=True)
    films = sorted((demo / "sources/vindrcxr/train").glob("*.dicom"))
    for number, film in enumerate(films * COPIES):
        os.link(film, train / f"{number:032x}.dicom")
    shutil.copytree(demo / "sources/chexpert", tmp_path / "chexpert")
    config = tmp_path / "config.yml"
    config.write_text(
        f"MACHEX_PATH: {tmp_path}/out\nVINDRCXR_ROOT: {tmp_path}/vindr\nCHEXPERT_ROOT: {tmp_path}/chexpert\n"
        "IMAGE_SIZE: 256\n"
    )
    return config


def run_and_kill(config: Path, seconds: float) -> bool:
    """Run for some time, then kill the whole process group; return whether that was in time."""
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "machex.py"), "-q", "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.long)])
def test_killed_runs_end_in_the_tree_of_an_undisturbed_one(config: Path, kills: int) -> None:
    collection = config.parent / "out"
    assert machex("-q", "-c", str(config)).returncode == 0
    undisturbed = tree(collection)
    moments = random.Random(kills)
    killed = 0
    while killed < kills:
        shutil.rmtree(collection)
        # Five kills to a run, at moments that reach from its start to its end.
        in_this_run = 0
        while in_this_run < 5 and run_and_kill(config, moments.uniform(0.5, 2.5)):
            in_this_run += 1
        killed += max(1, in_this_run)
        result = machex("-q", "-c", str(config))
        assert result.returncode == 0, result.stderr
        assert tree(collection) == undisturbed
