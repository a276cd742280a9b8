"""Room on the disk: a run stops before it is used up."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from composer.errors import OutputError

# What is left to others on the filesystem, and to the index that ends a run.
_RESERVED_PART, _RESERVED_AT_MOST = 0.01, 1 << 30
_SECONDS_BETWEEN_LOOKS = 1.0


class Space:
    """Watches the filesystem that a dataset is written to.

    Parameters
    ----------
    folder
        Of the dataset.
    ledger
        Its ledger: the index, which is written at the end, takes no more room.
    in_flight
        How many pictures may still be written after the last look.
    """

    def __init__(self, folder: Path, ledger: Path, in_flight: int) -> None:
        self._folder = folder
        self._ledger = ledger
        self._in_flight = in_flight
        self._largest = 0
        self._next_look = 0.0
        self._written = 0
        self._needed = 0

    def note(self, size: int | None) -> None:
        """Take notice of the bytes of a picture that was written."""
        self._largest = max(self._largest, size or 0)
        self._written += size or 0

    def check(self) -> None:
        """Look whether there is room: once a second, and when much was written since the last look.

        Raises
        ------
        OutputError
            When there is less than is needed, or the folder cannot be looked at.
        """
        if time.monotonic() < self._next_look and self._written < self._needed // 4:
            return
        self._next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        self._written = 0
        try:
            usage = shutil.disk_usage(self._folder)
            needed = self._ledger.stat().st_size if self._ledger.exists() else 0
        except OSError as error:
            raise OutputError.not_writable(self._folder, error) from error
        needed += self._in_flight * self._largest
        needed += min(_RESERVED_AT_MOST, int(usage.total * _RESERVED_PART))
        self._needed = needed
        if usage.free < needed:
            raise OutputError(
                f"{self._folder}: the disk is nearly full, {usage.free:,} bytes are free and {needed:,} are "
                "kept for the index and for others; make room, then run the same command again"
            )
