"""Who holds a lock: a process counts as dead only when it is known to be."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from composer.holder import LIFETIME, Holder, read_holder

NOW = 1_000_000.0


def me() -> Holder:
    return replace(Holder.myself("token"), renewed=NOW)


def test_text_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(me().as_text())
    os.utime(path, (NOW, NOW))
    found = read_holder(path)
    assert found == me()
    assert found.renewed == NOW


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b'{"process": 1}', b"12"])
def test_file_that_says_nothing_counts_until_it_is_too_old(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lock"
    path.write_bytes(content)
    os.utime(path, (NOW, NOW))
    found = read_holder(path)
    assert found is not None
    assert str(found) == "an unknown process"
    assert found.lives(NOW + LIFETIME)
    assert not found.lives(NOW + LIFETIME + 1)


def test_absent_file_has_no_holder(tmp_path: Path) -> None:
    assert read_holder(tmp_path / "lock") is None


def test_process_that_runs_lives_until_its_lock_is_too_old() -> None:
    assert me().lives(NOW + LIFETIME)
    assert not me().lives(NOW + LIFETIME + 1)


def test_number_that_was_given_again_is_dead() -> None:
    assert not replace(me(), started=me().started - 10).lives(NOW)


def test_clock_that_was_set_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    before, boot, created = me(), psutil.boot_time(), psutil.Process().create_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: created + 3600)
    assert before.lives(NOW)


def test_process_that_has_ended_is_dead_even_if_nobody_waited_for_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        other = psutil.Process(process.pid)
        started = other.create_time() - psutil.boot_time()
        holder = replace(me(), process=process.pid, started=started)
        assert holder.lives(NOW)
        process.kill()
        # Wait for its end, but leave it a zombie.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert other.status() == psutil.STATUS_ZOMBIE
        assert not holder.lives(NOW)
    assert not holder.lives(NOW)


def test_process_of_another_machine_lives_whatever_its_number() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    ended = replace(me(), process=process.pid)
    assert not ended.lives(NOW)
    assert replace(ended, machine="another, of the same name").lives(NOW)


def test_process_of_another_user_that_is_hidden_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_pid: int, _signal: int) -> None:
        raise PermissionError

    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    monkeypatch.setattr(os, "kill", refused)
    assert replace(me(), process=process.pid).lives(NOW)
