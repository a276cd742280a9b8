"""The disk of the collection is full, read-only or gone: the run says so, and goes on when it is mended."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import attempts, check_completes, check_stopped, configured, start, tree, wait_until

# The films take 1,900 KiB in 100 files and folders.
KIBIBYTES, INODES = (60, 1500), (5, 80)


class Mounts:
    """Filesystems that are mounted for a test; it is skipped where that is not allowed."""

    def __init__(self) -> None:
        self._folders: list[Path] = []

    def mount(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        result = _call("mount", *arguments, str(folder))
        if result.returncode != 0:
            pytest.skip(f"no filesystem can be mounted here: {result.stderr.strip()}")
        self._folders.append(folder)

    def remount(self, folder: Path, options: str) -> None:
        result = _call("mount", "-o", f"remount,{options}", str(folder))
        assert result.returncode == 0, result.stderr

    def unmount(self, folder: Path) -> None:
        """Take a filesystem away, although files of it are open."""
        self._folders.remove(folder)
        result = _call("umount", "--lazy", str(folder))
        assert result.returncode == 0, result.stderr

    def end(self) -> None:
        for folder in reversed([*self._folders]):
            self.unmount(folder)


def _call(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        pytest.skip(f"no filesystem can be mounted here: {error}")


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    mounts = Mounts()
    try:
        yield mounts
    finally:
        mounts.end()


def stopped(run: "subprocess.Popen[str]") -> str:
    """Wait for the end of a run that cannot write, and return what it says."""
    _, errors = run.communicate(timeout=100)
    assert run.returncode == 3, errors
    assert "Traceback" not in errors
    assert "run the same command again" in errors
    return errors


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("passes", [1, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize(("option", "limits"), [("size={}k", KIBIBYTES), ("nr_inodes={}", INODES)])
def test_full_disk(
    films: Path, tmp_path: Path, mounts: Mounts, passes: int, option: str, limits: tuple[int, int]
) -> None:
    undisturbed = tree(films / "machex_dataset")
    sizes = random.Random(passes)
    for place in range(passes):
        disk = tmp_path / f"disk{place}"
        mounts.mount(disk, "-t", "tmpfs", "-o", option.format(sizes.randint(*limits)), "tmpfs")
        config = configured(films, tmp_path, disk / "out")
        errors = stopped(start(config, "-q"))
        assert str(disk) in errors
        assert "No space left" in errors or "nearly full" in errors
        check_stopped(disk / "out", is_current=False)
        mounts.remount(disk, "size=64m,nr_inodes=1000")
        check_completes(config, disk / "out", undisturbed)
        mounts.unmount(disk)


def test_disk_that_turns_read_only(films: Path, tmp_path: Path, mounts: Mounts) -> None:
    # As ext4 does by itself over a failing disk. What was not flushed is lost then, as in a power cut.
    image = tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, 64 << 20)
    disk = tmp_path / "disk"
    assert _call("mkfs.ext4", "-q", str(image)).returncode == 0
    mounts.mount(disk, "-o", "loop", str(image))
    collection = disk / "out"
    config = configured(films, tmp_path, collection)
    run = start(config, "-q")
    wait_until(run, lambda: attempts(collection) >= 30)
    mounts.remount(disk, "abort")
    errors = stopped(run)
    assert f"{collection}/" in errors
    assert "Read-only file system" in errors
    mounts.unmount(disk)
    assert _call("e2fsck", "-fy", str(image)).returncode in (0, 1)
    mounts.mount(disk, "-o", "loop", str(image))
    check_completes(config, collection, tree(films / "machex_dataset"), once=False)


@pytest.mark.parametrize("mount_point", ["out", "out/vindrcxr"])
def test_disk_that_goes_away(films: Path, tmp_path: Path, mounts: Mounts, mount_point: str) -> None:
    store, place, collection = tmp_path / "store", tmp_path / mount_point, tmp_path / "out"
    mounts.mount(store, "-t", "tmpfs", "tmpfs")
    mounts.mount(place, "--bind", str(store))
    config = configured(films, tmp_path, collection)
    run = start(config, "-q")
    wait_until(run, lambda: attempts(collection) >= 30)
    mounts.unmount(place)
    errors = stopped(run)
    assert f"{place}" in errors
    # What lies below the mount point would be hidden by the next mount, or fill another disk.
    assert list(place.iterdir()) == []
    mounts.mount(place, "--bind", str(store))
    check_completes(config, collection, tree(films / "machex_dataset"))
