"""The items that a pool has still to hand out: new ones, and those of workers that were lost."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from composer.pool.limits import Cause

Item = TypeVar("Item")

# An item is to blame for the second worker that crashes on it or exceeds a limit: one may have been stopped
# from outside. SIGKILL says nothing of the item, unless it meets every worker that has it in hand.
_FAULTS, _LOSSES = 2, 5


@dataclass(slots=True)
class Entry(Generic[Item]):
    """An item, how many workers were lost with it in hand, and how many of these by a fault of theirs."""

    item: Item
    losses: int = 0
    faults: int = 0

    def blame(self, cause: Cause) -> bool:
        """Count a loss; return whether the item is to blame for it."""
        self.losses += 1
        self.faults += cause is not Cause.KILLED
        return self.faults >= _FAULTS or self.losses >= _LOSSES


class Supply(Generic[Item]):
    """The entries that wait: those to be done again, suspects first, then new ones."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._new = (Entry(item) for item in items)
        self._again: collections.deque[Entry[Item]] = collections.deque()
        self._open = True

    def draw(self, *, alone: bool) -> Entry[Item] | None:
        """Return the next entry, a suspect only for a worker that holds nothing else."""
        if not self._open:
            return None
        if self._again and (alone or not self._again[0].losses):
            return self._again.popleft()
        return next(self._new, None)

    def take_back(self, entries: Iterable[Entry[Item]]) -> None:
        """Let entries of a lost worker be drawn again."""
        for entry in entries:
            self._again.appendleft(entry) if entry.losses else self._again.append(entry)

    def close(self) -> None:
        """Let nothing more be drawn."""
        self._open = False
