"""Cells that say what nobody expects: counted, and shown where that betrays nobody."""

from __future__ import annotations

import re
from collections import Counter

# Where the cells of a row are shifted, numbers and longer texts may be somebody's id or report.
_SHOWABLE = re.compile(r"|[A-Za-z/-]{1,24}(?:[ _][A-Za-z/-]{1,24}){0,2}|-?[0-9](?:\.[0-9])?", re.ASCII)
_HIDDEN = "other texts"
_SHOWN = 5


class UnknownCells:
    """Counts the unknown cells of a column for one warning.

    Parameters
    ----------
    table
        Name of the table.
    column
        Name of the column; None for the columns of labels, of which a table may have many.
    expected
        What should stand there.
    fate
        What becomes of such cells.
    """

    KEPT = "are kept as they are written"
    NO_VIEW = "tell no view"

    def __init__(self, table: str, column: str | None, expected: str, *, fate: str = "are not used") -> None:
        self._cells = f"cells of column {column!r}" if column else "label cells"
        self._table, self._expected, self._fate = table, expected, fate
        self._found: Counter[str] = Counter()

    def add(self, cell: str, times: int = 1) -> None:
        """Count a cell."""
        self._found[cell] += times

    @property
    def warnings(self) -> list[str]:
        """One line with a few short words that were found; nothing when every cell was as expected."""
        if not self._found:
            return []
        shown = [repr(cell) if _SHOWABLE.fullmatch(cell) else _HIDDEN for cell in self._found]
        # What is not shown comes last.
        shown = sorted(dict.fromkeys(shown), key=_HIDDEN.__eq__)
        more = ", ..." if len(shown) > _SHOWN else ""
        return [
            f"{self._table}: {self._found.total():,} {self._cells} {self._fate}: expected {self._expected}, "
            f"found {', '.join(shown[:_SHOWN])}{more}"
        ]
