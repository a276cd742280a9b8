"""Headers without their pixels."""

from contextlib import suppress
from pathlib import Path

import pytest
from pydicom.uid import JPEGBaseline8Bit

from composer.demo.carriers import write_dicom
from composer.demo.phantom import film
from composer.imaging import Reason, Refusal, Source, scan_header
from tests.composer.imaging.support import reason_with_remedy

FILM = film(1, rows=64, columns=48)


def test_codes_are_those_that_the_conversion_notes(tmp_path: Path) -> None:
    attributes = {
        "PatientSex": "F",
        "PatientAge": "051Y",
        "ViewPosition": "PA",
        "PatientOrientation": ["L", "F"],
        "PatientName": "NOBODY^AT ALL",
    }
    path = tmp_path / "a.dcm"
    write_dicom(path, FILM, bits_stored=8, transfer_syntax=JPEGBaseline8Bit, attributes=attributes)
    facts = scan_header(Source(str(path)))
    assert (facts.patient_sex, facts.patient_age, facts.view_position) == ("F", "051Y", "PA")
    assert facts.patient_orientation == "L\\F"
    assert facts.transfer_syntax == JPEGBaseline8Bit
    assert "NOBODY" not in str(facts)


def test_member_of_an_archive(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", FILM, attributes={"ViewPosition": "AP"})
    data = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.tar").write_bytes(b"before" + data + b"after")
    assert scan_header(Source(str(tmp_path / "a.tar"), 6, len(data))).view_position == "AP"


def test_no_file_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        scan_header(Source(str(tmp_path / "absent.dcm")))
    assert reason_with_remedy(caught.value) is Reason.DAMAGED


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"DICM" * 99])
def test_whatever_else_says_nothing_or_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with suppress(Refusal):
        facts = scan_header(Source(str(path)))
        assert (facts.view_position, facts.patient_sex) == (None, None)
