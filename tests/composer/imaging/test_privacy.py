"""Nothing that a header says of a person leaves it, but what the list allows."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from composer.imaging import Refusal
from tests.composer.imaging.support import convert_bytes, file_bytes, film, make_dataset

# What pydicom says about the marker as a character set, while the files are written here.
pytestmark = pytest.mark.filterwarnings("ignore:Unknown encoding")

_NO_TEXT = frozenset({"AT", "FD", "FL", "SL", "SQ", "SS", "SV", "UL", "UN", "US", "UV", "NONE"})
# What is copied, as long as it is no longer than a code of the standard.
ALLOWED = {
    "patient_sex",
    "patient_age",
    "view_position",
    "patient_orientation",
    "presentation_lut_shape",
}
SHORT, LONG = "MARKER^NAME", "MARKER^NAME OF A PATIENT"
IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "several frames": {"NumberOfFrames": 2},
    "wrong bits": {"BitsAllocated": 12},
    "no size": {"Rows": None},
    "too large": {"Rows": 65535, "Columns": 65535},
    "no pixels": {"PixelData": None},
    "too few pixels": {"PixelData": b"\0\0"},
}


def _filled(marker: str, **elements: Any) -> Dataset:  # noqa: ANN401
    """Return a data set that has the marker in every text element of the standard."""
    dataset = make_dataset(film(), **elements)
    value = marker.encode() + b" " * (len(marker) % 2)
    for number, (vr, *_) in DicomDictionary.items():
        tag = Tag(number)
        if vr not in _NO_TEXT and not vr.startswith(("O", "US or")) and tag.group > 2 and tag not in dataset:
            dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True, True)
    return dataset


def _message(folder: Path, data: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        convert_bytes(folder, data)
    return f"{caught.value} {caught.value.message} {caught.value.args}"


@pytest.mark.parametrize(("marker", "allowed"), [(SHORT, ALLOWED), (LONG, set())])
def test_facts_hold_no_text_of_the_header_but_codes(tmp_path: Path, marker: str, allowed: set[str]) -> None:
    dataset = _filled(marker)
    assert len(dataset) > 2000
    assert dataset.PatientName == dataset.PatientID == dataset.StudyDescription == marker
    data = file_bytes(dataset)
    with warnings.catch_warnings(record=True) as caught:
        # pydicom's quote the header.
        warnings.simplefilter("always")
        facts = convert_bytes(tmp_path, data).facts.as_dict()
    assert not caught
    assert {name for name, value in facts.items() if "MARKER" in str(value).upper()} == allowed


@pytest.mark.parametrize("elements", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_messages_hold_no_text_of_the_header(tmp_path: Path, elements: dict[str, Any]) -> None:
    message = _message(tmp_path, file_bytes(_filled(SHORT, **elements)))
    assert "MARKER" not in message.upper()


def test_messages_about_cut_files_hold_no_text_of_the_header(tmp_path: Path) -> None:
    data = file_bytes(_filled(SHORT))
    for size in (len(data) // 50, len(data) // 3, data.rindex(b"MARKER") + 3, len(data) - 9):
        assert "MARKER" not in _message(tmp_path, data[:size]).upper()


def test_messages_hold_no_text_in_place_of_a_code(tmp_path: Path) -> None:
    strange = file_bytes(_filled(LONG, PhotometricInterpretation=LONG))
    assert "MARKER" not in _message(tmp_path, strange).upper()
    native = b"1.2.840.10008.1.2.1\0"
    strange = file_bytes(make_dataset(film())).replace(native, LONG.encode()[: len(native)])
    assert "MARKER" not in _message(tmp_path, strange).upper()
