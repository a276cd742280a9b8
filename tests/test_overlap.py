"""``machex.py overlap`` as a user runs it: what it finds, writes and says, and how it ends."""

import csv
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from composer.commands import overlap
from composer.errors import UsageError
from composer.imaging.picture import Pixels
from tests.composer.imaging.test_fingerprint import cropped, jpeg, resized, windowed
from tests.composer.overlap.made import NIH, OPENI, RSNA, SIIM, made_up, write_dataset
from tests.conftest import REPOSITORY, machex
from tests.runs import processes_left

FILM = made_up(3)
COPIES: dict[str, Pixels] = {
    "jpeg": jpeg(FILM, 60),
    "size": resized(FILM, 300, 280),
    "negative": 255 - FILM,
    "mirror": np.ascontiguousarray(FILM[:, ::-1]),
    "window": windowed(FILM, 0.03, 0.95),
    "crop": np.ascontiguousarray(cropped(FILM, 0.025)),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a collection that has no sources, only what is composed."""
    collection = tmp_path / "out"
    write_dataset(
        collection / NIH,
        {"film": FILM, "other": made_up(8)},
        split=["train", "train"],
        patient_cluster=[f"{NIH}/patient/1", f"{NIH}/patient/2"],
    )
    write_dataset(
        collection / RSNA,
        {**COPIES, "another": made_up(11)},
        split=["test", *["train"] * 6],
        twin=[f"{NIH}/film", *[None] * 6],
        twin_by=["map", *[None] * 6],
        patient_cluster=[f"{NIH}/patient/1", *[f"{RSNA}/film/{number}" for number in range(6)]],
    )
    write_dataset(collection / OPENI, {"film": FILM, "last": made_up(21)}, "jpg")
    path = tmp_path / "config.yml"
    path.write_text(f"MACHEX_PATH: {collection}\nNUM_WORKERS: 2\n")
    return path


def arguments(config: Path, **values: object) -> Namespace:
    defaults = {"dataset": [], "all": False, "output": str(config.parent), "quiet": True}
    return Namespace(**{"config": str(config), **defaults, **values})


def pairs_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "overlap.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(rows: list[dict[str, str]]) -> set[tuple[str, ...]]:
    columns = ("first_dataset", "first_identity", "second_dataset", "second_identity")
    return {tuple(row[column] for column in columns) for row in rows if row["same"] == "true"}


def test_every_copy_in_the_family_is_found(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert overlap.run(arguments(config)) == 0
    rows = pairs_of(config.parent)
    across = {(NIH, "film", RSNA, name) for name in COPIES}
    assert {pair for pair in names(rows) if pair[0] == NIH} == across
    # Copies are copies of each other, too, and all of them one radiograph.
    assert len(names(rows)) == 7 * 6 // 2
    assert {row["cluster"] for row in rows if row["same"] == "true"} == {"1"}
    mirrored = {
        row["second_identity"] for row in rows if row["first_dataset"] == NIH and row["mirrored"] == "true"
    }
    assert mirrored == {"mirror"}
    lines = capsys.readouterr().out.splitlines()
    counts = lines[1].rsplit(maxsplit=8)
    # Pairs, by a map, new, other patient, split, fold.
    assert counts[:7] == [f"{NIH}, {RSNA}", "6", "1", "5", "5", "1", "0"]
    assert "7 films show 1 radiographs; the most of one are 7" in lines
    assert "6 patients of the index are 1 by these films" in lines
    with Image.open(config.parent / "overlap.png") as sheet:
        # Four pairs a line.
        assert sheet.size == (8 * 230 + 6, 6 * 258 + 6)


def test_all_looks_beyond_families_and_gives_the_same_bytes_again(config: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    result = machex("overlap", "-q", "--all", "-c", str(config), "-o", str(tmp_path / "first"))
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    assert overlap.run(arguments(config, all=True, output=str(tmp_path / "second"))) == 0
    for file in ("overlap.csv", "overlap.png"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    assert (NIH, "film", OPENI, "film") in names(pairs_of(tmp_path / "first"))


def test_copies_in_the_demo_are_found(demo: Path, tmp_path: Path) -> None:
    result = machex("overlap", "-c", str(demo / "config.yml"), "-o", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "not looked at, because they are of no family: brax, chexpert" in result.stderr
    found = {(first, second) for first, _, second, _ in names(pairs_of(tmp_path))}
    assert {(NIH, RSNA), (NIH, SIIM)} <= found
    assert not [row["problem"] for row in pairs_of(tmp_path) if row["problem"]]


def test_datasets_that_are_named(config: Path) -> None:
    assert overlap.run(arguments(config, dataset=[OPENI, NIH])) == 0
    assert pairs_of(config.parent) == []
    assert overlap.run(arguments(config, dataset=[OPENI, NIH], all=True)) == 0
    assert names(pairs_of(config.parent)) == {(NIH, "film", OPENI, "film")}


def test_unreadable_pictures_are_counted_and_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "out" / NIH / "00/000000.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert overlap.run(arguments(config)) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-1] == "6"
    problems = [row["problem"] for row in pairs_of(config.parent) if row["problem"]]
    assert len(problems) == 6
    assert set(problems) == {"the first picture cannot be decoded (damaged)"}


def _remove_all(config: Path) -> None:
    (config.parent / "out").rename(config.parent / "elsewhere")


def _damage(config: Path) -> None:
    (config.parent / "out" / RSNA / "index.parquet").write_bytes(b"PAR1")


def _leave_openi(config: Path) -> None:
    for name in (NIH, RSNA):
        (config.parent / "out" / name).rename(config.parent / name)


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (_remove_all, {}, r"holds no collection: run the compose command first"),
        (_damage, {}, r"rsna/index\.parquet: is missing, damaged .* the index command writes it anew"),
        (_leave_openi, {}, r"add --all"),
        (lambda _: None, {"dataset": ["rsnaa"]}, r"rsnaa is none of them; did you mean rsna\?"),
        (lambda _: None, {"output": "/nowhere"}, r"/nowhere is no folder .* name another with -o"),
    ],
)
def test_mistakes_of_users(
    config: Path, spoil: Callable[[Path], object], options: dict[str, object], message: str
) -> None:
    spoil(config)
    with pytest.raises(UsageError, match=f"(?s){message}"):
        overlap.run(arguments(config, **options))
    assert not [*config.parent.glob("overlap.*")]


def test_ctrl_c_while_pairs_are_compared(tmp_path: Path) -> None:
    # Pairs for some ten seconds.
    pictures = {str(number): jpeg(made_up(3, side=128), 40 + number // 2) for number in range(80)}
    write_dataset(tmp_path / "out" / NIH, pictures)
    (tmp_path / "config.yml").write_text(f"MACHEX_PATH: {tmp_path}/out\nNUM_WORKERS: 2\n")
    run = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "machex.py"), "overlap", "-q", "-c", str(tmp_path / "config.yml")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # The process that workers are forked from, that of Python's own, and the workers.
    while run.poll() is None and len(psutil.Process(run.pid).children(recursive=True)) < 4:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)
    output, errors = run.communicate(timeout=30)
    assert run.returncode == 130, errors
    assert errors == "interrupted; run the same command again to go on\n"
    assert not output
    assert not [*tmp_path.glob("overlap.*")]
    assert processes_left(run.pid) == []
