"""The labels of a whole dataset, one column per term."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from composer.labels.image import Statement, read_image
from composer.labels.vocabulary import vocabulary

# One prefix, so that `SELECT COLUMNS('label_.*')` and `filter(like="label_")` find them, and no term ("mass",
# "findings") hides or is taken for another column.
PREFIX = "label_"
TERMS = tuple(term.id for term in vocabulary().terms)
TERM_COLUMNS = tuple(f"{PREFIX}{term}" for term in TERMS)
_ROW_OF = {term: row for row, term in enumerate(TERMS)}
KIND_COLUMN, CONFLICTS_COLUMN = f"{PREFIX}kind", f"{PREFIX}conflicts"

# Stands for null while the columns are made.
_NULL = np.int8(-128)
# A statement as a number, and of so many images at a time: Python's numbers take more than the labels.
_CODE = np.dtype(np.int64)
_AT_A_TIME = 50_000
_SHOWN = 5
# Where the cells of a row are shifted, labels may be somebody's id or report.
_SHOWABLE = 40


class Unknown(NamedTuple):
    """A label that no table knows, and how many images it is stated of."""

    labeller: str
    label: str
    images: int


class Harmonised(NamedTuple):
    """The columns, and what was not understood, the most frequent first.

    ``columns`` has a row per image: `TERM_COLUMNS` (int8: 1 present, 0 absent, -1 uncertain, null unknown),
    `KIND_COLUMN` (string, null where nothing is known) and `CONFLICTS_COLUMN` (list of term ids).
    """

    columns: pa.Table
    unknown: tuple[Unknown, ...]


def harmonise(labels: pa.Array | pa.ChunkedArray, dataset: str) -> Harmonised:
    """Return the labels of a dataset in the terms of the common vocabulary.

    Parameters
    ----------
    labels
        A list of structs (label, value, labeller) for each image; null counts as an empty list.
    dataset
        Name of the dataset's folder. One that the tables do not know has no values, and all its labels are
        unknown.

    Raises
    ------
    ValueError
        When a value is not 1, 0 or -1.
    """
    place, distinct = _distinct(labels)
    values = np.full((len(TERMS), int(place.max(initial=-1)) + 1), _NULL, np.int8)
    kinds, conflicts, unknown = [], [], []
    for number, statements in enumerate(distinct):
        reading = read_image(dataset, statements)
        for term, value in reading.values.items():
            values[_ROW_OF[term], number] = value
        kinds.append(reading.kind)
        conflicts.append(reading.conflicts)
        unknown.append(reading.unknown)
    columns = {name: _nullable(row[place]) for name, row in zip(TERM_COLUMNS, values, strict=True)}
    columns[KIND_COLUMN] = pa.array(kinds, pa.string()).take(pa.array(place))
    columns[CONFLICTS_COLUMN] = pa.array(conflicts, pa.list_(pa.string())).take(pa.array(place))
    return Harmonised(pa.table(columns), _count(unknown, np.bincount(place).tolist()))


def _distinct(labels: pa.Array | pa.ChunkedArray) -> tuple[NDArray[np.int32], Iterator[list[Statement]]]:
    """Return the place of every image's labels among the different ones, and these in order.

    Most images share their labels with others; Arrow does not tell equal lists.
    """
    if isinstance(labels, pa.ChunkedArray):
        labels = labels.combine_chunks()
    flat = pc.list_flatten(labels)
    fields = [pc.struct_field(flat, name) for name in ("label", "value", "labeller")]
    _check(fields)
    encoded = [field.dictionary_encode() for field in fields]
    sizes = [len(each.dictionary) for each in encoded]
    indices = [each.indices.to_numpy() for each in encoded]
    ends = np.cumsum(pc.fill_null(pc.list_value_length(labels), 0).to_numpy())
    bounds = np.concatenate([np.zeros(1, np.int64), ends])
    places: dict[bytes, int] = {}
    place = np.empty(len(labels), np.int32)
    for first in range(0, len(labels), _AT_A_TIME):
        part = bounds[first : first + _AT_A_TIME + 1]
        raw = _raw_codes([each[part[0] : part[-1]] for each in indices], sizes)
        offsets = ((part - part[0]) * _CODE.itemsize).tolist()
        for row, (begin, end) in enumerate(itertools.pairwise(offsets), start=first):
            place[row] = places.setdefault(raw[begin:end], len(places))
    values = [each.dictionary.to_pylist() for each in encoded]

    @functools.cache
    def statement(code: int) -> Statement:
        label, value, labeller = map(list.__getitem__, values, np.unravel_index(code, sizes))
        return label, value, labeller

    return place, (list(map(statement, np.frombuffer(key, _CODE).tolist())) for key in places)


def _raw_codes(indices: list[NDArray[np.int32]], sizes: list[int]) -> bytes:
    """Return a number of `_CODE` for every statement, as the bytes that they take."""
    codes = np.ravel_multi_index(indices, sizes) if len(indices[0]) else np.empty(0)
    return codes.astype(_CODE).tobytes()


def _check(fields: Iterable[pa.Array]) -> None:
    label, value, labeller = fields
    odd = sorted(map(str, set(pc.unique(value).to_pylist()) - {1, 0, -1}))
    nulls = label.null_count + labeller.null_count
    if odd or nulls:
        raise ValueError(
            f"labels: found {nulls} nulls and values {odd}, expected a label, a labeller and 1, 0 or -1 in "
            "every statement"
        )


def _nullable(values: NDArray[np.int8]) -> pa.Array:
    return pa.array(values, mask=values == _NULL)


def _count(unknown: list[frozenset[tuple[str, str]]], images: list[int]) -> tuple[Unknown, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for statements, times in zip(unknown, images, strict=True):
        counts.update(dict.fromkeys(statements, times))
    found = [Unknown(*statement, times) for statement, times in counts.items()]
    return tuple(sorted(found, key=lambda each: (-each.images, each.labeller, each.label)))


def unknown_lines(unknown: Iterable[Unknown]) -> list[str]:
    """Return one line that names the most frequent unknown labels, none when there are none.

    What may be an id or the text of a report is counted and not shown.
    """
    found = list(unknown)
    if not found:
        return []
    shown = [f"{each.label!r} ({each.images:,})" for each in found if _is_showable(each.label)][:_SHOWN]
    more = len(found) - len(shown)
    names = [*shown, *([f"{more:,} more"] if more else [])]
    return [
        f"{len(found):,} labels are in no table of the vocabulary, and say nothing in columns {PREFIX}*: "
        f"{', '.join(names)} (images); the index keeps them as they are"
    ]


def _is_showable(label: str) -> bool:
    return len(label) <= _SHOWABLE and not any(map(str.isdigit, label))
