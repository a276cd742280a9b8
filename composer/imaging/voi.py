"""The VOI transform (PS3.3 C.11.2): from modality values to grey levels between 0 and 1."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from composer.imaging.facts import Facts
from composer.imaging.header import items, numbers, text
from composer.imaging.lut import LookUpTable, read_lut

Doubles = NDArray[np.float64]
Transform = Callable[[Doubles], Doubles]


@dataclass(frozen=True, slots=True)
class Window:
    """A window with its function.

    Attributes
    ----------
    center, width
        In modality values.
    function
        ``LINEAR``, ``LINEAR_EXACT`` or ``SIGMOID`` (PS3.3 C.11.2.1.2 and C.11.2.1.3).
    """

    center: float
    width: float
    function: str = "LINEAR"

    @property
    def valid(self) -> bool:
        """Whether the width is one that the standard allows for the function."""
        return self.width >= 1 if self.function == "LINEAR" else self.width > 0

    def __call__(self, values: Doubles) -> Doubles:
        """Return y in [0, 1] for modality ``values`` of any shape."""
        if self.function == "SIGMOID":
            # Far below the centre the exponential overflows to infinity, and y is 0 as it should be.
            with np.errstate(over="ignore"):
                return np.asarray(1 / (1 + np.exp(-4 * (values - self.center) / self.width)))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        offset = values - (self.center - 0.5)
        if self.width == 1:
            return np.where(offset > 0, 1.0, 0.0)
        return np.clip(offset / (self.width - 1) + 0.5, 0, 1)


@dataclass(frozen=True, slots=True)
class Scale:
    """The range from ``low`` to ``high`` spread over [0, 1]."""

    low: float
    high: float

    def __call__(self, values: Doubles) -> Doubles:
        """Return y in [0, 1] for modality ``values`` of any shape; 0 when the range is empty."""
        if self.high <= self.low:
            return np.zeros_like(values)
        return np.clip((values - self.low) / (self.high - self.low), 0, 1)


def lut_transform(lut: LookUpTable, facts: Facts) -> Transform:
    """Return the transform by a VOI LUT, its depth repaired when the values leave two bits or more unused.

    Agfa systems declare 16 bits for tables of 12, which taken at their word are black.
    """
    used = int(lut.entries.max()).bit_length()
    depth = lut.depth
    if depth - used >= 2:
        depth = used
        facts.flag("lut_depth_repaired")
    elif depth - used == 1:
        # A table may rightly stop at half of its range.
        facts.flag("lut_depth_suspect")
    white = (1 << depth) - 1
    return lambda values: np.minimum(1.0, lut(values) / white)


def choose_voi(
    dataset: Dataset, *, signed: bool, little_endian: bool, facts: Facts, index: int = 0
) -> Transform | None:
    """Return the VOI transform of a data set: its table, else its window, else None.

    Tables and windows are alternatives and never chained. Invalid ones are passed over and flagged.

    Parameters
    ----------
    dataset
        Its VOI LUT module is read.
    signed
        Whether modality values can be negative.
    little_endian
        Byte order of the data set.
    facts
        Receives ``voi_kind`` and what belongs to it.
    index
        Which of several windows or tables is meant, from 0.
    """
    tables = items(dataset, "VOILUTSequence")
    if len(tables) > index:
        lut = read_lut(tables[index], signed, little_endian)
        if lut is not None:
            facts.voi_kind, facts.voi_index = "lut", index
            return lut_transform(lut, facts)
        facts.flag("voi_invalid")
    return _choose_window(dataset, facts, index)


def _choose_window(dataset: Dataset, facts: Facts, index: int) -> Window | None:
    if not dataset.get_item("WindowCenter") and not dataset.get_item("WindowWidth"):
        return None
    centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    function = _function(dataset, facts)
    for place in range(index, min(len(centers), len(widths))):
        window = Window(centers[place], widths[place], function)
        if window.valid:
            facts.voi_kind, facts.voi_index = "window", place
            facts.window_center, facts.window_width = window.center, window.width
            facts.voi_lut_function = function
            return window
        facts.flag("voi_invalid")
    if not centers or not widths:
        facts.flag("voi_invalid")
    return None


def _function(dataset: Dataset, facts: Facts) -> str:
    function = text(dataset, "VOILUTFunction") or "LINEAR"
    if function in {"LINEAR", "LINEAR_EXACT", "SIGMOID"}:
        return function
    facts.flag("voi_unknown_function")
    return "LINEAR"
