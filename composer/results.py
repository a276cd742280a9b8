"""What became of every image: the plan joined with the last ledger line of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from composer.folder import DatasetFolder
from composer.ledger import SCHEMA as LEDGER_SCHEMA
from composer.plan import FAILED, MISSING, TO_WRITE
from composer.storage import replaced


def join(plan: pa.Table, ledger: pa.Table) -> pa.Table:
    """Add the ledger's columns to the plan and replace each ``to write`` by what the ledger says.

    An image that was not attempted yet keeps ``to write``, and nulls in the ledger's columns. What the
    ledger says of an image that the plan leaves out now is not used.
    """
    planned = pc.equal(plan["status"], TO_WRITE)
    place = pc.if_else(planned, pc.index_in(plan["identity"], ledger["identity"].combine_chunks()), None)
    attempts = ledger.take(place.combine_chunks())
    results = plan.set_column(
        plan.schema.get_field_index("status"), "status", pc.coalesce(attempts["status"], plan["status"])
    )
    for name in LEDGER_SCHEMA.names:
        if name not in ("identity", "status"):
            results = results.append_column(LEDGER_SCHEMA.field(name), attempts[name])
    return results


def write_failures(folder: DatasetFolder, results: pa.Table) -> None:
    """Name everything that failed or is missing in ``failures.csv``; no file when nothing is.

    A part of the release that is absent as a whole is one line.
    """
    bad = results.filter(pc.is_in(results["status"], pa.array([FAILED, MISSING])))
    if not bad.num_rows:
        folder.failures.unlink(missing_ok=True)
        return
    with replaced(folder.failures) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(["identity", "key", "source", "class", "message"])
        writer.writerows(_failure_rows(bad, absent_parts(results)))
        text.detach()


def absent_parts(results: pa.Table) -> dict[str, int]:
    """Return the parts of which no file is there, with the number of their images that are missing."""
    present = results.filter(
        pc.and_(pc.is_valid(results["source"]), pc.not_equal(results["status"], MISSING))
    )
    missing = results.filter(pc.equal(results["status"], MISSING))["part"].drop_null()
    here = set(present["part"].unique().to_pylist())
    counts = missing.value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts if entry["values"] not in here}


def _failure_rows(bad: pa.Table, absent: dict[str, int]) -> Iterator[list[str | None]]:
    for part, count in absent.items():
        message = f"none of the {count:,} images of this part is here: a partial download?"
        yield [None, None, part, MISSING, message]
    columns = ("identity", "key", "source", "status", "reason", "message", "part")
    for batch in bad.select(columns).to_batches():
        for row in batch.to_pylist():
            if row["status"] == FAILED or row["part"] not in absent:
                reason = row["reason"] or row["status"]
                message = row["message"] or "a table names this image but no file is there"
                yield [row["identity"], row["key"], row["source"], reason, message]
