"""The ledger: one line per attempt at an image, appended by one process, the commit point of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType, UnionType
from typing import Any, Self, get_args, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from numpy.typing import NDArray

from composer.errors import OutputError
from composer.imaging import Facts, Reason
from composer.status import Status
from composer.worker import Outcome

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


# No line is longer than this many bytes: a torn last one is looked for no further back.
_TAIL = 1 << 20

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
        *FACT_COLUMNS,
    ]
)


class Ledger:
    """An open ledger to append to, as a context manager.

    Each line is handed to the operating system as it is written, so that a killed process loses none; a
    line that one left half written is cut off here.

    Parameters
    ----------
    path
        ``ledger.jsonl`` of a dataset folder; made when it is not there.
    recipe
        Digest of the recipe by which images are made.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """

    def __init__(self, path: Path, recipe: str) -> None:
        self._path = path
        self._recipe = recipe
        try:
            _cut_torn_line(path)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise OutputError.not_writable(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, outcome: Outcome) -> None:
        """Add the line of one attempt; facts that say nothing (None, no flags) are left out."""
        facts = outcome.facts.as_dict() if outcome.facts else {}
        line = {
            "identity": outcome.identity,
            "number": outcome.number,
            "carrier": outcome.carrier,
            "file": outcome.file,
            "recipe": self._recipe,
            "status": _status(outcome),
            "reason": outcome.reason,
            "message": outcome.message,
            "bytes": outcome.bytes,
            "sha256": outcome.sha256,
            **facts,
        }
        said = {name: value for name, value in line.items() if value is not None and value != []}
        self._write(json.dumps(said, ensure_ascii=False).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        start = self._file.seek(0, os.SEEK_END)
        rest = memoryview(line)
        try:
            # On a disk that is nearly full a call may take a part of the line.
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(start)
            raise OutputError.not_writable(self._path, error) from error


def _status(outcome: Outcome) -> Status:
    if outcome.reason is None:
        return Status.WRITTEN
    return Status.MISSING if outcome.reason == Reason.MISSING else Status.FAILED


def read_ledger(path: Path) -> pa.Table:
    """Return the last line of every identity, in the columns of `SCHEMA`; no rows without a file.

    A line by which a file was written counts only as long as no later line wrote another image to its number.

    Raises
    ------
    OutputError
        When a line other than a torn last one is damaged.
    """
    if not path.exists() or not path.stat().st_size:
        return SCHEMA.empty_table()
    # Mapped, not read: the lines of a million images take most of a gigabyte.
    with pa.memory_map(str(path)) as file:
        return _last_lines(path, file.read_buffer())


def _last_lines(path: Path, data: pa.Buffer) -> pa.Table:
    whole = memoryview(data)[: _end_of_last_line(data)]
    if not whole:
        return SCHEMA.empty_table()
    try:
        lines = pyarrow.json.read_json(
            pa.BufferReader(pa.py_buffer(whole)),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=SCHEMA, unexpected_field_behavior="ignore", newlines_in_values=False
            ),
        )
    except pa.ArrowInvalid as error:
        line = _first_damaged(whole)
        raise OutputError(f"{path}: line {line} is damaged; remove that line and run again") from error
    rows = pa.table({name: lines[name] for name in ("identity", "number", "status")})
    rows = rows.append_column("row", pa.array(np.arange(lines.num_rows)))
    last = _last_of_each(rows, "identity")
    overwritten = np.setdiff1d(
        last[pc.equal(rows["status"].take(last), Status.WRITTEN).to_numpy()],
        _last_of_each(rows.filter(pc.equal(rows["status"], Status.WRITTEN)), "number"),
    )
    return lines.take(np.setdiff1d(last, overwritten))


def _last_of_each(rows: pa.Table, column: str) -> NDArray[np.int64]:
    last: NDArray[np.int64] = rows.group_by(column).aggregate([("row", "max")])["row_max"].to_numpy()
    return last


def _first_damaged(lines: memoryview) -> int | None:
    for number, line in enumerate(bytes(lines).split(b"\n"), start=1):
        try:
            json.loads(line or b"{}")
        except ValueError:
            return number
    return None


def _end_of_last_line(data: pa.Buffer) -> int:
    start = max(0, data.size - _TAIL)
    end: int = start + bytes(memoryview(data)[start:]).rfind(b"\n") + 1
    return end


def _cut_torn_line(path: Path) -> None:
    if path.exists() and path.stat().st_size:
        with pa.memory_map(str(path)) as file:
            end = _end_of_last_line(file.read_buffer())
        os.truncate(path, end)
