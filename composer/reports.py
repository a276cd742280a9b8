"""Reports that lie in files of their own: read when the index is written, and only for what is in it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from composer.threads import in_threads
from processors.base import Report

log = logging.getLogger(__name__)


def fill_reports(written: pa.Table, read: Callable[[str], Report], name: str) -> pa.Table:
    """Return the table with ``report``, ``findings`` and ``impression`` of the images that name a file.

    A report that cannot be read is empty; one warning counts them.

    Parameters
    ----------
    written
        Written images.
    read
        As `processors.base.Processor.read_report`.
    name
        Of the dataset, for the warning.
    """
    files = pc.unique(written["report_file"].drop_null())
    if not len(files):
        return written
    log.info("%s: reading %s reports", name, f"{len(files):,}")
    # A study's report is opened once.
    reports = list(in_threads(lambda file: _read(read, file), files.to_pylist()))
    if absent := reports.count(None):
        log.warning("%s: %s reports cannot be read: their images have empty ones", name, f"{absent:,}")
    found = [report or Report("") for report in reports]
    place = pc.index_in(written["report_file"], files)
    for column, part in (("report", "text"), ("findings", "findings"), ("impression", "impression")):
        texts = pa.array([getattr(report, part) for report in found], pa.string())
        filled = pc.coalesce(texts.take(place.combine_chunks()), written[column])
        written = written.set_column(written.schema.get_field_index(column), column, filled)
    return written


def _read(read: Callable[[str], Report], file: str) -> Report | None:
    try:
        return read(file)
    except OSError:
        return None
