"""What became of every image: the plan joined with the last ledger line of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from composer.errors import OutputError
from composer.folder import DatasetFolder
from composer.image_names import image_names
from composer.imaging import Recipe
from composer.ledger import LINE
from composer.memory import give_back
from composer.status import Status
from composer.storage import atomic_write

# What the ledger has to say for it to be known what became of every image.
OF_THE_OUTCOME = ("identity", "number", "carrier", "recipe", "status", "reason", "message", "bytes", "rule")

_OF_FAILURES = ("identity", "key", "source", "status", "reason", "message", "part")


def join(plan: pa.Table, ledger: pa.Table, present: pa.Array, recipe: Recipe) -> pa.Table:
    """Add what the ledger says of the outcome to the plan, and replace each ``to write`` by its status.

    The other columns of the ledger stay there, for they take more room than the plan: ``line`` is the row of
    the ledger that counts for an image, null where none does.

    An image that was not attempted yet, or whose file was deleted since, keeps ``to write``. What the ledger
    says of an image that the plan leaves out now is not used.

    Parameters
    ----------
    ledger
        With the columns `OF_THE_OUTCOME`, at least.
    present
        The names of the image files that are there, as `composer.image_names.listed_names` gives them.
    recipe
        By which the images are to be made: what was made by another counts as not attempted.
    """
    planned = pc.equal(plan["status"], Status.TO_WRITE)
    place = pc.if_else(planned, pc.index_in(plan["identity"], ledger["identity"].combine_chunks()), None)
    line = ledger.select(["number", "carrier", "recipe"]).take(place.combine_chunks())
    # A line under another number belongs to another plan: that file is not this image. Nor is a picture of
    # another carrier, to whose pixels the tables do not refer.
    same = pc.and_(pc.equal(line["number"], plan["number"]), pc.equal(line["carrier"], plan["carrier"]))
    same = pc.and_(same, pc.equal(line["recipe"], recipe.digest))
    chosen = pc.if_else(same, place, None).combine_chunks()
    names = image_names(plan["number"], recipe.extension)
    absent = pc.invert(pc.is_in(names, present))
    deleted = pc.and_(pc.equal(ledger["status"].take(chosen), Status.WRITTEN), absent)
    status = pc.if_else(deleted, Status.TO_WRITE, ledger["status"].take(chosen))
    give_back()
    results = plan
    for name, values in (("status", status), ("rule", ledger["rule"].take(chosen))):
        place = plan.schema.get_field_index(name)
        results = results.set_column(place, name, pc.coalesce(values, plan[name]))
    for name in ("reason", "message", "bytes"):
        results = results.append_column(ledger.schema.field(name), ledger[name].take(chosen))
    return results.append_column(LINE, chosen)


def write_failures(folder: DatasetFolder, results: pa.Table) -> None:
    """Name everything that failed or is missing in ``failures.csv``; no file when nothing is.

    A part of the release that is absent as a whole is one line.
    """
    columns = results.select(_OF_FAILURES)
    bad = columns.filter(pc.is_in(results["status"], pa.array([Status.FAILED, Status.MISSING])))
    if not bad.num_rows:
        try:
            folder.failures.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError.not_writable(folder.failures, error) from error
        return
    with atomic_write(folder.failures, durable=True) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(["identity", "key", "source", "class", "message"])
        writer.writerows(_failure_rows(bad, absent_parts(results)))
        text.detach()


def absent_parts(results: pa.Table) -> dict[str, int]:
    """Return the parts of which no file is there, with the number of their images that are missing."""
    is_missing = pc.equal(results["status"], Status.MISSING)
    present = pc.and_(pc.is_valid(results["source"]), pc.invert(is_missing))
    missing = results["part"].filter(is_missing).drop_null()
    here = set(results["part"].filter(present).unique().to_pylist())
    counts = missing.value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts if entry["values"] not in here}


def _failure_rows(bad: pa.Table, absent: dict[str, int]) -> Iterator[list[str | None]]:
    for part, count in absent.items():
        message = f"none of the {count:,} images of this part is here: a partial download?"
        yield [None, None, part, Status.MISSING, message]
    for batch in bad.to_batches():
        for row in batch.to_pylist():
            if row["status"] == Status.FAILED or row["part"] not in absent:
                reason = row["reason"] or row["status"]
                message = row["message"] or "a table names this image but no file is there"
                yield [row["identity"], row["key"], row["source"], reason, message]
