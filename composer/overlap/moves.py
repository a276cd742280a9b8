"""Films that a run has moved to another fold: patients that were apart before and turned out to be one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from composer.folder import DatasetFolder
from composer.folds import family_names

# By dataset: ``identity`` and ``fold``.
Folds = Mapping[str, pa.Table]


def folds_before(collection: Path) -> Folds:
    """Return the folds that films have in the collection, to tell later which of them moved.

    Only of datasets that belong to a family; an index that tells no folds, or cannot be read, has none.
    """
    names = [name for family in family_names() for name in family]
    found = {name: stored(collection / name, ("identity", "fold")) for name in names}
    return {name: folds for name, folds in found.items() if folds is not None}


def moves(name: str, before: pa.Table, after: Mapping[str, pa.Table]) -> str | None:
    """Return what to tell of the films of a dataset that have another fold than before; None of none.

    Parameters
    ----------
    before
        ``identity`` and ``fold`` of its films.
    after
        By dataset, of all that are composed of its family: ``film``, such as ``siim/1.2.276``,
        ``patient_cluster`` and ``fold``.
    """
    films = after[name]
    known = pc.binary_join_element_wise(name, before["identity"].combine_chunks(), "/")
    place = pc.index_in(films["film"].combine_chunks(), known)
    fold = before["fold"].combine_chunks().take(place)
    moved = films.filter(pc.fill_null(pc.not_equal(films["fold"], fold), False))
    patients = moved["patient_cluster"].unique()
    if not len(patients):
        return None
    joining = [
        other
        for other, rows in after.items()
        if other != name and pc.any(pc.is_in(rows["patient_cluster"], patients)).as_py()
    ]
    why = (
        f"films of {' and '.join(joining)} join patients"
        if joining
        else "their patients are told otherwise now"
    )
    who = f"{moved.num_rows:,} films of {len(patients):,} patients of {name}"
    return f"{who} move to another fold, because {why}"


def stored(folder: Path, columns: tuple[str, ...]) -> pa.Table | None:
    """Return columns of the index of a dataset; None where it is not there, cannot be read or lacks one."""
    try:
        with pq.ParquetFile(DatasetFolder(folder).index_parquet) as file:
            return file.read(columns=list(columns)).select(columns).replace_schema_metadata()
    except (OSError, pa.ArrowException, KeyError):
        return None
