"""The tables of a release as text: found by name, read by column, never guessed at."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import pandas as pd

from processors.base.contract import SourceError
from processors.base.files import entries, is_file


def find_table(folders: Sequence[Path], *names: str) -> Path | None:
    """Return the first of the named tables in the first folder that holds one.

    Letter case is ignored, because file systems and mirrors change it, and ``name.csv.gz`` or
    ``name.csv.zip`` stands in for ``name.csv``; where both exist the unpacked one is taken.
    """
    wanted = [name.lower() + packed for name in names for packed in ("", ".gz", ".zip")]
    for folder in folders:
        present = {entry.name.lower(): entry.name for entry in entries(folder) if is_file(entry)}
        for candidate in wanted:
            if candidate in present:
                return folder / present[candidate]
    return None


# Larger tables are refused before they fill the memory: the largest of the public releases has some 100 MB.
MAXIMUM_BYTES = 1 << 29
_PIECE = 1 << 20
# So many rows at a time become Python's texts, which take more memory than the table.
_ROWS = 10_000

# gzip reports damage in all three of the first ways.
_UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    # Of zip files: an unusual method, a password.
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
    pd.errors.ParserError,
    pd.errors.EmptyDataError,
)


class Table:
    """A CSV file, every cell as text, blank cells as empty strings.

    A byte order mark, CRLF line ends, gzip, zip and a trailing comma on either the header or the rows are
    read as if they were not there.

    Parameters
    ----------
    path
        The ``.csv``, ``.csv.gz`` or ``.csv.zip`` file; a zip file must hold one table.
    columns
        Names that must be there.

    Raises
    ------
    SourceError
        When the file cannot be read, is cut short or too large, has no rows or lacks a column; the message
        names file, expected and found.
    """

    def __init__(self, path: Path, *, columns: Sequence[str] = ()) -> None:
        self.path = path
        frame = _read_csv(path)
        frame.columns = frame.columns.str.strip()
        self._frame = frame
        self._expected = columns
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            raise self._lacks(f"column{'s'[: len(missing) > 1]} {', '.join(map(repr, missing))}")
        if frame.empty:
            raise SourceError(f"{path}: a header without rows; download it again")
        # pandas fills up with blanks what a row lacks, so that the file itself is asked where there are some.
        if "" in frame.iloc[-1].tolist() and _is_cut(path):
            raise SourceError(f"{path}: the last line is cut; download it again")

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def columns(self) -> list[str]:
        """The column names in file order."""
        return list(self._frame.columns)

    def first_of(self, *names: str) -> str | None:
        """Return the first of several spellings of a column that this table has."""
        return next((name for name in names if name in self._frame.columns), None)

    def one_of(self, *names: str) -> str:
        """Return the first of several spellings that this table has; raise `SourceError` if it has none."""
        name = self.first_of(*names)
        if name is None:
            raise self._lacks(f"column {' or '.join(map(repr, names))}")
        return name

    def _lacks(self, expected: str) -> SourceError:
        # Without a header line the first row of data stands for the names, and must not be shown: it has not
        # half of the expected names.
        expected_names = {name.lower() for name in self._expected}
        known = expected_names & {name.lower() for name in self.columns}
        if known and len(known) >= len(expected_names) / 2:
            found = ", ".join(map(repr, self.columns))
        else:
            found = f"{len(self.columns)} columns of other names, or no header line"
        if len(self.columns) == 1 and ";" in self.columns[0]:
            found = "semicolons between the columns: save it with commas, as it was published"
        return SourceError(
            f"{self.path}: expected {expected}, found {found}; is this the table of another release?"
        )

    def rows(self, *columns: str | None) -> Iterator[tuple[str, ...]]:
        """Yield the cells of the named columns row by row, stripped of outer blanks.

        A column given as None yields empty strings, so that an optional column needs no second loop.
        """
        for first in range(0, len(self._frame), _ROWS):
            part = self._frame.iloc[first : first + _ROWS]
            blank = [""] * len(part)
            cells = [
                blank if name is None else part[name].fillna("").str.strip().tolist() for name in columns
            ]
            yield from zip(*cells, strict=True) if cells else [()] * len(part)

    def natives(self, columns: Sequence[str]) -> Iterator[dict[str, str]]:
        """Yield the cells of every row by column, for those of the columns that this table has."""
        present = [column for column in columns if column in self._frame.columns]
        for cells in self.rows(*present):
            yield dict(zip(present, cells, strict=True))


def read_text(path: Path, form: str = "text") -> str:
    """Return what a file holds, be it packed like a table; ``form`` is what the message of the error names.

    Raises
    ------
    SourceError
        When the file cannot be read as text, or is too large.
    """
    try:
        _check_length(path)
        with _open_text(path) as file:
            return file.read()
    except _UNREADABLE as error:
        raise SourceError(f"{path}: not readable as {form} ({error}); download or unpack it again") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a list without a header, stripped of outer blanks; empty ones are left out.

    Raises
    ------
    SourceError
        When the file cannot be read as text.
    """
    return [line.strip() for line in read_text(path, "a list").split("\n") if line.strip()]


def _open_text(path: Path) -> IO[str]:
    if path.suffix.lower() == ".zip":
        return io.StringIO(_unzip(path).decode("utf-8-sig"))
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    return cast("IO[str]", opened(path, "rt", encoding="utf-8-sig"))


def _unzip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as packed:
        # macOS adds files of its own.
        names = [name for name in packed.namelist() if not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise zipfile.BadZipFile(f"{len(names)} files inside, expected one table")
        # In pieces, as what is told of the length may be wrong.
        with packed.open(names[0]) as file:
            return b"".join(_pieces(file.read))


def _check_length(path: Path) -> None:
    """Refuse a file that is too large, or inflates to too much, before it is read into the memory."""
    match path.suffix.lower():
        case ".gz":
            with gzip.open(path) as file:
                deque(_pieces(file.read), maxlen=0)
        case ".zip":
            pass  # `_unzip` looks itself.
        case _ if path.stat().st_size > MAXIMUM_BYTES:
            raise _too_large()


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    length = 0
    while piece := read(_PIECE):
        length += len(piece)
        if length > MAXIMUM_BYTES:
            raise _too_large()
        yield piece


def _too_large() -> OSError:
    return OSError(f"more than {MAXIMUM_BYTES:,} bytes, which no table of a release has")


def _is_cut(path: Path) -> bool:
    """Say whether the file ends inside a line: no line end, and a last row with fewer cells than the first.

    Only cells in columns that have a name count. A last row that is short but whole is Excel's, which leaves
    out the commas before blank cells.
    """
    with _open_text(path) as file:
        text = file.read()
    if text.endswith("\n"):
        return False
    rows = (row for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row)))
    named = max(place for place, name in enumerate(next(rows), start=1) if name.strip())
    widths = [len(row) for row in rows]
    return bool(widths) and widths[-1] < min(widths[0], named)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        _check_length(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            try:
                # Without index_col=False pandas takes the first column for an index when the rows are longer.
                return _parse(path, index_col=False)
            except pd.errors.ParserWarning:
                columns = _parse(path, nrows=0).columns
                frame = _parse(path, header=None, skiprows=1)
    except _UNREADABLE as error:
        raise SourceError(
            f"{path}: not readable as a CSV table ({str(error).strip()}); download or unpack it again"
        ) from error
    surplus = frame.iloc[:, len(columns) :].fillna("")
    if (surplus != "").to_numpy().any():
        raise SourceError(
            f"{path}: rows have up to {frame.shape[1]} cells, the header has {len(columns)} columns; "
            "download or unpack it again"
        )
    return frame.iloc[:, : len(columns)].set_axis(columns, axis=1)


def _parse(path: Path, **layout: Any) -> pd.DataFrame:  # noqa: ANN401 -- whatever read_csv takes
    # Ids must stay text: some have 39 digits, some leading zeros.
    table = _open_text(path) if path.suffix.lower() == ".zip" else path
    frame: pd.DataFrame = pd.read_csv(table, dtype=str, na_filter=False, encoding="utf-8-sig", **layout)
    return frame
