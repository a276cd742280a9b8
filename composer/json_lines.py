"""Files of JSON lines, of which some may be damaged, as Arrow tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.json
from numpy.typing import NDArray

from composer.errors import OutputError

# Lines come in blocks of this many bytes: a file may be larger than the memory. Nor is any line longer.
BLOCK_SIZE = 16 << 20

# Ends of lines are looked for in steps of this many bytes.
_STEP = 1 << 20


class Block(NamedTuple):
    """A piece of a file: how many lines it has, the rows of those that are sound, and their places in it."""

    lines: int
    rows: pa.Table
    places: NDArray[np.int64]


class _Lines(NamedTuple):
    """Bytes of a block, where each line starts and the last one ends, and which look like an object."""

    data: memoryview
    starts: NDArray[np.int64]
    are_objects: NDArray[np.bool_]


def read_lines(path: Path, schema: pa.Schema) -> Iterator[Block]:
    """Yield the lines of a file as rows, block by block; fields that the schema does not have are ignored.

    A line is sound when it is one JSON object of which the fields in the schema have the types of the schema
    and are UTF-8; a field that it does not have is null.

    Raises
    ------
    OutputError
        When the file is there but cannot be read.
    """
    for data in read_blocks(path):
        lines = _split(data)
        runs = list(_sound_runs(lines, schema, 0, lines.are_objects.size))
        places = [np.arange(first, first + rows.num_rows) for first, rows in runs]
        rows = pa.concat_tables([schema.empty_table(), *(rows for _, rows in runs)])
        yield Block(lines.are_objects.size, rows, np.concatenate([np.arange(0), *places]))


def read_blocks(path: Path) -> Iterator[memoryview]:
    """Yield a file in pieces that end with a line, each valid until the next; nothing without a file.

    A last line without end is left out.

    Raises
    ------
    OutputError
        When the file is there but cannot be read.
    """
    # Read, not mapped: where a disk or a server fails, reading a mapped file kills the process.
    try:
        with path.open("rb", buffering=0) as file:
            # Somewhat more than a small file: it may be growing.
            buffer, filled = bytearray(min(BLOCK_SIZE, os.fstat(file.fileno()).st_size + _STEP)), 0
            while size := file.readinto(memoryview(buffer)[filled:]):
                filled += size
                end = buffer.rfind(b"\n", 0, filled) + 1
                if end:
                    yield memoryview(buffer)[:end]
                elif filled == len(buffer):
                    # No line is that long: one byte that no JSON has stands for it.
                    buffer[0], filled = 0, 1
                buffer[: filled - end] = buffer[end:filled]
                filled -= end
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise OutputError(f"{path}: cannot be read ({reason}); mend it and run again") from error


def cut_torn_line(path: Path) -> None:
    """Cut off a last line that has no end, as a killed process or a power cut leaves it.

    Raises
    ------
    OSError
        When the file is there but cannot be changed.
    """
    if not path.exists():
        return
    with path.open("rb+", buffering=0) as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _STEP)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def _split(data: memoryview) -> _Lines:
    characters = np.frombuffer(data, np.uint8)
    # Pieces that stay in the cache of a core are searched in two thirds of the time.
    pieces = range(0, characters.size, _STEP)
    ends = np.concatenate([np.flatnonzero(characters[at : at + _STEP] == ord("\n")) + at for at in pieces])
    starts = np.concatenate([[0], ends + 1])
    are_objects = (characters[starts[:-1]] == ord("{")) & (characters[ends - 1] == ord("}"))
    return _Lines(data, starts, are_objects)


def _sound_runs(lines: _Lines, schema: pa.Schema, first: int, last: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the runs of sound lines from ``first`` to before ``last``: where each starts, and its rows."""
    # Arrow takes two objects on a line, and one on two lines. It cannot be both where every line looks like
    # an object; hence as many rows as lines are one row a line.
    if lines.are_objects[first:last].all():
        rows = _parse(lines.data[lines.starts[first] : lines.starts[last]], schema)
        if rows is not None and rows.num_rows == last - first:
            yield first, rows
            return
    if last - first > 1:
        middle = (first + last) // 2
        yield from _sound_runs(lines, schema, first, middle)
        yield from _sound_runs(lines, schema, middle, last)


def _parse(data: memoryview, schema: pa.Schema) -> pa.Table | None:
    options = pyarrow.json.ParseOptions(
        explicit_schema=schema, unexpected_field_behavior="ignore", newlines_in_values=False
    )
    try:
        rows = pyarrow.json.read_json(pa.BufferReader(pa.py_buffer(data)), parse_options=options)
        # That strings are UTF-8 is looked at here only.
        rows.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return rows
