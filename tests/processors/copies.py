"""Copies of a miniature that say something else, or the same in another form.

Their files are links to those of the miniature, as films take longer to copy than everything else: a file is
to be replaced by a new one, never written into.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from processors.base import Processor, Record

CSV_SUFFIXES = (".csv", ".csv.gz", ".csv.zip")


def read(source: type[Processor], root: Path) -> list[Record]:
    """Return all that is yielded, repeated rows included."""
    return sorted(source(root).records(), key=lambda record: record.identity)


def linked_copy(root: Path, to: Path) -> Path:
    return Path(shutil.copytree(root, to, copy_function=os.link))


def tables_of(source: type[Processor], root: Path) -> list[Path]:
    """Return the tables in use that have a header."""
    processor = source(root)
    list(processor.records())
    return [root / table for table in processor.tables if table.lower().endswith(CSV_SUFFIXES)]


def unpacked(table: Path) -> Path:
    """Return the path that a table has where it is not packed."""
    return table.with_suffix("") if table.suffix.lower() in (".gz", ".zip") else table


def text_of(table: Path) -> str:
    match table.suffix.lower():
        case ".gz":
            return gzip.decompress(table.read_bytes()).decode("utf-8-sig")
        case ".zip":
            with zipfile.ZipFile(table) as packed:
                return packed.read(packed.namelist()[0]).decode("utf-8-sig")
        case _:
            return table.read_text("utf-8-sig")


def put_text(table: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Put a new table into the place of another one, packed as its name says."""
    table.unlink(missing_ok=True)
    content = text.encode(encoding)
    if table.suffix.lower() == ".zip":
        with zipfile.ZipFile(table, "w") as packed:
            packed.writestr(unpacked(table).name, content)
    else:
        table.write_bytes(gzip.compress(content, 1) if table.suffix.lower() == ".gz" else content)


def cells_of(table: Path) -> list[list[str]]:
    """Return the header and the rows."""
    return list(csv.reader(io.StringIO(text_of(table), newline="")))


def put_cells(
    table: Path, rows: Sequence[Sequence[str]], *, line_end: str = "\n", encoding: str = "utf-8"
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(rows)
    put_text(table, text.getvalue(), encoding=encoding)


def is_inside(path: str) -> bool:
    """Say whether a path with forward slashes stays below the folder that it starts from."""
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts and "\\" not in path
