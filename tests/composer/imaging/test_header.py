"""Reading headers without trusting them."""

import warnings

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from composer.imaging import Facts, Reason, Refusal
from composer.imaging.header import code, numbers, pixel_aspect, read_header, text
from tests.composer.imaging.support import make_dataset, reason_with_remedy

PIXELS = np.zeros((2, 3), dtype=np.uint16)


def _raw(group: int, element: int, vr: str, value: bytes) -> Dataset:
    tag = Tag(group, element)
    return Dataset({tag: RawDataElement(tag, vr, len(value), value, 0, False, True, True)})


@pytest.mark.parametrize("value", [b"wide", b"1\\wide", b"1,5 ", b"", b"inf "])
def test_what_is_no_number_is_none(value: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert numbers(_raw(0x0028, 0x1051, "DS", value), "WindowWidth") == []


def test_numbers_and_text() -> None:
    dataset = Dataset()
    dataset.WindowCenter, dataset.Rows, dataset.VOILUTFunction = [1, "2.5"], 7, " sigmoid "
    assert numbers(dataset, "WindowCenter") == [1, 2.5]
    assert numbers(dataset, "Rows") == [7]
    assert numbers(dataset, "Columns") == []
    assert (text(dataset, "VOILUTFunction"), text(dataset, "PatientOrientation")) == ("SIGMOID", None)


def test_missing_attributes_take_their_usual_values() -> None:
    dataset = make_dataset(PIXELS, HighBit=None, PixelRepresentation=None, PhotometricInterpretation=None)
    header = read_header(dataset, True, Facts())
    assert (header.high_bit, header.signed, header.photometric_interpretation) == (11, False, "MONOCHROME2")
    header = read_header(make_dataset(PIXELS, BitsStored=None, HighBit=None), True, Facts())
    assert (header.bits_stored, header.high_bit) == (16, 15)


@pytest.mark.parametrize("elements", [{"BitsStored": 17}, {"HighBit": 3}, {"HighBit": 16}])
def test_contradicting_bits_are_flagged(elements: dict[str, int]) -> None:
    facts = Facts()
    header = read_header(make_dataset(PIXELS, **elements), True, facts)
    assert header.high_bit == header.bits_stored - 1
    assert facts.flags == ["bits_conflict"]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"BitsAllocated": 12}, Reason.DAMAGED),
        ({"BitsAllocated": None}, Reason.DAMAGED),
        ({"NumberOfFrames": 2}, Reason.UNSUPPORTED),
    ],
)
def test_impossible_headers_are_refused(elements: dict[str, int | None], reason: Reason) -> None:
    with pytest.raises(Refusal) as caught:
        read_header(make_dataset(PIXELS, **elements), True, Facts())
    assert reason_with_remedy(caught.value) is reason


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"045Y", "045Y"),
        (b" f ", "f"),
        (b"L\\F ", "L\\F"),
        (b"\\F ", "\\F"),
        (b"\\ ", None),
        (b"  ", None),
        (b"", None),
        (b"SIXTEEN LETTERS.", "SIXTEEN LETTERS."),
        (b"SEVENTEEN LETTERS", None),
        (b"A NAME\\OF SOMEBODY", None),
    ],
)
def test_codes_are_kept_as_written_unless_they_are_too_long(value: bytes, written: str | None) -> None:
    assert code(_raw(0x0020, 0x0020, "CS", value), "PatientOrientation") == written


@pytest.mark.parametrize(
    ("vr", "value"),
    [("PN", b"A^B"), ("OB", b"AB"), ("US", b"AB"), ("DS", b"1.5 "), ("SQ", b"")],
)
def test_what_is_no_code_is_not_copied(vr: str, value: bytes) -> None:
    assert code(_raw(0x0010, 0x0040, vr, value), "PatientSex") is None


def test_absent_code_is_none() -> None:
    assert code(Dataset(), "PatientSex") is None


def test_patient_and_view_are_noted() -> None:
    elements = {
        "PatientSex": "F",
        "PatientAge": "045Y",
        "ViewPosition": "PA",
        "PatientOrientation": ["L", "F"],
        "PresentationLUTShape": "IDENTITY",
    }
    facts = Facts()
    read_header(make_dataset(PIXELS, **elements), True, facts)
    assert (facts.patient_sex, facts.patient_age) == ("F", "045Y")
    assert (facts.view_position, facts.patient_orientation) == ("PA", "L\\F")
    assert facts.presentation_lut_shape == "IDENTITY"


@pytest.mark.parametrize(
    ("elements", "aspect", "spacings"),
    [
        ({}, 1, (None, None)),
        ({"PixelSpacing": [0.2, 0.1]}, 2, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, 0.5, (0.1, 0.2)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.15, 0.1]}, 1.5, (0.15, 0.1)),
        ({"PixelAspectRatio": [3, 2], "PixelSpacing": [0.1, 0.1]}, 1.5, (0.1, 0.1)),
        ({"PixelSpacing": [0.9, 0.1]}, 1, (0.9, 0.1)),
        ({"PixelSpacing": [0.1]}, 1, (None, None)),
    ],
)
def test_aspect_of_a_pixel(
    elements: dict[str, list[float]], aspect: float, spacings: tuple[float | None, float | None]
) -> None:
    facts = Facts()
    assert pixel_aspect(make_dataset(PIXELS, **elements), facts) == pytest.approx(aspect)
    assert (facts.pixel_spacing_row, facts.pixel_spacing_column) == spacings
