"""What ends a run over a dataset: the index and the accounts, from what is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from composer import leftovers, results
from composer.accounts import Accounts, account
from composer.datasets import Dataset
from composer.guard import FOR_THE_GUARD, lines_that_count, uncompared
from composer.image_names import listed_names
from composer.index import FROM_LEDGER, write_index
from composer.ledger import read_ledger
from composer.memory import give_back
from composer.sample import spread

log = logging.getLogger(__name__)

_FOR_THE_INDEX = tuple(dict.fromkeys([*results.OF_THE_OUTCOME, *FROM_LEDGER]))


def finish(dataset: Dataset, *, prune: bool = False) -> Accounts:
    """Write index and failures from the plan, the ledger and what is there, and return the accounts.

    With ``prune`` pictures that are not selected any more are deleted then; else they are counted.
    """
    give_back()
    present = listed_names(dataset.folder)
    ledger = _read_ledger(dataset, _FOR_THE_INDEX)
    joined = results.join(dataset.plan, ledger, present, dataset.recipe)
    ledger = ledger.select(FROM_LEDGER)
    give_back()
    extension = dataset.recipe.extension
    index = write_index(dataset.folder, joined, ledger, dataset.processor, extension)
    # Its facts take more room than the plan.
    del ledger
    results.write_failures(dataset.folder, joined)
    unselected = leftovers.unselected_pictures(present, joined, extension)
    if prune:
        leftovers.prune(dataset.folder, unselected)
        log.info("%s: %s pictures deleted", dataset.name, f"{len(unselected):,}")
    kept = 0 if prune else len(unselected)
    return account(dataset.name, dataset.found, dataset.repeated, kept, joined, index)


def sample_index(dataset: Dataset, limit: int) -> pa.Table:
    """Return the rows of the index of a dataset's sample, those of them that are written."""
    rows, _ = spread(dataset.plan, limit)
    index = pq.read_table(dataset.folder.index_parquet)
    return index.filter(pc.is_in(index["id"], dataset.plan["number"].take(rows).combine_chunks()))


def results_now(dataset: Dataset) -> pa.Table:
    """Join the plan with what the ledger says of success and failure; see `composer.results.join`."""
    # The facts of a million conversions take half a gigabyte.
    ledger = _read_ledger(dataset, results.OF_THE_OUTCOME)
    return results.join(dataset.plan, ledger, listed_names(dataset.folder), dataset.recipe)


def uncompared_images(dataset: Dataset) -> pa.ChunkedArray:
    """Return the numbers of written images that look like a held-out film and were not compared with it."""
    lines = read_ledger(dataset.folder.ledger, ("number", "status", "guard", "fingerprint"))
    return lines.filter(uncompared(lines, dataset.folder.held_out))["number"]


def _read_ledger(dataset: Dataset, columns: Sequence[str]) -> pa.Table:
    """Return the lines of the ledger without those that the leak guard does not let count."""
    if dataset.guard is None:
        lines = read_ledger(dataset.folder.ledger, columns)
    else:
        lines = read_ledger(dataset.folder.ledger, tuple(dict.fromkeys([*columns, *FOR_THE_GUARD])))
        counting = lines_that_count(lines, dataset.folder.held_out, dataset.guard)
        lines = lines.select(columns)
        # As a rule all of them: a copy of the facts of a million conversions takes half a gigabyte.
        lines = lines if pc.all(counting).as_py() else lines.filter(counting)
    give_back()
    return lines
