"""What becomes of an image."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where an image stands; every image of a source ends in one of the first five."""

    WRITTEN = "written"
    # By a rule of the configuration or of the release.
    LEFT_OUT = "left out"
    # Unreadable or absent by the register of the release.
    KNOWN_BAD = "known bad"
    # A table names it, but no file is there.
    MISSING = "missing"
    FAILED = "failed"
    # Planned, and not attempted yet.
    TO_WRITE = "to write"
    # The source no longer has it; its number stays taken.
    VANISHED = "vanished"
