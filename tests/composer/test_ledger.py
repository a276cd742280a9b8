"""The ledger: the last line of an image counts, and a torn or damaged line costs only the image again."""

import errno
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer import json_lines, ledger
from composer.errors import OutputError
from composer.imaging import Facts
from composer.ledger import SCHEMA, Ledger, compact, count_damaged, read_ledger
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


def test_line_of_a_run_that_took_over_is_not_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(path, "r1") as stale:
        stale.append(written("a"))
        with Ledger(path, "r1") as other:
            other.append(written("b"))
        monkeypatch.setattr(stale, "_file", Sluggish(stale._file, room=0))
        with pytest.raises(OutputError):
            stale.append(written("c"))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "b"]


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


def test_long_tail_of_nothing_after_a_power_cut_is_cut_off(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "_STEP", 100)
    with Ledger(path, "r1") as ledger:
        ledger.append(written("a"))
    path.write_bytes(path.read_bytes() + bytes(1000))
    assert read_ledger(path)["identity"].to_pylist() == ["a"]
    with Ledger(path, "r1") as ledger:
        ledger.append(written("b"))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "b"]
    assert count_damaged(path) == 0


def test_ledger_of_nothing_but_a_tail(path: Path) -> None:
    path.write_bytes(bytes(1000))
    assert read_ledger(path).num_rows == 0
    with Ledger(path, "r1") as ledger:
        ledger.append(written("a"))
    assert path.read_bytes().startswith(b"{")


def test_every_fact_has_a_column() -> None:
    assert set(Facts().as_dict()) <= set(SCHEMA.names)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Ledger(tmp_path / "absent" / "ledger.jsonl", "r1")


def test_ledger_that_cannot_be_read(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        read_ledger(path)


@pytest.mark.parametrize("columns", [["bytes"], ["status", "identity"], ["crop_box", "flags", "rows"]])
def test_only_the_columns_that_are_asked_for(path: Path, columns: list[str]) -> None:
    with Ledger(path, "r1") as ledger:
        for outcome in (written("a"), failed("b"), written("b"), written("a", 44)):
            ledger.append(outcome)
    assert read_ledger(path, columns) == read_ledger(path).select(columns)
    assert read_ledger(path.with_name("absent"), columns) == SCHEMA.empty_table().select(columns)


# What is on the disk when.


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the size of the file whenever a file is brought to the disk."""
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: sizes.append(os.fstat(file).st_size))
    return sizes


def test_all_lines_are_brought_to_the_disk_when_the_ledger_is_closed(path: Path, flushes: list[int]) -> None:
    with Ledger(path, "r1") as ledger:
        ledger.append(written("a"))
        ledger.append(written("b"))
        assert flushes == []
    assert flushes == [path.stat().st_size]


def test_lines_are_brought_to_the_disk_every_few_seconds(
    path: Path, flushes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the opening, of each line, and of each flush.
    clock = iter([0.0, 1.0, 4.9, 5.0, 5.1, 9.9, 10.2, 10.2, 11.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with Ledger(path, "r1") as open_ledger:
        for _ in range(6):
            open_ledger.append(written("a"))
        lines = [size * 6 // path.stat().st_size for size in flushes]
    assert lines == [3, 5]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_lines_that_do_not_reach_the_disk_are_an_error(
    path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    open_ledger = Ledger(path, "r1")
    with pytest.raises(OutputError, match=rf"ledger\.jsonl.*{os.strerror(code)}"), open_ledger:
        open_ledger.append(written("a"))
    assert open_ledger._file.closed
    monkeypatch.setattr(ledger, "FLUSH_SECONDS", 0.0)
    open_ledger = Ledger(path, "r1")
    with pytest.raises(OutputError, match=os.strerror(code)):
        open_ledger.append(written("b"))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "b"]


def test_error_on_closing_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ledger = Ledger(path, "r1")
    monkeypatch.setattr(open_ledger, "_file", Unclosable(open_ledger._file))
    with pytest.raises(OutputError, match="Disk quota exceeded"), open_ledger:
        open_ledger.append(written("a"))


def test_line_that_can_neither_be_finished_nor_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ledger = Ledger(path, "r1")
    open_ledger.append(written("a"))
    monkeypatch.setattr(open_ledger, "_file", Stubborn(open_ledger._file, room=20))
    with pytest.raises(OutputError, match="No space left on device"):
        open_ledger.append(written("b"))
    assert not path.read_bytes().endswith(b"\n")
    assert read_ledger(path)["identity"].to_pylist() == ["a"]
    with Ledger(path, "r1") as open_ledger:
        open_ledger.append(written("c"))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "c"]


class Unclosable(Sluggish):
    """A file of which the server says at the end that it was over quota."""

    def close(self) -> None:
        self._file.close()
        raise OSError(errno.EDQUOT, "Disk quota exceeded")


class Stubborn(Sluggish):
    """A file that does not let itself be cut off either."""

    def truncate(self, size: int) -> int:
        raise OSError(errno.EIO, "Input/output error")


# Damage.


def line(identity: str, number: int, **values: Any) -> bytes:  # noqa: ANN401 - any column
    said = {"identity": identity, "number": number, "carrier": "", "status": "written", **values}
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


DAMAGE = {
    "zeros": bytes(4096) + b"\n",
    "half a line": b'{"identity": "x", "num\n',
    "half a line, and the next": b'{"identity": "x", "num' + line("x", 1),
    "two on a line": line("x", 1)[:-1] + line("x", 2),
    "nothing": b"\n",
    "no object": b"[1]\n",
    "no fields": b"{}\n",
    "a number that is text": line("x", "1"),  # type: ignore[arg-type]
    "a number that is too large": line("x", 1 << 40),
    "a size that is a fraction": line("x", 1, bytes=1.5),
    "a fact that is text": line("x", 1, window_center="1"),
    "a list of text": line("x", 1, crop_box=["1"]),
    "a status that is none": line("x", 1, status="writtem"),
    "no status": line("x", 1).replace(b"status", b"sstatu"),
    "no identity": line("x", 1).replace(b"identity", b"idenitty"),
    "no identity at all": line("x", 1).replace(b'"x"', b"null"),
    "no UTF-8": line("x", 1, message="\u00e9").replace(b"\xc3", b"\xff"),
    "half a character": line("x", 1, message="-").replace(b'"-"', rb'"\ud800"'),
    "a field twice": line("x", 1)[:-2] + b', "number": 2}\n',
    "a mark before it": b"\xef\xbb\xbf" + line("x", 1),
    "too long": line("x", 1, message="x" * (3 << 20)),
    "deep": line("x", 1, crop_box=0).replace(b"0}", b"[" * 100_000 + b"]" * 100_000 + b"}"),
}


@pytest.mark.parametrize("damaged", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("place", [0, 1, 3])
def test_damaged_line_is_left_out_and_counted(
    path: Path, damaged: bytes, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [line("a", 0), line("b", 1, message="\u00e9\u2014"), line("c", 2)]
    path.write_bytes(b"".join([*lines[:place], damaged, *lines[place:]]))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "b", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: damaged lines: 1; their images are made again"
    ]
    assert count_damaged(path) == 1
    assert compact(path) == 1
    assert path.read_bytes() == b"".join(lines)


def test_object_on_two_lines_is_none(path: Path) -> None:
    # One line less and one row more would agree in number.
    path.write_bytes(line("a", 0).replace(b" ", b"\n", 1) + line("b", 1)[:-1] + line("c", 2) + line("d", 3))
    assert read_ledger(path)["identity"].to_pylist() == ["d"]
    assert count_damaged(path) == 3


def test_garbage_has_no_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    garbage = b"".join(bytes([byte]) * (byte % 7) for byte in range(256)) * 40
    path.write_bytes(garbage)
    monkeypatch.setattr(json_lines, "BLOCK_SIZE", 1000)
    assert read_ledger(path).num_rows == 0
    assert count_damaged(path) == garbage.count(b"\n")


def test_line_that_is_longer_than_a_block_is_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_SIZE", 200)
    path.write_bytes(line("a", 0) + bytes(1000) + line("x", 1) + line("b", 2) + bytes(1000))
    assert read_ledger(path)["identity"].to_pylist() == ["a", "b"]
    assert count_damaged(path) == 1


# The same, in all cases.

OUTCOMES = st.lists(
    st.builds(
        line,
        identity=st.sampled_from(["a", "b", "c", "\u00e9"]),
        number=st.integers(0, 3),
        status=st.sampled_from(["written", "failed", "missing"]),
        bytes=st.integers(0, 300),
        message=st.text(max_size=3),
        scale_row=st.floats(allow_nan=False, allow_infinity=False),
    ),
    max_size=12,
)
# In bytes; no line above is longer than the smallest.
BLOCK_SIZES = st.sampled_from([400, 1000, 1 << 20])


def expected(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the lines that count, one at a time, by the words of the contract."""
    rows = [row for line in lines if (row := sound(line)) is not None]
    last = {row["identity"]: place for place, row in enumerate(rows)}
    owner = {row["number"]: place for place, row in enumerate(rows) if row["status"] == "written"}
    return [
        row
        for place, row in enumerate(rows)
        if last[row["identity"]] == place and (row["status"] != "written" or owner[row["number"]] == place)
    ]


def sound(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line.decode(errors="surrogateescape"))
    except ValueError:
        return None
    if not isinstance(row, dict) or not all(isinstance(row.get(key, 0), int) for key in ("number", "bytes")):
        return None
    # What is no UTF-8 harms no more than the field that it is in.
    if any(re.search("[\ud800-\udfff]", row.get(key, "")) for key in ("identity", "carrier", "message")):
        return None
    known = "identity" in row and "number" in row and row.get("status") in ("written", "failed", "missing")
    return row if known else None


def assert_reads_as(path: Path, lines: Sequence[bytes]) -> None:
    columns = ["identity", "number", "status", "bytes", "message", "scale_row"]
    wanted = [{name: row.get(name) for name in columns} for row in expected(lines)]
    assert read_ledger(path).select(columns).to_pylist() == wanted


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledgers") / "ledger.jsonl"


@settings(deadline=None)
@given(lines=OUTCOMES, block_size=BLOCK_SIZES)
def test_last_lines_count(scratch: Path, lines: list[bytes], block_size: int) -> None:
    scratch.write_bytes(b"".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "BLOCK_SIZE", block_size)
        assert_reads_as(scratch, lines)


@settings(deadline=None)
@given(lines=OUTCOMES, block_size=BLOCK_SIZES, data=st.data())
def test_compaction_changes_nothing(
    scratch: Path, lines: list[bytes], block_size: int, data: st.DataObject
) -> None:
    for place in data.draw(st.sets(st.integers(0, len(lines)))):
        lines.insert(place, data.draw(st.sampled_from([b"\n", b"{}\n", b"\0\0\n"])))
    scratch.write_bytes(b"".join(lines) + data.draw(st.sampled_from([b"", b'{"identity'])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "BLOCK_SIZE", block_size)
        before = read_ledger(scratch)
        dropped = compact(scratch)
        assert read_ledger(scratch) == before
        assert compact(scratch) == 0
    left = [line + b"\n" for line in scratch.read_bytes().split(b"\n")[:-1]]
    remaining = iter(lines)
    assert all(line in remaining for line in left), "another order, or other bytes"
    assert dropped == len(lines) - len(left) == len(lines) - before.num_rows


@settings(deadline=None)
@given(lines=OUTCOMES, data=st.data())
def test_cut_anywhere_costs_the_last_line_at_most(
    scratch: Path, lines: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(lines)
    left = whole[: data.draw(st.integers(0, len(whole)))]
    scratch.write_bytes(left)
    assert_reads_as(scratch, lines[: left.count(b"\n")])
    with Ledger(scratch, "r1") as open_ledger:
        open_ledger.append(written("a"))
    assert count_damaged(scratch) == 0
    assert read_ledger(scratch)["sha256"].to_pylist()[-1] == "ab"


@settings(deadline=None)
@given(lines=OUTCOMES.filter(bool), data=st.data())
def test_changed_bytes_cost_their_lines_at_most(
    scratch: Path, lines: list[bytes], data: st.DataObject
) -> None:
    changed = bytearray(b"".join(lines))
    likely = st.sampled_from(b'\n\0 "\\{}[]:,.-1e')
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255) | likely)
    scratch.write_bytes(changed)
    assert_reads_as(scratch, bytes(changed).split(b"\n")[:-1])
