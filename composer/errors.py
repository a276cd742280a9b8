"""What stops a run, and with which exit code: see the table of exit codes in README.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self


class MaCheXError(Exception):
    """Something that ends the command with a message and an exit code, never with a traceback."""

    exit_code: ClassVar[int]


class UsageError(MaCheXError):
    """The configuration, the sources or the command line are wrong; nothing was written.

    Parameters
    ----------
    heading
        One line that says what was looked at.
    problems
        Everything that is wrong with it, one remedy each: a user mends them all at once.
    """

    exit_code = 2

    def __init__(self, heading: str, problems: Sequence[str] = ()) -> None:
        super().__init__("\n".join([heading, *(f"  - {problem}" for problem in problems)]))


class OutputError(MaCheXError):
    """The result cannot be written, or workers cannot run: mend the cause and run again."""

    exit_code = 3

    @classmethod
    def not_writable(cls, path: Path, error: OSError) -> Self:
        """Return the error for a file that the system refused to write."""
        return cls(
            f"{path}: cannot be written ({os.strerror(error.errno or 0)}); make room or mend the folder, "
            "then run the same command again"
        )


class StoppedAtOnce(MaCheXError):  # noqa: N818 - the user's wish, not an error
    """The user stopped the run without waiting for what was in flight."""

    exit_code = 130


class Interrupted(MaCheXError):  # noqa: N818 - the user's wish, not an error
    """The user stopped the run; what was finished is kept."""

    exit_code = 130
