"""Open-i: the Indiana University chest X-rays, frontal and lateral films with their reports."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from processors.base import (
    KnownBad,
    Label,
    Location,
    Processor,
    Record,
    Release,
    Report,
    SourceError,
    Table,
    UnknownCells,
    UnusableRows,
    base_name,
    find_table,
    is_archive,
    no_image_found,
    path_inside,
    view_of,
    walk_images,
)
from processors.base.json_files import read_json, text_of
from processors.base.reports import read_file

MANUAL, AUTOMATIC = "MeSH major", "MeSH automatic"
# Every XML file has these four; Kaggle's table has them in lower case.
_SECTIONS = ("COMPARISON", "INDICATION", "FINDINGS", "IMPRESSION")

# After the report's number: IM-, four digits, and 4, 5, 7 or 8 digits or 9999-9999.
_IMAGE = re.compile(
    r"(CXR)?(\d{1,6})_(?:\2_)?IM-(\d{4}-\d+(?:-\d{4})?)(\.png|\.dcm|\.dcm\.png)?", re.IGNORECASE
)
# R2Gen numbers the images of an exam; of their ids it keeps the part that they have in common.
_NUMBERED = re.compile(r"(?:.*/)?CXR(\d{1,6})_(?:\1_)?IM-(\d{4}(?:-\d+)*)/(\d+)\.png", re.IGNORECASE)
_XML = re.compile(r"(?:.*/)?(\d{1,6})\.xml", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,6}")
_IMAGES, _TABLES = (".png", ".dcm"), (".csv", ".csv.gz", ".csv.zip", ".json")
_PACKED = (".tgz", ".tar.gz", ".tar", ".zip")

_XML_FOLDER = "ecgen-radiology"
_PROJECTIONS, _KAGGLE_REPORTS = "indiana_projections.csv", "indiana_reports.csv"
_HEADERS, _TSNE = "nlmcxr_dicom_metadata.csv", "nlmcxr_tsne_pa.csv"
_ANNOTATION = "annotation.json"

_VIEW_OF_PROJECTION = {"frontal": "PA or AP", "lateral": "lateral"}
_VIEW_OF_TSNE = {"PA": "PA or AP", "L": "lateral"}
_NO_CHEST = "BodyPartExamined is EXTREMETY"
_TORCHXRAYVISION = f"{_HEADERS}.gz of github.com/mlmed/torchxrayvision"


class _Form(NamedTuple):
    """A form in which people have the images, and what should name them all: the first that is there."""

    files: str
    carrier: str
    part: str
    ending: str
    named_by: tuple[str, ...]


_PNG = _Form("official PNG files", "", "NLMCXR_png", ".png", (_XML_FOLDER,))
_KAGGLE = _Form("PNG files of Kaggle", "Kaggle", "images_normalized", ".dcm.png", (_PROJECTIONS, _XML_FOLDER))
_DICOM = _Form("official DICOM files", "dicom", "NLMCXR_dcm", ".dcm", (_XML_FOLDER,))
_R2GEN = _Form("PNG files of R2Gen", "R2Gen", "images", ".png", (_ANNOTATION,))
# Where several are there the first is used.
_FORMS = (_PNG, _KAGGLE, _DICOM, _R2GEN)
_FORM_OF_ENDING = {form.ending: form for form in (_PNG, _KAGGLE, _DICOM)}


class _Exam(NamedTuple):
    """What a report says; the images of the exam share it."""

    report: Report | None
    labels: list[Label]
    native: dict[str, str]


_NO_EXAM = _Exam(None, [], {})


class _Tables:
    """What the tables say of exams, by report number, and of images, by identity."""

    def __init__(self) -> None:
        self.exams: dict[str, _Exam] = {}
        # The images that each table names, one for every row, and the cells beside their names.
        self.named: defaultdict[str, list[str]] = defaultdict(list)
        self.cells: dict[str, dict[str, str]] = {}
        # Cells that tell of the view; the first row of an image counts.
        self.view_cells: defaultdict[str, dict[str, str]] = defaultdict(dict)
        # Exams of which the XML is there: it can be read, or not.
        self.read: set[str] = set()
        self.unread: set[str] = set()
        self.unusable: list[Record] = []
        self.warnings: list[str] = []

    def read_xml(self, files: Mapping[str, Path]) -> None:
        """Read the official reports, which are given by number."""
        odd = UnusableRows(_XML_FOLDER)
        place = 0
        for number, path in files.items():
            citation = _parse(path)
            if citation is None:
                self.unread.add(number)
                continue
            self.read.add(number)
            self.exams[number] = _exam_of_xml(citation)
            for image in citation.iter("parentImage"):
                place += 1
                identity = _identity(image.get("id", "").strip())
                if identity is None:
                    reason = "a parentImage has no id such as CXR<n>_IM-...; images are counted by report"
                    self.unusable.append(odd.record(place, reason))
                    continue
                self.named[_XML_FOLDER].append(identity)
                cells = {tag: (image.findtext(tag) or "").strip() for tag in ("figureId", "caption")}
                self.cells.setdefault(identity, cells)
        self.warnings += odd.warnings
        if self.unread:
            self.warnings.append(
                f"{_XML_FOLDER}: {len(self.unread):,} XML files are not used: expected well-formed XML "
                "without DOCTYPE, root eCitation; their images get no report; unpack NLMCXR_reports.tgz again"
            )

    def read_reports(self, path: Path) -> None:
        """Read Kaggle's table of reports; those that an XML file holds are taken from there."""
        table = Table(path, columns=("uid", "MeSH", "findings", "impression"))
        sections = [table.first_of(section.lower()) for section in _SECTIONS]
        others = [column for column in table.columns if column in ("image", "Problems")]
        odd = 0
        for uid, mesh, *cells in table.rows("uid", "MeSH", *sections, *others):
            if not _NUMBER.fullmatch(uid):
                odd += 1
                continue
            report = _report(dict(zip(_SECTIONS, cells, strict=False)))
            native = dict(zip(others, cells[len(sections) :], strict=True))
            self.exams.setdefault(_digits(uid), _Exam(report, _labels(mesh.split(";"), MANUAL), native))
        if odd:
            self.warnings.append(f"{path.name}: {odd:,} rows are not used: expected a report's number in uid")

    def read_projections(self, path: Path) -> None:
        """Read Kaggle's table of images, which tells their views."""
        unusable = UnusableRows(path.name)
        unknown = UnknownCells(path.name, "projection", "Frontal or Lateral", fate=UnknownCells.NO_VIEW)
        rows = Table(path, columns=("filename", "projection")).rows("filename", "projection")
        for row, (name, projection) in enumerate(rows, start=2):
            identity = _identity(base_name(path_inside(name) or ""))
            if identity is None:
                reason = _why_no_image(name, "filename", "<n>_IM-....dcm.png")
                self.unusable.append(unusable.record(row, reason))
                continue
            self.named[_PROJECTIONS].append(identity)
            self.view_cells[identity].setdefault("projection", projection)
            if projection.lower() not in _VIEW_OF_PROJECTION:
                unknown.add(projection)
        self.warnings += [*unusable.warnings, *unknown.warnings]

    def read_view_table(
        self, path: Path, column: str, view: Callable[[str], str | None], expected: str, *optional: str
    ) -> None:
        """Read a table of TorchXRayVision, of which a row tells of an image.

        ``view`` says what the cells of the column tell, None when they are not ``expected``.
        """
        table = Table(path, columns=("imageid", column))
        columns = [column, *(name for name in optional if name in table.columns)]
        odd = 0
        unknown = UnknownCells(path.name, column, expected, fate=UnknownCells.NO_VIEW)
        for image, *cells in table.rows("imageid", *columns):
            identity = _identity(image)
            if cells[0] and view(cells[0]) is None:
                unknown.add(cells[0])
            if identity is None:
                odd += 1
            elif column not in self.view_cells[identity]:
                self.view_cells[identity].update(zip(columns, cells, strict=True))
        if odd:
            self.warnings.append(f"{path.name}: {odd:,} rows are not used: expected CXR<n>_IM-... in imageid")
        self.warnings += unknown.warnings

    def read_annotation(self, path: Path) -> None:
        """Read R2Gen's list of exams and their images."""
        unusable = UnusableRows(path.name)
        for place, (split, exam, cell) in enumerate(_images_of(path), start=1):
            match = _NUMBERED.fullmatch(path_inside(cell) or "")
            if match is None:
                reason = _why_no_image(cell, "image_path", "CXR<n>_IM-.../<k>.png")
                self.unusable.append(unusable.record(place, f"{reason}; images are counted in file order"))
                continue
            text = text_of(exam.get("report"))
            self.exams.setdefault(_digits(match[1]), _Exam(Report(text) if text else None, [], {}))
            self.named[_ANNOTATION].append(_numbered(match))
            cells = {"id": text_of(exam.get("id")), "split": text_of(exam.get("split", split))}
            self.cells.setdefault(_numbered(match), cells)
        self.warnings += unusable.warnings

    def view(self, identity: str) -> tuple[str, dict[str, str]]:
        """Return the view of an image from the best evidence, and the cells that tell of it."""
        cells = self.view_cells.get(identity, {})
        position = cells.get("View Position")
        # The table writes a list: ['L', 'F'].
        orientation = "\\".join(re.findall("[A-Z]+", cells.get("Patient Orientation", "").upper()))
        tag = _header_view(position)
        # Of 129 images with a lateral tag that t-SNE knows all are lateral to it, but so are 198 of the 2,338
        # with a frontal tag.
        evidence = (
            (_PROJECTIONS, _VIEW_OF_PROJECTION.get(cells.get("projection", "").lower())),
            ("lateral tag", tag if tag == "lateral" else None),
            ("t-SNE", _VIEW_OF_TSNE.get(cells.get("tsne-view", "").upper())),
            ("frontal tag", tag if tag == "PA or AP" else None),
            ("DICOM header", _header_view(position, orientation)),
        )
        for source, view in evidence:
            if view is not None:
                return view, {**cells, "view evidence": source}
        return "unknown", cells


class OpenI(Processor):
    """The Indiana University collection (IU X-ray, NLMCXR) as NLM, Kaggle and R2Gen have it.

    IU X-ray is a standard test set of report generation: a model that is to be tested on it must not be
    trained on it. The release has no split; that of R2Gen is kept among the native cells.

    A patient has one report, whose number is both ``patient_id`` and ``study_id``. PNG files and reports do
    not say whether an image is frontal or lateral: tables of other people do, and most DICOM headers.
    """

    name = "Open-i (Indiana University)"
    folder = "openi"
    config_key = "OPENI_ROOT"
    licence = "CC BY-NC-ND 4.0"
    access = "open download"
    homepage = "https://openi.nlm.nih.gov/faq"
    citation = (
        "Demner-Fushman D, Kohli MD, Rosenman MB, et al. Preparing a collection of radiology examinations "
        "for distribution and retrieval. Journal of the American Medical Informatics Association 23(2), "
        "304-310 (2016)."
    )
    releases = (
        Release("PNG or DICOM (NLM)", 7_470, "104 of the 3,955 reports have no image"),
        Release("Kaggle (raddar)", 7_466),
        Release("R2Gen", 7_470, "counted before R2Gen left out exams; annotation.json names fewer"),
    )
    known_bad = (
        KnownBad("CXR2427_IM-0969-4001", "suspicious", _NO_CHEST, _TORCHXRAYVISION),
        KnownBad("CXR2427_IM-0969-5001", "suspicious", _NO_CHEST, _TORCHXRAYVISION),
    )

    def recognise(self) -> str:
        """Go through all folders once: the forms differ in the names of their files."""
        paths = list(walk_images(self.root, (*_IMAGES, ".xml", *_TABLES, *_PACKED)))
        # Of what is there twice the copy that lies highest counts.
        paths.sort(key=lambda path: path.count("/"))
        self._packed = any(map(is_archive, paths))
        found = _sort_images(path for path in paths if _ends(path, _IMAGES))
        self._form = next((form for form in _FORMS if form in found), _PNG)
        self._images = {identity: Location(path) for identity, path in reversed(found.get(self._form, []))}
        if not self._images:
            raise no_image_found(
                self,
                "files such as CXR<n>_IM-....png or <n>/<n>_IM-....dcm (NLM), <n>_IM-....dcm.png (Kaggle) or "
                "CXR<n>_IM-.../<k>.png (R2Gen)",
                paths,
            )
        self._tell_unused(found)
        reports = [(_digits(match[1]), path) for path in paths if (match := _XML.fullmatch(path))]
        highest = {number: self.root / path for number, path in reversed(reports)}
        self._xml = dict(sorted(highest.items(), key=lambda report: int(report[0])))
        tables = [self.root / path for path in paths if _ends(path, _TABLES)]
        self._folders = list(dict.fromkeys(path.parent for path in tables))
        return f"{self._form.files}, {f'{len(self._xml):,}' if self._xml else 'no'} reports in XML"

    def _tell_unused(self, found: Mapping[_Form | None, list[tuple[str, str]]]) -> None:
        for form, images in found.items():
            if form is None:
                self.warnings.append(
                    f"{len(images):,} PNG and DICOM files are not used: their names are none of the release"
                )
            elif form is not self._form:
                self.warnings.append(
                    f"{len(images):,} {form.files} are not used: {self._form.files} are here too; to use the "
                    f"others name their folder as {self.config_key}"
                )
            elif len(self._images) < len(images):
                self.warnings.append(
                    f"{len(images) - len(self._images):,} files are not used: the same images are here in "
                    "other folders"
                )

    def view_in_header(self, view_position: str | None, patient_orientation: str | None) -> str | None:
        """Return the view that a DICOM header tells; of its frontal tags one in twelve is wrong."""
        return _header_view(view_position, patient_orientation)

    def records(self) -> Iterator[Record]:
        """Yield every image that the tables name, then the files that none names."""
        tables = self._read()
        yield from tables.unusable
        by = next((table for table in self._form.named_by if table in tables.named), None)
        # Without XML Kaggle's table names the official images, but not quite all.
        listed = tables.named[by or _PROJECTIONS]
        if self._form is _KAGGLE and by == _XML_FOLDER:
            # The XML names images that Kaggle does not have.
            listed = [identity for identity in listed if identity in self._images]
        for identity in listed:
            yield self._record(identity, tables)
        names, unreported = set(listed), 0
        for identity in dict.fromkeys((*tables.named[_PROJECTIONS], *self._images)):
            if identity not in names:
                number = _number(identity)
                record = self._record(identity, tables)
                # The XML of one exam says nothing of the images of another.
                if by and (by != _XML_FOLDER or number in tables.read):
                    record.excluded = f"not in {by}"
                elif by:
                    unreported += number not in tables.exams and number not in tables.unread
                yield record
        if unreported:
            self.warnings.append(
                f"{_XML_FOLDER}: {unreported:,} images get no report, as the XML files of their exams are "
                "absent; unpack NLMCXR_reports.tgz again"
            )

    def _read(self) -> _Tables:
        tables = _Tables()
        tables.read_xml(self._xml)
        if path := self._find(_KAGGLE_REPORTS):
            tables.read_reports(path)
        if self._form is _R2GEN:
            # The other tables know the images by the ids that these have lost.
            if path := self._find(_ANNOTATION):
                tables.read_annotation(path)
        else:
            if path := self._find(_PROJECTIONS):
                tables.read_projections(path)
            if path := self._find(_HEADERS):
                tables.read_view_table(
                    path, "View Position", _header_view, "PA, AP, LL or a blank", "Patient Orientation"
                )
            if path := self._find(_TSNE):
                tables.read_view_table(
                    path, "tsne-view", lambda cell: _VIEW_OF_TSNE.get(cell.upper()), "PA or L"
                )
        self.warnings += tables.warnings
        self._tell_absent(tables)
        return tables

    def _find(self, name: str) -> Path | None:
        path = find_table(self._folders, name)
        if path is not None:
            self.tables.append(self.relative(path))
        return path

    def _tell_absent(self, tables: _Tables) -> None:
        absent = []
        if not tables.exams:
            packed = ", unpacked" if self._packed else ""
            absent.append(
                f"no report was found, so that there are no labels either (expected {_XML_FOLDER}/<n>.xml of "
                f"NLMCXR_reports.tgz{packed}, or {_KAGGLE_REPORTS} of Kaggle)"
            )
        if not tables.view_cells and self._form is not _DICOM:
            remedy = (
                f"R2Gen's images have lost the ids that {_PROJECTIONS} has: take those of NLM or Kaggle"
                if self._form is _R2GEN
                else f"expected {_PROJECTIONS} of Kaggle"
            )
            absent.append(
                "no table tells the view of any image, so that with FRONTAL_ONLY all are left out as of "
                f"unknown view ({remedy})"
            )
        if absent:
            self.warnings.append(
                f"{'; '.join(absent)}; tables are looked for in and below the folder that {self.config_key} "
                "names"
            )

    def _record(self, identity: str, tables: _Tables) -> Record:
        number = _number(identity)
        exam = tables.exams.get(number, _NO_EXAM)
        view, cells = tables.view(identity)
        location = self._images.get(identity)
        path = location.path if location else self._promised(identity)
        return Record(
            identity=identity,
            key="/".join(path.split("/")[-2 if self._form is _R2GEN else -1 :]),
            file=location,
            carrier=self._form.carrier,
            view=view,
            view_from_header=self._form is _DICOM and view == "unknown",
            patient_id=number,
            study_id=number,
            labels=exam.labels,
            report=exam.report,
            native={**exam.native, **tables.cells.get(identity, {}), **cells},
            part=self._form.part,
        )

    def _promised(self, identity: str) -> str:
        """Return the name that the file of an image without file would have."""
        if self._form in (_KAGGLE, _DICOM):
            identity = f"{_number(identity)}_{identity[identity.index('IM-') :]}"
        return f"{identity}{self._form.ending}"


def _sort_images(paths: Iterable[str]) -> dict[_Form | None, list[tuple[str, str]]]:
    """Return identities and paths by form; under None the files of other names."""
    found: defaultdict[_Form | None, list[tuple[str, str]]] = defaultdict(list)
    for path in paths:
        if numbered := _NUMBERED.fullmatch(path):
            found[_R2GEN].append((_numbered(numbered), path))
            continue
        match = _IMAGE.fullmatch(base_name(path))
        form = _FORM_OF_ENDING[match[4].lower()] if match and match[4] else None
        # The names of the official PNG files alone begin with CXR.
        if match is None or form is None or (form is _PNG) != bool(match[1]):
            found[None].append(("", path))
        else:
            found[form].append((_canonical(match), path))
    return dict(found)


def _canonical(match: re.Match[str]) -> str:
    return _with_number(match[2], match[3])


def _numbered(match: re.Match[str]) -> str:
    return f"{_with_number(match[1], match[2])}/{match[3]}"


def _with_number(number: str, rest: str) -> str:
    """Return an id as the XML writes it."""
    # There report 1 has its number twice, but neither in the names of DICOM files nor in others' tables.
    return f"CXR{_digits(number)}_{'1_' if _digits(number) == '1' else ''}IM-{rest}"


def _digits(number: str) -> str:
    return str(int(number))


def _identity(name: str) -> str | None:
    match = _IMAGE.fullmatch(name)
    return _canonical(match) if match else None


def _number(identity: str) -> str:
    return identity.removeprefix("CXR").partition("_")[0]


def _why_no_image(cell: str, column: str, expected: str) -> str:
    if cell and path_inside(cell) is None:
        return f"column {column!r} leads out of the root"
    return f"column {column!r} names no image such as {expected}"


def _ends(path: str, endings: tuple[str, ...]) -> bool:
    return path.lower().endswith(endings)


def _header_view(position: str | None, orientation: str | None = None) -> str | None:
    view = view_of(position, orientation)
    return "PA or AP" if view in ("PA", "AP") else view


def _images_of(path: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield split, exam and path of every image in R2Gen's list; an exam that names none has a blank path."""
    splits = read_json(path, dict)
    if not all(isinstance(exams, list) for exams in splits.values()):
        raise SourceError(
            f"{path}: expected an object with the lists train, val and test; is it another dataset's?"
        )
    for split, exams in splits.items():
        for found in exams:
            exam = found if isinstance(found, dict) else {}
            cells = exam.get("image_path")
            for cell in cells if isinstance(cells, list) and cells else [""]:
                yield split, exam, str(cell)


class _Refuse(ElementTree.TreeBuilder):
    """Stops at a DOCTYPE: entities that are declared there can grow without end. The release has none."""

    def doctype(self, name: str, pubid: str, system: str) -> None:
        raise ValueError("DOCTYPE")


def _parse(path: Path) -> ElementTree.Element | None:
    """Return the root of a report in XML, None when the file is none."""
    parser = ElementTree.XMLParser(target=_Refuse())  # noqa: S314 -- see there
    try:
        parser.feed(read_file(path))
        citation: ElementTree.Element = parser.close()
    # The third is raised by encodings that Python does not know.
    except (OSError, ValueError, LookupError, ElementTree.ParseError):
        return None
    return citation if citation.tag == "eCitation" else None


def _exam_of_xml(citation: ElementTree.Element) -> _Exam:
    sections = {
        text.get("Label", ""): "".join(text.itertext()).strip() for text in citation.iter("AbstractText")
    }
    manual, automatic = (
        _labels(("".join(term.itertext()) for term in citation.iterfind(f".//MeSH/{kind}")), labeller)
        for kind, labeller in (("major", MANUAL), ("automatic", AUTOMATIC))
    )
    return _Exam(_report(sections), [*manual, *automatic], {})


def _labels(terms: Iterable[str], labeller: str) -> list[Label]:
    return [Label(term, 1, labeller) for term in dict.fromkeys(map(str.strip, terms)) if term]


def _report(sections: Mapping[str, str]) -> Report | None:
    """Return the sections that hold any text, None when none does."""
    lines = [f"{name}: {sections[name]}" for name in _SECTIONS if sections.get(name)]
    if not lines:
        return None
    return Report("\n".join(lines), sections.get("FINDINGS") or None, sections.get("IMPRESSION") or None)
