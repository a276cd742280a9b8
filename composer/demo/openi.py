"""Open-i in miniature: the forms of NLM, Kaggle and R2Gen, five invented exams and a report without image.

They have the release's oddities that do no harm: an exam whose first image is the lateral, one with three
images, ids that end in ``9999-9999`` or in five or eight digits, empty sections, ``XXXX`` in place of words,
a term with a trailing blank, an image that Kaggle's tables leave out, a frontal tag on a lateral film, and a
file that is not part of the release.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from composer.demo.carriers import write_dicom, write_lines, write_png
from composer.demo.findings import shown
from composer.demo.layout import Layout
from composer.demo.phantom import film
from composer.demo.shapes import Film


class _Image(NamedTuple):
    # What follows the report's number in the id.
    rest: str
    is_lateral: bool = False
    # ViewPosition and PatientOrientation of the header.
    position: str = ""
    orientation: tuple[str, ...] = ()
    in_kaggle: bool = True

    @property
    def view(self) -> str:
        return "lateral" if self.is_lateral else "PA"


class _Exam(NamedTuple):
    number: int
    images: tuple[_Image, ...]
    caption: str
    # Comparison, indication, findings and impression.
    sections: tuple[str, str, str, str]
    major: tuple[str, ...]
    automatic: tuple[str, ...] = ()


_EXAMS = (
    _Exam(
        9901,
        (_Image("IM-9901-1001", position="PA"), _Image("IM-9901-2001", is_lateral=True, position="LL")),
        "Xray Chest PA and Lateral",
        ("None.", "Cough for XXXX weeks", "Heart size and lungs are normal.", "No acute disease."),
        ("normal",),
    ),
    _Exam(
        9902,
        (
            _Image("IM-9902-3001", position="AP"),
            _Image("IM-9902-4001", is_lateral=True, position="PA"),
            _Image("IM-9902-3002"),
        ),
        "Chest, 2 views, frontal and lateral",
        ("XXXX", "Dyspnea & chest pain", "Heart mildly enlarged, aorta tortuous.", "Mild cardiomegaly."),
        ("Cardiomegaly/mild", "Aorta/tortuous"),
        ("Cardiomegaly", "aorta, tortuous", "cardiomegaly"),
    ),
    _Exam(
        9903,
        (_Image("IM-9903-9999-9999", orientation=("L", "F")),),
        " PA chest XXXX, XXXX ",
        ("", "Preop", "", "Motion blurs both lungs."),
        ("Technical Quality of Image Unsatisfactory ",),
    ),
    _Exam(
        9904,
        (
            _Image("IM-9904-10012", is_lateral=True, orientation=("P", "F")),
            _Image("IM-9904-1001-2002", position="PA"),
        ),
        "Xray Chest PA and Lateral",
        ("9/XXXX", "", "Film of a visitor from Köln.", ""),
        ("No Indexing",),
    ),
    _Exam(9905, (), "Xray Chest PA and Lateral", ("", "", "Never exported.", "None."), ("normal",)),
    _Exam(
        9906,
        (
            _Image("IM-9906-10012002", position="PA"),
            _Image("IM-9906-2001", is_lateral=True, position="LATERAL", in_kaggle=False),
        ),
        "Xray Chest PA and Lateral",
        ("", "XXXX line", "", ""),
        ("Catheters, Indwelling/right", "Opacity/lung/base/left", "Opacity/lung/base/left"),
        ("Opacity",),
    ),
)


def _make_png(root: Path, *, views_of: str) -> None:
    for exam, image, picture in _films():
        write_png(root / f"NLMCXR_png/CXR{exam.number}_{image.rest}.png", picture, mode="RGB")
    (root / "NLMCXR_png/._CXR9901_IM-9901-1001.png").write_bytes(b"\0\x05\x16\x07 left by macOS")
    _write_xml(root / "ecgen-radiology")
    if views_of == "Kaggle":
        _write_projections(root)
    else:
        _write_view_tables(root)


def _make_dicom(root: Path) -> None:
    bits = (12, 15, 10, 14)
    for number, (exam, image, picture) in enumerate(_films()):
        attributes = {"Modality": "CR", "PatientID": f"{exam.number}"}
        if image.position:
            attributes["ViewPosition"] = image.position
        if image.orientation:
            attributes["PatientOrientation"] = "\\".join(image.orientation)
        write_dicom(
            root / f"NLMCXR_dcm/{exam.number}/{exam.number}_{image.rest}.dcm",
            picture,
            bits_stored=bits[number % 4],
            photometric_interpretation=f"MONOCHROME{number % 2 + 1}",
            attributes=attributes,
        )
    _write_xml(root / "ecgen-radiology")


def _make_kaggle(root: Path) -> None:
    for exam, image, picture in _films():
        if image.in_kaggle:
            write_png(root / f"images/images_normalized/{exam.number}_{image.rest}.dcm.png", picture)
    _write_projections(root)
    header = "uid,MeSH,Problems,image,indication,comparison,findings,impression"
    rows = []
    for exam in _EXAMS:
        comparison, indication, findings, impression = exam.sections
        problems = ";".join(dict.fromkeys(term.partition("/")[0] for term in exam.major))
        sections = (exam.caption, indication, comparison, findings, impression)
        # Reports without image are not there.
        if exam.images:
            rows.append((str(exam.number), ";".join(exam.major), problems, *sections))
    write_lines(root / "indiana_reports.csv", _csv_lines(header, rows))


def _make_r2gen(root: Path) -> None:
    release = root / "iu_xray"
    places = {(exam.number, image.rest): place for exam in _EXAMS for place, image in enumerate(exam.images)}
    # Exams of one image are not there, nor is the third of an exam.
    exams = [exam for exam in _EXAMS if len(exam.images) > 1]
    for exam, image, picture in _films():
        place = places[exam.number, image.rest]
        if exam in exams and place < 2:
            write_png(release / f"images/{_r2gen_id(exam)}/{place}.png", picture, mode="RGB")
    splits: dict[str, list[dict[str, object]]] = {"train": [], "val": [], "test": []}
    for exam, split in zip(exams, ("train", "train", "val", "test"), strict=True):
        name = _r2gen_id(exam)
        entry: dict[str, object] = {
            "id": name,
            "report": " ".join(filter(None, exam.sections[2:])),
            "image_path": [f"{name}/{place}.png" for place in range(2)],
            "split": split,
        }
        splits[split].append(entry)
    write_lines(release / "annotation.json", [json.dumps(splits)])


def _films() -> Iterator[tuple[_Exam, _Image, Film]]:
    """Yield every image with its exam and picture; sizes differ as in the release."""
    for place, exam in enumerate(_EXAMS):
        findings = shown("openi", [(heading, 1, "MeSH major") for heading in exam.major])
        for number, image in enumerate(exam.images):
            seed, rows, columns = 7200 + 10 * place + number, 300 + 12 * place, 320 - 8 * number
            yield exam, image, film(seed, rows=rows, columns=columns, view=image.view, findings=findings)


def _r2gen_id(exam: _Exam) -> str:
    return f"CXR{exam.number}_{exam.images[0].rest[: len('IM-0000')]}"


def _write_xml(folder: Path) -> None:
    for exam in _EXAMS:
        name = f"CXR{exam.number}"
        labels = ("COMPARISON", "INDICATION", "FINDINGS", "IMPRESSION")
        lines = [
            '<?xml version="1.0" encoding="utf-8"?>',
            f'<eCitation><uId id="{name}"/><licenseType>open-access</licenseType><MedlineCitation><Abstract>',
            *(
                f'<AbstractText Label="{label}">{escape(text)}</AbstractText>'
                for label, text in zip(labels, exam.sections, strict=True)
            ),
            "</Abstract></MedlineCitation><MeSH>",
            *(f"<major>{escape(term)}</major>" for term in exam.major),
            *(f"<automatic>{escape(term)}</automatic>" for term in exam.automatic),
            "</MeSH>",
            *(
                f"<parentImage id={quoteattr(f'{name}_{image.rest}')}><figureId>F{place}</figureId>"
                f"<caption>{escape(exam.caption)}</caption>"
                f"<panel><url>/hadoop/storage/{name}_{image.rest}.jpg</url></panel></parentImage>"
                for place, image in enumerate(exam.images, start=1)
            ),
            "</eCitation>",
        ]
        write_lines(folder / f"{exam.number}.xml", lines)


def _write_projections(root: Path) -> None:
    rows = [
        (
            str(exam.number),
            f"{exam.number}_{image.rest}.dcm.png",
            "Lateral" if image.is_lateral else "Frontal",
        )
        for exam in _EXAMS
        for image in exam.images
        if image.in_kaggle
    ]
    write_lines(root / "indiana_projections.csv", _csv_lines("uid,filename,projection", rows))


def _write_view_tables(root: Path) -> None:
    """Write what TorchXRayVision knows: headers of all images, and the view of one image of each exam."""
    headers = [
        (
            f"CXR{exam.number}_{image.rest}",
            image.position,
            str(list(image.orientation)) if image.orientation else "",
            f"./{exam.number}_{image.rest}.dcm",
        )
        for exam in _EXAMS
        for image in exam.images
    ]
    columns = "imageid,View Position,Patient Orientation,filename"
    _write_gzip(root / "nlmcxr_dicom_metadata.csv.gz", _csv_lines(columns, headers))
    views = [
        (f"CXR{exam.number}_{exam.images[-1].rest}", "L" if exam.images[-1].is_lateral else "PA")
        for exam in _EXAMS
        if exam.images
    ]
    _write_gzip(root / "nlmcxr_tsne_pa.csv.gz", _csv_lines("imageid,tsne-view", views))


def _csv_lines(header: str, rows: Iterable[Sequence[str]]) -> list[str]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return [header, *text.getvalue().splitlines()]


def _write_gzip(path: Path, lines: list[str]) -> None:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


LAYOUTS = (
    Layout("official PNG, views of Kaggle", partial(_make_png, views_of="Kaggle"), images=10),
    Layout(
        "official PNG, views of TorchXRayVision", partial(_make_png, views_of="TorchXRayVision"), images=10
    ),
    Layout("official DICOM", _make_dicom, images=10),
    Layout("Kaggle", _make_kaggle, images=9),
    Layout("R2Gen", _make_r2gen, images=8),
)
