"""The images of one dataset: from the plan through the workers into the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from composer.attempts import Attempt, attempt_of
from composer.datasets import Dataset
from composer.errors import OutputError
from composer.folder import IMAGES_PER_FOLDER
from composer.hold import Hold
from composer.interruption import Interruption
from composer.ledger import Ledger
from composer.pool import Lost, Pool
from composer.profile import Work
from composer.space import Space
from composer.tasks import left_out_by_tables, lost_image, tasks
from composer.twins.held_out import HeldOutFile
from composer.worker import Task


@dataclass(frozen=True)
class Making:
    """What it takes to make the images of a dataset, and what may end that early.

    Parameters
    ----------
    pool
        Whose function is `composer.attempts.attempt`.
    workers
        How many the pool has at most.
    held_out
        The films that are not to be written again.
    """

    dataset: Dataset
    pool: Pool[Task, Attempt]
    workers: int
    hold: Hold
    interruption: Interruption
    held_out: HeldOutFile | None


def make_images(making: Making, rows: pa.Table, *, progress: bool) -> Work:
    """Make the images of these rows of the plan, enter each in the ledger, and return what that took.

    After an interruption what is in flight is finished.

    Raises
    ------
    OutputError
        When the result cannot be written, or the disk is nearly full.
    """
    dataset = making.dataset
    # A million numbers as Python's take 40 MB.
    first_of_folders = np.unique(rows["number"].to_numpy() // IMAGES_PER_FOLDER) * IMAGES_PER_FOLDER
    dataset.folder.make_image_folders(first_of_folders.tolist())
    waiting = _Waiting(making, tasks(dataset, rows, making.held_out))
    work = Work(dataset.name)
    digest = dataset.recipe.digest
    with (
        Ledger(dataset.folder.ledger, digest) as ledger,
        tqdm(total=rows.num_rows, desc=dataset.name, unit="img", disable=not progress) as bar,
    ):
        bar.set_postfix(failed=0, refresh=False)
        for left_out in left_out_by_tables(dataset):
            ledger.append(left_out)
        for task, result in making.pool.map(waiting):
            making.hold.check()
            attempt = attempt_of(lost_image(task, result), digest) if isinstance(result, Lost) else result
            ledger.append_line(attempt.line)
            waiting.space.note(attempt.size)
            work.add(attempt)
            if attempt.failed:
                bar.set_postfix(failed=work.failed, refresh=False)
            bar.update()
    work.usage = making.pool.usage
    if waiting.error is not None:
        raise waiting.error
    return work


class _Waiting:
    """The tasks that were not begun yet: no more of them when the run is to end, or the disk is nearly full.

    What is in flight then is finished first; ``error`` says afterwards why there were no more.
    """

    def __init__(self, making: Making, items: Iterator[Task]) -> None:
        self._interruption = making.interruption
        self._items = items
        folder = making.dataset.folder
        # The pool holds two items of each worker; as many again may be drawn between two looks.
        self.space = Space(folder.path, folder.ledger, in_flight=4 * making.workers)
        self.error: OutputError | None = None

    def __iter__(self) -> Iterator[Task]:
        for item in self._items:
            if self._interruption.requested:
                return
            try:
                self.space.check()
            except OutputError as error:
                self.error = error
                return
            yield item
