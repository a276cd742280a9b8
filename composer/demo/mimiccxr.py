"""MIMIC-CXR-JPG and MIMIC-CXR in miniature: ten invented films of five invented patients.

They have the release's oddities that do no harm: blank and rare views, times without their leading zero, a
study without labels and one with blank labels only, ``Airspace Opacity`` in the table of the test set, and
index files of wget. Its layouts hold the same images.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from composer.demo.carriers import write_dicom, write_jpeg, write_lines
from composer.demo.checksums import write_checksums
from composer.demo.findings import shown, stated
from composer.demo.layout import Layout
from composer.demo.phantom import film
from composer.demo.shapes import Film
from composer.labels.image import Statement

_FINDINGS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
    "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
_METADATA_HEADER = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,"
    "StudyTime,ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,"
    "PatientOrientationCodeSequence_CodeMeaning"
)
_TEST_HEADER = (
    "study_id,Airspace Opacity,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,"
    "Fracture,Lung Lesion,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
_COLUMNS = 280
_MEANING_OF_VIEW = {
    "PA": "postero-anterior",
    "AP": "antero-posterior",
    "LATERAL": "lateral",
    "LL": "left lateral",
    "AP LLD": "",
    "RAO": "",
}


class _Study(NamedTuple):
    study_id: str
    subject_id: str
    split: str
    procedure: str
    # ViewPosition of each of its images.
    views: tuple[str, ...]
    # The 14 cells in the order of `_FINDINGS`; None where the study has no row.
    chexpert: str | None
    negbio: str | None
    report: str

    @property
    def folder(self) -> str:
        return f"p{self.subject_id[:2]}/p{self.subject_id}/s{self.study_id}"


_STUDIES = (
    _Study(
        "59999991",
        "19999991",
        "train",
        "CHEST (PA AND LAT)",
        ("PA", "LATERAL"),
        ",,,,,,,,1.0,,,,0.0,",
        ",,,,,,,,1.0,,,,0.0,",
        """
                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___F with invented cough  // ?pneumonia

 COMPARISON:  None.

 FINDINGS:

 The lungs of this invented film are clear.  There is no pneumothorax.  The
 heart is not enlarged.

 IMPRESSION:

 No acute process was invented.
""",
    ),
    _Study(
        "59999992",
        "19999991",
        "train",
        "CHEST (PORTABLE AP)",
        ("AP", ""),
        "-1.0,1.0,,1.0,,,,1.0,,1.0,,-1.0,0.0,1.0",
        "1.0,1.0,,1.0,,,,1.0,,1.0,,,0.0,1.0",
        """
                                 FINAL REPORT
 PORTABLE CHEST OF ___

 COMPARISON:  ___.

 IMPRESSION:  Invented edema with effusions, basal atelectasis is possible.
 An invented line ends in the SVC.
""",
    ),
    _Study(
        "59999993",
        "10999992",
        "train",
        "CHEST (PA AND LAT)",
        ("AP", "LL"),
        ",,,,,,,,,,,,,",
        ",,,,,,,,1.0,,,,,",
        """
                                 FINAL REPORT
 FINDINGS AND IMPRESSION:  Nothing was invented for this film.
""",
    ),
    _Study(
        "59999994",
        "15999993",
        "validate",
        "CHEST (PA AND LAT)",
        ("PA",),
        ",,1.0,,,1.0,1.0,,,0.0,1.0,,,",
        ",,1.0,,,1.0,1.0,,,0.0,,,,",
        """
                                 FINAL REPORT
 HISTORY:  Invented fall.

 FINDINGS:  An invented rib is broken beside an invented nodule.
""",
    ),
    _Study(
        "59999995",
        "15999994",
        "test",
        "",
        ("AP LLD",),
        ",,,,,,,1.0,,1.0,,,0.0,1.0",
        ",,,,,,,1.0,,1.0,,-1.0,0.0,1.0",
        """
                                 FINAL REPORT
 FINDINGS:  Invented opacity.

 IMPRESSION:  Invented effusion.

 RECOMMENDATION(S):  None.
""",
    ),
    _Study(
        "59999997",
        "15999994",
        "test",
        "CHEST (PORTABLE AP)",
        ("AP",),
        ",,,,,,,,1.0,,,,,1.0",
        ",,,,,,,,1.0,,,,,1.0",
        """
                                 FINAL REPORT
 CONCLUSION:  An invented line.
""",
    ),
    _Study(
        "59999996",
        "18999995",
        "train",
        "DX CHEST & RIBS",
        ("RAO",),
        None,
        None,
        """
                                 FINAL REPORT
 An invented text without sections.
""",
    ),
)
_TEST_ROWS = (
    "59999995,1.0,,-1.0,1.0,,0.0,,,-1.0,1.0,,-1.0,0.0,1.0",
    "59999997,,,,,,,,,1.0,,,,,",
)


class _Image(NamedTuple):
    number: int
    dicom_id: str
    view: str
    study: _Study

    @property
    def rows(self) -> int:
        return 300 + 6 * self.number


def _dicom_id(number: int) -> str:
    digits = hashlib.sha256(f"invented {number}".encode()).hexdigest()[:40]
    return "-".join(digits[start : start + 8] for start in range(0, 40, 8))


def _images() -> list[_Image]:
    pairs = [(study, view) for study in _STUDIES for view in study.views]
    return [_Image(number, _dicom_id(number), view, study) for number, (study, view) in enumerate(pairs)]


def _metadata() -> list[str]:
    rows = []
    for image in _images():
        number, dicom_id, view, study = image
        # The release's times are numbers, so that 08:05:56.875 is 80556.875.
        time = ("213014.531", "80556.875", "4512.0")[number % 3]
        rows.append(
            f"{dicom_id},{study.subject_id},{study.study_id},{study.procedure},{view},{image.rows},{_COLUMNS},"
            f"2151031{number},{time},{study.procedure},{_MEANING_OF_VIEW.get(view, '')},"
            f"{'Erect' if number % 2 == 0 else ''}"
        )
    return [_METADATA_HEADER, *rows]


def _splits() -> list[str]:
    rows = [
        f"{image.dicom_id},{image.study.study_id},{image.study.subject_id},{image.study.split}"
        for image in _images()
    ]
    return ["dicom_id,study_id,subject_id,split", *sorted(rows)]


def _labels(labeller: str) -> list[str]:
    rows = [
        f"{study.subject_id},{study.study_id},{cells}"
        for study in _STUDIES
        if (cells := getattr(study, labeller)) is not None
    ]
    return [f"subject_id,study_id,{_FINDINGS}", *rows]


def _write_tables(folder: Path, *, packed: bool) -> None:
    tables = {
        "metadata": _metadata(),
        "split": _splits(),
        "chexpert": _labels("chexpert"),
        "negbio": _labels("negbio"),
    }
    for kind, lines in tables.items():
        _write_table(folder / f"mimic-cxr-2.0.0-{kind}.csv", lines, packed=packed)
    write_lines(folder / "mimic-cxr-2.1.0-test-set-labeled.csv", [_TEST_HEADER, *_TEST_ROWS])


def _write_table(path: Path, lines: Iterable[str], *, packed: bool) -> None:
    if not packed:
        write_lines(path, lines)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\n" for line in lines)
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def _write_jpegs(files: Path) -> None:
    for image in _images():
        write_jpeg(files / image.study.folder / f"{image.dicom_id}.jpg", _film(image))


def _write_dicoms(files: Path) -> None:
    for image in _images():
        is_lateral = image.view in ("LATERAL", "LL")
        write_dicom(
            files / image.study.folder / f"{image.dicom_id}.dcm",
            _film(image),
            photometric_interpretation="MONOCHROME1" if image.number % 4 == 1 else "MONOCHROME2",
            attributes={
                "ViewPosition": image.view,
                "PatientOrientation": ["A", "F"] if is_lateral else ["L", "F"],
            },
        )


def _film(image: _Image) -> Film:
    view = "lateral" if image.view in ("LATERAL", "LL") else "PA" if image.view == "PA" else "AP"
    findings = shown("mimic", _statements(image.study))
    return film(4000 + image.number, rows=image.rows, columns=_COLUMNS, view=view, findings=findings)


def _statements(study: _Study) -> list[Statement]:
    statements = stated(_FINDINGS, study.chexpert, "chexpert") if study.chexpert else []
    for row in _TEST_ROWS:
        study_id, _, cells = row.partition(",")
        if study_id == study.study_id:
            statements += stated(_TEST_HEADER.removeprefix("study_id,"), cells, "radiologist")
    return statements


def _write_reports(folder: Path) -> None:
    for study in _STUDIES:
        write_lines(folder / f"{study.folder}.txt", [study.report.strip("\n")])


def _write_report_archive(path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for study in _STUDIES:
            member = zipfile.ZipInfo(f"files/{study.folder}.txt", date_time=(2019, 1, 1, 0, 0, 0))
            archive.writestr(member, study.report.strip("\n") + "\n", zipfile.ZIP_DEFLATED)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.getvalue())


def _write_record_lists(folder: Path) -> None:
    records = [
        f"{image.study.subject_id},{image.study.study_id},{image.dicom_id},"
        f"files/{image.study.folder}/{image.dicom_id}.dcm"
        for image in _images()
    ]
    studies = [f"{study.subject_id},{study.study_id},files/{study.folder}.txt" for study in _STUDIES]
    _write_table(folder / "cxr-record-list.csv", ["subject_id,study_id,dicom_id,path", *records], packed=True)
    _write_table(folder / "cxr-study-list.csv", ["subject_id,study_id,path", *studies], packed=True)


def _write_index_pages(release: Path) -> None:
    # wget -r leaves one in each folder.
    folders = [path for path in release.rglob("*") if path.is_dir()]
    for folder in [release, *folders]:
        write_lines(folder / "index.html", ["<html>left by wget</html>"])


def _make_jpg(root: Path) -> None:
    _write_jpegs(root / "files")
    _write_tables(root, packed=True)
    _write_report_archive(root / "mimic-cxr-reports.zip")
    paths = [f"files/{image.study.folder}/{image.dicom_id}.jpg" for image in _images()]
    write_lines(root / "IMAGE_FILENAMES", paths)
    write_lines(root / "README", ["An invented release."])
    write_checksums(root)
    first = root / paths[0]
    first.with_name(f"._{first.name}").write_bytes(b"\0\x05\x16\x07 left by macOS")


def _make_wget(root: Path) -> None:
    release = root / "physionet.org/files/mimic-cxr-jpg/2.1.0"
    _write_jpegs(release / "files")
    _write_reports(release / "files")
    _write_tables(release, packed=False)
    write_checksums(release)
    _write_index_pages(root / "physionet.org")


def _make_files_alone(root: Path) -> None:
    _write_jpegs(root)
    _write_reports(root / "reports")
    _write_tables(root, packed=False)


def _make_bucket(root: Path) -> None:
    _write_dicoms(root / "mimic-cxr-2.1.0.physionet.org/files")
    _write_record_lists(root / "mimic-cxr-2.1.0.physionet.org")
    _write_reports(root / "mimic-cxr-reports/files")
    _write_tables(root / "mimic-cxr-jpg-2.1.0.physionet.org", packed=True)
    for release in ("mimic-cxr-2.1.0.physionet.org", "mimic-cxr-jpg-2.1.0.physionet.org"):
        write_checksums(root / release)


def _make_dicom(root: Path) -> None:
    _write_dicoms(root / "mimic-cxr/2.0.0/files")
    _write_reports(root / "mimic-cxr/2.0.0/files")
    _write_record_lists(root / "mimic-cxr/2.0.0")
    write_checksums(root / "mimic-cxr/2.0.0")


def _make_list_alone(root: Path) -> None:
    _write_jpegs(root / "files")
    _write_reports(root / "notes/files")
    write_lines(
        root / "IMAGE_FILENAMES",
        [f"files/{image.study.folder}/{image.dicom_id}.jpg" for image in _images()],
    )


def _make_bare(root: Path) -> None:
    _write_jpegs(root / "files")


def _make_kaggle(root: Path) -> None:
    _write_jpegs(root / "official_data_iccv_final/files")
    for part in ("train", "validate"):
        rows = [
            f"\"['{study.subject_id}']\",\"['files/{study.folder}']\",\"['AP']\",[],[],[],['invented'],[]"
            for study in _STUDIES[:2]
        ]
        header = ",subject_id,image,view,AP,PA,Lateral,text,text_augment"
        write_lines(root / f"mimic_cxr_aug_{part}.csv", [header, *(f"0,{row}" for row in rows)])


_MAKERS: dict[str, Callable[[Path], None]] = {
    "MIMIC-CXR-JPG 2.1.0": _make_jpg,
    "MIMIC-CXR-JPG by wget, tables and reports unpacked": _make_wget,
    "the files folder of MIMIC-CXR-JPG with tables and reports inside": _make_files_alone,
    "MIMIC-CXR and the tables of MIMIC-CXR-JPG, from buckets": _make_bucket,
    "MIMIC-CXR": _make_dicom,
    "images of MIMIC-CXR-JPG with IMAGE_FILENAMES": _make_list_alone,
    "images of MIMIC-CXR-JPG alone": _make_bare,
    "unofficial copy on Kaggle": _make_kaggle,
}
LAYOUTS = tuple(Layout(name, make, images=10) for name, make in _MAKERS.items())
