"""The tables and rules as metadata of an index, and as a part of ``docs/labels.md``.

``python -m composer.labels.page docs/labels.md`` writes that part of the page anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from composer.labels.vocabulary import OPT_IN, READERS, Row, vocabulary

BEGIN, END = "<!-- made from composer/labels/tables by `make docs`: begin -->", "<!-- end -->"

VALUES = {
    "1": "present",
    "0": "absent: so it is stated, or a closed world or no finding says so",
    "-1": "uncertain: mentioned with doubt, or the readers disagree",
    "null": "unknown: not mentioned, not rated, or not to be derived",
}
RULES = (
    "A label that means the same (=) passes its value on; a narrower one (<) passes 1 and -1 on, and its 0 "
    "says nothing; a broader one (>) passes 0 on alone; one that is only related (~) nothing.",
    "Of several values for one term present counts, else uncertain, else absent.",
    "Labels that are marked as a complete set make their term absent when all of them are.",
    "Rows marked opt-in are not applied.",
    "Of several labellers the first that says anything counts, for all terms of the image.",
    "One whose scope is its own terms counts for those alone; the others, and the kind, are those of the "
    "next, but for terms that a broader label of the first leaves open.",
    "Several readers of one image vote: two or more who see it make a label present, a single one uncertain, "
    "none absent.",
    "Closed world: the labels that are named for a labeller are absent where it does not state them; images "
    "of which it states nothing stay unknown.",
    "No finding makes every other label of the source absent that is not stated, but for support devices "
    "and foreign objects. The absence of all findings makes no no finding.",
    "The last two rules leave a term unknown where a broader label, or one that is narrower by an opt-in "
    "row, is stated: it may be what was meant.",
    "An image with a label that makes it unusable is unknown in every term.",
    "A conflict is a term that is stated to be present and to be absent by labels that mean the same, be "
    "they of one labeller or of several; and no finding beside a finding.",
)

_RELATIONS = {"=": "the same", "<": "narrower", ">": "broader", "~": "only related"}


def metadata(dataset: str) -> dict[str, Any]:
    """Return the terms, and the tables and rules by which the labels of a dataset were harmonised.

    All of it is plain text in lists and dictionaries, fit for JSON.
    """
    tables = vocabulary()
    labellers = [each._asdict() for each in tables.labellers if each.dataset == dataset]
    sources = {each["source"] for each in labellers}
    return {
        "values": VALUES,
        "terms": [term._asdict() for term in tables.terms],
        "labellers": labellers,
        "labels": [row._asdict() for row in tables.rows if row.source in sources],
        "others": [other._asdict() for other in tables.others if other.source in sources],
        "rules": list(RULES),
    }


def with_tables(page: str) -> str:
    """Return a page with the tables between its two marks.

    Raises
    ------
    ValueError
        When the marks are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected a line {BEGIN} and, below it, a line {END}")
    return f"{before}{BEGIN}\n\n{_tables()}\n{END}{after}"


def _tables() -> str:
    tables = vocabulary()
    sources = dict.fromkeys(row.source for row in tables.rows)
    return "\n".join(
        [
            "### Terms\n",
            _table(
                ("id", "name", "broader term", "note"),
                ((f"`{term.id}`", term.name, _code(term.broader), term.note) for term in tables.terms),
            ),
            "### Labellers\n",
            "Of one dataset the labeller that stands higher counts.\n",
            _table(
                ("dataset", "labeller", "spelling", "kind", "closed world", "scope", "note"),
                (
                    (
                        f"`{each.dataset}`",
                        "each reader" if each.labeller == READERS else f"`{each.labeller}`",
                        each.source or "not harmonised",
                        each.kind,
                        each.closed_world.replace(";", ", "),
                        each.scope,
                        each.note,
                    )
                    for each in tables.labellers
                ),
            ),
            *(_section(source) for source in sources),
        ]
    )


def _section(source: str) -> str:
    tables = vocabulary()
    rows = [row for row in tables.rows if row.source == source]
    terms = [term.id for term in tables.terms if any(row.term == term.id for row in rows)]
    relations = [relation for relation in _RELATIONS if any(_in_force(row, relation) for row in rows)]
    is_opt_in = any(row.mark == OPT_IN for row in rows)
    header = ["term", *(f"{_RELATIONS[each]} `{each}`" for each in relations), *(["opt-in"] * is_opt_in)]
    lines = []
    for term in terms:
        own = [row for row in rows if row.term == term]
        cells = [_labels(row for row in own if _in_force(row, relation)) for relation in relations]
        opt_in = _labels((row for row in own if row.mark == OPT_IN), show_relation=True)
        lines.append([f"`{term}`", *cells, *([opt_in] * is_opt_in)])
    others: dict[str, list[str]] = {}
    for other in tables.others:
        if other.source == source:
            others.setdefault(other.meaning, []).append(f"`{other.label}`")
    notes = [f"Labels {_MEANINGS[meaning]}: {', '.join(labels)}.\n" for meaning, labels in others.items()]
    return "\n".join([f"### {source}\n", _table(header, lines), *notes])


_MEANINGS = {
    "no term": "without a term",
    "unusable": "that make every term of the image unknown",
    "nothing": "that say nothing of what is seen",
}


def _in_force(row: Row, relation: str) -> bool:
    return row.relation == relation and row.mark != OPT_IN


def _labels(rows: Iterable[Row], *, show_relation: bool = False) -> str:
    """Return labels with what is special of each; a note that several share stands after the last."""
    cells, own = [], list(rows)
    for row, following in zip(own, [*own, None][1:], strict=True):
        shared = following is not None and row.note == following.note
        special = [f"says {row.says}" if row.says else "", "" if shared else row.note]
        remark = ", ".join(filter(None, [*special, row.mark if row.mark != OPT_IN else ""]))
        relation = f" {row.relation}" if show_relation else ""
        cells.append(f"`{row.label}`{relation}{f' ({remark})' if remark else ''}")
    return ", ".join(cells)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(header)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
