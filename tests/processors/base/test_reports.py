"""Sections of reports, and the text that MaCheX takes from them."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from processors.base import Report, SourceError
from processors.base.reports import ReportArchive, machex_text, report_of, section

# Invented.
REPORT = """ FINAL REPORT
 INDICATION:  Cough.

 FINDINGS:  The heart is
 small.  The lungs are clear.

 IMPRESSION:
 Nothing new.
"""


def test_sections() -> None:
    assert section(REPORT, ["FINDINGS"]) == "The heart is small. The lungs are clear."
    assert section(REPORT, ["CONCLUSION", "IMPRESSION"]) == "Nothing new."
    assert section(REPORT, ["TECHNIQUE"]) is None


def test_the_last_of_several_headings_counts() -> None:
    assert section("FINDINGS: a\nIMPRESSION: b\nFINDINGS: c\n", ["FINDINGS"]) == "c"


@pytest.mark.parametrize(
    ("report", "text"),
    [
        # As MaCheX does it: lines are joined without a blank.
        (REPORT, "The heart is small. The lungs are clear. Nothing new."),
        ("FINDINGS: a\nb\nIMPRESSION: c", "ab c"),
        ("IMPRESSION: a\n", "a"),
        ("a\n", "a"),
        ("", ""),
    ],
)
def test_text_of_machex(report: str, text: str) -> None:
    assert machex_text(report) == text


def test_bytes_of_any_kind_are_read() -> None:
    assert report_of(b"FINDINGS:\r\na\xff b\rIMPRESSION: c") == Report("a\ufffd b c", "a\ufffd b", "c")


class TestArchive:
    TAIL = re.compile(r"(?:.*/)?(p/s[0-9]\.txt)")

    def archive(self, folder: Path) -> Path:
        with zipfile.ZipFile(folder / "reports.zip", "w") as packed:
            packed.writestr("files/p/s1.txt", b"one")
            packed.writestr("index.html", b"")
        return folder / "reports.zip"

    def test_a_report_is_found_by_its_tail(self, tmp_path: Path) -> None:
        reports = ReportArchive(self.archive(tmp_path), self.TAIL)
        assert reports.read("p/s1.txt") == b"one"
        with pytest.raises(FileNotFoundError):
            reports.read("p/s2.txt")

    def test_damage_is_an_os_error_that_names_no_report(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path)
        path.write_bytes(path.read_bytes().replace(b"one", b"two", 1))
        with pytest.raises(OSError, match="damaged or encrypted") as caught:
            ReportArchive(path, self.TAIL).read("p/s1.txt")
        assert "s1" not in str(caught.value)

    def test_no_zip_file_stops_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "reports.zip").write_bytes(b"<html>")
        with pytest.raises(SourceError, match="not readable as a zip file; download it again"):
            ReportArchive(tmp_path / "reports.zip", self.TAIL)
