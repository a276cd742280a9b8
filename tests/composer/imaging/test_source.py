"""Reading files and members of archives."""

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from composer.imaging import Facts, Reason, Refusal, Source
from composer.imaging import source as source_module
from tests.composer.imaging.support import reason_with_remedy


def _reason(source: Source) -> Reason:
    with pytest.raises(Refusal) as caught:
        source.read(Facts())
    return reason_with_remedy(caught.value)


def test_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert Source(str(tmp_path / "a")).read(Facts()) == b"0123456789"


@pytest.mark.parametrize(("offset", "size", "expected"), [(2, 3, b"234"), (7, None, b"789"), (0, 1, b"0")])
def test_member_is_read_from_its_offset(
    tmp_path: Path, offset: int, size: int | None, expected: bytes
) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert Source(str(tmp_path / "a"), offset, size).read(Facts()) == expected


def test_member_beyond_the_end_is_truncated(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert _reason(Source(str(tmp_path / "a"), 8, 5)) is Reason.TRUNCATED


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert _reason(Source(str(tmp_path / "absent"))) is Reason.MISSING
    assert _reason(Source(str(tmp_path / "empty" / "below"))) is Reason.MISSING
    assert _reason(Source("a\0b")) is Reason.MISSING
    assert _reason(Source(str(tmp_path / "empty"))) is Reason.EMPTY
    assert _reason(Source(str(tmp_path))) is Reason.UNREADABLE


def test_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _reason(Source(str(tmp_path / "pipe"))) is Reason.UNREADABLE


def test_input_output_error_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, length: int) -> bytes:
        raise OSError(5, "Input/output error")

    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(os, "read", fail)
    assert _reason(Source(str(tmp_path / "a"))) is Reason.UNREADABLE


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.read
    (tmp_path / "a").write_bytes(b"0123456789")
    monkeypatch.setattr(os, "read", lambda descriptor, length: whole(descriptor, min(length, 3)))
    assert Source(str(tmp_path / "a")).read(Facts()) == b"0123456789"


def test_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(source_module.MAXIMUM_BYTES + 1)
    monkeypatch.delattr(os, "read")
    assert _reason(Source(str(tmp_path / "a"))) is Reason.TOO_LARGE


def test_status_of_the_file_is_noted_even_of_one_that_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    os.utime(tmp_path / "a", ns=(1, 1_700_000_000_123_456_789))
    for source in (Source(str(tmp_path / "a"), 2, 3), Source(str(tmp_path / "a"), 8, 5)):
        facts = Facts()
        with suppress(Refusal):
            source.read(facts)
        assert (facts.source_bytes, facts.source_modified) == (10, 1_700_000_000_123_456_789)
    facts = Facts()
    with pytest.raises(Refusal):
        Source(str(tmp_path / "absent")).read(facts)
    assert (facts.source_bytes, facts.source_modified) == (None, None)


def test_file_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    monkeypatch.delattr(os, "stat")
    assert Source(str(tmp_path / "a")).read(Facts()) == b"0123456789"


def test_no_file_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    before = sorted(Path("/proc/self/fd").iterdir())
    for path in (tmp_path / "a", tmp_path):
        with suppress(Refusal):
            Source(str(path)).read(Facts())
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_every_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    data = bytes(range(100))
    source = Source(str(tmp_path / "a"), sha256=hashlib.sha256(data).hexdigest())
    (tmp_path / "a").write_bytes(data)
    assert source.read(Facts()) == data
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        (tmp_path / "a").write_bytes(damaged)
        assert _reason(source) is Reason.CHECKSUM
        assert replace(source, sha256=None).read(Facts()) == damaged


def test_member_is_compared_by_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    source = Source(str(tmp_path / "a"), 2, 3, sha256=hashlib.sha256(b"234").hexdigest())
    assert source.read(Facts()) == b"234"
    assert _reason(replace(source, offset=3)) is Reason.CHECKSUM
