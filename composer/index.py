"""The index of a dataset: MaCheX's ``index.json``, and ``index.parquet`` with everything that is known."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from composer.folder import DatasetFolder, image_name, number_text
from composer.folds import with_folds
from composer.header_views import views_in_headers
from composer.labels import harmonise, metadata, unknown_lines
from composer.ledger import FACT_COLUMNS
from composer.regions import regions_in_pictures
from composer.reports import fill_reports
from composer.status import Status
from composer.storage import atomic_write
from processors.base import Processor, age_in_years

log = logging.getLogger(__name__)

# Key of the file's metadata under which the vocabulary, the table and the rules are.
_LABELS = "machex:labels"
# Flags that are not of the conversion: the register of the release; a box or mask that lies outside of what
# the picture shows.
SUSPICIOUS, REGION_OUTSIDE = "suspicious", "region_outside"

_FROM_RECORDS = (
    "identity",
    "key",
    "split",
    "patient_id",
    "study_id",
    "sex",
    "age",
    "labels",
    "report",
    "findings",
    "impression",
    "histogram_equalised",
    "class_label",
    "native",
    "source",
    "carrier",
)
# What the same source and recipe need not give again.
_OF_THE_ATTEMPT = {
    "source_bytes",
    "source_modified",
    *(name for name in FACT_COLUMNS.names if name.endswith("_ms")),
}
FROM_LEDGER = ("bytes", "sha256", *(name for name in FACT_COLUMNS.names if name not in _OF_THE_ATTEMPT))


def write_index(folder: DatasetFolder, results: pa.Table, processor: Processor, extension: str) -> pa.Table:
    """Write both forms of the index for the images that are written, and return the rows.

    Parameters
    ----------
    results
        As `composer.results.join` gives them, in the order of the numbers.
    processor
        The source: it reads reports, and interprets headers.
    extension
        Of the image files.
    """
    written = results.filter(pc.equal(results["status"], Status.WRITTEN))
    written = fill_reports(written, processor.read_report, processor.folder)
    rows = _index_rows(written, folder, processor, extension).combine_chunks()
    with atomic_write(folder.index_parquet, durable=True) as file:
        pq.write_table(rows, file, compression="zstd")
    _write_json(folder.index_json, rows, processor.machex_fields)
    return rows


def _index_rows(written: pa.Table, folder: DatasetFolder, processor: Processor, extension: str) -> pa.Table:
    columns = {
        "id": written["number"],
        "dataset": pa.array([processor.folder] * written.num_rows, pa.string()),
        "path": pa.array([image_name(n, extension) for n in written["number"].to_pylist()], pa.string()),
        "view": views_in_headers(written, processor),
        **{name: written[name] for name in (*_FROM_RECORDS, *FROM_LEDGER)},
    }
    columns["boxes"], columns["masks"], lost = regions_in_pictures(written)
    # What no table says of the patient the DICOM header may.
    columns["sex"] = pc.coalesce(written["sex"], _sex(written["patient_sex"]))
    columns["age"] = pc.coalesce(written["age"], _age(written["patient_age"]))
    flags = _with_flag(written["flags"], SUSPICIOUS, written["suspicious"])
    columns["flags"] = _with_flag(flags, REGION_OUTSIDE, lost)
    harmonised = harmonise(written["labels"], processor.folder)
    for line in unknown_lines(harmonised.unknown):
        log.warning("%s: %s", processor.folder, line)
    columns |= {name: harmonised.columns[name] for name in harmonised.columns.column_names}
    columns |= with_folds(written, folder.path.parent, processor.folder)
    told = {**metadata(processor.folder), "unknown": [each._asdict() for each in harmonised.unknown]}
    return pa.table(columns).replace_schema_metadata({_LABELS: json.dumps(told, ensure_ascii=False)})


def _sex(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    known = pc.is_in(cells, pa.array(["M", "F"]))
    return pc.if_else(known, cells, pa.scalar(None, pa.string()))


def _age(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    # Anonymisers write 000Y for an unknown age.
    ages = [None if cell is None else age_in_years(cell) or None for cell in cells.to_pylist()]
    return pa.chunked_array([pa.array(ages, pa.float32())])


def _with_flag(flags: pa.ChunkedArray | pa.Array, name: str, raised: pa.ChunkedArray | pa.Array) -> pa.Array:
    pairs = zip(flags.to_pylist(), raised.to_pylist(), strict=True)
    return pa.array(
        [sorted({*(found or ()), name}) if is_raised else found for found, is_raised in pairs], flags.type
    )


def _write_json(path: Path, rows: pa.Table, machex_fields: Sequence[str]) -> None:
    """Write MaCheX's index, row by row: a million entries as one object would take gigabytes."""
    columns = ["id", "path", "key", "view", "split", *machex_fields]
    with atomic_write(path, durable=True) as file:
        file.write(b"{")
        separator = b"\n"
        for batch in rows.select(columns).to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                number = number_text(row.pop("id"))
                # MaCheX gives absolute paths, and a field only where there is something to say.
                row["path"] = str(path.parent / row["path"])
                for field in machex_fields:
                    if row[field] is None:
                        del row[field]
                file.write(separator + f'"{number}": {json.dumps(row, ensure_ascii=False)}'.encode())
                separator = b",\n"
        file.write(b"\n}\n")
