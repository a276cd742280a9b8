"""Composing: every planned image of every dataset through the pool, into the ledger, into the index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from composer import results
from composer.accounts import Accounts, account
from composer.datasets import Dataset
from composer.errors import Interrupted, OutputError
from composer.folder import IMAGES_PER_FOLDER, image_name
from composer.index import write_index
from composer.ledger import Ledger, read_ledger
from composer.plan import write_plan
from composer.pool import Lost, Pool
from composer.records import SOURCE_COLUMNS, source_of
from composer.sample import spread
from composer.status import Status
from composer.worker import CRASHED, WARM, Outcome, Task, make_image


def compose(
    datasets: Sequence[Dataset], workers: int, *, progress: bool, limit: int | None = None
) -> list[Accounts]:
    """Write what is missing of each dataset, and its index; return the accounts in the same order.

    A failing image is a line in the ledger and in ``failures.csv``, never the end of the run.

    Parameters
    ----------
    datasets
        As `composer.datasets.open_datasets` gives them.
    workers
        How many processes convert images.
    progress
        Whether to show a bar.
    limit
        Write so many images of each dataset at most, a sample of its kinds; all when None.

    Raises
    ------
    OutputError
        When the result cannot be written.
    Interrupted
        After Ctrl-C; the index of what is done has been written.
    """
    accounts = []
    current = None
    try:
        for dataset in datasets:
            _begin(dataset)
        with Pool(make_image, workers, WARM) as pool:
            for dataset in datasets:
                current = dataset
                _write_images(dataset, pool, limit, progress=progress)
                accounts.append(finish(dataset))
    except KeyboardInterrupt as interrupt:
        if current is not None:
            finish(current)
        raise Interrupted("interrupted; run the same command again to go on") from interrupt
    except OutputError:
        # Where there still is room, the index of what is done.
        with suppress(OutputError):
            if current is not None:
                finish(current)
        raise
    return accounts


def finish(dataset: Dataset) -> Accounts:
    """Write index and failures from the plan, the ledger and what is there, and return the accounts."""
    joined = _results(dataset)
    index = write_index(dataset.folder, joined, dataset.processor, dataset.recipe.extension)
    results.write_failures(dataset.folder, joined)
    return account(dataset.name, dataset.found, dataset.repeated, joined, index)


def sample_index(dataset: Dataset, limit: int) -> pa.Table:
    """Return the rows of the index of a dataset's sample, those of them that are written."""
    rows, _ = spread(dataset.plan, limit)
    index = pq.read_table(dataset.folder.index_parquet)
    return index.filter(pc.is_in(index["id"], dataset.plan["number"].take(rows).combine_chunks()))


def _results(dataset: Dataset) -> pa.Table:
    ledger, present = read_ledger(dataset.folder.ledger), dataset.folder.listed_images()
    return results.join(dataset.plan, ledger, present, dataset.recipe)


def _begin(dataset: Dataset) -> None:
    """Write the plan, and an index if there is none: readers expect one in every folder of a collection."""
    _make_folder(dataset.folder.path)
    write_plan(dataset.folder.plan, dataset.plan, dataset.previous_plan, dataset.recipe.as_dict())
    if not dataset.folder.index_json.exists():
        finish(dataset)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.not_writable(path, error) from error


def _write_images(dataset: Dataset, pool: Pool[Task, Outcome], limit: int | None, *, progress: bool) -> None:
    rows = unwritten(dataset, limit)
    for number in pc.unique(pc.divide(rows["number"], IMAGES_PER_FOLDER)).to_pylist():
        _make_folder((dataset.folder.path / image_name(number * IMAGES_PER_FOLDER, "")).parent)
    failed = 0
    with (
        Ledger(dataset.folder.ledger, dataset.recipe.digest) as ledger,
        tqdm(total=rows.num_rows, desc=dataset.name, unit="img", disable=not progress) as bar,
    ):
        for task, result in pool.map(tasks(dataset, rows)):
            outcome = crashed(task, result) if isinstance(result, Lost) else result
            ledger.append(outcome)
            failed += outcome.reason is not None
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()


def unwritten(dataset: Dataset, limit: int | None = None) -> pa.Table:
    """Return the rows of the plan that are still to be written; with a limit, those of that sample."""
    chosen = pc.equal(dataset.plan["status"], Status.TO_WRITE)
    if limit is not None:
        # The same at every run, whatever is written already.
        rows, _ = spread(dataset.plan, limit)
        chosen = pa.array(np.isin(np.arange(dataset.plan.num_rows), rows))
    unwritten = pc.not_equal(_results(dataset)["status"], Status.WRITTEN)
    return dataset.plan.filter(pc.and_(chosen, unwritten))


def tasks(dataset: Dataset, rows: pa.Table) -> Iterator[Task]:
    """Yield what a worker needs to know of each row of the dataset's plan."""
    for batch in rows.select(["number", "identity", "carrier", *SOURCE_COLUMNS]).to_batches(
        max_chunksize=10_000
    ):
        for row in batch.to_pylist():
            target = dataset.folder.path / image_name(row["number"], dataset.recipe.extension)
            source = source_of(dataset.processor.root, row)
            names = row["number"], row["identity"], row["carrier"], row["source"]
            yield Task(*names, source, str(target), dataset.recipe)


def crashed(task: Task, lost: Lost) -> Outcome:
    """Return what came of an image whose workers died."""
    message = f"the process that read it ended twice (exit code {lost.exit_code}); fetch the file again"
    return Outcome(task.number, task.identity, task.carrier, task.file, reason=CRASHED, message=message)
