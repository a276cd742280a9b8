"""Memory that nobody uses any more."""

from __future__ import annotations

import ctypes

import pyarrow as pa

# The C library of most Linux systems has it, others give back by themselves.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Return to the system what allocators keep for later use, after a step that took much of it.

    Of a million rows that is up to half a gigabyte, and what another allocator needs next comes on top.
    """
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)
