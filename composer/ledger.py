"""The ledger: one line per attempt at an image, appended by one process, the commit point of a run."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType, UnionType
from typing import Any, NamedTuple, Self, get_args, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from composer.attempts import line_of
from composer.errors import OutputError
from composer.imaging import Facts
from composer.json_lines import cut_torn_line, read_blocks, read_lines
from composer.memory import give_back
from composer.status import Status
from composer.storage import atomic_write
from composer.worker import Outcome

log = logging.getLogger(__name__)

# A power cut loses the lines of so many seconds at most; their images are made again.
FLUSH_SECONDS = 5.0

_ARROW_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    list[str]: pa.list_(pa.string()),
    list[int]: pa.list_(pa.int64()),
    list[float]: pa.list_(pa.float64()),
}


def _arrow_type(hint: Any) -> pa.DataType:  # noqa: ANN401 - a type as written in a dataclass
    plain = [member for member in get_args(hint) if member is not type(None)]
    return _ARROW_TYPES[plain[0] if isinstance(hint, UnionType) else hint]


FACT_COLUMNS = pa.schema([pa.field(name, _arrow_type(hint)) for name, hint in get_type_hints(Facts).items()])

SCHEMA = pa.schema(
    [
        pa.field("identity", pa.string()),
        pa.field("number", pa.int32()),
        pa.field("carrier", pa.string()),
        # The source, as the plan has it: relative to the root.
        pa.field("file", pa.string()),
        pa.field("recipe", pa.string()),
        pa.field("status", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("message", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("sha256", pa.string()),
        # Of an image that was left out because a film that is held out elsewhere is the same.
        pa.field("rule", pa.string()),
        pa.field("twin", pa.string()),
        pa.field("twin_split", pa.string()),
        # Digest of the held-out films that it was compared with.
        pa.field("guard", pa.string()),
        *FACT_COLUMNS,
    ]
)

# Column of results: the row that counts for an image in the table of the ledger, where all else is.
LINE = "line"

# By these it is known which lines count.
_KEYS = ("identity", "number", "status")
_STATUSES = pa.array([Status.WRITTEN, Status.LEFT_OUT, Status.FAILED, Status.MISSING], pa.string())


class Ledger:
    """An open ledger to append to, as a context manager.

    Each line is handed to the operating system as it is written, so that a killed process loses none, and is
    on the disk a few seconds later, all of them when the ledger is closed. A line that a killed process left
    half written is cut off here.

    Parameters
    ----------
    path
        ``ledger.jsonl`` of a dataset folder; made when it is not there.
    recipe
        Digest of the recipe by which images are made.

    Raises
    ------
    OutputError
        When the file cannot be written, or, at any later line or at the end, what was written cannot be
        brought to the disk: network storage says so that late.
    """

    def __init__(self, path: Path, recipe: str) -> None:
        self._path = path
        self._recipe = recipe
        self._flushed = time.monotonic()
        try:
            if path.is_symlink():
                # Others may have put it there, to have the file behind it written to.
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            cut_torn_line(path)
            self._file = path.open("ab", buffering=0)
            self._size = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise OutputError.not_writable(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with closing(self._file):
                os.fsync(self._file.fileno())
        except OSError as failure:
            raise OutputError.not_writable(self._path, failure) from failure

    def append(self, outcome: Outcome) -> None:
        """Add the line of one attempt."""
        self.append_line(line_of(outcome, self._recipe))

    def append_line(self, line: bytes) -> None:
        """Add a line that was made by `composer.attempts.line_of`, of this ledger's recipe."""
        try:
            self._write(line)
            if time.monotonic() - self._flushed >= FLUSH_SECONDS:
                os.fsync(self._file.fileno())
                self._flushed = time.monotonic()
        except OSError as error:
            raise OutputError.not_writable(self._path, error) from error

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            # On a disk that is nearly full a call may take a part of the line.
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            # Where this fails too, the next ledger cuts the line off. What another run added, that took the
            # folder over from this one, stays.
            with suppress(OSError):
                if self._file.seek(0, os.SEEK_END) == self._size + len(line) - len(rest):
                    self._file.truncate(self._size)
            raise
        self._size += len(line)


def read_ledger(path: Path, columns: Sequence[str] = tuple(SCHEMA.names)) -> pa.Table:
    """Return the last line of every identity, in the order of the lines; no rows without a file.

    A line by which a file was written counts only as long as no later line wrote another image to its number.
    Damaged lines are left out, and one warning counts them: their images are made again. A torn last line,
    as a killed process leaves it, is no damage.

    Parameters
    ----------
    path
        ``ledger.jsonl`` of a dataset folder.
    columns
        Those of `SCHEMA` that are needed: the others cost neither time nor memory. A line that is damaged in
        none but those, and still JSON, is not left out.

    Raises
    ------
    OutputError
        When the file is there but cannot be read.
    """
    sound = _read_sound(path, {*_KEYS, *columns}, [*_KEYS, *(name for name in columns if name not in _KEYS)])
    if sound.damaged:
        log.warning("%s: damaged lines: %s; their images are made again", path, f"{sound.damaged:,}")
    give_back()
    counts = _counting(sound.rows)
    first = 0
    # One after the other, so that never all of the lines are there twice; as a rule all of them count.
    for place, rows in enumerate(sound.rows):
        chosen = counts[first : first + rows.num_rows]
        sound.rows[place] = rows.select(columns) if chosen.all() else rows.select(columns).filter(chosen)
        first += rows.num_rows
    return _in_one_piece(sound.rows, columns)


def _in_one_piece(blocks: list[pa.Table], columns: Sequence[str]) -> pa.Table:
    """Return the rows of the blocks, which are given up column by column, so that no two are there twice."""
    whole = {}
    for name in columns:
        # A table puts its columns together where an array would refuse more than 2 GB of text.
        rows = pa.concat_tables([SCHEMA.empty_table().select([name]), *(b.select([name]) for b in blocks)])
        whole[name] = rows.combine_chunks()[name]
        del rows
        blocks[:] = [block.drop_columns([name]) for block in blocks]
        give_back()
    return pa.table(whole, pa.schema([SCHEMA.field(name) for name in columns]))


def count_damaged(path: Path) -> int:
    """Return how many lines of a ledger are damaged, in any column; a torn last line is none of them.

    Raises
    ------
    OutputError
        When the file is there but cannot be read.
    """
    return _read_sound(path, SCHEMA.names, _KEYS).damaged


def compact(path: Path) -> int:
    """Rewrite a ledger without the lines that do not count, and return how many those were.

    The others stay as they are, byte for byte and in their order. With nothing to drop the file is not
    touched. No `Ledger` may be open on it.

    Raises
    ------
    OutputError
        When the file cannot be read or written; it is as it was then.
    """
    sound = _read_sound(path, SCHEMA.names, _KEYS)
    kept = np.zeros(sound.lines, np.bool_)
    kept[sound.places[_counting(sound.rows)]] = True
    if not kept.all():
        with atomic_write(path, durable=True) as file:
            first = 0
            for block in read_blocks(path):
                lines = bytes(block).split(b"\n")[:-1]
                file.writelines(
                    line + b"\n" for line, is_kept in zip(lines, kept[first:], strict=False) if is_kept
                )
                first += len(lines)
    return int(np.count_nonzero(~kept))


class _Sound(NamedTuple):
    """How many whole lines a ledger has, the rows of those that are not damaged, and their places."""

    lines: int
    rows: list[pa.Table]
    places: NDArray[np.int64]

    @property
    def damaged(self) -> int:
        return self.lines - self.places.size


def _read_sound(path: Path, read: Collection[str], kept: Sequence[str]) -> _Sound:
    """Read the lines that are sound in the columns ``read``; the rows have the columns ``kept`` of those."""
    schema = pa.schema([field for field in SCHEMA if field.name in read])
    lines, rows, places = 0, [], [np.arange(0)]
    for block in read_lines(path, schema):
        whole = pc.and_(pc.is_valid(block.rows["identity"]), pc.is_valid(block.rows["number"]))
        whole = pc.and_(whole, pc.is_in(block.rows["status"], _STATUSES))
        found = block.rows.select(kept)
        # In one piece: the parser's are so small that their room cannot be given back column by column.
        rows.append((found if pc.all(whole).as_py() else found.filter(whole)).combine_chunks())
        places.append(lines + block.places[whole.to_numpy()])
        lines += block.lines
    return _Sound(lines, rows, np.concatenate(places))


def _counting(blocks: Sequence[pa.Table]) -> NDArray[np.bool_]:
    """Return which of the rows count: see `read_ledger`."""
    rows = pa.concat_tables([SCHEMA.empty_table().select(_KEYS), *(block.select(_KEYS) for block in blocks)])
    # A code for each identity; half the time and a quarter of the memory of grouping by it.
    identities = rows["identity"].combine_chunks().dictionary_encode().indices.to_numpy()
    written = pc.equal(rows["status"], Status.WRITTEN).to_numpy()
    last_written = np.zeros(rows.num_rows, np.bool_)
    last_written[written] = _is_last(rows["number"].to_numpy()[written])
    counts: NDArray[np.bool_] = _is_last(identities) & (~written | last_written)
    return counts


def _is_last(values: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return where each value occurs for the last time."""
    _, backwards = np.unique(values[::-1], return_index=True)
    is_last = np.zeros(values.size, np.bool_)
    is_last[values.size - 1 - backwards] = True
    return is_last
