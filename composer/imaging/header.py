"""The DICOM attributes that pixels depend on, read without trusting them."""

import math
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from composer.imaging.facts import Facts
from composer.imaging.refusal import Reason, Refusal

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
# The coded elements that are copied, by the name of the fact.
CODES = {
    "patient_sex": "PatientSex",
    "patient_age": "PatientAge",
    "view_position": "ViewPosition",
    "patient_orientation": "PatientOrientation",
}
# The most that the standard allows for a code (CS; PS3.5 6.2). Longer text could be anything, a name too.
_LONGEST_CODE = 16


@dataclass(frozen=True, slots=True)
class Header:
    """The Image Pixel module (PS3.3 C.7.6.3), completed and checked, and the data set it came from.

    Attributes
    ----------
    dataset
        The whole data set, for the modules of tone.
    rows, columns
        Size in pixels.
    samples_per_pixel
        1, or 3 for colour.
    bits_allocated, bits_stored, high_bit
        As PS3.5 8.1.1 defines them.
    signed
        Whether stored values are two's complement.
    photometric_interpretation
        As in the file, MONOCHROME2 or RGB where it is absent.
    little_endian
        Byte order of the data set.
    """

    dataset: Dataset
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric_interpretation: str
    little_endian: bool

    @property
    def monochrome(self) -> bool:
        """Whether the single sample is a grey value."""
        return self.samples_per_pixel == 1 and self.photometric_interpretation in _MONOCHROME

    @property
    def stored_range(self) -> tuple[int, int]:
        """Smallest and largest value that the stored bits can hold."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return the values of an element as floats; empty when it is absent or any is no finite number."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return []
        values = [float(value)] if isinstance(value, str | int | float) else [float(item) for item in value]
    except Exception:  # pydicom converts on access and raises whatever the broken value provokes
        return []
    return values if all(math.isfinite(item) for item in values) else []


def text(dataset: Dataset, keyword: str) -> str | None:
    """Return the first value of a text element, stripped and in capitals; None when absent or empty."""
    try:
        value = dataset.get(keyword)
    except Exception:  # as in `numbers`
        return None
    if value is not None and not isinstance(value, str):
        value = value[0] if len(value) else None
    return str(value).strip().upper() or None if value is not None else None


def code(dataset: Dataset, keyword: str) -> str | None:
    """Return a coded element as written, stripped, its values joined by backslashes.

    None when it is absent, empty, no text, or longer than the standard allows: nothing else that stands in
    its place is ever copied.
    """
    try:
        value = dataset.get(keyword)
    except Exception:  # as in `numbers`
        return None
    values = value if isinstance(value, list | MultiValue) else [value]
    parts = [item.strip() for item in values if isinstance(item, str)]
    written = "\\".join(parts)
    return _if_short(written) if len(parts) == len(values) and any(parts) else None


def _if_short(value: str | None) -> str | None:
    return value if value is not None and len(value) <= _LONGEST_CODE else None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; empty when it is absent or broken."""
    try:
        value: Any = dataset.get(keyword)
        return list(value) if value else []
    except Exception:  # as in `numbers`
        return []


def first_integer(dataset: Dataset, keyword: str, default: int) -> int:
    """Return the first value of a numeric element as an integer, or ``default`` when there is none."""
    values = numbers(dataset, keyword)
    return int(values[0]) if values else default


def read_header(dataset: Dataset, little_endian: bool, facts: Facts) -> Header:
    """Return the checked header, and note it in ``facts``.

    An absent BitsStored means all allocated bits, an absent HighBit the highest stored one. Values that
    contradict BitsAllocated are replaced likewise and flagged.

    Raises
    ------
    Refusal
        damaged when size or BitsAllocated are missing or impossible, unsupported for several frames.
    """
    allocated = first_integer(dataset, "BitsAllocated", 0)
    if allocated not in {1, 8, 16, 32}:
        message = f"BitsAllocated (0028,0100) is {allocated}, expected 1, 8, 16 or 32; fetch the file again"
        raise Refusal(Reason.DAMAGED, message)
    frames = first_integer(dataset, "NumberOfFrames", 1)
    if frames > 1:
        found = f"NumberOfFrames (0028,0008) is {frames}, expected 1"
        message = f"{found}; save the frame that is the radiograph as a file of its own"
        raise Refusal(Reason.UNSUPPORTED, message)
    samples = first_integer(dataset, "SamplesPerPixel", 1)
    stored, high_bit = _bits(dataset, allocated, facts)
    header = Header(
        dataset=dataset,
        rows=first_integer(dataset, "Rows", 0),
        columns=first_integer(dataset, "Columns", 0),
        samples_per_pixel=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit,
        signed=first_integer(dataset, "PixelRepresentation", 0) == 1,
        photometric_interpretation=text(dataset, "PhotometricInterpretation")
        or ("MONOCHROME2" if samples == 1 else "RGB"),
        little_endian=little_endian,
    )
    facts.bits_allocated, facts.bits_stored = allocated, stored
    facts.photometric_interpretation = header.photometric_interpretation
    facts.presentation_lut_shape = _if_short(text(dataset, "PresentationLUTShape"))
    note_codes(dataset, facts)
    return header


def note_codes(dataset: Dataset, facts: Facts) -> None:
    """Note what is copied of the patient and the view: the elements of `CODES`, and no others."""
    for fact, keyword in CODES.items():
        setattr(facts, fact, code(dataset, keyword))


def _bits(dataset: Dataset, allocated: int, facts: Facts) -> tuple[int, int]:
    stored = first_integer(dataset, "BitsStored", allocated)
    if not 1 <= stored <= allocated:
        facts.flag("bits_conflict")
        stored = allocated
    high_bit = first_integer(dataset, "HighBit", stored - 1)
    if not stored - 1 <= high_bit < allocated:
        facts.flag("bits_conflict")
        high_bit = stored - 1
    return stored, high_bit


def pixel_aspect(dataset: Dataset, facts: Facts) -> float:
    """Return the aspect of a pixel, height over width, and note the spacing in ``facts``.

    PixelAspectRatio counts before PixelSpacing and ImagerPixelSpacing; a pair of zeros, which occurs, or an
    aspect outside of 0.5 to 2 is passed over. Without any the pixel is square.
    """
    aspect = None
    for keyword in ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"):
        pair = numbers(dataset, keyword)
        if len(pair) != 2 or min(pair) <= 0:
            continue
        if keyword != "PixelAspectRatio" and facts.pixel_spacing_row is None:
            facts.pixel_spacing_row, facts.pixel_spacing_column = pair
        if aspect is None and 0.5 <= pair[0] / pair[1] <= 2:
            aspect = pair[0] / pair[1]
    return 1.0 if aspect is None else aspect
