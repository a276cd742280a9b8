"""The tables of terms, labels and labellers: read from CSV files, checked when they are loaded."""

from __future__ import annotations

import csv
import functools
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

TABLES = Path(__file__).parent / "tables"

RELATIONS = ("=", "<", ">", "~")
# What 1 of the source says of the term; blank is "present".
SAYS = {"": 1, "absent": 0, "uncertain": -1}
OPT_IN, COMPLETE = "opt-in", "complete"
# Of labels without a term: none in this vocabulary; the image is not to be judged; nothing is said.
NO_TERM, UNUSABLE, NOTHING = "no term", "unusable", "nothing"
KINDS = ("nlp", "rater", "consensus", "box", "rle", "mesh", "derived")
MESH = "mesh"
# The labeller of this name stands for all that have no row of their own: readers, whose votes are counted.
READERS = "*"
# The closed world of all labels of the source.
ALL = "all"
# The scope of a labeller who looked for some findings only: of the other terms the next one is asked.
OWN_TERMS = "own terms"

NO_FINDING = "no_finding"
# What lies on or in the body is no pathology: a film without finding may show it.
DEVICES = ("support_devices", "foreign_object")


class VocabularyError(ValueError):
    """A table that contradicts itself; the message names file, line, what was found and what is expected."""


class Term(NamedTuple):
    """A term of the common vocabulary; ``broader`` is the id of the term above, empty when there is none."""

    id: str
    name: str
    broader: str
    note: str


class Row(NamedTuple):
    """How a label of a source relates to a term.

    ``relation`` is one of `RELATIONS`: the label means the same as the term, is narrower, is broader, or only
    related. ``says`` is a key of `SAYS`. ``mark`` is `OPT_IN` for rows that are not applied, `COMPLETE` for
    narrower labels that together make up the term, or empty.
    """

    source: str
    label: str
    term: str
    relation: str
    says: str
    mark: str
    note: str


class Other(NamedTuple):
    """A known label without a term; ``meaning`` is `NO_TERM`, `UNUSABLE` or `NOTHING`."""

    source: str
    label: str
    meaning: str


class Labeller(NamedTuple):
    """Who labels a dataset.

    ``source`` is the family of spellings, empty for labels that are not harmonised; ``kind`` is one of
    `KINDS`. ``closed_world`` names the labels that are absent when they are not stated: `ALL`, or some joined
    by semicolons, or none. ``scope`` is `OWN_TERMS`, or empty where the labeller counts for all terms.
    """

    dataset: str
    labeller: str
    source: str
    kind: str
    closed_world: str
    scope: str
    note: str

    def assumed_absent(self, labels: Collection[str]) -> frozenset[str]:
        """Return those labels of the source that are absent when this labeller does not state them."""
        return frozenset(labels if self.closed_world == ALL else filter(None, self.closed_world.split(";")))


class Vocabulary(NamedTuple):
    """All tables, each in the order of its file; of a dataset the labeller that comes first counts."""

    terms: tuple[Term, ...]
    rows: tuple[Row, ...]
    others: tuple[Other, ...]
    labellers: tuple[Labeller, ...]

    def labels_of(self, source: str) -> frozenset[str]:
        """Return every known label of a source."""
        mapped = {row.label for row in self.rows if row.source == source}
        return frozenset(mapped.union(other.label for other in self.others if other.source == source))


def clean(label: str) -> str:
    """Return a label without outer blanks, and with single ones inside."""
    return " ".join(label.split())


@functools.cache
def vocabulary() -> Vocabulary:
    """Return the tables that this version ships."""
    return load(TABLES)


def load(folder: Path) -> Vocabulary:
    """Read and check the four tables.

    Raises
    ------
    VocabularyError
        At the first row that does not fit.
    """
    found = Vocabulary(
        tuple(_read(folder / "terms.csv", Term)),
        tuple(_read(folder / "labels.csv", Row)),
        tuple(_read(folder / "others.csv", Other)),
        tuple(_read(folder / "labellers.csv", Labeller)),
    )
    _check_terms(found)
    _check_labellers(found)
    _check_labels(found)
    _check_complete_sets(found)
    return found


_Line = TypeVar("_Line", Term, Row, Other, Labeller)


def _read(path: Path, form: type[_Line]) -> Iterator[_Line]:
    # Spreadsheets save a byte order mark.
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        _expect(header == list(form._fields), path.name, 1, f"columns {header}", list(form._fields))
        for number, cells in enumerate(lines, start=2):
            _expect(len(cells) == len(header), path.name, number, f"{len(cells)} cells", len(header))
            _expect(cells == list(map(clean, cells)), path.name, number, f"{cells}", "no surplus blanks")
            yield form(*cells)


def _expect(holds: bool, table: str, line: int, found: str, expected: object) -> None:
    if not holds:
        raise VocabularyError(f"{table} line {line}: found {found}, expected {expected}")


def _check_once(table: str, keys: list[tuple[str, ...]]) -> None:
    counts: Counter[tuple[str, ...]] = Counter()
    for line, key in enumerate(keys, start=2):
        counts[key] += 1
        _expect(counts[key] == 1, table, line, f"{', '.join(key)} once more", "one row for each")


def _check_terms(found: Vocabulary) -> None:
    table = "terms.csv"
    broader = {term.id: term.broader for term in found.terms}
    _check_once(table, [(term.id,) for term in found.terms])
    _check_once(table, [(term.name,) for term in found.terms])
    for required in (NO_FINDING, *DEVICES):
        _expect(required in broader, table, 1, f"no {required}", "a row for it")
    for line, term in enumerate(found.terms, start=2):
        _expect(
            term.id.isidentifier() and term.id.islower(), table, line, f"id {term.id!r}", "like lung_lesion"
        )
        above, place = [term.id], term.broader
        while place:
            _expect(place in broader, table, line, f"broader term {place!r}", "a term's id")
            _expect(place not in above, table, line, f"{place} above itself", "a hierarchy")
            above.append(place)
            place = broader[place]


def _check_labellers(found: Vocabulary) -> None:
    table = "labellers.csv"
    _check_once(table, [(each.dataset, each.labeller) for each in found.labellers])
    sources = {row.source for row in found.rows}
    for line, each in enumerate(found.labellers, start=2):
        known = found.labels_of(each.source)
        _expect(each.kind in KINDS, table, line, f"kind {each.kind!r}", f"one of {', '.join(KINDS)}")
        _expect(each.source in {"", *sources}, table, line, f"source {each.source!r}", "one of labels.csv")
        _expect(each.scope in ("", OWN_TERMS), table, line, f"scope {each.scope!r}", f"{OWN_TERMS} or blank")
        odd = sorted(each.assumed_absent(known) - known)
        _expect(not odd, table, line, f"closed world of {odd}", f"labels of {each.source!r}")


def _check_labels(found: Vocabulary) -> None:
    table = "labels.csv"
    terms = {term.id for term in found.terms}
    sources = {each.source for each in found.labellers}
    _check_once(table, [(row.source, row.label, row.term) for row in found.rows])
    for line, row in enumerate(found.rows, start=2):
        _expect(row.source in sources, table, line, f"source {row.source!r}", "one of labellers.csv")
        _expect(bool(row.label), table, line, "no label", "one")
        _expect(row.term in terms, table, line, f"term {row.term!r}", "an id of terms.csv")
        _expect(row.relation in RELATIONS, table, line, f"relation {row.relation!r}", " ".join(RELATIONS))
        _expect(row.says in SAYS, table, line, f"says {row.says!r}", f"blank or one of {list(SAYS)[1:]}")
        _expect(
            row.mark in ("", OPT_IN, COMPLETE), table, line, f"mark {row.mark!r}", f"{OPT_IN}, {COMPLETE}"
        )
        only_narrower = bool(row.says) or row.mark == COMPLETE
        _expect(not only_narrower or row.relation == "<", table, line, f"relation {row.relation!r}", "<")
    mapped = {(row.source, row.label) for row in found.rows}
    table = "others.csv"
    _check_once(table, [(other.source, other.label) for other in found.others])
    for line, other in enumerate(found.others, start=2):
        meanings = (NO_TERM, UNUSABLE, NOTHING)
        _expect(other.source in sources, table, line, f"source {other.source!r}", "one of labellers.csv")
        _expect(other.meaning in meanings, table, line, f"meaning {other.meaning!r}", ", ".join(meanings))
        is_new = (other.source, other.label) not in mapped
        _expect(is_new, table, line, f"{other.label!r}, which has a term", "labels without one")


def _check_complete_sets(found: Vocabulary) -> None:
    marks: dict[tuple[str, str], set[str]] = {}
    for row in found.rows:
        if row.relation == "<" and not row.says and row.mark != OPT_IN:
            marks.setdefault((row.source, row.term), set()).add(row.mark)
    for line, row in enumerate(found.rows, start=2):
        if row.mark == COMPLETE:
            whole = marks[row.source, row.term] == {COMPLETE} and not row.says
            _expect(whole, "labels.csv", line, "part of a set", f"all narrower labels of {row.term} marked")
