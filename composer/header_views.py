"""Views that only the DICOM header tells."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from composer.imaging import Facts, Refusal, Source, scan_header
from composer.records import SOURCE_COLUMNS, source_of
from composer.threads import in_threads
from processors.base import FRONTAL_VIEWS, Processor

log = logging.getLogger(__name__)

_BATCH = 10_000
_UNKNOWN = pa.scalar("unknown")


def look_up_views(records: pa.Table, processor: Processor) -> pa.Table:
    """Read the headers on which a selection of frontal films depends, and return records with those views.

    Headers of films that are frontal anyway are left for the conversion to read. The view is null where the
    file is absent or its header damaged: it is to be converted, which says what is wrong with it.
    """
    open_question = pc.and_(
        pc.and_(records["view_from_header"], pc.is_null(records["excluded"])),
        pc.and_(
            pc.is_valid(records["source"]), pc.invert(pc.is_in(records["view"], pa.array(FRONTAL_VIEWS)))
        ),
    )
    places = np.flatnonzero(open_question.to_numpy())
    if not len(places):
        return records
    log.info("%s: reading the headers of %s files for their views", processor.folder, f"{len(places):,}")
    rows = records.select(SOURCE_COLUMNS).take(places)
    views = records["view"].to_pylist()
    for place, facts in zip(places.tolist(), read_headers(processor.root, rows), strict=True):
        views[place] = facts and (_view(processor, facts) or views[place])
    column = records.schema.get_field_index("view")
    return records.set_column(column, records.schema.field("view"), pa.array(views, pa.string()))


def _view(processor: Processor, facts: Facts) -> str | None:
    return processor.view_in_header(facts.view_position, facts.patient_orientation)


def views_in_headers(written: pa.Table, processor: Processor) -> pa.ChunkedArray | pa.Array:
    """Return the view of each written image, as its header tells it where that is to be asked."""
    asked = written["view_from_header"]
    if not pc.any(asked).as_py():
        return pc.fill_null(written["view"], _UNKNOWN)
    # Few different headers: each combination is asked once.
    columns = ("view_position", "patient_orientation")
    pairs = list(zip(*(written[column].to_pylist() for column in columns), strict=True))
    told = {pair: processor.view_in_header(*pair) for pair in set(pairs)}
    views = pa.array([told[pair] for pair in pairs], pa.string())
    return pc.coalesce(pc.if_else(asked, views, pa.scalar(None, pa.string())), written["view"], _UNKNOWN)


def read_headers(root: Path, rows: pa.Table) -> Iterator[Facts | None]:
    """Yield what the DICOM header of each row tells, None where it cannot be read.

    Parameters
    ----------
    rows
        With `composer.records.SOURCE_COLUMNS`.
    """
    # pydicom warns of every oddity; filters of warnings are common to all threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Threads are given all their work at once.
        for batch in rows.to_batches(max_chunksize=_BATCH):
            yield from in_threads(lambda row: _scan(source_of(root, row)), batch.to_pylist())


def _scan(source: Source) -> Facts | None:
    try:
        return scan_header(source)
    except Refusal:
        return None
