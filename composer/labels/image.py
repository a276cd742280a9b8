"""What the labels of one image say in the terms of the common vocabulary."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from composer.labels.source import Said, Source, Stated, source_of
from composer.labels.travel import merge, vote
from composer.labels.vocabulary import MESH, NO_FINDING, OWN_TERMS, READERS, Labeller, vocabulary

# Label, value and labeller, as the index has them.
Statement = tuple[str, int, str]

_NO_VALUE: frozenset[int] = frozenset()
_SINGLE = {value: frozenset({value}) for value in (1, 0, -1)}


class Reading(NamedTuple):
    """What the labels of an image come to.

    Attributes
    ----------
    values
        1, 0 or -1 by the id of the term; terms that are unknown are not there.
    kind
        That of the labeller whose labels these are, or most of them; None where nothing is known.
    conflicts
        Terms, sorted, of which it is stated that they are present and that they are absent, both by labels
        that mean the same; no finding, too, when there is one.
    unknown
        Labeller and label of the statements that the tables do not know.
    """

    values: Mapping[str, int]
    kind: str | None
    conflicts: tuple[str, ...]
    unknown: frozenset[tuple[str, str]]


def read_image(dataset: str, statements: Iterable[Statement]) -> Reading:
    """Return what the labels of an image say in the terms of the common vocabulary.

    Of several labellers the one that comes first in ``labellers.csv`` and says anything counts, for all
    terms: a mixture would be labels that nobody gave. Only one who looked for nothing but a few findings
    counts for those alone, and leaves the others to the next. Where they contradict each other is told.

    Parameters
    ----------
    dataset
        Name of the dataset's folder.
    statements
        Label, value and labeller, in any order.

    Examples
    --------
    >>> read_image("siim", [("Pneumothorax", 1, "SIIM-ACR")]).values
    {'pneumothorax': 1}
    """
    by_name: defaultdict[str, dict[str, frozenset[int]]] = defaultdict(dict)
    unknown: set[tuple[str, str]] = set()
    for label, value, name in statements:
        known = _known(dataset, name, label)
        if known is None:
            unknown.add((name, label))
            continue
        stated = by_name[name]
        for spelling in known:
            stated[spelling] = stated.get(spelling, _NO_VALUE) | _SINGLE[value]
    said: list[tuple[Labeller, Said]] = []
    left_open: set[str] = set()
    for labeller, source in _labellers(dataset):
        labels = _labels_of(labeller, dataset, by_name)
        if not source.unusable.isdisjoint(label for label in labels if merge(labels[label]) == 1):
            return Reading({}, None, (), frozenset(unknown))
        if not labels.keys() <= source.saying_nothing:
            found = source.terms(labels, labeller.assumed_absent(source.labels), left_open)
            said.append((labeller, found))
            if labeller.scope == OWN_TERMS:
                left_open |= found.left_open
    kind, values = _combine(said)
    present = {term for _, each in said for term in each.present}
    absent = {term for _, each in said for term in each.absent}
    if values.get(NO_FINDING) == 0:
        absent.add(NO_FINDING)
    return Reading(values, kind, tuple(sorted(present & absent)), frozenset(unknown))


def _combine(said: Iterable[tuple[Labeller, Said]]) -> tuple[str | None, dict[str, int]]:
    """Return kind and values of the first labeller, below those of the ones before who looked for less."""
    kind: str | None = None
    values: dict[str, int] = {}
    for labeller, each in said:
        kind, values = labeller.kind, each.values | values
        if labeller.scope != OWN_TERMS:
            break
    return kind, values


@functools.cache
def _labellers(dataset: str) -> tuple[tuple[Labeller, Source], ...]:
    """Return the labellers of a dataset that are harmonised and their sources, the one that counts first."""
    own = (each for each in vocabulary().labellers if each.dataset == dataset)
    return tuple((each, source_of(each.source)) for each in own if each.source)


@functools.cache
def _labeller_of(dataset: str, name: str) -> Labeller | None:
    own = {each.labeller: each for each in vocabulary().labellers if each.dataset == dataset}
    return own.get(name) or own.get(READERS)


@functools.cache
def _known(dataset: str, name: str, label: str) -> tuple[str, ...] | None:
    """Return the labels of the source that a statement is about; None when it is unknown."""
    labeller = _labeller_of(dataset, name)
    if labeller is None:
        return None
    if not labeller.source:
        return ()
    return source_of(labeller.source).known(label, is_heading=labeller.kind == MESH) or None


def _labels_of(labeller: Labeller, dataset: str, by_name: Mapping[str, Stated]) -> Stated:
    """Return the values by label of a labeller, or of the readers together."""
    if labeller.labeller != READERS:
        return by_name.get(labeller.labeller, {})
    readers = [stated for name, stated in by_name.items() if _labeller_of(dataset, name) is labeller]
    votes = {
        label: vote(merge(stated[label]) for stated in readers if label in stated)
        for label in {label for stated in readers for label in stated}
    }
    return {label: _SINGLE[value] for label, value in votes.items() if value is not None}
