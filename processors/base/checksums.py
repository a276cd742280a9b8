"""The checksums that a publisher gives with a release."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from processors.base.contract import SourceError

CHECKSUM_LIST = "SHA256SUMS.txt"
# PhysioNet writes one blank, sha256sum two or one and a star, and ./ where find gave it the names.
_LINE = re.compile(r"([0-9A-Fa-f]{64})[ \t]+\*?(?:\./)?(.+)")
_SHOWN = 5
_REMEDY = "fetch it again, or set CHECKSUMS: false"


def find_checksum_list(folders: Iterable[Path]) -> Path | None:
    """Return the `CHECKSUM_LIST` of the first folder that holds one."""
    lists = (folder / CHECKSUM_LIST for folder in folders)
    # Unlike Path.is_file, this says no where it may not look.
    return next((path for path in lists if os.path.isfile(path)), None)  # noqa: PTH113


class ChecksumList:
    """The files that a list names, each with its SHA-256.

    Parameters
    ----------
    path
        The list: a line has 64 hexadecimal digits, a blank and a path.

    Attributes
    ----------
    warnings : list of str
        What the user should know; complete once all lines are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield path, relative to the folder of the list, and SHA-256 in lower case, line by line.

        Raises
        ------
        SourceError
            When the list cannot be read, or no line is as it should be.
        """
        damaged: list[int] = []
        usable = False
        try:
            with self.path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
                for number, line in enumerate(file, start=1):
                    match = _LINE.fullmatch(line.rstrip())
                    if match:
                        usable = True
                        digest, path = match.groups()
                        yield path, digest.lower()
                    elif line.strip():
                        damaged.append(number)
        except OSError as error:
            raise SourceError(f"{self.path}: not readable ({error.strerror}); {_REMEDY}") from error
        if not usable:
            raise SourceError(f"{self.path}: no line has a SHA-256 and a path; {_REMEDY}")
        if damaged:
            more = ", ..." if len(damaged) > _SHOWN else ""
            self.warnings.append(
                f"{self.path.name}: {len(damaged):,} lines are not used: expected 64 hexadecimal digits, a "
                f"blank and a path (line{'s'[: len(damaged) > 1]} {', '.join(map(str, damaged[:_SHOWN]))}"
                f"{more}); fetch it again"
            )
