"""The 14 observations of the CheXpert labeller, as CheXpert and the MIMIC family write them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from processors.base.contract import Label
from processors.base.tables import Table
from processors.base.unknown import UnknownCells

NO_FINDING = "No Finding"
# In the order of MaCheX's `class_label`, on which trained models rely; tables have orders of their own.
FINDINGS = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
OBSERVATIONS = (NO_FINDING, *FINDINGS)

# 1 present, 0 negated, -1 uncertain, None not mentioned; in the order of `OBSERVATIONS`.
Values = tuple[int | None, ...]

_VALUE_OF_CELL = {"": None, "1.0": 1, "1": 1, "0.0": 0, "0": 0, "-1.0": -1, "-1": -1}

_CLASS_OF_VALUE = {1: 1, 0: -1, -1: 0, None: 0}


def read_values(table: Table, warnings: list[str]) -> Iterator[Values]:
    """Yield the 14 values of every row of a table that has a column for each of `OBSERVATIONS`.

    Equal rows give one and the same tuple, so that the values of a whole release can be kept.

    Parameters
    ----------
    table
        The table; its label columns may stand in any order.
    warnings
        Gets one line when cells hold anything but 1, 0, -1 or a blank; these count as not mentioned.
    """
    values: Values
    shared: dict[Values, Values] = {}
    unknown = UnknownCells(table.path.name, None, "1, 0, -1 or a blank")
    for cells in table.rows(*OBSERVATIONS):
        try:
            values = tuple(map(_VALUE_OF_CELL.__getitem__, cells))
        except KeyError:
            values = tuple(map(_VALUE_OF_CELL.get, cells))
            for cell in cells:
                if cell not in _VALUE_OF_CELL:
                    unknown.add(cell)
        yield shared.setdefault(values, values)
    warnings += unknown.warnings


def labels(values: Values, labeller: str, names: Sequence[str] = OBSERVATIONS) -> list[Label]:
    """Return one label for every observation that is mentioned, called as in ``names``."""
    return [
        Label(name, value, labeller) for name, value in zip(names, values, strict=True) if value is not None
    ]


class Statements:
    """What several tables say of an image or a study, by its id; equal statements are one and the same list.

    Parameters
    ----------
    tables
        Of each the labeller, the values by id, and how it calls the observations.
    """

    def __init__(self, tables: Iterable[tuple[str, Mapping[str, Values], Sequence[str]]]) -> None:
        self._tables = list(tables)
        self._shared: dict[tuple[Values | None, ...], list[Label]] = {}

    def labels(self, name: str) -> list[Label]:
        """Return the labels of all tables that name it, in the order of the tables."""
        stated = tuple([values.get(name) for _, values, _ in self._tables])
        found = self._shared.get(stated)
        if found is None:
            found = self._shared[stated] = [
                label
                for (labeller, _, names), values in zip(self._tables, stated, strict=True)
                if values is not None
                for label in labels(values, labeller, names)
            ]
        return found


@functools.cache
def class_label(values: Values) -> list[int]:
    """Return MaCheX's vector over `FINDINGS`: 1 positive, -1 negative, 0 uncertain or not mentioned.

    Equal values give one and the same list.

    Examples
    --------
    >>> class_label((None, 1, 0, -1, *[None] * 10))
    [1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    """
    return [_CLASS_OF_VALUE[value] for value in values[1:]]
