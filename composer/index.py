"""The index of a dataset: MaCheX's ``index.json``, and ``index.parquet`` with everything that is known."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from composer.folder import DatasetFolder
from composer.folds import with_folds
from composer.header_views import views_in_headers
from composer.image_names import image_names
from composer.json_index import JsonIndex
from composer.labels import harmonise, metadata, unknown_lines
from composer.ledger import FACT_COLUMNS, LINE
from composer.memory import give_back
from composer.pieces import PIECE, PiecesFile
from composer.records import LABEL, NATIVE
from composer.regions import regions_in_pictures
from composer.reports import Reports
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
# PadChest's table has it for its PNG files.
_PHOTOMETRIC_IN_TABLE = "PhotometricInterpretation_DICOM"
FROM_LEDGER = ("sha256", *(name for name in FACT_COLUMNS.names if name not in _OF_THE_ATTEMPT))


def write_index(
    folder: DatasetFolder, results: pa.Table, ledger: pa.Table, processor: Processor, extension: str
) -> pa.Table:
    """Write both forms of the index for the images that are written, and return of them what is counted.

    Parameters
    ----------
    results
        As `composer.results.join` gives them, in the order of the numbers.
    ledger
        That with which it joined them, with the columns `FROM_LEDGER`.
    processor
        The source: it reads reports, and interprets headers.
    extension
        Of the image files.

    Returns
    -------
    ``flags`` and ``photometric_interpretation``, a row for every row of the index; the latter as the header
    tells it, or else the table.
    """
    places = np.flatnonzero(pc.equal(results["status"], Status.WRITTEN).to_numpy())
    whole = _across_rows(results, places, folder, processor)
    reports = Reports(results["report_file"].take(places), processor.read_report, processor.folder)
    counted = []
    with (
        atomic_write(folder.index_json, durable=True) as text,
        atomic_write(folder.index_parquet, durable=True) as file,
        PiecesFile(file) as parquet,
        JsonIndex(text, folder.path, processor.machex_fields) as json_index,
    ):
        # Labels and reports of a million images as texts, twice, take gigabytes.
        for first in range(0, max(len(places), 1), PIECE):
            written = reports.fill(results.take(places[first : first + PIECE]))
            written = _with_columns(written, ledger.take(written[LINE].combine_chunks()), FROM_LEDGER)
            rows = _rows(written, whole.slice(first, PIECE), processor, extension)
            parquet.add(rows)
            json_index.add(rows)
            counted.append(_counted(rows))
            del written, rows
            give_back()
    return pa.concat_tables(counted)


def _with_columns(rows: pa.Table, others: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        rows = rows.append_column(others.schema.field(name), others[name])
    return rows


def _counted(rows: pa.Table) -> pa.Table:
    told = pc.map_lookup(rows["native"], _PHOTOMETRIC_IN_TABLE, "first")
    photometric = pc.coalesce(rows["photometric_interpretation"], told)
    return pa.table({"flags": rows["flags"], "photometric_interpretation": photometric})


def _across_rows(
    results: pa.Table, places: NDArray[np.int64], folder: DatasetFolder, processor: Processor
) -> pa.Table:
    """Return the columns for which the rows of all images that are written are needed: labels and folds."""
    harmonised = harmonise(results["labels"].take(places), processor.folder)
    for line in unknown_lines(harmonised.unknown):
        log.warning("%s: %s", processor.folder, line)
    columns = {name: harmonised.columns[name] for name in harmonised.columns.column_names}
    of_folds = results.select(["identity", "patient_id", "study_id", "twin"]).take(places)
    columns |= with_folds(of_folds, folder.path.parent, processor.folder)
    told = {**metadata(processor.folder), "unknown": [each._asdict() for each in harmonised.unknown]}
    return pa.table(columns).replace_schema_metadata({_LABELS: json.dumps(told, ensure_ascii=False)})


def _rows(written: pa.Table, whole: pa.Table, processor: Processor, extension: str) -> pa.Table:
    """Return rows of the index.

    Parameters
    ----------
    written
        Results of some images, with their reports and `FROM_LEDGER`.
    whole
        What `_across_rows` gives for them.
    """
    columns = {
        "id": written["number"],
        "dataset": pa.array([processor.folder] * written.num_rows, pa.string()),
        "path": image_names(written["number"], extension),
        "view": views_in_headers(written, processor),
        **{name: written[name] for name in (*_FROM_RECORDS, "bytes", *FROM_LEDGER)},
    }
    columns["labels"] = written["labels"].cast(pa.list_(LABEL))
    columns["native"] = written["native"].cast(NATIVE)
    columns["boxes"], columns["masks"], lost = regions_in_pictures(written)
    # What no table says of the patient the DICOM header may.
    columns["sex"] = pc.coalesce(written["sex"], _sex(written["patient_sex"]))
    columns["age"] = pc.coalesce(written["age"], _age(written["patient_age"]))
    flags = _with_flag(written["flags"], SUSPICIOUS, written["suspicious"])
    columns["flags"] = _with_flag(flags, REGION_OUTSIDE, lost)
    columns |= {name: whole[name] for name in whole.column_names}
    return pa.table(columns).replace_schema_metadata(whole.schema.metadata)


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
