"""Parquet files written piece by piece, so that no more than a piece of their rows has to be in the memory.

Each is a row group. The bytes depend on the rows alone as long as all pieces but the last have `PIECE` rows.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from composer.storage import atomic_write

# Of MIMIC-CXR, with labels and reports, 100 MB. Readers have as many chunks to put together.
PIECE = 50_000


class PiecesFile:
    """A Parquet file to which pieces are added, as a context manager; it needs one at least.

    Parameters
    ----------
    file
        Open for writing; it stays open.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, rows: pa.Table) -> None:
        """Add the next rows; the first ones have the schema, and what the file tells of itself."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, rows.schema, compression="zstd")
        self._writer.write_table(rows.combine_chunks())


def write_pieces(path: Path, rows: pa.Table) -> None:
    """Replace a file atomically, flushed to the disk, by one with these rows."""
    with atomic_write(path, durable=True) as file, PiecesFile(file) as pieces:
        for first in range(0, max(rows.num_rows, 1), PIECE):
            pieces.add(rows.slice(first, PIECE))
