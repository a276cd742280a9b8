"""Which lines of the ledger the guard lets count, and how held-out films are kept."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from composer.guard import Guard, lines_that_count
from composer.guard.films import HeldOutSource, file_of, read_films
from composer.imaging import Source
from composer.records import table_of
from composer.twins.held_out import HeldOutFilm
from tests.composer.toys import record

FAR, NEAR = "33" * 32, "f0" * 32
ONE_BIT_OFF = "f1" + "f0" * 31
FILM = HeldOutFilm(
    "chex-ray14", "00000002_000", "test", "00000002_000.png", Source("/nih/00000002_000.png"), NEAR
)


def line(status: str, **values: str | None) -> dict[str, str | None]:
    return {"status": status, "twin": None, "twin_split": None, "guard": None, "fingerprint": None, **values}


def counts(path: Path, selected: tuple[str, ...], *lines: dict[str, str | None]) -> list[bool]:
    source = HeldOutSource("chex-ray14", Path("/nih"), table_of([record("00000002_000", split="test")]))
    guard = Guard(selected, (source,), ("chex-ray14",), pa.array(["chex-ray14/00000002_000"]))
    columns = pa.schema([(name, pa.string()) for name in line("")])
    found: list[bool] = lines_that_count(pa.Table.from_pylist(list(lines), columns), path, guard).to_pylist()
    return found


@pytest.mark.parametrize("fingerprint", ["00", "zz" * 32, 7, {"a": 1}])
def test_what_is_no_fingerprint_is_damage(path: Path, fingerprint: object) -> None:
    cells = json.loads(FILM.as_line()) | {"fingerprint": fingerprint}
    path.write_bytes(json.dumps(cells).encode() + b"\n" + FILM.as_line())
    assert read_films(path) == [FILM]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "held_out.jsonl"
    path.write_bytes(FILM.as_line())
    return path


def test_films_come_back_as_they_were_kept(path: Path) -> None:
    assert read_films(path) == [FILM]


def test_damaged_lines_are_left_out(path: Path) -> None:
    path.write_bytes(b'{"dataset": 1}\n\xff\n[]\n' + FILM.as_line() + b'{"dataset": "chex')
    assert read_films(path) == [FILM]


def test_no_file_has_no_films(tmp_path: Path) -> None:
    assert read_films(tmp_path / "absent") == []


def test_the_digest_tells_the_films_and_not_their_order(path: Path) -> None:
    other = HeldOutFilm("rsna", "a", "test", "a.dcm", Source("/rsna/a.dcm"), FAR)
    digest = file_of(path, [FILM, other]).digest
    assert digest == file_of(path, [other, FILM]).digest
    assert digest != file_of(path, [FILM]).digest


def test_a_film_that_was_left_out_by_comparison_stays_so(path: Path) -> None:
    left_out = line("left out", twin_split="test", guard="any")
    assert counts(path, ("train",), left_out) == [True]


def test_a_film_whose_twin_is_held_out_no_longer_may_be_written(path: Path) -> None:
    twins = ("chex-ray14/00000002_000", "chex-ray14/00000003_000", "siim/00000003_000")
    left_out = [line("left out", twin=twin, twin_split="test", guard="any") for twin in twins]
    # What a dataset that is not at hand holds out now is not known.
    assert counts(path, ("train",), *left_out) == [True, False, True]


def test_a_film_whose_twin_is_composed_now_may_be_written(path: Path) -> None:
    left_out = line("left out", twin_split="test", guard="any")
    assert counts(path, ("train", "test"), left_out) == [False]


def test_a_film_whose_twin_has_no_split_may_be_written_when_all_are(path: Path) -> None:
    left_out = line("left out", guard="any")
    assert counts(path, ("train", "test"), left_out) == [True]
    assert counts(path, ("train", "val", "test"), left_out) == [False]


def test_what_tables_left_out_is_for_tables_to_say_again(path: Path) -> None:
    assert counts(path, ("train",), line("left out", twin_split="test")) == [False]


def test_written_films_are_looked_at_again_only_where_they_look_alike(path: Path) -> None:
    digest = file_of(path, [FILM]).digest
    lines = [
        line("written", fingerprint=FAR, guard=None),
        line("written", fingerprint=ONE_BIT_OFF, guard=None),
        line("written", fingerprint=ONE_BIT_OFF, guard="of other films"),
        line("written", fingerprint=ONE_BIT_OFF, guard=digest),
        line("written", fingerprint=None),
        line("failed", fingerprint=ONE_BIT_OFF),
    ]
    # What has no fingerprint is of an earlier version, or blank and quickly made again.
    assert counts(path, ("train",), *lines) == [True, False, False, True, False, True]


def test_without_films_to_compare_with_nothing_is_looked_at_again(tmp_path: Path) -> None:
    assert counts(tmp_path / "absent", ("train",), line("written", fingerprint=NEAR)) == [True]
