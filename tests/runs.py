"""Whole runs of the command line, to be broken on purpose, and what must hold after them."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from composer.holder import read_holder
from tests.conftest import REPOSITORY, machex_here

Tree = Mapping[str, str]


def configured(films: Path, folder: Path, collection: Path) -> Path:
    """Write a configuration for another collection of the films into a folder."""
    text = (films / "config.yml").read_text().replace(str(films / "machex_dataset"), str(collection))
    config = folder / "config.yml"
    config.write_text(text)
    return config


def start(config: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start a run in a process group of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "machex.py"), "compose", *arguments, "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(process: "subprocess.Popen[str]", happens: Callable[[], bool]) -> None:
    """Wait for a moment of a run, or for its end if that comes first."""
    while process.poll() is None and not happens():
        time.sleep(0.002)


def attempts(collection: Path) -> int:
    """Return how many images were tried so far."""
    return sum(path.read_bytes().count(b"\n") for path in collection.glob("*/ledger.jsonl"))


def processes_left(group: int) -> list[psutil.Process]:
    """Return the processes of a group that do not end; a zombie has ended."""
    deadline = time.monotonic() + 10
    while (left := [*filter(lambda each: _is_of(each, group), psutil.process_iter())]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    return left


def _is_of(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def tree(collection: Path) -> Tree:
    """Hash every file but the ledger, which holds times; ``index.json`` without the collection's path."""
    return {
        path.relative_to(collection).as_posix(): _hash(path.read_bytes().replace(bytes(collection), b""))
        for path in sorted(collection.rglob("*"))
        if path.is_file() and path.name != "ledger.jsonl"
    }


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_completes(config: Path, collection: Path, undisturbed: Tree, *, once: bool = True) -> None:
    """Run again, and compare what there is then with what there should be.

    With ``once`` no image may have been entered twice: what was entered is not made again.
    """
    result = machex_here("-q", "-c", str(config))
    assert result.returncode == 0, result.stderr
    # Also that nothing else is there: no temporary file, no lock.
    assert tree(collection) == undisturbed
    for dataset in collection.glob("*/ledger.jsonl"):
        _check_ledger(dataset.parent, once=once)


def images_to_do(config: Path) -> int:
    """Return how many images ``plan`` says are to be made."""
    plan = json.loads(machex_here("plan", "--json", "-q", "-c", str(config)).stdout)
    return sum(dataset["to_do"] for dataset in plan["datasets"])


def _check_ledger(folder: Path, *, once: bool) -> None:
    """Compare the lines of a ledger with the pictures."""
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]
    last = {line["identity"]: line for line in lines}
    pictures = {int(path.stem): _hash(path.read_bytes()) for path in folder.glob("[0-9]*/*")}
    assert {line["number"]: line["sha256"] for line in last.values()} == pictures
    assert len(last) == len(pictures)
    if once:
        assert max(Counter(line["identity"] for line in lines).values()) == 1


def is_held(lock: Path) -> bool:
    """Return whether the holder of a lock lives."""
    holder = read_holder(lock)
    return holder is not None and holder.lives(time.time())


def check_stopped(collection: Path, *, is_current: bool) -> None:
    """Look at what a run has left that was stopped: whole lines, and an index of whole pictures.

    With ``is_current`` the index has everything that was entered.
    """
    assert not [*collection.rglob("*.part")]
    # One that has expired, or is left of a run that was killed before, tells the next run to look for damage.
    assert not [lock for lock in collection.rglob("lock") if is_held(lock)]
    for ledger in collection.glob("*/ledger.jsonl"):
        content = ledger.read_bytes()
        assert content.endswith(b"\n") or not content
        entered = {line["number"]: line["sha256"] for line in map(json.loads, content.splitlines())}
        rows = pq.read_table(ledger.with_name("index.parquet")).to_pylist()
        numbers = [row["id"] for row in rows]
        assert len(set(numbers)) == len(numbers)
        for row in rows:
            assert entered[row["id"]] == row["sha256"] == _hash((ledger.parent / row["path"]).read_bytes())
        named = json.loads(ledger.with_name("index.json").read_text())
        for number, entry in named.items():
            assert entered[int(number)] == _hash(Path(entry["path"]).read_bytes())
        if is_current:
            assert set(numbers) == set(map(int, named)) == entered.keys()
