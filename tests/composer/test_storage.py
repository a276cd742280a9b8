"""Writing: a file is whole under its name or not there at all, and nobody's other file is touched."""

import ctypes
import errno
import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer.errors import OutputError
from composer.storage import atomic_write, flush_filesystem

FAILURES = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.EIO]


def write(path: Path, content: bytes = b"new", *, durable: bool = False) -> None:
    with atomic_write(path, durable=durable) as file:
        file.write(content)


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    return path


def is_untouched(path: Path) -> bool:
    return path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("durable", [False, True])
def test_file_appears_when_it_is_complete(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a.bin"
    with atomic_write(path, durable=durable) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_the_old_file_and_nothing_else(old: Path) -> None:
    with pytest.raises(TypeError), atomic_write(old) as file:
        file.write("half of it is no bytes")  # type: ignore[call-overload]
    assert is_untouched(old)


class TestOrder:
    """What a power cut could tear: the name must not be there before the content is on the disk."""

    @pytest.fixture
    def calls(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        calls = []
        fsync, replace = os.fsync, Path.replace

        def fsync_noted(descriptor: int) -> None:
            kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
            calls.append(f"flush {kind} of {os.fstat(descriptor).st_size if kind == 'file' else '-'} bytes")
            fsync(descriptor)

        def replace_noted(path: Path, target: Path) -> Path:
            calls.append("rename")
            return replace(path, target)

        monkeypatch.setattr("os.fsync", fsync_noted)
        monkeypatch.setattr(Path, "replace", replace_noted)
        return calls

    def test_durable_file_is_on_the_disk_before_its_name(self, tmp_path: Path, calls: list[str]) -> None:
        write(tmp_path / "a.bin", durable=True)
        assert calls == ["flush file of 3 bytes", "rename", "flush folder of - bytes"]

    def test_pictures_are_not_flushed_one_by_one(self, tmp_path: Path, calls: list[str]) -> None:
        write(tmp_path / "a.bin")
        assert calls == ["rename"]


class TestPlanted:
    """Names that are taken in a folder that others share."""

    def test_what_a_killed_process_left_is_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / ".a.bin.part").write_bytes(b"torn and longer than the new one")
        write(tmp_path / "a.bin")
        assert (tmp_path / "a.bin").read_bytes() == b"new"
        assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]

    @pytest.mark.parametrize("name", ["a.bin", ".a.bin.part"])
    @pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
    def test_links_are_not_written_through(
        self, tmp_path: Path, name: str, link: Callable[[Path, Path], None]
    ) -> None:
        folder, other = tmp_path / "folder", tmp_path / "other"
        folder.mkdir()
        other.write_bytes(b"of somebody else")
        link(folder / name, other)
        write(folder / "a.bin")
        assert other.read_bytes() == b"of somebody else"
        assert (folder / "a.bin").read_bytes() == b"new"
        assert not (folder / "a.bin").is_symlink()
        assert [path.name for path in folder.iterdir()] == ["a.bin"]

    def test_link_into_nothing_makes_nothing_there(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / ".a.bin.part").symlink_to(tmp_path / "absent")
        write(folder / "a.bin")
        assert not (tmp_path / "absent").exists()

    def test_pipe_holds_nobody_up(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / ".a.bin.part")
        write(tmp_path / "a.bin")
        assert (tmp_path / "a.bin").read_bytes() == b"new"

    @pytest.mark.parametrize("name", ["a.bin", ".a.bin.part"])
    def test_folder_of_the_name_is_named(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).mkdir()
        with pytest.raises(OutputError, match=rf"/{name}: cannot be written \(Is a directory\)"):
            write(tmp_path / "a.bin")
        assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_permissions_are_those_of_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "a.bin")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == mode


def test_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    message = r"absent/a\.bin: cannot be written \(No such file or directory\)"
    with pytest.raises(OutputError, match=message):
        write(tmp_path / "absent" / "a.bin")


class TestFailures:
    """Storage may refuse at any call: when the file is made, filled, closed, flushed or renamed."""

    @pytest.mark.parametrize("number", FAILURES)
    def test_in_the_block(self, old: Path, number: int) -> None:
        def write_half() -> None:
            with atomic_write(old) as file:
                file.write(b"half")
                failing(number)()

        with pytest.raises(OutputError, match=os.strerror(number)):
            write_half()
        assert is_untouched(old)

    @pytest.mark.parametrize("number", FAILURES)
    @pytest.mark.parametrize("call", ["open", "fsync", "rename"])
    def test_in_a_call(self, old: Path, call: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            target = {"open": "os.open", "fsync": "os.fsync", "rename": "pathlib.Path.replace"}[call]
            patch.setattr(target, failing(number))
            with pytest.raises(OutputError, match=f"a.bin: cannot be written .{os.strerror(number)}"):
                write(old, durable=True)
        assert is_untouched(old)

    def test_in_closing(self, old: Path, limited: None) -> None:
        # Few bytes stay in the buffer until the file is closed.
        with pytest.raises(OutputError, match="File too large"), atomic_write(old) as file:
            assert file.write(bytes(2000)) == 2000
        assert is_untouched(old)

    def test_in_flushing_what_is_buffered(self, old: Path, limited: None) -> None:
        with pytest.raises(OutputError, match="File too large"):
            write(old, bytes(2000), durable=True)
        assert is_untouched(old)

    @pytest.fixture
    def limited(self) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def test_in_flushing_the_folder(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fsync = os.fsync

        def fails_for_folders(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                failing(errno.EIO)()
            fsync(descriptor)

        monkeypatch.setattr("os.fsync", fails_for_folders)
        with pytest.raises(OutputError, match=os.strerror(errno.EIO)):
            write(old, durable=True)

    def test_share_that_cannot_flush_folders(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails_for_folders(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                failing(errno.EINVAL)()

        monkeypatch.setattr("os.fsync", fails_for_folders)
        write(old, durable=True)
        assert old.read_bytes() == b"new"


class FakeLibrary:
    """A C library whose ``syncfs`` fails."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def syncfs(self, descriptor: int) -> int:
        assert stat.S_ISDIR(os.fstat(descriptor).st_mode)
        ctypes.set_errno(errno.EDQUOT)
        return -1


class TestFlushFilesystem:
    def test_succeeds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.sync", failing(errno.EIO))
        flush_filesystem(tmp_path)

    def test_failure_is_an_output_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ctypes.CDLL", FakeLibrary)
        with pytest.raises(OutputError, match=f"{tmp_path}: .*{os.strerror(errno.EDQUOT)}"):
            flush_filesystem(tmp_path)

    def test_folder_that_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="No such file"):
            flush_filesystem(tmp_path / "absent")

    def test_without_syncfs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []
        monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
        monkeypatch.setattr("os.sync", lambda: calls.append("sync"))
        flush_filesystem(tmp_path)
        assert calls == ["sync"]
