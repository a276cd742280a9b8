"""The index of a dataset: MaCheX's ``index.json``, and ``index.parquet`` with everything that is known."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from composer.folder import DatasetFolder, image_name, number_text
from composer.ledger import FACT_COLUMNS
from composer.plan import WRITTEN
from composer.storage import replaced
from processors.base import Processor

SUSPICIOUS = "suspicious"

_FROM_RECORDS = (
    "identity",
    "key",
    "view",
    "split",
    "patient_id",
    "study_id",
    "sex",
    "age",
    "labels",
    "boxes",
    "box_grid",
    "class_label",
    "native",
    "source",
)
_FROM_LEDGER = ("bytes", "sha256", *(field.name for field in FACT_COLUMNS if not field.name.endswith("_ms")))


def write_index(
    folder: DatasetFolder, results: pa.Table, processor: type[Processor], extension: str
) -> pa.Table:
    """Write both forms of the index for the images that are written, and return the rows.

    Parameters
    ----------
    results
        As `composer.results.join` gives them, in the order of the numbers.
    extension
        Of the image files.
    """
    rows = _index_rows(results.filter(pc.equal(results["status"], WRITTEN)), processor, extension)
    with replaced(folder.index_parquet) as file:
        pq.write_table(rows, file, compression="zstd")
    _write_json(folder.index_json, rows)
    return rows


def _index_rows(written: pa.Table, processor: type[Processor], extension: str) -> pa.Table:
    numbers = written["number"]
    paths = [image_name(number, extension) for number in numbers.to_pylist()]
    rows = pa.table(
        {
            "id": numbers,
            "dataset": pa.array([processor.folder] * written.num_rows, pa.string()),
            "path": pa.array(paths, pa.string()),
        }
    )
    for name in (*_FROM_RECORDS, *_FROM_LEDGER):
        rows = rows.append_column(written.schema.field(name), written[name])
    return _flag_suspicious(rows, processor)


def _flag_suspicious(rows: pa.Table, processor: type[Processor]) -> pa.Table:
    register = [known.identity for known in processor.known_bad if known.state == "suspicious"]
    suspicious = pc.is_in(rows["identity"], pa.array(register, pa.string())).to_pylist()
    if not any(suspicious):
        return rows
    flags = [
        sorted({*(found or ()), SUSPICIOUS}) if suspect else found
        for found, suspect in zip(rows["flags"].to_pylist(), suspicious, strict=True)
    ]
    place = rows.schema.get_field_index("flags")
    return rows.set_column(place, rows.schema.field(place), pa.array(flags, rows.schema.field(place).type))


def _write_json(path: Path, rows: pa.Table) -> None:
    """Write MaCheX's index, row by row: a million entries as one object would take gigabytes."""
    columns = ["id", "path", "key", "view", "split", "class_label"]
    with replaced(path) as file:
        file.write(b"{")
        separator = b"\n"
        for batch in rows.select(columns).to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                number = number_text(row.pop("id"))
                # MaCheX gives absolute paths, and a class_label only to the datasets that have one.
                row["path"] = str(path.parent / row["path"])
                if row["class_label"] is None:
                    del row["class_label"]
                file.write(separator + f'"{number}": {json.dumps(row, ensure_ascii=False)}'.encode())
                separator = b",\n"
        file.write(b"\n}\n")
