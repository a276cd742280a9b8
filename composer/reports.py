"""Reports that lie in files of their own: read when the index is written, and only for what is in it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from composer.threads import in_threads
from processors.base import Report

log = logging.getLogger(__name__)

# So many are Python's texts at a time.
_BATCH = 10_000
_TEXTS = pa.schema([(name, pa.string()) for name in ("report", "findings", "impression")])


class Reports:
    """The texts of report files, each of which is opened once, however many images name it.

    A report that cannot be read is empty; one warning counts them.

    Parameters
    ----------
    files
        Names of the files; null where an image has none.
    read
        As `processors.base.Processor.read_report`.
    name
        Of the dataset, for the warning.
    """

    def __init__(self, files: pa.ChunkedArray, read: Callable[[str], Report], name: str) -> None:
        self._files = pc.unique(files.drop_null())
        if not len(self._files):
            return
        log.info("%s: reading %s reports", name, f"{len(self._files):,}")
        batches, absent = [], 0
        for first in range(0, len(self._files), _BATCH):
            batch = self._files.slice(first, _BATCH).to_pylist()
            reports = list(in_threads(lambda file: _read(read, file), batch))
            absent += reports.count(None)
            batches.append(_texts([report or Report("") for report in reports]))
        self._texts = pa.Table.from_batches(batches).combine_chunks()
        if absent:
            log.warning("%s: %s reports cannot be read: their images have empty ones", name, f"{absent:,}")

    def fill(self, rows: pa.Table) -> pa.Table:
        """Return rows with ``report``, ``findings`` and ``impression`` of those that name a file."""
        if not len(self._files):
            return rows
        place = pc.index_in(rows["report_file"], self._files).combine_chunks()
        for column in _TEXTS.names:
            filled = pc.coalesce(self._texts[column].take(place), rows[column])
            rows = rows.set_column(rows.schema.get_field_index(column), column, filled)
        return rows


def _texts(reports: list[Report]) -> pa.RecordBatch:
    parts = zip(*((each.text, each.findings, each.impression) for each in reports), strict=True)
    return pa.record_batch([pa.array(part, pa.string()) for part in parts], schema=_TEXTS)


def _read(read: Callable[[str], Report], file: str) -> Report | None:
    try:
        return read(file)
    except OSError:
        return None
