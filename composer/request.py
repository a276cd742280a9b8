"""What a run is asked to do, and which images it makes for that."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from composer.datasets import Dataset
from composer.finish import results_now, uncompared_images
from composer.sample import spread
from composer.status import Status
from composer.tasks import COLUMNS


@dataclass(frozen=True)
class Request:
    """What a run is asked to do.

    Parameters
    ----------
    limit
        Write so many images of each dataset at most, a sample of its kinds; all when None.
    retry_failed
        Try what failed before, and nothing else.
    prune
        Delete the pictures that are not selected any more.
    remake
        Make the images with these numbers, by dataset, whatever is there, and nothing else.
    """

    limit: int | None = None
    retry_failed: bool = False
    prune: bool = False
    remake: Mapping[str, Collection[int]] | None = None


EVERYTHING = Request()


def to_make(dataset: Dataset, request: Request = EVERYTHING) -> pa.Table:
    """Return the rows of the plan whose images are to be made by a run, with `composer.tasks.COLUMNS`.

    These are images that no run has tried yet, or of which there was no file when it did; with
    ``retry_failed`` those that failed instead; with a limit, those of them that are in the sample. With
    ``remake`` they are those that it names, as far as they are selected, and those that the leak guard has
    not compared yet.
    """
    plan = dataset.plan.select(COLUMNS)
    if request.remake is not None:
        named = pa.array(request.remake.get(dataset.name, ()), pa.int32())
        # Films that the index will lack until they were compared with held-out ones.
        numbers = pa.concat_arrays([named, *uncompared_images(dataset).chunks])
        chosen = pc.is_in(dataset.plan["number"], numbers)
        return plan.filter(pc.and_(chosen, pc.equal(dataset.plan["status"], Status.TO_WRITE)))
    status = results_now(dataset)["status"]
    wanted = [Status.FAILED] if request.retry_failed else [Status.TO_WRITE, Status.MISSING]
    chosen = pc.and_(pc.equal(dataset.plan["status"], Status.TO_WRITE), pc.is_in(status, pa.array(wanted)))
    if request.limit is not None:
        # The same at every run, whatever is written already.
        sample, _ = spread(dataset.plan, request.limit)
        chosen = pc.and_(chosen, pa.array(np.isin(np.arange(dataset.plan.num_rows), sample)))
    return plan.filter(chosen)
