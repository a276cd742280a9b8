"""The lock of a folder: one holder at a time, whatever ended the one before."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from composer import lock
from composer.errors import OutputError
from composer.holder import LIFETIME, Holder, read_holder
from composer.lock import FolderLock, LockLost, check_not_held

REPOSITORY = Path(__file__).parents[2]
# Says whether it got the lock when it is told to try, and holds it until it is told to end.
HOLD = """
import sys
from pathlib import Path
from composer.errors import OutputError
from composer.lock import FolderLock
print("ready", flush=True)
input()
try:
    with FolderLock(Path(sys.argv[1])) as lock:
        print(f"got, taken over: {lock.taken_over}", flush=True)
        input()
except OutputError as error:
    print(error, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "chexpert"
    folder.mkdir()
    return folder / "lock"


@contextmanager
def process(path: Path, code: str = HOLD) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as child:
        try:
            assert heard(child) == "ready"
            yield child
        finally:
            child.kill()


def heard(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().rstrip("\n")


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def plant(path: Path, holder: Holder, age: float = 0) -> Holder:
    path.write_text(holder.as_text())
    os.utime(path, (time.time() - age, time.time() - age))
    return holder


def elsewhere(token: str = "theirs") -> Holder:  # noqa: S107 - not a secret
    return replace(Holder.myself(token), process=7, host="node3", machine="another")


def dead(token: str = "theirs") -> Holder:  # noqa: S107 - not a secret
    """Return a holder whose number belongs to another process since: this one."""
    return replace(Holder.myself(token), started=-1000.0)


def left(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_lock_is_there_while_the_block_runs_and_nothing_after(path: Path) -> None:
    with FolderLock(path) as held:
        assert not held.taken_over
        assert left(path) == ["lock"]
        with pytest.raises(OutputError, match=f"in use: process {os.getpid()} on "):
            check_not_held(path)
        held.check()
    assert left(path) == []
    check_not_held(path)


def test_error_in_the_block_passes_and_the_lock_is_released(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), FolderLock(path):
        raise KeyboardInterrupt
    assert left(path) == []


def test_second_run_is_refused_and_the_first_goes_on(path: Path) -> None:
    with FolderLock(path) as held:
        with process(path) as other:
            tell(other)
            assert heard(other) == (
                f"{path.parent} is in use: {read_holder(path)} writes into it. "
                "Wait until it has ended, then run again"
            )
        with pytest.raises(OutputError, match=f"process {os.getpid()} on "), FolderLock(path):
            pass
        held.check()
        assert left(path) == ["lock"]


def test_killed_holder_on_this_machine_is_replaced_at_once(path: Path) -> None:
    with process(path) as other:
        tell(other)
        assert heard(other) == "got, taken over: False"
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert left(path) == ["lock"]
    check_not_held(path)
    with FolderLock(path) as held:
        assert held.taken_over
        assert left(path) == ["lock"]
    assert left(path) == []


def test_released_lock_is_not_taken_over(path: Path) -> None:
    with process(path) as other:
        tell(other)
        assert heard(other) == "got, taken over: False"
        tell(other)
        assert other.wait() == 0
    with FolderLock(path) as held:
        assert not held.taken_over


def test_holder_on_another_machine_is_respected_until_its_lock_is_too_old(path: Path) -> None:
    plant(path, elsewhere(), age=LIFETIME - 30)
    end = time.strftime("%H:%M:%S", time.localtime(path.stat().st_mtime + LIFETIME + 1))
    message = rf"process 7 on node3 .* ends by itself at {end}: .* Do not remove {path}"
    with pytest.raises(OutputError, match=message), FolderLock(path):
        pass
    assert left(path) == ["lock"]
    with pytest.raises(OutputError, match=message):
        check_not_held(path)
    os.utime(path, (time.time() - LIFETIME - 1,) * 2)
    check_not_held(path)
    with FolderLock(path) as held:
        assert held.taken_over


def test_age_is_told_by_the_clock_of_the_filesystem(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(path, elsewhere())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * LIFETIME)
    with pytest.raises(OutputError, match="node3"), FolderLock(path):
        pass


def test_lock_that_says_nothing_is_respected_until_it_is_too_old(path: Path) -> None:
    path.touch()
    with pytest.raises(OutputError, match="an unknown process"), FolderLock(path):
        pass
    os.utime(path, (0, 0))
    with FolderLock(path) as held:
        assert held.taken_over


def test_look_at_the_holder_writes_nothing(path: Path) -> None:
    plant(path, dead())
    before = path.stat()
    check_not_held(path)
    assert left(path) == ["lock"]
    assert path.stat().st_mtime == before.st_mtime
    path.unlink()
    path.parent.rmdir()
    check_not_held(path)


def race(path: Path, *processes: subprocess.Popen[str]) -> list[str]:
    for each in processes:
        tell(each)
    return [heard(each) for each in processes]


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.long)])
def test_of_three_processes_one_gets_the_lock_of_a_dead_one(path: Path, rounds: int) -> None:
    for number in range(rounds):
        plant(path, dead(f"round{number}"))
        with process(path) as first, process(path) as second, process(path) as third:
            answers = race(path, first, second, third)
            winners = [answer for answer in answers if answer.startswith("got")]
            assert winners == ["got, taken over: True"], answers
            assert sum(" is in use: process " in answer for answer in answers) == 2, answers
            assert left(path) == ["lock"]
        path.unlink()


@pytest.mark.parametrize("rounds", [100, pytest.param(3000, marks=pytest.mark.long)])
def test_of_many_threads_one_gets_the_lock_of_a_dead_holder(path: Path, rounds: int) -> None:
    for number in range(rounds):
        plant(path, dead(f"round{number}"))
        start, end, outcomes = threading.Barrier(4), threading.Barrier(4), list[str]()

        def compete(start: threading.Barrier, end: threading.Barrier, outcomes: list[str]) -> None:
            start.wait()
            try:
                with FolderLock(path) as held:
                    end.wait()
                    held.check()
                    outcomes.append("got" if held.taken_over else "got a lock that nobody left")
            except OutputError:
                end.wait()
                outcomes.append("refused")

        threads = [threading.Thread(target=compete, args=(start, end, outcomes)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["got", "refused", "refused", "refused"]
        assert left(path) == []


def test_who_comes_late_to_a_dead_lock_does_not_replace_the_new_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(path, dead())
    late, quick = FolderLock(path), FolderLock(path)
    succeed = late._succeed

    def overtaken(found: Holder) -> None:
        # The late one has seen that the holder is dead; before it acts the quick one takes everything.
        quick.__enter__()
        succeed(found)

    monkeypatch.setattr(late, "_succeed", overtaken)
    with pytest.raises(OutputError, match="is in use"):
        late.__enter__()
    quick.check()
    assert left(path) == ["lock"]
    quick.__exit__(None, None, None)
    assert left(path) == []


def test_death_while_taking_over_is_taken_over_too(path: Path) -> None:
    plant(path, dead("first"))
    plant(path.with_name(".lock.first.successor"), dead("second"))
    plant(path.with_name(".lock.second.claim"), dead("second"))
    plant(path.with_name(".lock.second.successor"), dead("third"))
    with FolderLock(path) as held:
        assert held.taken_over
        assert left(path) == ["lock"]


def test_successor_that_lives_is_respected(path: Path) -> None:
    plant(path, dead("first"))
    plant(path.with_name(".lock.first.successor"), elsewhere("second"))
    with pytest.raises(OutputError, match="process 7 on node3"), FolderLock(path):
        pass
    assert left(path) == [".lock.first.successor", "lock"]


def test_holder_that_is_back_in_time_keeps_its_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(path, elsewhere(), age=LIFETIME + 1)
    late = FolderLock(path)
    succeed = late._succeed

    def overtaken(found: Holder) -> None:
        os.utime(path)
        succeed(found)

    monkeypatch.setattr(late, "_succeed", overtaken)
    with pytest.raises(OutputError, match="node3"):
        late.__enter__()
    assert left(path) == ["lock"]
    assert read_holder(path) == elsewhere()


def test_what_dead_claimants_left_is_swept_and_what_living_ones_have_is_not(path: Path) -> None:
    plant(path.with_name(".lock.a.claim"), dead("a"))
    plant(path.with_name(".lock.b.claim"), elsewhere("b"))
    with FolderLock(path):
        assert left(path) == [".lock.b.claim", "lock"]
        plant(path.with_name(".lock.c.claim"), dead("c"))
    assert left(path) == [".lock.b.claim"]


def test_link_whose_answer_was_lost_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link: Callable[[Path, Path], None] = os.link

    def repeated(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", repeated)
    with FolderLock(path) as held:
        assert not held.taken_over
        assert left(path) == ["lock"]


def test_removed_lock_is_noticed_and_not_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEWAL", 0.01)
    with FolderLock(path) as held:
        path.unlink()
        held._thread.join()
        with pytest.raises(LockLost, match=r"lock was lost \(its file was removed\)"):
            held.check()
    assert left(path) == []


def test_lost_lock_is_noticed_and_left_to_the_new_holder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEWAL", 0.01)
    with FolderLock(path) as held:
        path.unlink()
        plant(path, elsewhere())
        held._thread.join()
        with pytest.raises(LockLost, match="taken over by process 7 on node3"):
            held.check()
    assert read_holder(path) == elsewhere()
    assert left(path) == ["lock"]


def test_who_stood_still_notices_at_the_first_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FolderLock(path) as held:
        path.unlink()
        plant(path, elsewhere())
        held.check()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + LIFETIME + 1)
        with pytest.raises(LockLost, match="node3"):
            held.check()


def test_who_stood_still_goes_on_if_nobody_came(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FolderLock(path) as held:
        os.utime(path, (0, 0))
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + LIFETIME + 1)
        held.check()
        assert path.stat().st_mtime > 0


def test_lock_is_renewed_in_the_background(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEWAL", 0.01)
    with FolderLock(path):
        os.utime(path, (0, 0))
        while path.stat().st_mtime == 0:  # a hang is a failure: the test has a limit
            time.sleep(0.01)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_renewal_that_fails_is_repeated_until_the_lock_has_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    now = time.time()
    with FolderLock(path) as held:
        with monkeypatch.context() as patch:
            patch.setattr(lock, "read_holder", fails)
            held._renew()
            held.check()
            patch.setattr(time, "time", lambda: now + LIFETIME + 60)
            with pytest.raises(LockLost, match=f"not be renewed for 5 minutes: {os.strerror(number)}"):
                held.check()
        with pytest.raises(LockLost, match="lock was lost"):
            held.check()


def test_share_that_is_gone_for_a_while_costs_nothing(path: Path) -> None:
    with FolderLock(path) as held:
        path.parent.rename(path.parent.with_name("away"))
        held._renew()
        held.check()
        path.parent.with_name("away").rename(path.parent)
        held._renew()
        held.check()
    assert left(path) == []


def test_storage_that_fails_at_the_end_hides_no_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with FolderLock(path):
            monkeypatch.setattr(lock, "read_holder", fails)
            raise ZeroDivisionError

    def fails(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(ZeroDivisionError):
        work()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_filesystem_without_hard_links_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(_source: Path, _target: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", fails)
    with (
        pytest.raises(OutputError, match=r"without hard links .* choose another MACHEX_PATH"),
        FolderLock(path),
    ):
        pass
    assert left(path) == []


def test_folder_that_cannot_be_written_to_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = r"chexpert/lock: cannot be written \(No space left on device\)"
    with pytest.raises(OutputError, match=message), FolderLock(path):
        pass
    assert left(path) == []
    path.parent.rmdir()
    message = r"chexpert/lock: cannot be written \(No such file or directory\)"
    with pytest.raises(OutputError, match=message), FolderLock(path):
        pass


def test_lock_can_be_read_by_others_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        with FolderLock(path):
            assert path.stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_lock_of_another_user_that_cannot_be_read_is_explained(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    plant(path, elsewhere())
    monkeypatch.setattr(lock, "read_holder", refused)
    message = r"in use by another user: .*lock cannot be read \(Permission denied\)\. Have that user"
    with pytest.raises(OutputError, match=message), FolderLock(path):
        pass
    with pytest.raises(OutputError, match=message):
        check_not_held(path)
    assert left(path) == ["lock"]


def test_dead_lock_of_another_user_that_cannot_be_replaced_is_explained(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sticky(_source: Path, _target: Path) -> Path:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    plant(path, dead())
    monkeypatch.setattr(Path, "replace", sticky)
    message = (
        r"was left by process \d+ on .*, which has ended, and cannot be replaced \(Operation not permitted\)"
    )
    with pytest.raises(OutputError, match=message), FolderLock(path):
        pass
    assert left(path) == ["lock"]
