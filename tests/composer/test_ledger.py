"""The ledger: the last line of an image counts, and a torn line does no harm."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from composer.errors import OutputError
from composer.imaging import Facts
from composer.ledger import SCHEMA, Ledger, read_ledger
from tests.composer.toys import failed, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_absent_and_empty_ledgers_have_no_rows(path: Path) -> None:
    assert read_ledger(path).num_rows == 0
    path.touch()
    assert read_ledger(path).schema == SCHEMA


def test_lines_come_back_as_rows(path: Path) -> None:
    with Ledger(path, "r1") as ledger:
        ledger.append(written("a"))
        ledger.append(failed("b"))
        ledger.append(failed("c", "missing"))
    a, b, c = read_ledger(path).to_pylist()
    assert (a["identity"], a["status"], a["bytes"], a["native_columns"], a["flags"]) == (
        "a",
        "written",
        10,
        7,
        ["upscaled"],
    )
    assert (b["status"], b["reason"], b["message"], b["bytes"]) == (
        "failed",
        "truncated",
        "cut — short",
        None,
    )
    assert c["status"] == "missing"


def test_last_line_of_an_identity_counts(path: Path) -> None:
    with Ledger(path, "r1") as ledger:
        ledger.append(failed("a"))
        ledger.append(written("b"))
        ledger.append(written("a", 33))
    rows = {row["identity"]: row for row in read_ledger(path).to_pylist()}
    assert (rows["a"]["status"], rows["a"]["bytes"], rows["a"]["reason"]) == ("written", 33, None)
    assert len(rows) == 2


def test_a_number_belongs_to_the_image_that_was_last_written_to_it(path: Path) -> None:
    with Ledger(path, "r1") as ledger:
        ledger.append(replace(written("a"), number=7))
        ledger.append(replace(written("b"), number=7))
        ledger.append(replace(failed("c"), number=7))
        ledger.append(replace(written("d"), number=8))
    assert read_ledger(path)["identity"].to_pylist() == ["b", "c", "d"]


def test_a_line_is_on_disk_when_append_returns(path: Path) -> None:
    with Ledger(path, "r1") as ledger:
        ledger.append(written("a"))
        assert read_ledger(path).num_rows == 1


def test_line_that_the_disk_takes_in_pieces_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(path, "r1") as ledger:
        monkeypatch.setattr(ledger, "_file", Sluggish(ledger._file))
        ledger.append(written("a"))
        ledger.append(written("b"))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "b"]


def test_line_that_the_disk_refuses_leaves_no_trace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(path, "r1") as ledger:
        ledger.append(written("a"))
        monkeypatch.setattr(ledger, "_file", Sluggish(ledger._file, room=20))
        with pytest.raises(OutputError, match="No space left on device"):
            ledger.append(written("b"))
    assert path.read_bytes().count(b"\n") == 1
    assert path.read_bytes().endswith(b"}\n")


class Sluggish:
    """A file that takes seven bytes at a time, and no more than there is room for."""

    def __init__(self, file: Any, room: int = 1 << 30) -> None:  # noqa: ANN401 - an unbuffered file
        self._file, self._room = file, room

    def write(self, data: memoryview) -> int:
        if self._room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room -= 7
        return int(self._file.write(data[:7]))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the file has
        return getattr(self._file, name)


@pytest.mark.parametrize("cut", [1, 5, 40, 100])
def test_torn_last_line_is_dropped_and_written_over(path: Path, cut: int) -> None:
    with Ledger(path, "r1") as ledger:
        ledger.append(written("a"))
        ledger.append(written("b"))
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_ledger(path)["identity"].to_pylist() == ["a"]
    with Ledger(path, "r1") as ledger:
        ledger.append(written("c"))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "c"]


def test_torn_only_line(path: Path) -> None:
    path.write_bytes(b'{"identity": "a", "sta')
    assert read_ledger(path).num_rows == 0
    with Ledger(path, "r1") as ledger:
        ledger.append(written("c"))
    assert read_ledger(path)["identity"].to_pylist() == ["c"]


def test_damaged_line_in_the_middle_is_an_error(path: Path) -> None:
    path.write_bytes(b'{"identity": "a"}\n{"identity": \n{"identity": "b"}\n')
    with pytest.raises(OutputError, match=r"ledger\.jsonl: line 2 is damaged"):
        read_ledger(path)


def test_every_fact_has_a_column() -> None:
    assert set(Facts().as_dict()) <= set(SCHEMA.names)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Ledger(tmp_path / "absent" / "ledger.jsonl", "r1")
