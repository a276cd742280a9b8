"""Worker processes: how they start, and that they end whatever happens."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
from pydicom.uid import JPEG2000Lossless

from composer.attempts import attempt
from composer.demo.carriers import write_dicom, write_jpeg, write_png
from composer.demo.phantom import film
from composer.errors import OutputError
from composer.imaging import Recipe, Source
from composer.pool import Lost, Pool
from composer.pool.processes import _serve
from composer.worker import WARM, Task
from tests.composer.pool.test_pool import double
from tests.conftest import REPOSITORY


def environment(_: int) -> tuple[str | None, int]:
    return os.environ.get("OMP_NUM_THREADS"), os.getpid()


def end_at_once(*_: object) -> None:
    os._exit(7)


@dataclass(frozen=True)
class Marked:
    """Doubles; carries the file that marks the death of a worker."""

    mark: str

    def __call__(self, number: int) -> int:
        return 2 * number


def end_once(function: Marked, pipe: Connection, begun: object) -> None:
    try:
        os.close(os.open(function.mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        _serve(function, pipe, begun)  # type: ignore[arg-type]
    else:
        os._exit(7)


# Set when this module is loaded: by the fork server if it preloads it, else by the worker.
LOADED_BY = os.getpid()


def parent_has_loaded_this(_: int) -> bool:
    return os.getppid() == LOADED_BY


@pytest.fixture
def no_fork_server() -> Iterator[None]:
    """Let the pool of a test start one: that of other tests has other modules and settings."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_fork_server")
def test_workers_use_one_thread_and_end_with_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with Pool(environment, 2) as pool:
        answers = [answer for _, answer in pool.map(range(4))]
    pids = set()
    for answer in answers:
        assert not isinstance(answer, Lost)
        assert answer[0] == "1"
        pids.add(answer[1])
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert os.environ["OMP_NUM_THREADS"] == "16"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


@pytest.mark.usefixtures("no_fork_server")
def test_function_of_the_workers_is_loaded_once_in_the_process_they_are_forked_from() -> None:
    with Pool(parent_has_loaded_this, 1) as pool:
        assert [answer for _, answer in pool.map([0])] == [True]


def compiled_before_the_fork(_: int) -> bool:
    resample = sys.modules.get("composer.imaging.resample")
    return resample is not None and len(resample._sum_rows.dispatcher.signatures) == 4


@pytest.mark.usefixtures("no_fork_server")
def test_modules_to_preload_are_loaded_before_workers_are_forked() -> None:
    with Pool(compiled_before_the_fork, 1, WARM) as pool:
        assert [answer for _, answer in pool.map([0])] == [True]


def test_one_worker_that_dies_as_it_starts_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("composer.pool.processes._serve", end_once)
    function: Callable[[int], int] = Marked(str(tmp_path / "mark"))
    with Pool(function, 2) as pool:
        assert sorted(pool.map(range(9))) == [(number, 2 * number) for number in range(9)]
    assert (tmp_path / "mark").exists()


def test_workers_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("composer.pool.processes._serve", end_at_once)
    with (
        pytest.raises(OutputError, match=r"workers end as they start \(exit code 7\)"),
        Pool(double, 2) as pool,
    ):
        list(pool.map(range(3)))


# A driver of two workers that never finish what they are given.
DRIVER = """
    import sys

    sys.path.insert(0, sys.argv[1])

    from composer.pool import processes
    from composer.pool import Pool
    from tests.composer.pool.test_pool import Bad, do

    if __name__ == "__main__":
        if sys.argv[3] == "unkillable":
            processes.WorkerProcess.kill = lambda worker: None
            processes._SECONDS_TO_END = 0.2
        with Pool(do, 2) as pool:
            items = [0, Bad("sleep", sys.argv[2]), Bad("loop", sys.argv[2]), 1, 2]
            for item, _ in pool.map(items):
                if len([*pool._workers]) == 2 and item == 0:
                    print("ready", flush=True)
                    sys.stdin.readline()
                    {end}
"""


def start_driver(tmp_path: Path, mode: str, end: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """Start a driver and return it with all the processes below it, two of which are at work."""
    marks = tmp_path / "marks"
    marks.mkdir()
    (tmp_path / "driver.py").write_text(textwrap.dedent(DRIVER).format(end=end))
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(REPOSITORY), str(marks), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdin is not None
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    # The fork server, the resource tracker and two workers.
    deadline = time.monotonic() + 20
    while len(below := psutil.Process(driver.pid).children(recursive=True)) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    driver.stdin.write("seen\n")
    driver.stdin.flush()
    return driver, below


def test_all_processes_end_when_the_driver_is_killed(tmp_path: Path) -> None:
    driver, below = start_driver(tmp_path, "plain", "continue")
    while len(list((tmp_path / "marks").iterdir())) < 2:
        pass
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive


def test_process_that_cannot_be_ended_does_not_hold_the_driver_up(tmp_path: Path) -> None:
    # As one that hangs in a system call on storage that does not answer.
    driver, below = start_driver(tmp_path, "unkillable", "break")
    driver.communicate(timeout=20)
    assert driver.returncode == 0
    psutil.wait_procs(below, timeout=20)


def threads_after(task: Task) -> int:
    attempt(task)
    names = [(thread / "comm").read_text().strip() for thread in Path("/proc/self/task").iterdir()]
    # PyArrow's is there because this module imports the demo, which no run does.
    return sum(name != "jemalloc_bg_thd" for name in names)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_worker_has_a_thread_and_one_that_waits_for_the_end_of_the_driver(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", film(1, rows=300, columns=200), mode="I;16")
    write_jpeg(tmp_path / "b.jpg", film(1, rows=300, columns=200))
    write_dicom(tmp_path / "c.dcm", film(1, rows=300, columns=200), transfer_syntax=JPEG2000Lossless)
    tasks = [
        Task(number, "", "", "", Source(str(path)), str(tmp_path / f"{number}.jpg"), Recipe())
        for number, path in enumerate(sorted(tmp_path.iterdir()))
    ]
    with Pool(threads_after, 1, WARM) as pool:
        assert [threads for _, threads in pool.map(tasks)] == [2, 2, 2]
