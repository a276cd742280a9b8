"""The memory of the driver: an allocator that keeps little of what is free, and how that is given back."""

from __future__ import annotations

import ctypes
from contextlib import suppress

import pyarrow as pa

# The C library of most Linux systems has it, others give back by themselves.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

# Arrow's own choice, mimalloc, keeps for each thread what that has freed, and others do not get it: of a
# million rows a fifth of the peak. Not all builds of Arrow have this one.
with suppress(NotImplementedError):
    pa.set_memory_pool(pa.jemalloc_memory_pool())


def give_back() -> None:
    """Return to the system what allocators keep for later use, after a step that took much of it.

    Of a million rows that is up to half a gigabyte, and what another allocator needs next comes on top.
    """
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)
