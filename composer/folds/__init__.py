"""Who is one patient across datasets, and the fold of each: a split that never parts a patient."""

from composer.folds.family import (
    COLUMNS,
    Family,
    family_names,
    films_in,
    known_pairs,
    parent_in,
    read_pairs,
    with_folds,
)
from composer.folds.patients import FOLDS, clusters, fold_of, own_patients

__all__ = [
    "COLUMNS",
    "FOLDS",
    "Family",
    "clusters",
    "family_names",
    "films_in",
    "fold_of",
    "known_pairs",
    "own_patients",
    "parent_in",
    "read_pairs",
    "with_folds",
]
