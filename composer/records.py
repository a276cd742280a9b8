"""The records of a source as an Arrow table: columns hold a million rows where objects would not."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from composer.imaging import Source
from processors.base import Record

_BATCH = 20_000

LABEL = pa.struct([("label", pa.string()), ("value", pa.int8()), ("labeller", pa.string())])
BOX = pa.struct(
    [
        ("label", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("width", pa.float64()),
        ("height", pa.float64()),
        ("labeller", pa.string()),
        ("outline", pa.list_(pa.float64())),
    ]
)
MASK = pa.struct(
    [
        ("label", pa.string()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("runs", pa.string()),
        ("labeller", pa.string()),
    ]
)

# Labels and native cells repeat few texts, and are most of what tables say: each is kept once. The index has
# them as texts.
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_LABELS = pa.list_(pa.struct([("label", _REPEATED), ("value", pa.int8()), ("labeller", _REPEATED)]))
NATIVE = pa.map_(pa.string(), pa.string())

SCHEMA = pa.schema(
    [
        pa.field("identity", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("source_offset", pa.int64()),
        pa.field("source_size", pa.int64()),
        pa.field("source_zipped", pa.bool_()),
        # Null where the file is not to be compared; see `composer.checksums`.
        pa.field("source_sha256", pa.string()),
        pa.field("carrier", pa.string(), nullable=False),
        # Null where the header that tells it cannot be read.
        pa.field("view", pa.string()),
        pa.field("view_from_header", pa.bool_(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("patient_id", pa.string()),
        pa.field("study_id", pa.string()),
        pa.field("twin", pa.string()),
        pa.field("sex", pa.string()),
        pa.field("age", pa.float32()),
        pa.field("labels", _LABELS),
        pa.field("boxes", pa.list_(BOX)),
        pa.field("box_grid", pa.list_(pa.int32())),
        pa.field("masks", pa.list_(MASK)),
        pa.field("report", pa.string()),
        pa.field("findings", pa.string()),
        pa.field("impression", pa.string()),
        pa.field("report_file", pa.string()),
        pa.field("original_bits_stored", pa.int8()),
        pa.field("histogram_equalised", pa.bool_(), nullable=False),
        pa.field("class_label", pa.list_(pa.int8())),
        pa.field("native", pa.map_(_REPEATED, _REPEATED)),
        # Null where no other dataset is known to hold the same film out; see `composer.guard`.
        pa.field("held_out_by", pa.string()),
        pa.field("held_out_twin", pa.string()),
        pa.field("held_out_split", pa.string()),
        pa.field("part", pa.string()),
        pa.field("excluded", pa.string()),
    ]
)


def table_of(records: Iterable[Record]) -> pa.Table:
    """Return the records as one table of `SCHEMA`, in their order."""
    stream = iter(records)
    batches = []
    with _no_garbage_collection():
        while batch := list(itertools.islice(stream, _BATCH)):
            batches.append(pa.record_batch(_columns(batch), schema=SCHEMA))
    return pa.Table.from_batches(batches, schema=SCHEMA)


def first_of_each(rows: pa.Table, *names: str) -> pa.Table:
    """Return the first row of each value, or combination of values, of these columns, in their order."""
    numbered = rows.select(list(names)).append_column("row", pa.array(np.arange(rows.num_rows)))
    first = numbered.group_by(list(names)).aggregate([("row", "min")])["row_min"].to_numpy()
    return rows if len(first) == rows.num_rows else rows.take(np.sort(first))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep Python from looking for cycles again and again: records have none, and there are many.

    Of the time to read 377,110 rows that was a quarter.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# What a `Source` is made of.
SOURCE_COLUMNS = (
    "source",
    "source_offset",
    "source_size",
    "source_zipped",
    "original_bits_stored",
    "source_sha256",
)


def source_of(root: Path, row: Mapping[str, Any]) -> Source:
    """Return where the image of a row with `SOURCE_COLUMNS` lies."""
    path, offset, size, zipped, bits, sha256 = (row[column] for column in SOURCE_COLUMNS)
    return Source(str(root / path), offset, size, bool(zipped), bits, sha256)


def _columns(batch: list[Record]) -> list[pa.Array]:
    return [_column(field, batch) for field in SCHEMA]


def _column(field: pa.Field, batch: list[Record]) -> pa.Array:
    cells = _cells(field.name, batch)
    if field.name != "labels":
        return pa.array(cells, type=field.type)
    # Releases say the same of many images, in one shared list; converting each once halves the time.
    distinct = {id(cell): cell for cell in cells}
    place = {each: number for number, each in enumerate(distinct)}
    labels = pa.array(list(distinct.values()), type=field.type)
    return labels.take(pa.array([place[id(cell)] for cell in cells], pa.int32()))


def _cells(column: str, batch: list[Record]) -> list[object]:
    match column:
        case "source":
            return [record.file and record.file.path for record in batch]
        case "source_offset":
            return [record.file and record.file.offset for record in batch]
        case "source_size":
            return [record.file and record.file.size for record in batch]
        case "source_zipped":
            return [record.file and record.file.zipped for record in batch]
        case "source_sha256" | "held_out_by" | "held_out_twin" | "held_out_split":
            return [None] * len(batch)
        case "report":
            return [record.report and record.report.text for record in batch]
        case "findings" | "impression":
            return [record.report and getattr(record.report, column) for record in batch]
        case "native":
            return [list(record.native.items()) for record in batch]
        case _:
            return [getattr(record, column) for record in batch]
