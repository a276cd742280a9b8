"""From stored values to grey levels: modality, VOI, polarity and padding, in this order (PS3.3 C.11)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from composer.imaging.facts import Facts
from composer.imaging.header import Header, items, numbers
from composer.imaging.lut import LookUpTable, read_lut
from composer.imaging.picture import Grey, Picture, Values
from composer.imaging.polarity import inverts
from composer.imaging.recipe import Recipe
from composer.imaging.voi import Doubles, Scale, Transform, choose_voi

_MAXIMUM_TABLE_BITS = 16
# Publishers divide by 4096 or by 4095.
_ROUNDING = 1.001


def render(picture: Picture, recipe: Recipe, facts: Facts, voi_index: int = 0) -> Grey:
    """Return the finished tone of ``picture``.

    Parameters
    ----------
    picture
        What a decoder returned.
    recipe
        ``tone`` (for DICOM only) and ``invert`` are used.
    facts
        Receives what was done.
    voi_index
        Which of several windows or tables of a DICOM file is meant, from 0.

    Returns
    -------
    Grey of shape (rows, columns)
    """
    if recipe.invert:
        facts.flag("inverted_by_configuration")
    header = picture.header
    if header is None or picture.stored.dtype == np.float32:
        facts.inverted = recipe.invert
        grey = _raster_grey(picture, facts)
        return Grey(grey.index, 1 - grey.table) if recipe.invert else grey
    facts.inverted = inverts(header.photometric_interpretation, facts) != recipe.invert
    return _dicom_grey(picture.stored, header, recipe, facts, voi_index)


def _raster_grey(picture: Picture, facts: Facts) -> Grey:
    stored = picture.stored
    if stored.dtype == np.float32:
        return Grey.of_levels(stored)
    if stored.dtype == np.uint8:
        highest, facts.full_scale = 255, 255.0
    else:
        highest = int(stored.max())
        facts.full_scale = _full_scale(highest, picture.original_bits_stored, facts)
        facts.bits_stored = round(facts.full_scale).bit_length()
    return _look_up(stored, 0, highest, Scale(0, facts.full_scale))


def _full_scale(highest: int, original_bits_stored: int | None, facts: Facts) -> float:
    """Return the value of a 16-bit PNG that means white.

    PadChest's publisher divided windowed values by 4096 before saving 16 bits, so that originals of 10 bits
    fill a quarter of the range; other releases write original values unscaled.
    """
    if original_bits_stored is None or not 8 <= original_bits_stored <= 16:
        return 65535.0 if highest > 4095 else 4095.0
    white = float((1 << original_bits_stored) - 1)
    if highest <= white:
        return white
    scaled = min(65535.0, white * 65535 / 4096)
    if highest <= scaled * _ROUNDING:
        return scaled
    # Brighter than the table's bits allow: without this most of the film would be white.
    facts.flag("range_repaired")
    return 65535.0


def _dicom_grey(stored: Values, header: Header, recipe: Recipe, facts: Facts, voi_index: int) -> Grey:
    modality = _read_modality(header, facts)
    padding = _padding_range(header)
    if recipe.tone == "minmax":
        voi: Transform = _minmax(_without_padding(stored, padding), modality)
        facts.voi_kind = "minmax"
    else:
        low, _ = modality.range(*header.stored_range)
        endian = header.little_endian
        chosen = choose_voi(
            header.dataset, signed=low < 0, little_endian=endian, facts=facts, index=voi_index
        )
        voi = chosen or _full_range(_without_padding(stored, padding), header, modality, facts)

    def levels(values: Doubles) -> Doubles:
        y = voi(modality(values))
        if facts.inverted:
            y = 1 - y
        if padding is not None:
            y = np.where((values >= padding[0]) & (values <= padding[1]), 0.0, y)
        return y

    if header.bits_stored > _MAXIMUM_TABLE_BITS:
        return Grey.of_levels(levels(stored.astype(np.float64)).astype(np.float32))
    return _look_up(stored, *header.stored_range, levels)


def _look_up(stored: Values, lowest: int, highest: int, levels: Callable[[Doubles], Doubles]) -> Grey:
    """Compute ``levels`` once for every possible value."""
    table = levels(np.arange(lowest, highest + 1, dtype=np.float64))
    if lowest == 0 and stored.dtype in (np.uint8, np.uint16):
        return Grey(stored, table)
    return Grey((stored.astype(np.int32) - lowest).astype(np.uint16), table)


@dataclass(frozen=True, slots=True)
class _Modality:
    """The modality transform: a table, or slope and intercept (PS3.3 C.11.1)."""

    slope: float = 1.0
    intercept: float = 0.0
    lut: LookUpTable | None = None

    def __call__(self, values: Doubles) -> Doubles:
        if self.lut is not None:
            return self.lut(values).astype(np.float64)
        return values * self.slope + self.intercept

    def range(self, lowest: float, highest: float) -> tuple[float, float]:
        """Return the smallest and largest modality value for stored values from ``lowest`` to ``highest``."""
        if self.lut is not None:
            return float(self.lut.entries.min()), float(self.lut.entries.max())
        ends = lowest * self.slope + self.intercept, highest * self.slope + self.intercept
        return min(ends), max(ends)


def _read_modality(header: Header, facts: Facts) -> _Modality:
    tables = items(header.dataset, "ModalityLUTSequence")
    if tables:
        lut = read_lut(tables[0], header.signed, header.little_endian)
        if lut is not None:
            return _Modality(lut=lut)
        facts.flag("modality_invalid")
    slope = (numbers(header.dataset, "RescaleSlope") or [1.0])[0]
    intercept = (numbers(header.dataset, "RescaleIntercept") or [0.0])[0]
    if slope == 0:
        # All pixels would be one grey.
        facts.flag("modality_invalid")
        slope = 1.0
    facts.rescale_slope, facts.rescale_intercept = slope, intercept
    return _Modality(slope, intercept)


def _padding_range(header: Header) -> tuple[float, float] | None:
    """Return the stored values, from and to, that stand for no image (PS3.3 C.7.5.1.1.2)."""
    value = numbers(header.dataset, "PixelPaddingValue")
    if not value:
        return None
    limit = numbers(header.dataset, "PixelPaddingRangeLimit") or value
    return min(value[0], limit[0]), max(value[0], limit[0])


def _without_padding(stored: Values, padding: tuple[float, float] | None) -> Values:
    """Return the values that are no padding; all of them when there are no others."""
    if padding is None:
        return stored
    inside = stored[(stored < padding[0]) | (stored > padding[1])]
    return inside if inside.size else stored


def _minmax(stored: Values, modality: _Modality) -> Scale:
    """Return the range of the pixels that are no padding."""
    if modality.lut is None:
        return Scale(*modality.range(float(stored.min()), float(stored.max())))
    values = modality(np.unique(stored).astype(np.float64))
    return Scale(float(values.min()), float(values.max()))


def _full_range(stored: Values, header: Header, modality: _Modality, facts: Facts) -> Scale:
    """Return the whole range of the pixels, as the header tells it."""
    facts.voi_kind = "full"
    lowest, highest = int(stored.min()), int(stored.max())
    smallest = numbers(header.dataset, "SmallestImagePixelValue")
    largest = numbers(header.dataset, "LargestImagePixelValue")
    if smallest and largest and smallest[0] < largest[0] and smallest[0] <= lowest and highest <= largest[0]:
        return Scale(*modality.range(smallest[0], largest[0]))
    low, high = header.stored_range
    if not header.signed and modality.lut is None and 0 < highest < 1 << max(0, header.bits_stored - 2):
        # 12 or 14 bits under a header that says 16 would be nearly black.
        facts.flag("range_repaired")
        high = (1 << highest.bit_length()) - 1
    return Scale(*modality.range(low, high))
