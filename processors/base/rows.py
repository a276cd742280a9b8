"""Rows of a table that name no image: accounted for like the others."""

from __future__ import annotations

from collections import defaultdict

from processors.base.contract import Record

# The rule by which they are left out.
UNUSABLE = "unusable row"
_SHOWN = 5


class UnusableRows:
    """Makes a record, to be left out, of each row that names no image.

    Parameters
    ----------
    table
        Name of the table.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._rows: defaultdict[str, list[int]] = defaultdict(list)

    def record(self, row: int, reason: str) -> Record:
        """Return the record of a row.

        Parameters
        ----------
        row
            As spreadsheets count: the header is row 1.
        reason
            What is wrong with it: the column, what was expected; no cell, which could be a patient's id.
        """
        self._rows[reason].append(row)
        name = f"{self._table} row {row}"
        return Record(identity=name, key=name, file=None, view="unknown", excluded=UNUSABLE)

    @property
    def warnings(self) -> list[str]:
        """One line per reason, with the first rows."""
        return [
            f"{self._table}: {len(rows):,} rows are not used: {reason} "
            f"(row{'s'[: len(rows) > 1]} {', '.join(map(str, rows[:_SHOWN]))}"
            f"{', ...' if len(rows) > _SHOWN else ''})"
            for reason, rows in self._rows.items()
        ]
