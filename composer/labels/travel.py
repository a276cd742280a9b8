"""How a value of a source label travels to a term, and how several values become one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

# 1 present, 0 absent, -1 uncertain; None is unknown.
Value = int | None


def travel(relation: str, value: Value, says: int = 1) -> Value:
    """Return what a value of a source label says of a term.

    Parameters
    ----------
    relation
        How the label relates to the term: ``=`` the same, ``<`` narrower, ``>`` broader, ``~`` related only.
    value
        That of the label.
    says
        What 1 of the label says of the term.

    Examples
    --------
    >>> [travel("<", value) for value in (1, 0, -1)]
    [1, None, -1]
    >>> [travel(">", value) for value in (1, 0, -1)]
    [None, 0, None]
    """
    match relation, value:
        case ("=", _):
            return value
        # A patient without a rib fracture may have another.
        case ("<", 1):
            return says
        case ("<", -1):
            return -1
        # A nodule or mass may be either, but without any there is no nodule.
        case (">", 0):
            return 0
    return None


def merge(values: Collection[Value]) -> Value:
    """Return the one value of several: present, else uncertain, else absent, else unknown."""
    for value in (1, -1, 0):
        if value in values:
            return value
    return None


def vote(values: Iterable[Value]) -> Value:
    """Return the value of a label on which several readers voted.

    Two who see it make it present, a single one makes it uncertain.
    """
    cast = list(values)
    if cast.count(1) >= 2:
        return 1
    return -1 if 1 in cast or -1 in cast else merge(cast)
