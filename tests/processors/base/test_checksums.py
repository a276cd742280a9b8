"""Lists of checksums as publishers and programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.base import ChecksumList, SourceError, find_checksum_list
from tests.processors.releases import lay, write

ONE, TWO = "1a" * 32, "2b" * 32


def read(path: Path) -> dict[str, str]:
    return dict(ChecksumList(path))


def test_first_folder_with_a_list(tmp_path: Path) -> None:
    lay(tmp_path, "a/x", "b/SHA256SUMS.txt", "c/SHA256SUMS.txt")
    (tmp_path / "a/SHA256SUMS.txt").mkdir()
    folders = [tmp_path / name for name in ("absent", "a", "b", "c")]
    assert find_checksum_list(folders) == tmp_path / "b/SHA256SUMS.txt"
    assert find_checksum_list(folders[:2]) is None


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [" ", "  ", " *", "\t", "  ./"])
def test_forms_of_a_line(tmp_path: Path, newline: str, encoding: str, separator: str) -> None:
    lines = [f"{ONE}{separator}files/a b.jpg", "", f"{TWO.upper()}{separator}README"]
    write(tmp_path / "list", *lines, newline=newline, encoding=encoding)
    assert read(tmp_path / "list") == {"files/a b.jpg": ONE, "README": TWO}


def test_damaged_lines_are_counted(tmp_path: Path) -> None:
    damaged = [f"{ONE[1:]} a", ONE, f"{ONE}x a", f"g{ONE[1:]} a", "", f"{ONE}a", "a"]
    write(tmp_path / "list", f"{ONE} a.jpg", *damaged, f"{TWO} b.jpg")
    listed = ChecksumList(tmp_path / "list")
    assert dict(listed) == {"a.jpg": ONE, "b.jpg": TWO}
    (warning,) = listed.warnings
    assert warning.startswith("list: 6 lines are not used: expected 64 hexadecimal digits")
    assert "(lines 2, 3, 4, 5, 7, ...)" in warning


def test_bytes_that_are_no_text_damage_a_line_at_most(tmp_path: Path) -> None:
    lines = [f"{ONE} a.jpg".encode(), b"\xff\xfe\0", f"{TWO} b\xe4.jpg".encode("latin-1")]
    (tmp_path / "list").write_bytes(b"\n".join(lines))
    listed = ChecksumList(tmp_path / "list")
    assert dict(listed)["a.jpg"] == ONE
    assert "1 lines are not used" in listed.warnings[0]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"<html>\nlog in first\n</html>\n", b"\0" * 100])
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(SourceError, match=r"list: no line has a SHA-256 .* fetch it again, or set CHECKSUMS"):
        read(tmp_path / "list")


def test_unreadable_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    with pytest.raises(SourceError, match=r"list: not readable \(Is a directory\); fetch it again"):
        read(tmp_path / "list")
