"""The pool: results of all items, whatever happens to the workers."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from composer.errors import OutputError
from composer.pool import Lost, Pool, _serve
from composer.worker import WARM


class Kill(NamedTuple):
    """An item whose worker kills itself until it has done so a number of times."""

    marks: str
    times: int


def double(number: int) -> int:
    return 2 * number


def slow_if_odd(number: int) -> int:
    time.sleep(2 if number % 2 else 0)
    return number


def die(item: int | Kill) -> int:
    if isinstance(item, int):
        return item
    deaths = len(list(Path(item.marks).iterdir()))
    if deaths < item.times:
        (Path(item.marks) / str(deaths)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return -1


def fail(number: int) -> int:
    raise OutputError(f"no room for {number}")


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


def end_once(function: Marked, pipe: Connection) -> None:
    try:
        os.close(os.open(function.mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        _serve(function, pipe)
    else:
        os._exit(7)


# Set when this module is loaded: by the fork server if it preloads it, else by the worker.
LOADED_BY = os.getpid()


def parent_has_loaded_this(_: int) -> bool:
    return os.getppid() == LOADED_BY


@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_item_comes_back_once(size: int) -> None:
    with Pool(double, size) as pool:
        done = list(pool.map(range(100)))
    assert sorted(done) == [(number, 2 * number) for number in range(100)]


def test_no_items_start_no_workers() -> None:
    with Pool(double, 3) as pool:
        assert list(pool.map([])) == []
        assert pool._workers == []


def test_pool_serves_several_rounds() -> None:
    with Pool(double, 2) as pool:
        assert len(list(pool.map(range(5)))) == 5
        assert len(list(pool.map(range(7)))) == 7


def test_items_are_drawn_as_they_are_needed() -> None:
    drawn = 0

    def items() -> object:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield number

    with Pool(double, 2) as pool:
        results = pool.map(items())  # type: ignore[arg-type]
        for _ in range(10):
            next(results)
        assert drawn <= 10 + 2 * 2 + 2
        results.close()  # type: ignore[attr-defined]


def test_a_slow_item_holds_no_other_up() -> None:
    with Pool(slow_if_odd, 2) as pool:
        order = [item for item, _ in pool.map([1, 2, 4, 6, 8, 10, 12])]
    assert order.index(1) >= 4


def test_worker_killed_from_outside_costs_no_item(tmp_path: Path) -> None:
    items: list[int | Kill] = [1, 2, Kill(str(tmp_path), 1), 3, 4, 5]
    with Pool(die, 2) as pool:
        done = dict(pool.map(items))
    assert done == {1: 1, 2: 2, items[2]: -1, 3: 3, 4: 4, 5: 5}


def test_item_that_kills_every_worker_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    deadly = Kill(str(tmp_path), 1000)
    with Pool(die, 2) as pool:
        done = dict(pool.map([*range(10), deadly, *range(10, 20)]))
    assert done.pop(deadly) == Lost(exit_code=-signal.SIGKILL)
    assert done == {number: number for number in range(20)}
    assert len(list(tmp_path.iterdir())) == 2


def test_error_of_the_function_ends_the_round() -> None:
    with pytest.raises(OutputError, match="no room for"), Pool(fail, 2) as pool:
        list(pool.map(range(4)))


def test_workers_use_one_thread_and_end_with_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fork server of this process may have started without the setting that a test run gives.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
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


def test_function_of_the_workers_is_loaded_once_in_the_process_they_are_forked_from() -> None:
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    with Pool(parent_has_loaded_this, 1) as pool:
        assert [answer for _, answer in pool.map([0])] == [True]


def compiled_before_the_fork(_: int) -> bool:
    resample = sys.modules.get("composer.imaging.resample")
    return resample is not None and len(resample._sum_rows.dispatcher.signatures) == 4


def test_modules_to_preload_are_loaded_before_workers_are_forked() -> None:
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    with Pool(compiled_before_the_fork, 1, WARM) as pool:
        assert [answer for _, answer in pool.map([0])] == [True]


def test_one_worker_that_dies_as_it_starts_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("composer.pool._serve", end_once)
    function: Callable[[int], int] = Marked(str(tmp_path / "mark"))
    with Pool(function, 2) as pool:
        assert sorted(pool.map(range(9))) == [(number, 2 * number) for number in range(9)]
    assert (tmp_path / "mark").exists()


def test_workers_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("composer.pool._serve", end_at_once)
    with (
        pytest.raises(OutputError, match=r"workers end as they start \(exit code 7\)"),
        Pool(double, 2) as pool,
    ):
        list(pool.map(range(3)))
