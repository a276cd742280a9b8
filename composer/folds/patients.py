"""Patients as text keys, the clusters that pairs of them make, and the fold of each cluster.

A key is a dataset, what is known of the patient there, and a name: ``chex-ray14/patient/123``,
``openi/study/88``, ``siim/film/1.2.276``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

FOLDS = 10
# Where patients turn out to be one, the cluster bears the name that says most: films that join later do not
# move those of a dataset that tells its patients.
_KINDS = ("patient", "study", "film")


def clusters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join keys that pairs connect, and return every key that occurs with the first key of its cluster.

    First are keys of patients, then those of studies, then those of films, each in the order of their text.
    The order of the pairs makes no difference.
    """
    above: dict[str, str] = {}

    def first_of(key: str) -> str:
        higher = above.setdefault(key, key)
        while higher != key:
            # Every look shortens the way for the next.
            above[key] = above[higher]
            key, higher = higher, above[higher]
        return key

    for one, other in pairs:
        first, second = sorted((first_of(one), first_of(other)), key=_precedence)
        above[second] = first
    return {key: first_of(key) for key in above}


def _precedence(key: str) -> tuple[int, str]:
    return _KINDS.index(key.split("/", 2)[1]), key


def own_patients(rows: pa.Table, dataset: str, parent: str | None) -> pa.Array:
    """Return the key of the patient of every film, as far as the rows of one dataset tell.

    That is ``patient_id``; else that of another film of the same study; else the study; else the twin; else
    the film itself, for nobody knows whether two films are of one patient then.

    Parameters
    ----------
    rows
        With ``identity``, ``patient_id``, ``study_id``, and ``twin`` as the index has it:
        ``chex-ray14/00000001_000``.
    dataset, parent
        Names of folders. The patient ids of a dataset with a parent are those of the parent.

    Returns
    -------
    Text, never null.
    """
    identities, patients, studies, twins = (
        rows[name].combine_chunks() for name in ("identity", "patient_id", "study_id", "twin")
    )
    return pc.coalesce(
        _key(parent or dataset, "patient", _filled(patients, studies)),
        _key(dataset, "study", studies),
        film_keys(twins),
        _key(dataset, "film", identities),
    )


def film_keys(films: pa.Array) -> pa.Array:
    """Return the keys of films, ``chex-ray14/film/00000001_000`` of ``chex-ray14/00000001_000``."""
    return pc.replace_substring(films, "/", "/film/", max_replacements=1)


def fold_of(patients: pa.Array) -> pa.Array:
    """Return the fold of every patient or cluster: int8 from 0 to `FOLDS` - 1.

    It depends on the text of the key and on nothing else: the first four bytes of the SHA-256 of the text in
    UTF-8, as a number with the highest byte first, modulo `FOLDS`. That is for ever.
    """
    codes = patients.dictionary_encode()
    digests = (hashlib.sha256(key.encode()).digest() for key in codes.dictionary.to_pylist())
    folds = [int.from_bytes(digest[:4], "big") % FOLDS for digest in digests]
    return pa.array(folds, pa.int8()).take(codes.indices)


def _key(dataset: str, kind: str, names: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(f"{dataset}/{kind}", names, "/")


def _filled(patients: pa.Array, studies: pa.Array) -> pa.Array:
    """Give films of which no patient is told the patient of other films of the same study."""
    asked = pc.is_in(studies, studies.filter(pc.is_null(patients)).drop_null())
    told = pa.table({"study": studies, "patient": patients}).filter(pc.and_(asked, pc.is_valid(patients)))
    told = told.sort_by([("study", "ascending"), ("patient", "ascending")])
    place = pc.index_in(studies, told["study"].combine_chunks())
    return pc.coalesce(patients, told["patient"].combine_chunks().take(place))
