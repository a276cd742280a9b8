"""BRAX: 40,967 films of a hospital in São Paulo as PNG and DICOM, findings mined from Portuguese reports."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from processors.base import (
    Label,
    Location,
    Processor,
    Record,
    Release,
    Table,
    UnknownCells,
    UnusableRows,
    age_in_years,
    base_name,
    entries,
    find_table,
    is_folder,
    no_image_found,
    path_inside,
    sex_of,
    subfolders,
    view_of,
)
from processors.base.chexpert_labels import OBSERVATIONS, Values, labels, read_values


class _Form(NamedTuple):
    """One of the two forms of the images: its folder, the column that names its files, and their ending."""

    folder: str
    column: str
    suffix: str
    carrier: str


# In order of preference.
_FORMS = (
    _Form("images", "PngPath", ".png", ""),
    _Form("Anonymized_DICOMs", "DicomPath", ".dcm", "dicom"),
)
_FORM_FOLDERS = {form.folder.lower() for form in _FORMS}
# In order of preference: the second is the older one.
_TABLES = ("master_spreadsheet_update.csv", "master_spreadsheet.csv")

_PATIENT = re.compile(r"id_[0-9a-f]{8}(?:-[0-9a-f]{8}){4}", re.IGNORECASE)
_STUDY = re.compile(r"Study_[0-9]{8}(?:\.[0-9]{8}){4}", re.IGNORECASE)
_STEM = re.compile(r"image-[0-9]{8}(?:-[0-9]{8}){4}", re.IGNORECASE)
# Older wget cuts a path at 236 characters: of the names that `wget -r` gives, a PNG loses 7, a DICOM file 18.
# This is why MaCheX takes seven characters off every PngPath.
_CUT_STEM = re.compile(r"image-[0-9]{8}[0-9-]*(?:\.[a-z]{0,2})?", re.IGNORECASE)
# id_.../Study_.../Series_.../image-..., and room for folders that users add.
_DEPTH = 6

# Folders that stand above the release on users' disks, whatever else is there.
_ABOVE = re.compile(r"physionet\.org|files|brax.*|[0-9]+\.[0-9]+\.[0-9]+", re.IGNORECASE)
_LEVELS = 2
# A folder with more folders than this holds patients.
_FEW = 50

# The documentation lists other terms (LL, RLD, LLD, LLO) than the table uses.
_VIEW_OF_POSITION = {
    "": "unknown",
    "PA": "PA",
    "AP": "AP",
    **dict.fromkeys(("L", "RL", "LL"), "lateral"),
    **dict.fromkeys(("AP LLD", "LT-DECUB", "LLD", "RLD"), "decubitus"),
    **dict.fromkeys(("RLO", "LLO"), "oblique"),
}
_OLDEST = "85 or more"
_NATIVE_COLUMNS = (
    "ViewPosition",
    "PatientAge",
    "PatientSex",
    "AccessionNumber",
    "StudyDate",
    "Manufacturer",
    "Rows",
    "Columns",
    "DicomPath",
)
_LABELLER = "BRAX"


class _Files:
    """The image files of one form, and which of them a cell of the table names.

    Attributes
    ----------
    paths : list of str
        All of them, relative to the folder.
    odd : int
        How many others there are.
    rules : Counter of str
        How many paths of the table led to a file by which rule.
    """

    def __init__(self, folder: Path, form: _Form) -> None:
        self.paths: list[str] = []
        self.odd = 0
        self.rules: Counter[str] = Counter()
        self._suffix = form.suffix
        self._names: defaultdict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, str] = {}
        for path in _walk(folder, form.suffix, _DEPTH):
            place, _, name = path.rpartition("/")
            stem = self.stem(name)
            if _STEM.fullmatch(stem):
                self._by_stem.setdefault(stem, path)
            elif not _CUT_STEM.fullmatch(stem):
                self.odd += 1
                continue
            self.paths.append(path)
            self._names[place].append(name)

    def stem(self, name: str) -> str:
        """Return a file name in lower case, without the ending of this form."""
        return name.lower().removesuffix(self._suffix)

    def find(self, written: str, path: str, stem: str) -> str | None:
        """Return the file that a path of the table means, None when it is not here.

        Parameters
        ----------
        written
            Relative to the folder, with whatever the table has behind the name.
        path
            The same with the ending of this form.
        stem
            The name in it, in lower case.
        """
        for found, rule in self._candidates(written, path, stem):
            self.rules[rule] += 1
            return found
        return None

    def _candidates(self, written: str, path: str, stem: str) -> Iterator[tuple[str, str]]:
        place, _, name = path.rpartition("/")
        names = self._names.get(place, ())
        if name in names:
            yield path, "as written" if written == path else "under another ending"
        cut = [there for there in names if self._is_cut(there, stem)]
        if len(cut) == 1:
            yield f"{place}/{cut[0]}", f"to a name cut by wget, {len(name) - len(cut[0])} characters shorter"
        if stem in self._by_stem:
            yield self._by_stem[stem], "by the file name alone"

    def _is_cut(self, name: str, stem: str) -> bool:
        short = self.stem(name)
        return short != stem and f"{stem}{self._suffix}".startswith(short)


class _Row(NamedTuple):
    """What the path in a row says: the image's name, its place below the folder of its form, and its file."""

    stem: str
    path: str
    file: str | None


class Brax(Processor):
    """BRAX of PhysioNet, from its PNG files or, where there are none, from its DICOM files."""

    name = "BRAX"
    folder = "brax"
    config_key = "BRAX_ROOT"
    licence = "PhysioNet Credentialed Health Data License 1.5.0: no redistribution"
    access = "credentialed access at PhysioNet"
    homepage = "https://physionet.org/content/brax/1.1.0/"
    citation = (
        "Reis EP, de Paiva JPQ, da Silva MCB, et al. BRAX, Brazilian labeled chest x-ray dataset. "
        "Scientific Data 9, 487 (2022)."
    )
    releases = (Release("1.0.0 or 1.1.0, as PNG or DICOM", 40_967),)
    known_bad = ()

    def recognise(self) -> str:
        """Find the folder that holds images/ or Anonymized_DICOMs/, and the table there or above."""
        surveyed = list(_survey(self.root))
        found = [(form, folder) for form in _FORMS for folder in _find_form(form, surveyed)]
        if not found:
            raise no_image_found(
                self,
                "images/id_<...>/Study_<...>/Series_<...>/image-<...>.png, or Anonymized_DICOMs/ likewise "
                "with .dcm, here or in physionet.org/files/brax/1.1.0/",
                (entry.name for folder in surveyed for entry in entries(folder)),
            )
        self._form, folder = found[0]
        self._place = self.relative(folder)
        self._others = [self.relative(other) for form, other in found if form is not self._form]
        self.warnings += [
            f"{self.relative(other)} is not used: {self._place} holds such images too; to use the other, "
            "name the folder above it as root"
            for form, other in found[1:]
            if form is self._form
        ]
        self._table = self._find_table([folder.parent, *surveyed])
        kind = "DICOM" if self._form.carrier else "PNG"
        return f"{kind} files in {self._place}"

    def _find_table(self, folders: list[Path]) -> Path | None:
        found = [path for name in _TABLES if (path := find_table(folders, name))]
        if not found:
            unless = " unless the DICOM headers tell it" if self._form.carrier else ""
            self.warnings.append(
                f"{_TABLES[0]} not found: images are written without labels, sex and age, and, as their view "
                f"is unknown{unless}, only with FRONTAL_ONLY: false"
            )
            return None
        if len(found) > 1:
            self.warnings.append(f"{found[1].name} is not used: {found[0].name} is here")
        self.tables.append(self.relative(found[0]))
        return found[0]

    def records(self) -> Iterator[Record]:
        """Yield every row of the table, then the files that no row names."""
        files = _Files(self.root / self._place, self._form)
        if files.odd:
            self.warnings.append(
                f"{self._place}: {files.odd:,} files are not used: expected names such as "
                f"image-<five times eight digits>{self._form.suffix}"
            )
        used: set[str] = set()
        named: set[str] = set()
        if self._table is not None:
            for record in self._listed(self._table, files):
                named.add(record.identity)
                if record.file is not None:
                    used.add(record.file.path)
                yield record
        yield from self._unlisted(files, used, named)

    def _listed(self, path: Path, files: _Files) -> Iterator[Record]:
        table = Table(path, columns=(self._form.column, "PatientID", "ViewPosition", *OBSERVATIONS))
        unusable = UnusableRows(path.name)
        views = UnknownCells(path.name, "ViewPosition", "PA, AP, L or a blank", fate=UnknownCells.NO_VIEW)
        ages = UnknownCells(path.name, "PatientAge", "years")
        # Labels are those of the report: most rows share theirs with others.
        shared: dict[Values, list[Label]] = {}
        missing = 0
        rows = zip(
            self._resolve(table, files),
            table.natives(_NATIVE_COLUMNS),
            table.rows("PatientID", table.first_of("PatientSex"), table.first_of("PatientAge")),
            read_values(table, self.warnings),
            strict=True,
        )
        for number, (row, native, (patient, sex, age), values) in enumerate(rows, start=2):
            if isinstance(row, str):
                yield unusable.record(number, row)
                continue
            record = self._record(row)
            record.patient_id = patient or record.patient_id
            record.view = _view(native["ViewPosition"], views)
            record.view_from_header = record.view_from_header and record.view == "unknown"
            record.sex = sex_of(sex)
            record.age = _years(age, ages)
            if values not in shared:
                shared[values] = labels(values, _LABELLER)
            record.labels = shared[values]
            record.native = native
            missing += record.file is None
            yield record
        self.warnings += [*unusable.warnings, *views.warnings, *ages.warnings]
        if missing and self._others:
            self.warnings.append(
                f"{self._place}: {missing:,} images of {path.name} are missing; the files in "
                f"{self._others[0]} do not stand in for them: complete the download, or move {self._place} "
                "away to use those alone"
            )

    def _resolve(self, table: Table, files: _Files) -> list[_Row | str]:
        """Return what the path of every row says, or why it names no image."""
        rows = [self._read_path(cell, files) for (cell,) in table.rows(self._form.column)]
        if files.rules.keys() - {"as written"}:
            self.warnings.append(
                f"{table.path.name}: column {self._form.column!r} led to {files.rules.total():,} files: "
                + ", ".join(f"{count:,} {rule}" for rule, count in files.rules.most_common())
            )
        return self._without_ambiguous(rows)

    def _read_path(self, cell: str, files: _Files) -> _Row | str:
        column, suffix = self._form.column, self._form.suffix
        path = path_inside(cell) or ""
        if cell and not path:
            return f"column {column!r} leads out of the root"
        # Copies put other folders before that of the patient, or call the form's otherwise.
        patient = _PATIENT.search(path)
        path = path[patient.start() :] if patient else base_name(path)
        match = _STEM.search(path)
        if match is None:
            return f"column {column!r} names no file such as image-<five times eight digits>{suffix}"
        stem, whole = match[0].lower(), path[: match.end()] + suffix
        return _Row(stem, whole, files.find(path, whole, stem))

    def _without_ambiguous(self, rows: list[_Row | str]) -> list[_Row | str]:
        """Take the file away from rows that name different images, when its cut name fits them all."""
        claims: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            if isinstance(row, _Row) and row.file:
                claims[row.file].add(row.stem)
        several = {file for file, stems in claims.items() if len(stems) > 1}
        if several:
            self.warnings.append(
                f"{self._place}: {len(several):,} files are not used: their names are cut so short that each "
                "fits several images; download them again under their full names"
            )
        return [
            row._replace(file=None) if isinstance(row, _Row) and row.file in several else row for row in rows
        ]

    def _record(self, row: _Row) -> Record:
        patient, study = _PATIENT.search(row.path), _STUDY.search(row.path)
        return Record(
            identity=row.stem,
            key=f"{self._form.folder}/{row.path}",
            file=Location(f"{self._place}/{row.file}") if row.file else None,
            carrier=self._form.carrier,
            view="unknown",
            patient_id=patient[0] if patient else None,
            study_id=study[0] if study else None,
            view_from_header=bool(self._form.carrier),
            part=self._place,
        )

    def _unlisted(self, files: _Files, used: set[str], named: set[str]) -> Iterator[Record]:
        twice = 0
        for path in files.paths:
            if f"{self._place}/{path}" in used:
                continue
            stem = files.stem(base_name(path))
            if stem in named:
                twice += 1
                continue
            named.add(stem)
            record = self._record(_Row(stem, path, path))
            if self._table is not None:
                record.excluded = f"not in {self._table.name}"
            elif not _STEM.fullmatch(stem):
                record.excluded = "name cut short, and no table that tells the whole"
            yield record
        if twice:
            self.warnings.append(
                f"{self._place}: {twice:,} files are not used: the same images are here in other folders"
            )

    def view_in_header(self, view_position: str | None, patient_orientation: str | None) -> str | None:
        """Return the view that a DICOM header tells, in the spellings of the table too."""
        return view_of(view_position, patient_orientation, _VIEW_OF_POSITION)


def _walk(folder: Path, suffix: str, depth: int) -> Iterator[str]:
    """Yield what may be an image below a folder, relative to it: names cut by wget have no ending."""
    for entry in entries(folder):
        if entry.name.lower().endswith(suffix):
            yield entry.name
        elif is_folder(entry):
            if depth > 1:
                for path in _walk(Path(entry.path), suffix, depth - 1):
                    yield f"{entry.name}/{path}"
        elif entry.name.lower().startswith("image-"):
            yield entry.name


def _survey(folder: Path, levels: int = _LEVELS, depth: int = _DEPTH) -> Iterator[Path]:
    """Yield the folder and those below it that may hold the release."""
    yield folder
    below = [each for each in subfolders(folder) if each.name.lower() not in _FORM_FOLDERS]
    for each in below if depth else []:
        if _ABOVE.fullmatch(each.name):
            yield from _survey(each, levels, depth - 1)
        elif levels and len(below) <= _FEW:
            yield from _survey(each, levels - 1, depth - 1)


def _find_form(form: _Form, folders: list[Path]) -> Iterator[Path]:
    """Yield the folders of this form that hold patients."""
    for folder in folders:
        for each in subfolders(folder):
            if each.name.lower() != form.folder.lower():
                continue
            # An archive may have been unpacked into a folder of the name of that inside.
            for place in (each, each / each.name):
                if any(_PATIENT.fullmatch(entry.name) for entry in entries(place)):
                    yield place


def _view(position: str, unknown: UnknownCells) -> str:
    view = _VIEW_OF_POSITION.get(position.upper())
    if view is None:
        unknown.add(position)
    return view or "unknown"


def _years(cell: str, unknown: UnknownCells) -> float | None:
    """Return the first year of a bin of five."""
    if cell == _OLDEST:
        return 85.0
    # Programs that read the column as numbers write 45.0.
    years = age_in_years(cell.removesuffix(".0"))
    if cell and years is None:
        unknown.add(cell)
    return years
