"""The rows of one source: what its labels say of the terms, stated or left unsaid."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from composer.labels.travel import Value, merge, travel
from composer.labels.vocabulary import (
    COMPLETE,
    DEVICES,
    NO_FINDING,
    NOTHING,
    OPT_IN,
    SAYS,
    UNUSABLE,
    Row,
    clean,
    vocabulary,
)

# Values by label; several where the same label is stated differently.
Stated = Mapping[str, frozenset[int]]


class Said(NamedTuple):
    """What one labeller, or several readers together, say of an image.

    Attributes
    ----------
    values
        1, 0 or -1 by term; terms that are unknown are not there.
    present, absent
        Terms that labels of the same meaning state to be so; no finding is stated to be absent by a finding.
    left_open
        Terms that a stated label may mean: no closed world makes them absent.
    """

    values: dict[str, int]
    present: set[str]
    absent: set[str]
    left_open: set[str]


class Source:
    """A family of spellings, and how its labels relate to the terms.

    Attributes
    ----------
    labels
        All that are known.
    unusable
        Those of images that are not to be judged.
    saying_nothing
        Those that make no statement of what is seen.
    """

    def __init__(self, name: str) -> None:
        tables = vocabulary()
        rows = [row for row in tables.rows if row.source == name]
        self.labels = tables.labels_of(name)
        self.unusable, self.saying_nothing = (
            frozenset(each.label for each in tables.others if (each.source, each.meaning) == (name, meaning))
            for meaning in (UNUSABLE, NOTHING)
        )
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)
        # Terms that a label means the same as.
        self._same: defaultdict[str, list[str]] = defaultdict(list)
        # What a label may be part of when it is not absent: those terms are then not assumed to be absent.
        self._left_open: defaultdict[str, list[str]] = defaultdict(list)
        self._complete: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            if row.mark != OPT_IN:
                self._rows[row.label].append(row)
                if row.relation == "=":
                    self._same[row.label].append(row.term)
            if row.mark == COMPLETE:
                self._complete[row.term].add(row.label)
            if row.relation == ">" or (row.mark == OPT_IN and not row.says):
                self._left_open[row.label].append(row.term)
        devices = {row.label for row in rows if row.term in DEVICES}
        self._excluded_by_no_finding = self.labels - devices
        self._absent_with = functools.cache(self._find_absent_with)
        self._says = functools.cache(self._find_what_it_says)

    def known(self, label: str, *, is_heading: bool) -> tuple[str, ...]:
        """Return the labels that a spelling stands for; none when it is unknown.

        Parameters
        ----------
        label
            As the release writes it.
        is_heading
            Whether it is a MeSH heading, which qualifiers may follow in any order: ``Opacity/lung/base``.
        """
        heading, *qualifiers = clean(label).split("/") if is_heading else [clean(label)]
        spellings = [heading, *(f"{heading}/{qualifier}" for qualifier in qualifiers)]
        return tuple(spelling for spelling in spellings if spelling in self.labels)

    def terms(self, stated: Stated, assumed_absent: frozenset[str], left_open: Collection[str] = ()) -> Said:
        """Return what labels say of the terms.

        Parameters
        ----------
        stated
            Those that are stated.
        assumed_absent
            Labels that are absent where they are not stated: the closed world.
        left_open
            Terms that another labeller leaves open.
        """
        said = Said({}, set(), set(), set(left_open))
        denied: set[str] = set()
        for label, several in stated.items():
            value = merge(several)
            self._add(said, label, several, value)
            if value == 0:
                denied.add(label)
            else:
                said.left_open.update(self._left_open.get(label, ()))
        if said.values.get(NO_FINDING) == 1:
            assumed_absent |= self._excluded_by_no_finding
            if any(value == 1 and term not in (NO_FINDING, *DEVICES) for term, value in said.values.items()):
                said.absent.add(NO_FINDING)
        for term in (*self._absent_with(assumed_absent), *self._without_parts(assumed_absent | denied)):
            if term not in said.left_open:
                said.values.setdefault(term, 0)
        return said

    def _add(self, said: Said, label: str, several: frozenset[int], value: Value) -> None:
        """Add what a stated label says; ``value`` is what its several values come to."""
        for term, says in self._says(label, value):
            if term not in said.values or merge((said.values[term], says)) == says:
                said.values[term] = says
        if 1 in several:
            said.present.update(self._same.get(label, ()))
        if 0 in several:
            said.absent.update(self._same.get(label, ()))

    def _find_what_it_says(self, label: str, value: Value) -> list[tuple[str, int]]:
        """Return what a value of a label says of which terms."""
        found = ((row.term, travel(row.relation, value, SAYS[row.says])) for row in self._rows.get(label, ()))
        return [(term, says) for term, says in found if says is not None]

    def _find_absent_with(self, labels: Iterable[str]) -> frozenset[str]:
        """Return the terms that are absent when any of these labels is."""
        rows = (row for label in labels for row in self._rows.get(label, ()))
        return frozenset(row.term for row in rows if travel(row.relation, 0) == 0)

    def _without_parts(self, absent: frozenset[str]) -> list[str]:
        """Return the terms of which all parts are absent."""
        return [term for term, parts in self._complete.items() if parts <= absent]


@functools.cache
def source_of(name: str) -> Source:
    """Return a source of the tables that this version ships."""
    return Source(name)
