"""The memory of the driver: an allocator that can give back what is free, and when it does."""

from __future__ import annotations

import ctypes

import pyarrow as pa

# The C library of most Linux systems has these, others give back by themselves.
_trim, _set = (getattr(ctypes.CDLL(None), name, None) for name in ("malloc_trim", "mallopt"))
_M_MMAP_THRESHOLD, _BYTES = -3, 128 << 10

# Arrow's own choices keep what is free between pieces that are in use, or was freed by another thread: of a
# million rows a sixth of the peak.
pa.set_memory_pool(pa.system_memory_pool())
if _set is not None:
    # So that a column goes back as soon as it is free. Left alone, the bound rises to 32 MB in time.
    _set(_M_MMAP_THRESHOLD, _BYTES)


def give_back() -> None:
    """Return to the system what allocators keep for later use, after a step that took much of it.

    Of a million rows that is up to half a gigabyte, and what another allocator needs next comes on top.
    """
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)
