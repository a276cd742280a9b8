"""Room on the disk: stop before it is used up."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from composer.errors import OutputError
from composer.space import Space

Usage = namedtuple("Usage", "total used free")
GIB = 1 << 30


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"x" * 1000)
    return path


def look(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, total: int, free: int, picture: int | None = None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))
    space = Space(ledger.parent, ledger, in_flight=8)
    space.note(picture)
    space.check()


@pytest.mark.parametrize(
    ("total", "picture", "needed"),
    [
        (1_000_000, None, 10_000 + 1000),
        (1_000_000, 500, 10_000 + 1000 + 8 * 500),
        (1000 * GIB, 100, GIB + 1000 + 8 * 100),
    ],
)
def test_room_is_kept_for_others_for_the_index_and_for_what_is_in_flight(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, total: int, picture: int | None, needed: int
) -> None:
    look(ledger, monkeypatch, total, needed, picture)
    with pytest.raises(OutputError, match=f"nearly full, {needed - 1:,} bytes are free and {needed:,} are"):
        look(ledger, monkeypatch, total, needed - 1, picture)


def test_looks_are_a_second_apart(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []

    def disk_usage(path: Path) -> Usage:
        looks.append(path)
        return Usage(GIB, 0, GIB)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    space = Space(ledger.parent, ledger, in_flight=8)
    for _ in range(1000):
        space.check()
    assert len(looks) == 1


def test_folder_that_has_gone_is_an_error(ledger: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Space(ledger.parent / "gone", ledger, in_flight=8).check()
