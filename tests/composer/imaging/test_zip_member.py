"""Images that still lie in zip archives."""

import io
import zipfile
from pathlib import Path

import pytest

from composer.imaging import Facts, Reason, Refusal, Source
from composer.imaging import source as source_module
from tests.composer.imaging.support import reason_with_remedy

CONTENT = b"of a film " * 1000


class Unseekable(io.BytesIO):
    """Python's zipfile puts checksums behind the data when it cannot go back."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


def archive_of(path: Path, method: int = zipfile.ZIP_DEFLATED, *, streamed: bool = False) -> Source:
    """Pack the content as the second member, and return where it lies."""
    stream = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        packed.writestr("first.txt", "something before it")
        packed.writestr("images/film.png", CONTENT)
    path.write_bytes(stream.getvalue())
    with zipfile.ZipFile(path) as packed:
        member = packed.getinfo("images/film.png")
    return Source(str(path), member.header_offset, member.compress_size, zipped=True)


def reason(source: Source) -> Reason:
    with pytest.raises(Refusal) as caught:
        source.read(Facts())
    return reason_with_remedy(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
def test_member_is_read_where_it_lies(tmp_path: Path, method: int, streamed: bool) -> None:
    assert archive_of(tmp_path / "a.zip", method, streamed=streamed).read(Facts()) == CONTENT


def test_other_methods_are_not_read(tmp_path: Path) -> None:
    assert reason(archive_of(tmp_path / "a.zip", zipfile.ZIP_LZMA)) is Reason.UNSUPPORTED


def test_encrypted_members_are_not_read(tmp_path: Path) -> None:
    source = archive_of(tmp_path / "a.zip")
    packed = bytearray(Path(source.path).read_bytes())
    assert source.offset is not None
    packed[source.offset + 6] |= 1
    Path(source.path).write_bytes(packed)
    assert reason(source) is Reason.UNSUPPORTED


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
def test_every_flipped_bit_of_the_data_is_found(tmp_path: Path, method: int, streamed: bool) -> None:
    source = archive_of(tmp_path / "a.zip", method, streamed=streamed)
    whole = bytearray(Path(source.path).read_bytes())
    assert source.offset is not None
    assert source.size is not None
    start = source.offset + 30 + len("images/film.png")
    for place in range(start, start + source.size, max(1, source.size // 40)):
        broken = bytearray(whole)
        broken[place] ^= 4
        Path(source.path).write_bytes(broken)
        assert reason(source) in (Reason.DAMAGED, Reason.TRUNCATED), place - start


@pytest.mark.parametrize("left", [0, 5, 35, 60])
def test_archive_that_ends_inside(tmp_path: Path, left: int) -> None:
    source = archive_of(tmp_path / "a.zip")
    assert source.offset is not None
    data = Path(source.path).read_bytes()[: source.offset + left]
    Path(source.path).write_bytes(data)
    assert reason(source) is Reason.TRUNCATED


def test_archive_that_was_replaced(tmp_path: Path) -> None:
    source = archive_of(tmp_path / "a.zip")
    Path(source.path).write_bytes(b"\0" * 10_000)
    assert reason(source) is Reason.DAMAGED


def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MAXIMUM_BYTES", len(CONTENT) - 1)
    assert reason(archive_of(tmp_path / "a.zip")) is Reason.TOO_LARGE
