"""The hold on a folder: what it leaves behind tells the next run whether to look for damage."""

from collections.abc import Callable
from pathlib import Path

import pytest

from composer import hold as hold_module
from composer.datasets import open_datasets
from composer.errors import Interrupted, OutputError, StoppedAtOnce
from composer.hold import Hold
from composer.lock import FolderLock
from composer.settings import Settings
from tests.composer.runs import FOLDER, configured, run, tree


def cut_a_picture(settings: Settings) -> Path:
    victim = sorted((settings.machex_path / FOLDER / "00").iterdir())[0]
    victim.write_bytes(b"")
    return victim


def hold_until(settings: Settings, error: BaseException | None) -> None:
    with Hold(open_datasets(settings)):
        if error is not None:
            raise error


def lock_of(settings: Settings) -> Path:
    return settings.machex_path / FOLDER / "lock"


@pytest.mark.parametrize("error", [None, Interrupted("once")])
def test_folder_is_flushed_and_then_released(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    run(settings)
    flushed: list[bool] = []
    monkeypatch.setattr(hold_module, "flush_filesystem", lambda _: flushed.append(lock_of(settings).exists()))
    try:
        hold_until(settings, error)
    except Interrupted:
        assert error is not None
    assert flushed == [True]
    assert not lock_of(settings).exists()
    # Nobody looks at the sizes of pictures then.
    victim = cut_a_picture(settings)
    run(settings)
    assert victim.stat().st_size == 0


def fail_to_flush(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OutputError("no such disk")

    monkeypatch.setattr(hold_module, "flush_filesystem", fail)
    with pytest.raises(OutputError, match="no such disk"):
        hold_until(settings, None)


def fail_to_write(settings: Settings, _: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="disk is full"):
        hold_until(settings, OutputError("disk is full"))


def stop_at_once(settings: Settings, _: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoppedAtOnce):
        hold_until(settings, StoppedAtOnce("twice"))


def stop_while_sizes_are_compared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> int:
        raise StoppedAtOnce("twice")

    stop_at_once(settings, monkeypatch)
    monkeypatch.setattr(hold_module, "delete_damaged", stop)
    with pytest.raises(StoppedAtOnce):
        hold_until(settings, None)


@pytest.mark.parametrize("end", [fail_to_flush, fail_to_write, stop_at_once, stop_while_sizes_are_compared])
def test_bad_end_leaves_a_lock_that_has_expired_and_the_next_run_mends_the_pictures(
    settings: Settings, end: Callable[[Settings, pytest.MonkeyPatch], None]
) -> None:
    run(settings)
    undisturbed = tree(settings.machex_path)
    with pytest.MonkeyPatch.context() as patch:
        end(settings, patch)
    assert lock_of(settings).stat().st_mtime == 0
    cut_a_picture(settings)
    run(settings)
    assert tree(settings.machex_path) == undisturbed


def test_pictures_that_are_not_selected_now_are_compared_too(tmp_path: Path, root: Path) -> None:
    everything = configured(tmp_path / "out", root, splits="all")
    run(everything)
    undisturbed = tree(tmp_path / "out")
    stop_at_once(everything, pytest.MonkeyPatch())
    for picture in (tmp_path / "out" / FOLDER / "00").iterdir():
        picture.write_bytes(b"")
    run(configured(tmp_path / "out", root))
    run(everything)
    assert tree(tmp_path / "out") == undisturbed


def test_folder_that_is_refused_is_as_it_was(settings: Settings) -> None:
    datasets = open_datasets(settings)
    run(settings)
    before = tree(settings.machex_path)
    with pytest.raises(OutputError, match="another run has been writing here"), Hold(datasets):
        pass
    assert tree(settings.machex_path) == before


def test_lock_that_was_lost_is_left_to_its_new_holder(settings: Settings) -> None:
    run(settings)
    datasets = open_datasets(settings)
    with Hold(datasets):
        lock_of(settings).unlink()
        with FolderLock(lock_of(settings)):
            pass
        lock_of(settings).write_text("another's")
    assert lock_of(settings).read_text() == "another's"


def test_locks_are_looked_at_ten_times_a_second_and_after_a_sleep(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    clock = iter([1000.0, 1000.05, 1000.11, 1000.12, 1400.0, 900.0, 900.01])
    times: list[float] = []

    def tick() -> float:
        times.append(next(clock))
        return times[-1]

    with Hold(open_datasets(settings)) as hold, monkeypatch.context() as patch:
        patch.setattr(FolderLock, "check", lambda _: looks.append(times[-1]))
        patch.setattr("composer.hold.time.time", tick)
        for _ in range(7):
            hold.check()
    # The clock of a machine may also be set back.
    assert looks == [1000.0, 1000.11, 1400.0, 900.0]
