"""From rows of the plan to tasks for workers; and what became of a task whose workers were lost."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from composer.datasets import Dataset
from composer.folder import image_name
from composer.imaging import Source
from composer.ledger import read_ledger
from composer.pool import Lost
from composer.pool.limits import LIMITS, Cause
from composer.records import SOURCE_COLUMNS
from composer.status import Status
from composer.twins.held_out import HeldOutFile, held_out_by
from composer.worker import CRASHED, OUT_OF_MEMORY, TIMED_OUT, Outcome, Task

# Of the plan, what tasks are made of.
COLUMNS = ("number", "identity", "carrier", *SOURCE_COLUMNS)


def tasks(dataset: Dataset, rows: pa.Table, held_out: HeldOutFile | None = None) -> Iterator[Task]:
    """Yield what a worker needs to know of each row of the dataset's plan.

    The films of the file ``held_out`` are not to be written again.
    """
    # Paths are joined as text: to make them of parts takes as long as all the rest.
    root, folder = (os.path.join(path, "") for path in (dataset.processor.root, dataset.folder.path))  # noqa: PTH118
    chosen = rows.select(COLUMNS)
    # In pieces that take some milliseconds: the workers have two images each meanwhile.
    for batch in chosen.to_batches(max_chunksize=1000):
        for number, identity, carrier, file, *place in zip(*map(pa.Array.to_pylist, batch), strict=True):
            offset, size, zipped, bits, sha256 = place
            source = Source(root + file, offset, size, bool(zipped), bits, sha256)
            target = folder + image_name(number, dataset.recipe.extension)
            yield Task(number, identity, carrier, file, source, target, dataset.recipe, held_out)


_RULE = held_out_by("")


def left_out_by_tables(dataset: Dataset) -> Iterator[Outcome]:
    """Yield the images that are left out as copies of held-out films, those that the ledger does not name."""
    plan = dataset.plan
    rows = plan.filter(pc.equal(plan["rule"], pc.binary_join_element_wise(_RULE, plan["held_out_by"], "")))
    if not rows.num_rows:
        return
    ledger = read_ledger(dataset.folder.ledger, ("identity", "status", "twin"))
    left_out = ledger.filter(pc.equal(ledger["status"], Status.LEFT_OUT))
    told = set(zip(left_out["identity"].to_pylist(), left_out["twin"].to_pylist(), strict=True))
    columns = ("number", "identity", "carrier", "source", "rule", "held_out_twin", "held_out_split")
    for row in rows.select(columns).to_pylist():
        if (row["identity"], row["held_out_twin"]) not in told:
            names = row["number"], row["identity"], row["carrier"], row["source"]
            split = row["held_out_split"]
            yield Outcome(*names, rule=row["rule"], twin=row["held_out_twin"], twin_split=split)


# Class and message of an image whose workers were lost.
_LOST = {
    Cause.CRASHED: (
        CRASHED,
        "every process that computed it ended (exit code {exit_code}); fetch the file again, and report "
        "the fault if that does not help",
    ),
    Cause.KILLED: (
        OUT_OF_MEMORY,
        "the system killed every process that computed it, as it does when memory is short; lower "
        "NUM_WORKERS and run with --retry-failed",
    ),
    Cause.OUT_OF_MEMORY: (
        OUT_OF_MEMORY,
        f"every process that computed it grew by more than {LIMITS.bytes >> 30} GiB, more than any image "
        "needs; fetch the file again",
    ),
    Cause.TIMED_OUT: (
        TIMED_OUT,
        f"computing took more than {LIMITS.seconds:g} s, twice; if the machine was not stopped meanwhile, "
        "fetch the file again, then run with --retry-failed",
    ),
}


def lost_image(task: Task, lost: Lost) -> Outcome:
    """Return what came of an image whose workers were lost."""
    reason, message = _LOST[lost.cause]
    return Outcome(
        task.number,
        task.identity,
        task.carrier,
        task.file,
        reason=reason,
        message=message.format(exit_code=lost.exit_code),
    )
