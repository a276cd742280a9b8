"""A few images that stand for a dataset: spread over its file types, carriers, splits and views."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from composer.status import Status

_KINDS = ("carrier", "split", "view")


def spread(plan: pa.Table, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows of a sample of the images to write, and for how many images each stands.

    Every kind gets an equal share, or all it has; within a kind the rows are evenly spaced. The same plan
    gives the same sample.

    Parameters
    ----------
    plan
        As `composer.plan.make_plan` gives it.
    count
        At most so many rows, in ascending order.
    """
    candidates = np.flatnonzero(pc.equal(plan["status"], Status.TO_WRITE).to_numpy())
    kinds = _kinds(plan.select(["key", *_KINDS]).take(candidates))
    groups = sorted((candidates[kinds == kind] for kind in np.unique(kinds)), key=len)
    rows: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    for place, group in enumerate(groups):
        share = min(len(group), (count - sum(map(len, rows))) // (len(groups) - place))
        if share:
            chosen = group[np.linspace(0, len(group) - 1, share).round().astype(np.int64)]
            rows.append(chosen)
            weights.append(np.full(share, len(group) / share))
    if not rows:
        return np.empty(0, np.int64), np.empty(0)
    order = np.argsort(np.concatenate(rows))
    return np.concatenate(rows)[order], np.concatenate(weights)[order]


def _kinds(plan: pa.Table) -> NDArray[np.int64]:
    suffix = pc.utf8_lower(pc.replace_substring_regex(plan["key"], r".*\.", ""))
    cells = [pc.fill_null(plan[column], "") for column in _KINDS]
    names = pc.binary_join_element_wise(suffix, *cells, "|")
    codes: NDArray[np.int64] = names.combine_chunks().dictionary_encode().indices.to_numpy()
    return codes
