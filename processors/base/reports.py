"""The texts of radiologists: their sections, what MaCheX's index holds of them, and archives of them."""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
import threading
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from processors.base.contract import Report, SourceError

# Reports have some kilobytes.
MAXIMUM_BYTES = 1 << 20

_HEADING = re.compile(r"^[ \t]*([A-Z][A-Z ()/,&-]*[A-Z)])[ \t]*:", re.MULTILINE)
# Which headings mean the same, as MIMIC-CXR's txt/section_parser.py has it.
_FINDINGS = ("FINDINGS",)
_IMPRESSION = ("IMPRESSION", "CONCLUSION", "FINDINGS AND IMPRESSION", "FINDINGS/IMPRESSION")


def report_of(file: bytes) -> Report:
    """Return the report in a text file of MIMIC-CXR: its text as MaCheX's index has it, and its sections."""
    text = file.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return Report(machex_text(text), section(text, _FINDINGS), section(text, _IMPRESSION))


def machex_text(report: str) -> str:
    """Return the text that MaCheX takes from a report, lines joined without a blank where they have none."""
    heading = "FINDINGS:" if "FINDINGS:" in report else "IMPRESSION:"
    text = report.rpartition(heading)[2]
    return re.sub(" +", " ", text.replace("IMPRESSION:", "").replace("\n", "")).strip()


def section(report: str, headings: Sequence[str]) -> str | None:
    """Return the text under the last of the headings, blanks and line ends made one blank; None without."""
    text = None
    ends = [match.start() for match in _HEADING.finditer(report)] + [len(report)]
    for heading, end in zip(_HEADING.finditer(report), ends[1:], strict=True):
        if " ".join(heading[1].split()) in headings:
            text = " ".join(report[heading.end() : end].split())
    return text


def read_file(path: Path) -> bytes:
    """Return what the file of a report holds.

    Raises
    ------
    OSError
        When it cannot be read, is a device or a pipe, or larger than any report.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "a device or a pipe, a file was expected")
        # Storage that fetches files from tape may refuse readers that do not wait.
        os.set_blocking(file.fileno(), True)
        return _read(file)


def _without_waiting(path: str, flags: int) -> int:
    # Who opens a pipe would wait for its other end.
    return os.open(path, flags | os.O_NONBLOCK)


def _read(file: IO[bytes]) -> bytes:
    text = file.read(MAXIMUM_BYTES + 1)
    if len(text) > MAXIMUM_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAXIMUM_BYTES:,} bytes, which no report has")
    return text


class ReportArchive:
    """A zip file of reports, read where they lie, by several threads.

    Parameters
    ----------
    path
        The zip file.
    tail
        Its first group is the end of a member's path, by which a report is asked for.

    Raises
    ------
    SourceError
        When it is no zip file.
    """

    def __init__(self, path: Path, tail: re.Pattern[str]) -> None:
        if not zipfile.is_zipfile(path):
            raise SourceError(f"{path}: not readable as a zip file; download it again, or move it away")
        self._path, self._tail = path, tail
        self._lock = threading.Lock()

    def read(self, tail: str) -> bytes:
        """Return the bytes of a report; raise `OSError` when they cannot be read."""
        with self._lock:
            try:
                if tail not in self._members:
                    raise FileNotFoundError(f"{self._path}: no such report")
                with self._archive.open(self._members[tail]) as file:
                    return _read(file)
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
                raise OSError(f"{self._path}: damaged or encrypted") from error

    @functools.cached_property
    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self._path)

    @functools.cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        members = self._archive.infolist()
        return {match[1]: each for each in members if (match := self._tail.fullmatch(each.filename))}
