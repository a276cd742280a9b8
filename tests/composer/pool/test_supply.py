"""The supply: what is drawn next, after items came back from workers that were lost."""

import pytest

from composer.pool.limits import Cause
from composer.pool.supply import Entry, Supply


def drawn(supply: Supply[int], *, alone: bool) -> int | None:
    entry = supply.draw(alone=alone)
    return None if entry is None else entry.item


def test_suspects_are_drawn_first_but_only_by_workers_that_hold_nothing_else() -> None:
    supply = Supply([1, 2])
    suspect = Entry(10)
    suspect.blame(Cause.CRASHED)
    supply.take_back([suspect, Entry(11)])
    assert drawn(supply, alone=False) == 1
    assert [drawn(supply, alone=True) for _ in range(4)] == [10, 11, 2, None]


def test_what_comes_back_innocent_is_drawn_before_what_is_new() -> None:
    supply = Supply([1])
    supply.take_back([Entry(10)])
    assert [drawn(supply, alone=False) for _ in range(3)] == [10, 1, None]


def test_nothing_is_drawn_once_it_is_closed() -> None:
    supply = Supply([1])
    supply.take_back([Entry(10)])
    supply.close()
    assert drawn(supply, alone=True) is None


@pytest.mark.parametrize(
    ("cause", "losses"),
    [(Cause.CRASHED, 2), (Cause.TIMED_OUT, 2), (Cause.OUT_OF_MEMORY, 2), (Cause.KILLED, 5)],
)
def test_item_is_blamed_for(cause: Cause, losses: int) -> None:
    entry = Entry(1)
    assert [entry.blame(cause) for _ in range(losses)] == [False] * (losses - 1) + [True]
