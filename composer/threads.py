"""Threads, for what waits for storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_THREADS = 16


def in_threads(function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Yield what a function that waits for storage returns for each item; after an error none is begun."""
    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            yield from threads.map(function, items)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
