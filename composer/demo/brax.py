"""BRAX in miniature: every form in which users have its images and its table, five invented patients.

It has the release's oddities that do no harm: 8-bit and 16-bit pictures, a nameless first column, ages in
bins with ``85 or more``, a sex ``O``, views spelled otherwise than documented or blank, an accession number
of two patients, a file that the table does not name, and what wget and macOS leave behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from composer.demo.carriers import write_dicom, write_lines, write_png
from composer.demo.checksums import write_checksums
from composer.demo.findings import shown, stated
from composer.demo.layout import Layout
from composer.demo.phantom import film
from composer.demo.shapes import Film

_LABELS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Lesion,Lung Opacity,Edema,Consolidation,"
    "Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
_COLUMNS = (
    f"DicomPath,PngPath,PatientID,PatientSex,PatientAge,AccessionNumber,StudyDate,{_LABELS},ViewPosition,Rows,"
    "Columns,Manufacturer"
)
_TABLE = "master_spreadsheet_update.csv"
_OLD_TABLE = "master_spreadsheet.csv"
_FROM_PHYSIONET = "physionet.org/files/brax/1.1.0"
_COLUMNS_OF_FILM = 320


class _Study(NamedTuple):
    patient: int
    number: int
    sex: str
    age: str
    accession: str
    date: str
    # The 14 cells in the order of `_LABELS`: one report, one row of labels.
    labels: str


class _Image(NamedTuple):
    study: _Study
    series: int
    number: int
    view: str
    is_deep: bool = False

    @property
    def rows(self) -> int:
        return 280 + 8 * self.number

    @property
    def path(self) -> str:
        """Without the folder of its form and without its ending."""
        patient, study = self.study.patient, self.study.number
        return (
            f"{_patient(patient)}/Study_{_digits(1, study, '.')}/Series_{_digits(2, self.series, '.')}/"
            f"image-{_digits(3, self.number, '-')}"
        )


def _digits(kind: int, number: int, separator: str) -> str:
    # Differs early, as the release's random numbers do.
    return separator.join(f"99{kind}{number:02d}{place:03d}" for place in range(5))


def _patient(number: int) -> str:
    return "id_" + "-".join(f"99{number:02x}abc{place}" for place in range(5))


_HEALTHY = "1.0,,,,,,,,,,,,,"
_FULL = ",-1.0,1.0,0.0,1.0,1.0,-1.0,,1.0,0.0,1.0,1.0,,1.0"
_FRACTURE = ",,0.0,1.0,,,,-1.0,,,0.0,,1.0,"
_NOTHING = ",,,,,,,,,,,,,"
_DEVICE = "1.0,,,,,,,,,,,,,1.0"
_STUDIES = (
    _Study(1, 1, "F", "45", "990001", "20120314", _HEALTHY),
    _Study(1, 2, "F", "50", "990002", "20160520", _DEVICE),
    _Study(2, 3, "M", "85 or more", "990003", "20151102", _FULL),
    _Study(3, 4, "O", "20", "990001", "20080101", _FRACTURE),
    _Study(4, 5, "", "", "990005", "20171231", _NOTHING),
    _Study(5, 6, "M", "65", "990006", "20100615", _HEALTHY),
)
# In the release's order: not that of time or patient.
_IMAGES = (
    _Image(_STUDIES[0], 1, 1, "PA", is_deep=True),
    _Image(_STUDIES[0], 2, 2, "L"),
    _Image(_STUDIES[2], 3, 3, "AP", is_deep=True),
    _Image(_STUDIES[2], 3, 4, "AP LLD"),
    _Image(_STUDIES[2], 4, 5, "LT-DECUB"),
    _Image(_STUDIES[1], 5, 6, "PA"),
    _Image(_STUDIES[1], 6, 7, "RL"),
    _Image(_STUDIES[3], 7, 8, "RLO"),
    _Image(_STUDIES[4], 8, 9, ""),
    _Image(_STUDIES[5], 9, 10, "PA"),
)
# In the same series as the last of these, and in no row.
_UNLISTED = _Image(_STUDIES[5], 9, 11, "")


def _png_path(image: _Image) -> str:
    return f"images/{image.path}.png"


def _dicom_path(image: _Image) -> str:
    return f"Anonymized_DICOMs/{image.path}.dcm"


def _film(image: _Image) -> Film:
    anatomy = {"L": "lateral", "RL": "lateral", "AP": "AP", "AP LLD": "AP"}.get(image.view, "PA")
    return film(
        9900 + image.number,
        rows=image.rows,
        columns=_COLUMNS_OF_FILM,
        view=anatomy,
        findings=shown("brax", stated(_LABELS, image.study.labels, "BRAX")),
    )


def _write_pngs(folder: Path) -> None:
    for image in (*_IMAGES, _UNLISTED):
        write_png(folder / _png_path(image), _film(image), mode="I;16" if image.is_deep else "L")
    _litter(folder / "images")


def _write_dicoms(folder: Path) -> None:
    for image in (*_IMAGES, _UNLISTED):
        write_dicom(
            folder / _dicom_path(image),
            _film(image),
            photometric_interpretation="MONOCHROME1" if image.is_deep else "MONOCHROME2",
            # Some of the table's other views are no valid cells of a header.
            attributes={"ViewPosition": image.view} if image.view in ("PA", "AP") else {},
        )
    _litter(folder / "Anonymized_DICOMs")


def _litter(images: Path) -> None:
    patient = images / _patient(1)
    write_lines(images / "index.html", ["<html>left by wget</html>"])
    write_lines(patient / "index.html", ["<html>left by wget</html>"])
    (patient / "._Study").write_bytes(b"\0\x05\x16\x07 left by macOS")
    (images / ".DS_Store").write_bytes(b"\0\0\0\x01Bud1")


def _write_table(folder: Path, *, name: str = _TABLE, index: str = "") -> None:
    write_lines(folder / name, [f"{index},{_COLUMNS}", *_rows()])
    write_lines(folder / "LICENSE.txt", ["stands in for the publisher's licence"])


def _rows() -> Iterator[str]:
    for number, image in enumerate(_IMAGES):
        study = image.study
        yield (
            f"{number},{_dicom_path(image)},{_png_path(image)},{_patient(study.patient)},{study.sex},{study.age},"
            f"{study.accession},{study.date},{study.labels},{image.view},{image.rows},{_COLUMNS_OF_FILM},"
            f"{number % 3}"
        )


def _make_png(root: Path) -> None:
    _write_pngs(root)
    _write_table(root)
    write_checksums(root)


def _make_dicom(root: Path) -> None:
    _write_dicoms(root)
    _write_table(root)
    write_checksums(root)


def _make_wget(root: Path) -> None:
    _make_png(root / _FROM_PHYSIONET)


def _make_table_above(root: Path) -> None:
    _make_png(root / "files/brax/1.1.0")
    (root / "files/brax/1.1.0" / _TABLE).rename(root / _TABLE)


def _make_old_table(root: Path) -> None:
    _write_pngs(root)
    _write_table(root, name=_OLD_TABLE, index="Unnamed: 0")
    write_checksums(root)


LAYOUTS = (
    Layout("PNG", _make_png, images=11),
    Layout("DICOM", _make_dicom, images=11),
    Layout("PNG as wget leaves it", _make_wget, images=11),
    Layout("table above the images", _make_table_above, images=11),
    Layout("table under its older name", _make_old_table, images=11),
)
