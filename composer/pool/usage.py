"""What the time of the workers of a pool went into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Spent(NamedTuple):
    """What a worker says of itself with each answer, in seconds.

    Attributes
    ----------
    waited
        Between its last answer and the item.
    busy
        With the item, by the clock on the wall.
    processor
        Of that, the time in which it had a core.
    """

    waited: float
    busy: float
    processor: float


@dataclass(slots=True)
class Usage:
    """The sums of a round of items, or of several; all in seconds.

    Attributes
    ----------
    workers
        The most that there were at a time.
    seconds
        From the first item to the last answer, by the clock on the wall.
    available
        Those of all workers.
    waited
        What workers waited for a further item.
    busy, processor
        As in `Spent`, of all answers. What lost workers did is not in them.
    """

    workers: int = 0
    seconds: float = 0.0
    available: float = 0.0
    waited: float = 0.0
    busy: float = 0.0
    processor: float = 0.0

    def add(self, spent: Spent, *, first: bool) -> None:
        """Add what a worker says; before its ``first`` item of a round it waited for no further one."""
        self.waited += 0.0 if first else spent.waited
        self.busy += spent.busy
        self.processor += spent.processor

    def end(self, seconds: float) -> None:
        """Note how long the round took."""
        self.seconds, self.available = seconds, seconds * self.workers

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            max(self.workers, other.workers),
            self.seconds + other.seconds,
            self.available + other.available,
            self.waited + other.waited,
            self.busy + other.busy,
            self.processor + other.processor,
        )

    @property
    def idle(self) -> float:
        """Seconds for which nothing accounts: start, end, and the work of those that were lost."""
        return max(0.0, self.available - self.busy - self.waited)
