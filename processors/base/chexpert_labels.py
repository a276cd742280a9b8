"""The 14 observations of the CheXpert labeller, as CheXpert and the MIMIC family write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from processors.base.contract import Label
from processors.base.tables import Table

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
# Characters of a cell that a warning may show.
_SHORT = 5

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
    unknown: Counter[str] = Counter()
    for cells in table.rows(*OBSERVATIONS):
        try:
            values = tuple(map(_VALUE_OF_CELL.__getitem__, cells))
        except KeyError:
            values = tuple(map(_VALUE_OF_CELL.get, cells))
            unknown.update(cell for cell in cells if cell not in _VALUE_OF_CELL)
        yield shared.setdefault(values, values)
    if unknown:
        # Where the cells of a row are shifted, longer texts may be somebody's id.
        found = list(dict.fromkeys(repr(cell) if len(cell) <= _SHORT else "longer texts" for cell in unknown))
        warnings.append(
            f"{table.path.name}: {unknown.total():,} label cells are not used: expected 1, 0, -1 or a blank, "
            f"found {', '.join(found[:3])}"
        )


def labels(values: Values, labeller: str, names: Sequence[str] = OBSERVATIONS) -> list[Label]:
    """Return one label for every observation that is mentioned, called as in ``names``."""
    return [
        Label(name, value, labeller) for name, value in zip(names, values, strict=True) if value is not None
    ]


def class_label(values: Values) -> list[int]:
    """Return MaCheX's vector over `FINDINGS`: 1 positive, -1 negative, 0 uncertain or not mentioned.

    Examples
    --------
    >>> class_label((None, 1, 0, -1, *[None] * 10))
    [1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    """
    return [_CLASS_OF_VALUE[value] for value in values[1:]]
