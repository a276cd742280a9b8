"""MaCheX's ``index.json``, written row by row: a million entries as one object would take gigabytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyarrow as pa

from composer.folder import number_text

_encode = json.JSONEncoder(ensure_ascii=False).encode


class JsonIndex:
    """An ``index.json`` to which rows of the index are added, as a context manager.

    Parameters
    ----------
    file
        Open for writing; it stays open.
    folder
        Of the dataset: MaCheX gives absolute paths.
    fields
        Which of ``report`` and ``class_label`` the dataset has.
    """

    def __init__(self, file: IO[bytes], folder: Path, fields: Sequence[str]) -> None:
        self._file = file
        # Joined once: a Path for each of a million takes seconds.
        self._place = str(folder / "_")[:-1]
        self._fields = fields
        self._separator = "\n"

    def __enter__(self) -> Self:
        self._file.write(b"{")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._file.write(b"\n}\n")

    def add(self, rows: pa.Table) -> None:
        """Add the next rows."""
        names = ("path", "key", "view", "split", *self._fields)
        columns = (rows[name].to_pylist() for name in ("id", *names))
        lines = []
        for number, path, *cells in zip(*columns, strict=True):
            entry = dict(zip(names, (self._place + path, *cells), strict=True))
            for field in self._fields:
                # There is a field only where there is something to say.
                if entry[field] is None:
                    del entry[field]
            lines.append(f'{self._separator}"{number_text(number)}": {_encode(entry)}')
            self._separator = ",\n"
        self._file.write("".join(lines).encode())
