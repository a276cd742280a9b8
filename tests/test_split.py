"""``machex.py split`` as a user runs it: what it prints and writes, and when it refuses."""

import csv
from argparse import Namespace
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from composer.commands.split import run
from composer.errors import UsageError
from composer.lock import FolderLock
from tests.composer.overlap.worlds import COMMAND, NIH, SIIM, Film, World, nih, siim
from tests.conftest import machex

FILMS = {NIH: [nih(number, number) for number in range(40)], SIIM: [siim(number) for number in range(30, 45)]}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path / "out")
    monkeypatch.setattr(COMMAND, found.verified_pairs)
    found.write("openi", [Film(1, 'quoted "name", 1', patient_id="7")])
    found.run(FILMS)
    return found


@pytest.fixture
def config(world: World, tmp_path: Path) -> str:
    """Return a configuration that selects no dataset: their sources are not needed."""
    path = tmp_path / "config.yml"
    path.write_text(f"MACHEX_PATH: {world.collection}\n")
    return str(path)


def split(config: str, *names: str, export: Path | None = None) -> int:
    """Run the command in this process, where it starts at once."""
    target = None if export is None else str(export)
    return run(Namespace(config=config, dataset=names, export=target, quiet=False))


def exported(path: Path) -> list[tuple[str, str, int]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["dataset"], row["identity"], int(row["fold"])) for row in csv.DictReader(file)]


def test_export_has_every_film_sorted_and_nothing_else(
    world: World, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert split(config, export=tmp_path / "folds.csv") == 0
    rows = exported(tmp_path / "folds.csv")
    assert rows == sorted(rows)
    told = {
        (str(row["dataset"]), identity, row["fold"])
        for identity, row in world.rows(NIH, SIIM, "openi").items()
    }
    assert set(rows) == told
    assert len(rows) == len(told) == 56
    text = (tmp_path / "folds.csv").read_text()
    assert text.startswith("dataset,identity,fold\nchex-ray14,n0,")
    assert "patient" not in text
    assert f"folds: {tmp_path / 'folds.csv'}" in capsys.readouterr().out


def test_table_counts_the_films_of_every_fold(
    world: World, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert split(config) == 0
    heading, *lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert heading[:4] == ["dataset", "films", "fold", "0"]
    assert [line[0] for line in lines] == [NIH, "openi", SIIM, "all"]
    counts = Counter(row["fold"] for row in world.rows(NIH).values())
    assert lines[0][1:] == ["40", *(str(counts[fold]) for fold in range(10))]
    assert [sum(map(int, column)) for column in zip(*(line[1:] for line in lines[:-1]), strict=True)] == [
        int(cell) for cell in lines[-1][1:]
    ]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".csv"] == []


def test_named_dataset_alone(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "folds.csv"
    path.write_text("of before")
    assert split(config, SIIM, export=path) == 0
    assert {row[0] for row in exported(path)} == {SIIM}
    assert "all" not in capsys.readouterr().out


def test_same_bytes_on_every_machine(world: World, config: str, tmp_path: Path) -> None:
    split(config, export=tmp_path / "one.csv")
    for name in FILMS:
        world.write(name, FILMS[name][::-1])
    split(config, export=tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_program_takes_the_arguments(config: str, tmp_path: Path) -> None:
    result = machex(
        "split", "-c", config, "--dataset", SIIM, "--dataset", NIH, "--export", "f.csv", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert {row[0] for row in exported(tmp_path / "f.csv")} == {SIIM, NIH}


def test_nothing_composed(tmp_path: Path) -> None:
    config = tmp_path / "empty.yml"
    config.write_text(f"MACHEX_PATH: {tmp_path}/absent\n")
    result = machex("split", "-c", str(config))
    assert result.returncode == 2
    assert result.stderr == f"{tmp_path}/absent holds no collection: run the compose command first\n"


def test_dataset_that_is_not_there(config: str) -> None:
    with pytest.raises(UsageError, match=r"sim is none of them; did you mean siim\?"):
        split(config, "sim")


def test_index_of_an_older_version(world: World, config: str, tmp_path: Path) -> None:
    path = world.collection / NIH / "index.parquet"
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["fold"]), path)
    with pytest.raises(UsageError, match=f"write them anew: python machex.py index -c {config}\n  - {NIH}: "):
        split(config, export=tmp_path / "folds.csv")
    assert not (tmp_path / "folds.csv").exists()
    assert split(config, "openi") == 0


def test_patients_that_are_parted_are_noticed(world: World, config: str) -> None:
    path = world.collection / SIIM / "index.parquet"
    rows = pq.ParquetFile(path).read()
    alone = pa.array([f"siim/film/{identity}" for identity in rows["identity"].to_pylist()])
    place = rows.schema.get_field_index("patient_cluster")
    pq.write_table(rows.set_column(place, "patient_cluster", alone), path)
    with pytest.raises(UsageError, match=f"films of one patient are in two folds.*\n  - {SIIM}: [^\n]*$"):
        split(config)
    world.settle([SIIM])
    assert split(config) == 0


def test_dataset_that_another_run_writes(world: World, config: str) -> None:
    with FolderLock(world.collection / NIH / "lock"):
        assert machex("split", "-c", config).returncode == 3
    assert split(config) == 0


@pytest.mark.parametrize("name", [".", "absent/folds.csv"])
def test_place_that_cannot_be_written(config: str, tmp_path: Path, name: str) -> None:
    result = machex("split", "-c", config, "--export", name, cwd=tmp_path)
    assert result.returncode == 2
    assert "name another with --export" in result.stderr
