"""The pool: results of all items, whatever happens to the workers."""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from composer.errors import OutputError
from composer.pool import Lost, Pool
from composer.pool import pool as pool_module
from composer.pool.limits import Cause, Limits, computing
from composer.pool.supply import Entry
from composer.pool.usage import Spent

TIGHT = Limits(seconds=0.5, bytes=64 << 20)

Worker = pool_module._Worker[int]


class Bad(NamedTuple):
    """An item whose worker comes to grief until that has happened a number of times."""

    deed: str
    marks: str
    times: int = 1000


def grow() -> None:
    memory = []
    while True:
        memory.append(b"x" * (1 << 20))
        time.sleep(0.001)


def loop() -> None:
    while True:
        pass


def send(number: int) -> None:
    os.kill(os.getpid(), number)


DEEDS: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(7),
    "kill": lambda: send(signal.SIGKILL),
    "stop": lambda: send(signal.SIGSTOP),
    "loop": loop,
    "sleep": lambda: time.sleep(1000),
    "grow": grow,
}


def do(item: int | Bad) -> int:
    if isinstance(item, int):
        return 2 * item
    done = len(list(Path(item.marks).iterdir()))
    if done < item.times:
        (Path(item.marks) / str(done)).touch()
        with computing():
            DEEDS[item.deed]()
    return -1


def double(number: int) -> int:
    return 2 * number


def slow_if_odd(number: int) -> int:
    time.sleep(2 if number % 2 else 0)
    return number


def read_slowly(number: int) -> int:
    with computing():
        pass
    time.sleep(1.5)
    with computing():
        return 2 * number


def pids(_: int) -> tuple[int, int]:
    return os.getpid(), os.getppid()


def fail_slowly(number: int) -> int:
    if number == 2:
        raise OutputError("no room")
    time.sleep(0.3)
    return 2 * number


def fail(number: int) -> int:
    raise OutputError(f"no room for {number}")


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_SECONDS_BETWEEN_LOOKS", 0.05)


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

    def items() -> Iterator[int]:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield number

    with Pool(double, 2) as pool:
        results = pool.map(items())
        for _ in range(10):
            next(results)
        assert drawn <= 10 + 2 * 2 + 2


def test_a_slow_item_holds_no_other_up() -> None:
    with Pool(slow_if_odd, 2) as pool:
        order = [item for item, _ in pool.map([1, 2, 4, 6, 8, 10, 12])]
    assert order.index(1) >= 4


@pytest.mark.parametrize(
    ("deed", "times"), [("kill", 4), ("segfault", 1), ("exit", 1), ("stop", 1), ("sleep", 1), ("grow", 1)]
)
def test_loss_of_a_worker_costs_no_item(tmp_path: Path, deed: str, times: int) -> None:
    bad = Bad(deed, str(tmp_path), times)
    items: list[int | Bad] = [1, 2, bad, 3, 4, 5]
    with Pool(do, 2, limits=TIGHT) as pool:
        done = list(pool.map(items))
    assert len(done) == len(items)
    assert dict(done) == {1: 2, 2: 4, bad: -1, 3: 6, 4: 8, 5: 10}
    assert len(list(tmp_path.iterdir())) == times


@pytest.mark.parametrize(
    ("deed", "lost", "attempts"),
    [
        ("segfault", Lost(Cause.CRASHED, -signal.SIGSEGV), 2),
        ("exit", Lost(Cause.CRASHED, 7), 2),
        ("loop", Lost(Cause.TIMED_OUT, -signal.SIGKILL), 2),
        ("sleep", Lost(Cause.TIMED_OUT, -signal.SIGKILL), 2),
        ("stop", Lost(Cause.TIMED_OUT, -signal.SIGKILL), 2),
        ("grow", Lost(Cause.OUT_OF_MEMORY, -signal.SIGKILL), 2),
        # SIGKILL may come from anywhere and says little of the item.
        ("kill", Lost(Cause.KILLED, -signal.SIGKILL), 5),
    ],
)
def test_item_that_costs_worker_after_worker_is_named_and_the_others_are_done(
    tmp_path: Path, deed: str, lost: Lost, attempts: int
) -> None:
    bad = Bad(deed, str(tmp_path))
    with Pool(do, 2, limits=TIGHT) as pool:
        done = list(pool.map([*range(10), bad, *range(10, 20)]))
    assert sorted(item for item, _ in done if item != bad) == list(range(20))
    assert dict(done).pop(bad) == lost
    assert all(result == 2 * item for item, result in done if isinstance(item, int))
    assert len(list(tmp_path.iterdir())) == attempts


def test_several_bad_items_are_all_named(tmp_path: Path) -> None:
    bad = []
    for deed in ("segfault", "loop", "grow", "kill"):
        (tmp_path / deed).mkdir()
        bad.append(Bad(deed, str(tmp_path / deed)))
    with Pool(do, 3, limits=TIGHT) as pool:
        done = list(pool.map([*bad, *range(30)]))
    assert sorted(item for item, _ in done if isinstance(item, int)) == list(range(30))
    results = dict(done)
    causes = {item.deed: getattr(results[item], "cause", None) for item in bad}
    assert causes == {
        "segfault": Cause.CRASHED,
        "loop": Cause.TIMED_OUT,
        "grow": Cause.OUT_OF_MEMORY,
        "kill": Cause.KILLED,
    }


def test_suspect_shares_a_worker_with_no_other_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    give = pool_module._Worker.give

    def spy(worker: pool_module._Worker[int | Bad], entry: Entry[int | Bad]) -> None:
        given.append((entry.losses, [other.losses for other in worker.entries]))
        give(worker, entry)

    monkeypatch.setattr(pool_module._Worker, "give", spy)
    with Pool(do, 2) as pool:
        assert len(list(pool.map([*range(5), Bad("kill", str(tmp_path)), *range(5, 50)]))) == 51
    assert [losses for losses, _ in given if losses] == [1, 2, 3, 4]
    assert not any(beside for losses, beside in given if losses)
    assert not any(any(beside) for _, beside in given)
    assert any(beside for _, beside in given)


def test_reading_slowly_is_no_failure() -> None:
    with Pool(read_slowly, 2, limits=TIGHT) as pool:
        assert sorted(pool.map([1, 2])) == [(1, 2), (2, 4)]


def test_error_of_the_function_lets_what_is_in_flight_finish() -> None:
    drawn = []

    def items() -> Iterator[int]:
        for number in range(1, 100):
            drawn.append(number)
            yield number

    done: list[tuple[int, int | Lost]] = []
    with Pool(fail_slowly, 2) as pool:
        results = pool.map(items())
        with pytest.raises(OutputError, match="no room"):
            done.extend(iter(lambda: next(results), None))
        assert sorted(done) == [(number, 2 * number) for number in drawn if number != 2]
        assert len(drawn) < 10
        # Nothing is left of that round.
        assert list(pool.map([50])) == [(50, 100)]


def test_first_of_several_errors_is_raised() -> None:
    with Pool(fail, 1) as pool, pytest.raises(OutputError, match="no room for 0"):
        list(pool.map(range(4)))


def test_bad_item_is_not_tried_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError), Pool(fail_or_do, 2, limits=TIGHT) as pool:
        list(pool.map([Bad("sleep", str(tmp_path)), 1]))
    assert len(list(tmp_path.iterdir())) == 1


def fail_or_do(item: int | Bad) -> int:
    return fail(item) if isinstance(item, int) else do(item)


def test_what_is_in_flight_is_finished_when_the_items_end_early(tmp_path: Path) -> None:
    ended = False

    def items() -> Iterator[int | Bad]:
        yield Bad("kill", str(tmp_path), times=1)
        for number in range(100):
            if ended:
                return
            yield number

    done = []
    with Pool(do, 2) as pool:
        for item, _ in pool.map(items()):
            done.append(item)
            ended = len(done) > 5
    numbers = [item for item in done if isinstance(item, int)]
    assert len(done) < 20
    assert sorted(numbers) == list(range(len(numbers)))
    assert len(numbers) == len(done) - 1


def test_consumer_that_raises_leaves_no_process(tmp_path: Path) -> None:
    workers: list[psutil.Process] = []

    def consume() -> None:
        with Pool(do, 2) as pool:
            for _ in pool.map([Bad("sleep", str(tmp_path)), *range(10)]):
                workers.extend(psutil.Process(worker._process.pid) for worker in pool._workers)
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert len(workers) == 2
    assert not any(worker.is_running() for worker in workers)


def test_round_after_one_that_was_given_up_has_only_its_own_results(tmp_path: Path) -> None:
    with Pool(do, 2) as pool:
        for _ in pool.map([Bad("sleep", str(tmp_path)), *range(10)]):
            break
        assert sorted(pool.map([11, 12])) == [(11, 22), (12, 24)]


def test_signals_to_the_whole_group_do_not_reach_workers() -> None:
    with Pool(pids, 1) as pool:
        ((_, before),) = pool.map([0])
        assert not isinstance(before, Lost)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for pid in before:
                os.kill(pid, number)
        assert list(pool.map([0])) == [(0, before)]


def test_fork_server_that_was_killed_is_replaced_by_one_like_it(tmp_path: Path) -> None:
    with Pool(pids, 1) as pool:
        ((_, before),) = pool.map([0])
        assert not isinstance(before, Lost)
        worker, fork_server = before
        os.kill(worker, signal.SIGKILL)
        os.kill(fork_server, signal.SIGKILL)
        while psutil.Process(fork_server).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        ((_, after),) = pool.map([0])
        assert not isinstance(after, Lost)
        assert not set(before) & set(after)
        for pid in after:
            os.kill(pid, signal.SIGTERM)
        assert list(pool.map([0])) == [(0, after)]


def test_slow_items_keep_no_other_worker_idle() -> None:
    with Pool(slow_if_odd, 4) as pool:
        order = [item for item, _ in pool.map([1, 3, 5, *range(2, 102, 2)])]
    # But for one that may wait behind each slow one, the fourth worker has done all others meanwhile.
    assert min(map(order.index, (1, 3, 5))) >= 47


def test_no_worker_has_two_items_while_another_has_none() -> None:
    with Pool(slow_if_odd, 3) as pool:
        order = [item for item, _ in pool.map([1, 2, 3])]
        assert pool.usage.workers == 3
    assert order[0] == 2


def test_worker_that_is_killed_as_it_gives_its_last_answer_does_not_end_the_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take = Pool._take
    killed: list[Worker] = []

    def take_and_kill(pool: Pool[int, int], worker: Worker, message: tuple[int, Spent]) -> tuple[int, int]:
        if not killed:
            killed.append(worker)
            worker.ended_for = Cause.TIMED_OUT
            worker.kill()
        return take(pool, worker, message)

    monkeypatch.setattr(Pool, "_take", take_and_kill)
    monkeypatch.setattr(pool_module, "_DEPTH", 1)
    with Pool(double, 1) as pool:
        assert sorted(pool.map(range(4))) == [(number, 2 * number) for number in range(4)]


def test_usage_is_that_of_the_last_round() -> None:
    with Pool(read_slowly, 2) as pool:
        list(pool.map(range(4)))
        first = pool.usage
        time.sleep(1.6)
        list(pool.map(range(2)))
    assert first.workers == 2
    assert 6 <= first.busy <= first.available == 2 * first.seconds
    assert first.processor < 1
    # Between two rounds nobody waits for an item.
    assert pool.usage.waited == 0
    assert 3 <= pool.usage.busy < 6
