"""The time of workers: what they say, and what nothing accounts for."""

from composer.pool.usage import Spent, Usage


def test_wait_for_the_first_item_of_a_round_is_not_one_for_the_driver() -> None:
    usage = Usage(workers=2)
    usage.add(Spent(waited=50, busy=3, processor=2), first=True)
    usage.add(Spent(waited=1, busy=4, processor=3), first=False)
    usage.end(10)
    assert (usage.waited, usage.busy, usage.processor) == (1, 7, 5)
    assert (usage.available, usage.idle) == (20, 12)


def test_rounds_add_up() -> None:
    total = Usage(2, 10, 20, 1, 15, 12) + Usage(3, 5, 15, 0, 15, 10)
    assert total == Usage(3, 15, 35, 1, 30, 22)
    assert total.idle == 4


def test_worker_that_ran_longer_than_the_round_makes_no_negative_rest() -> None:
    assert Usage(1, 10, 10, 1, 10).idle == 0
