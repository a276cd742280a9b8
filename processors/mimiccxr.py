"""MIMIC-CXR-JPG and MIMIC-CXR: 377,110 films as JPEG or DICOM, with reports and labels mined from them."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from processors.base import (
    KnownBad,
    Label,
    Location,
    Processor,
    Record,
    Release,
    Report,
    Split,
    Table,
    UnknownCells,
    UnusableRows,
    entries,
    find_table,
    is_archive,
    is_folder,
    no_image_found,
    path_inside,
    read_lines,
    view_of,
    walk_images,
)
from processors.base.chexpert_labels import OBSERVATIONS, Statements, Values, class_label, read_values
from processors.base.reports import ReportArchive, read_file, report_of

_GROUP = re.compile(r"p1[0-9]")
_PATIENT = re.compile(r"p(1[0-9]{7})")
_STUDY = re.compile(r"s(5[0-9]{7})")
_REPORT_NAME = re.compile(r"s5[0-9]{7}\.txt")
_DICOM_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}")
# Mirrors change what stands before this tail.
_TAIL = re.compile(rf"(?:.*/)?{_PATIENT.pattern}/{_STUDY.pattern}/({_DICOM_ID.pattern})(\.[A-Za-z]+)")
_REPORT_TAIL = re.compile(rf"(?:.*/)?({_GROUP.pattern}/{_PATIENT.pattern}/{_REPORT_NAME.pattern})")

_SAMPLE = "files/pNN/pNNNNNNNN/sNNNNNNNN/<dicom_id>.jpg"

_DICOM = "dicom"
_CARRIER_OF_SUFFIX = {".jpg": "", ".jpeg": "", ".png": "", ".dcm": _DICOM, ".dicom": _DICOM}

# Folders above and beside the tree in downloads by wget, from buckets and on Kaggle.
_ON_THE_WAY = re.compile(
    r"physionet\.org|files|[0-9]+(\.[0-9]+)+|mimic.*|official_data.*|reports|notes", re.IGNORECASE
)
# physionet.org/files/mimic-cxr/2.0.0/mimic-cxr-reports/files, one folder too high.
_DEEPEST = 7
# Folders of other names are looked into so far down, where there are so few.
_ANY_NAME_DOWN_TO, _FEW = 2, 100
# So many patients of each of p10 ... p19 are looked at to see what the tree holds.
_LOOKED_AT = 5

_ID_COLUMNS = ("dicom_id", "subject_id", "study_id")
_NATIVE_COLUMNS = (
    "ViewPosition",
    "PerformedProcedureStepDescription",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)
_SPLIT_OF_CELL: dict[str, Split] = {"train": "train", "validate": "val", "test": "test"}

# AP, PA, LATERAL and LL as the publishers count them (MIT-LCP/mimic-cxr, generate-stats-from-paper.ipynb);
# what is "other" there is told apart here.
_VIEW_OF_POSITION = {
    "": "unknown",
    "AP": "AP",
    "PA": "PA",
    "LATERAL": "lateral",
    "LL": "lateral",
    **dict.fromkeys(("LPO", "RPO", "LAO", "RAO"), "oblique"),
    **dict.fromkeys(("AP LLD", "PA LLD", "AP RLD", "PA RLD"), "decubitus"),
    **dict.fromkeys(("AP AXIAL", "XTABLE LATERAL", "SWIMMERS", "L5 S1"), "other"),
}
# Corrected by hand in the same notebook.
_CORRECTED_VIEWS = {
    "2164992c-f4abb30a-7aaaf4f4-383cab47-4e3eb1c8": "PA",
    "5e6881e2-ff4254e0-b99f0c2f-8964482a-031364db": "lateral",
    "fcdf7a30-3236b74e-65b97587-cdd4cfde-63cd1de0": "PA",
    "fb074ec1-6715839c-84fa75e6-adc3f026-448b1481": "PA",
    "dfb8080a-8506e43e-840d9d58-0f738f41-82c120b0": "PA",
    "4b32608b-c2ead7c4-1fe5565f-42f7ab80-9dad30de": "lateral",
    "53663e89-8f9ca9bb-df1bf434-8d6b1283-2b612609": "lateral",
    "8672a4e7-366801a0-26cf2395-9344335c-aac8d728": "AP",
    "9800b28e-3ff3b417-18473be2-1a66131d-aca88488": "AP",
    "598cfe48-33a8643e-843e27e2-5dd584e7-3cd5f1c0": "AP",
}

_METADATA, _SPLIT, _CHEXPERT, _NEGBIO, _RADIOLOGIST = "metadata", "split", "chexpert", "negbio", "radiologist"
# Release 2.1.0 has the first four under these names too.
_TABLE_NAMES = {
    _METADATA: "mimic-cxr-2.0.0-metadata.csv",
    _SPLIT: "mimic-cxr-2.0.0-split.csv",
    _CHEXPERT: "mimic-cxr-2.0.0-chexpert.csv",
    _NEGBIO: "mimic-cxr-2.0.0-negbio.csv",
    _RADIOLOGIST: "mimic-cxr-2.1.0-test-set-labeled.csv",
}
_WITHOUT = {
    _METADATA: "views are unknown",
    _SPLIT: "the official validation and test images cannot be told from the others",
    _CHEXPERT: "images are written without the labels of CheXpert and without class_label",
    _NEGBIO: "images are written without the labels of NegBio",
}
_UNKNOWN_VIEWS = "; images of unknown view are written only with FRONTAL_ONLY: false"
_LABELLERS = (_CHEXPERT, _NEGBIO, _RADIOLOGIST)
_RECORD_LIST, _FILE_LIST = "cxr-record-list.csv", "IMAGE_FILENAMES"
_UNOFFICIAL = "mimic_cxr_aug_"
_TABLE_STARTS = ("mimic-cxr-", "cxr-", _FILE_LIST.lower(), _UNOFFICIAL)

_OPACITY = "Lung Opacity"
# The test set's table has the second spelling.
_OPACITY_SPELLINGS = (_OPACITY, "Airspace Opacity")

_ZIP_NAME = "mimic-cxr-reports.zip"
_MEDAI = "github.com/pdpino/medical-ai and github.com/PabloMessina/MedVQA"
_RGRG = "list of failed x-rays in github.com/ttanida/rgrg"
_KNOWN_BAD = (
    *KnownBad.each(
        "suspicious",
        "broken content",
        f"{_MEDAI}; {_RGRG}",
        """
        03b2e67c-70631ff8-685825fb-6c989456-621ca64d 56b8afd3-5f6d4419-8699d79e-6913a2bd-35a08557
        93020995-6b84ca33-2e41e00d-5d6e3bee-87cfe5c6
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "looks empty",
        _MEDAI,
        """
        0539ee33-9d402e49-a9cc6d36-7aabc539-3d80a62b
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "blurred or empty",
        _MEDAI,
        """
        0b6f08b2-72deda00-d7ccc375-8278269f-b4e11c36 151abebe-2a750a5c-09c181bb-1a9016ef-92d8910e
        f674e474-817bb713-8f16c90c-608cf869-2829cae7
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "failed X-ray",
        _RGRG,
        """
        0518c887-b80608ca-830de2d5-89acf0e2-bd3ec900 786d69d0-08d16a2c-dd260165-682e66e9-acf7e942
        1d0bafd0-72c92e4c-addb1c57-40008638-b9ec8584 f55a5fe2-395fc452-4e6b63d9-3341534a-ebb882d5
        14a5423b-9989fc33-123ce6f1-4cc7ca9a-9a3d2179 9c42d877-dfa63a03-a1f2eb8c-127c60c3-b20b7e01
        996fb121-fab58dd2-7521fd7e-f9f3133c-bc202556 f57b4a53-5fecd631-2fe14e8a-f4780ee0-b8471007
        d496943d-153ec9a5-c6dfe4c0-4fb9e57f-675596eb 422689b1-40e06ae8-d6151ff3-2780c186-6bd67271
        8385a8ad-ad5e02a8-8e1fa7f3-d822c648-2a41a205 e180a7b6-684946d6-fe1782de-45ed1033-1a6f8a51
        f5f82c2f-e99a7a06-6ecc9991-072adb2f-497dae52 6d54a492-7aade003-a238dc5c-019ccdd2-05661649
        2b5edbbf-116df0e3-d0fea755-fabd7b85-cbb19d84 db9511e3-ee0359ab-489c3556-4a9b2277-c0bf0369
        87495016-a6efd89e-a3697ec7-89a81d53-627a2e13 810a8e3b-2cf85e71-7ed0b3d3-531b6b68-24a5ca89
        a9f0620b-6e256cbd-a7f66357-2fe78c8a-49caac26 46b02f13-69fb7e49-321880e4-80584065-c1f57b50
        """,
    ),
)


class _Tree:
    """A folder with p10 ... p19 below it: of images, of reports, or of both.

    ``suffixes`` gives the ending of the image files by carrier, as found in the first study with images.
    """

    def __init__(self, path: Path, groups: dict[str, list[str]]) -> None:
        self.path = path
        self.groups = groups
        self.suffixes: dict[str, str] = {}
        self.has_reports = False

    def look(self, most: int | None) -> None:
        """Look into so many patients of each group, or into all until an image is found."""
        for group, patients in self.groups.items():
            for patient in patients[:most]:
                found = entries(self.path / group / patient)
                self.has_reports |= any(_REPORT_NAME.fullmatch(entry.name) for entry in found)
                for entry in found:
                    if not self.suffixes and _STUDY.fullmatch(entry.name):
                        self._look_into_study(Path(entry.path))
                if self.suffixes and (self.has_reports or most is None):
                    return

    def _look_into_study(self, study: Path) -> None:
        for entry in entries(study):
            stem, dot, ending = entry.name.rpartition(".")
            carrier = _CARRIER_OF_SUFFIX.get(dot + ending.lower())
            if carrier is not None and _DICOM_ID.fullmatch(stem):
                self.suffixes.setdefault(carrier, dot + ending)


class _Survey:
    """What lies below a root: trees, folders with tables, the archive of the reports."""

    def __init__(self, root: Path) -> None:
        self.trees: list[_Tree] = []
        self.table_folders: list[Path] = []
        self.has_unofficial_tables = False
        self.report_archive: Path | None = None
        self.packed: list[str] = []
        waiting = deque([(root, 0)])
        seen: set[Path] = set()
        while waiting:
            folder, depth = waiting.popleft()
            # Links such as latest -> 2.1.0, and those that lead back.
            if (real := folder.resolve()) in seen:
                continue
            seen.add(real)
            found = entries(folder)
            self._note(folder, [entry.name for entry in found])
            any_name = depth < _ANY_NAME_DOWN_TO and len(found) <= _FEW
            for entry in found:
                if _GROUP.fullmatch(entry.name) or not (any_name or _ON_THE_WAY.fullmatch(entry.name)):
                    continue
                if depth < _DEEPEST and is_folder(entry):
                    waiting.append((Path(entry.path), depth + 1))
        for tree in self.trees:
            tree.look(_LOOKED_AT)
        if not any(tree.suffixes for tree in self.trees):
            for tree in self.trees:
                tree.look(None)

    def _note(self, folder: Path, names: list[str]) -> None:
        groups = {name: _patients(folder / name) for name in names if _GROUP.fullmatch(name)}
        if any(groups.values()):
            self.trees.append(_Tree(folder, groups))
        if any(name.lower().startswith(_TABLE_STARTS) for name in names):
            self.table_folders.append(folder)
        self.has_unofficial_tables |= any(name.lower().startswith(_UNOFFICIAL) for name in names)
        self.packed += [name for name in names if is_archive(name) and name.lower() != _ZIP_NAME]
        for name in names:
            if self.report_archive is None and name.lower() == _ZIP_NAME:
                self.report_archive = folder / name


class _Place(NamedTuple):
    """Where the folder of a patient lies: what to put before its name, and the ending of its images."""

    prefix: str
    suffix: str


class _LabelTable(Table):
    """A table with one row per study and one column per observation."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, columns=("study_id", *(name for name in OBSERVATIONS if name != _OPACITY)))
        self._opacity = self.one_of(*_OPACITY_SPELLINGS)
        self.names = [self._opacity if name == _OPACITY else name for name in OBSERVATIONS]

    def rows(self, *columns: str | None) -> Iterator[tuple[str, ...]]:
        """Yield the cells of the named columns, whatever the table calls `Lung Opacity`."""
        return super().rows(*(self._opacity if name == _OPACITY else name for name in columns))

    def values(self, warnings: list[str]) -> dict[str, Values]:
        """Return the values of every study."""
        found: dict[str, Values] = {}
        for (study,), values in zip(self.rows("study_id"), read_values(self, warnings), strict=True):
            found.setdefault(study, values)
        if repeated := len(self) - len(found):
            warnings.append(
                f"{self.path.name}: {repeated:,} rows are not used: an earlier row names the same study"
            )
        return found


class _StudyLabels:
    """What the label tables say of studies."""

    def __init__(self, paths: dict[str, Path], warnings: list[str]) -> None:
        self._paths = paths
        tables = {labeller: _LabelTable(path) for labeller, path in paths.items()}
        self._values = {labeller: table.values(warnings) for labeller, table in tables.items()}
        self._chexpert = self._values.get(_CHEXPERT)
        self.labels = Statements(
            (labeller, self._values[labeller], table.names) for labeller, table in tables.items()
        ).labels

    def class_label(self, study: str) -> list[int] | None:
        """Return MaCheX's vector, all zeros for the eight studies without a row."""
        return None if self._chexpert is None else class_label(self._chexpert.get(study, _NOTHING))

    def unused(self, studies: set[str | None]) -> list[str]:
        """Return one warning per table that names studies beyond the given ones."""
        unused = {labeller: len(values.keys() - studies) for labeller, values in self._values.items()}
        return [
            f"{self._paths[labeller].name}: {count:,} rows are not used: no image is of these studies"
            for labeller, count in unused.items()
            if count
        ]


_NOTHING: Values = (None,) * len(OBSERVATIONS)


class _Study(NamedTuple):
    """What the images of a study have in common; ``folder`` is its path below its group, such as p10."""

    ids: tuple[str, str]
    part: str
    folder: str
    place: _Place | None
    labels: list[Label]
    class_label: list[int] | None
    report_file: str | None


class _Image(NamedTuple):
    """An image by its ids, and the further cells of its row."""

    identity: str
    patient: str
    study: str
    native: dict[str, str]


class MimicCXR(Processor):
    """MIMIC-CXR-JPG or the DICOM files of MIMIC-CXR, which are the same images.

    The reports of MIMIC-CXR and the tables of MIMIC-CXR-JPG are used with either. Sex and age are not told
    (they are in MIMIC-IV). What the other labellers call ``Lung Opacity`` is ``Airspace Opacity`` in the
    table of the test set.
    """

    name = "MIMIC-CXR"
    folder = "mimic"
    config_key = "MIMIC_ROOT"
    licence = "PhysioNet Credentialed Health Data License 1.5.0: no sharing, no re-identification"
    access = "credentialed access at PhysioNet, with CITI training"
    homepage = "https://physionet.org/content/mimic-cxr-jpg/2.1.0/"
    citation = (
        "Johnson AEW, Pollard TJ, Greenbaum NR, et al. MIMIC-CXR-JPG, a large publicly available database of "
        "labeled chest radiographs. arXiv:1901.07042 (2019)."
    )
    releases = (
        Release("MIMIC-CXR-JPG 2.0.0 or 2.1.0", 377_110),
        Release("MIMIC-CXR 2.0.0 or 2.1.0 (DICOM)", 377_110),
    )
    known_bad = _KNOWN_BAD
    machex_fields = ("report", "class_label")

    def recognise(self) -> str:
        """List the patients, look into the first of them for images and reports, and find the tables."""
        survey = _Survey(self.root)
        trees = self._choose(survey)
        self._places = self._index(trees)
        self._suffix = trees[0].suffixes[self._carrier]
        self._find_tables(survey)
        self._find_reports(survey)
        return self._describe(trees, survey)

    def _choose(self, survey: _Survey) -> list[_Tree]:
        """Return the trees with JPEG files, else those with DICOM files."""
        carriers = {carrier for tree in survey.trees for carrier in tree.suffixes}
        if not carriers:
            raise no_image_found(
                self,
                f"files such as {_SAMPLE} or .dcm here or in folders such as "
                "physionet.org/files/mimic-cxr-jpg/2.1.0",
                survey.packed,
            )
        self._carrier = min(carriers)
        if len(carriers) > 1:
            self.warnings.append("DICOM files are not used: JPG files of the same images are here")
        return [tree for tree in survey.trees if self._carrier in tree.suffixes]

    def _index(self, trees: list[_Tree]) -> dict[str, _Place]:
        places: dict[str, _Place] = {}
        for tree in trees:
            known = len(places)
            for group, patients in tree.groups.items():
                place = _Place(f"{self.relative(tree.path / group)}/", tree.suffixes[self._carrier])
                for patient in patients:
                    places.setdefault(patient, place)
            if twice := sum(map(len, tree.groups.values())) - (len(places) - known):
                self.warnings.append(
                    f"{self.relative(tree.path)}: {twice:,} patient folders are not used: the same patients "
                    "are here in other folders"
                )
        return places

    def _find_tables(self, survey: _Survey) -> None:
        folders = survey.table_folders
        found = {kind: find_table(folders, name) for kind, name in _TABLE_NAMES.items()}
        self._tables = {kind: path for kind, path in found.items() if path is not None}
        self._list = (
            self._tables.get(_METADATA)
            or find_table(folders, _RECORD_LIST)
            or find_table(folders, _FILE_LIST)
            or self._tables.get(_SPLIT)
        )
        paths = [*([self._list] if self._list else []), *self._tables.values()]
        self.tables += map(self.relative, dict.fromkeys(paths))
        absent = [kind for kind in _WITHOUT if kind not in self._tables]
        unless = " unless the DICOM headers tell them" if self._carrier == _DICOM else ""
        if len(absent) == len(_WITHOUT):
            unofficial = f" ({_UNOFFICIAL}*.csv are not used)" if survey.has_unofficial_tables else ""
            names = ", ".join(map(_TABLE_NAMES.__getitem__, absent))
            self.warnings.append(
                f"{names} not found{unofficial}: images are written without "
                f"labels, {_WITHOUT[_METADATA]}{unless}, and {_WITHOUT[_SPLIT]}{_UNKNOWN_VIEWS}"
            )
            return
        for kind in absent:
            more = f"{unless}{_UNKNOWN_VIEWS}" if kind == _METADATA else ""
            self.warnings.append(f"{_TABLE_NAMES[kind]} not found: {_WITHOUT[kind]}{more}")

    def _find_reports(self, survey: _Survey) -> None:
        tree = next((tree for tree in survey.trees if tree.has_reports), None)
        self._reports: str | None = None
        self._report_archive: ReportArchive | None = None
        self._reports_in = ""
        if tree is not None:
            self._reports_in = self.relative(tree.path)
            self._reports = "" if self._reports_in == "." else f"{self._reports_in}/"
        elif survey.report_archive is not None:
            self._reports_in = self.relative(survey.report_archive)
            self._reports = ""
            self._report_archive = ReportArchive(survey.report_archive, _REPORT_TAIL)
        else:
            self.warnings.append(
                "pNN/pNNNNNNNN/sNNNNNNNN.txt not found beside the studies or in mimic-cxr-reports/, "
                f"reports/, notes/, nor {_ZIP_NAME}: images are written without reports"
            )

    def _describe(self, trees: list[_Tree], survey: _Survey) -> str:
        form = "MIMIC-CXR (DICOM)" if self._carrier == _DICOM else "MIMIC-CXR-JPG"
        if _RADIOLOGIST in self._tables:
            form += " with the tables of MIMIC-CXR-JPG 2.1.0" if self._carrier == _DICOM else " 2.1.0"
        elif survey.has_unofficial_tables and not self._tables:
            form = "unofficial copy of MIMIC-CXR-JPG on Kaggle"
        suffixes = " and ".join(sorted({tree.suffixes[self._carrier] for tree in trees}))
        reports = f", reports in {self._reports_in}" if self._reports_in else ""
        return f"{form}: {suffixes} files in {', '.join(self.relative(tree.path) for tree in trees)}{reports}"

    def records(self) -> Iterator[Record]:
        """Yield every row of the list of images, then the images of patients that it does not name."""
        paths = {labeller: self._tables[labeller] for labeller in _LABELLERS if labeller in self._tables}
        self._labels = _StudyLabels(paths, self.warnings)
        self._splits = self._read_splits() if _SPLIT in self._tables else None
        self._positions = UnknownCells(
            self._list.name if self._list else "",
            "ViewPosition",
            "a view such as AP, PA or LATERAL",
            fate=UnknownCells.NO_VIEW,
        )
        self._study: _Study | None = None
        identities: set[str] = set()
        patients: set[str | None] = set()
        studies: set[str | None] = set()
        for record in itertools.chain(self._listed(), self._walk(patients)):
            identities.add(record.identity)
            patients.add(record.patient_id)
            studies.add(record.study_id)
            yield record
        self.warnings += self._labels.unused(studies)
        self._tell_unused_splits(identities)
        # A processor lives as long as the run, and these are large.
        del self._labels, self._splits, self._places

    def _listed(self) -> Iterator[Record]:
        path = self._list
        if path is None:
            return
        unusable = UnusableRows(path.name)
        read = _lines if path.name.lower().startswith(_FILE_LIST.lower()) else _rows
        for row, image in read(path):
            if isinstance(image, str):
                yield unusable.record(row, image)
                continue
            yield self._record(image)
        self.warnings += [*unusable.warnings, *self._positions.warnings]

    def _record(self, image: _Image, suffix: str = "") -> Record:
        """Return the record of an image; without a suffix its file ends like the first of the release."""
        identity, patient, study_id, native = image
        # The release's list has the images of a study one after the other.
        study = self._study
        if study is None or study.ids != (patient, study_id):
            study = self._study = self._read_study(patient, study_id)
        place = study.place
        name = f"{study.folder}/{identity}{suffix or (place.suffix if place else self._suffix)}"
        view = self._view(identity, native.get("ViewPosition", ""))
        excluded, split = None, None
        if self._splits is not None:
            split = self._splits.get(identity)
            if split is None:
                # What the list of splits does not name may be held out.
                excluded = f"not in {self._tables[_SPLIT].name}"
            else:
                native["split"] = split
        return Record(
            identity=identity,
            key=f"{study.part}/{name}",
            file=Location(place.prefix + name) if place else None,
            carrier=self._carrier,
            # So the publishers describe MIMIC-CXR-JPG; the DICOM files are as they came.
            histogram_equalised=self._carrier != _DICOM,
            view=view,
            patient_id=patient,
            study_id=study_id,
            split=_SPLIT_OF_CELL[split] if split else None,
            labels=study.labels,
            report=_NO_REPORT if study.report_file is None else None,
            report_file=study.report_file,
            view_from_header=view == "unknown" and self._carrier == _DICOM,
            class_label=study.class_label,
            native=native,
            part=study.part,
            excluded=excluded,
        )

    def _read_study(self, patient: str, study: str) -> _Study:
        group = f"p{patient[:2]}"
        folder = f"p{patient}/s{study}"
        return _Study(
            ids=(patient, study),
            part=f"files/{group}",
            folder=folder,
            place=self._places.get(f"p{patient}"),
            labels=self._labels.labels(study),
            class_label=self._labels.class_label(study),
            report_file=None if self._reports is None else f"{self._reports}{group}/{folder}.txt",
        )

    def _view(self, identity: str, position: str) -> str:
        view = _CORRECTED_VIEWS.get(identity) or _VIEW_OF_POSITION.get(position.upper())
        if view is None:
            self._positions.add(position)
            return "unknown"
        return view

    def _read_splits(self) -> dict[str, str]:
        """Return the split cell of every image; of two that differ the one that holds it out."""
        table = Table(self._tables[_SPLIT], columns=(*_ID_COLUMNS, "split"))
        splits: dict[str, str] = {}
        unread = UnknownCells(table.path.name, "split", "train, validate or test")
        for identity, cell in table.rows("dicom_id", "split"):
            if cell not in _SPLIT_OF_CELL:
                unread.add(cell)
            elif cell != "train" or identity not in splits:
                splits[identity] = cell
        self.warnings += unread.warnings
        return splits

    def _tell_unused_splits(self, identities: set[str]) -> None:
        # Of a patient whom the list names only the images that it names are looked for.
        if self._splits is None or self._list is None or self._list == self._tables[_SPLIT]:
            return
        if unused := len(self._splits.keys() - identities):
            self.warnings.append(
                f"{self._tables[_SPLIT].name}: {unused:,} rows are not used: {self._list.name} names no such "
                "images; download it again"
            )

    def _walk(self, named: set[str | None]) -> Iterator[Record]:
        """Yield the images below the folders of the patients that are not named; only these are listed."""
        unused = 0
        excluded = f"not in {self._list.name}" if self._list is not None else None
        suffixes = [suffix for suffix, carrier in _CARRIER_OF_SUFFIX.items() if carrier == self._carrier]
        for patient, place in self._places.items():
            if patient[1:] in named:
                continue
            for path in walk_images(self.root / place.prefix / patient, suffixes):
                match = _TAIL.fullmatch(f"{patient}/{path}")
                if match is None or match.start(1) != 1:
                    unused += 1
                    continue
                record = self._record(_Image(match[3], match[1], match[2], {}), match[4])
                record.excluded = excluded
                yield record
        if unused:
            self.warnings.append(f"{unused:,} image files are not used: expected names such as {_SAMPLE}")

    def view_in_header(self, view_position: str | None, patient_orientation: str | None) -> str | None:
        """Return the view that a DICOM header tells, in the spellings of the table too."""
        return view_of(view_position, patient_orientation, _VIEW_OF_POSITION)

    def read_report(self, report_file: str) -> Report:
        """Return the report: its text as MaCheX's index has it, its findings and its impression."""
        if self._report_archive is not None:
            read = self._report_archive.read(report_file)
        else:
            try:
                read = read_file(self.root / report_file)
            except OSError as error:
                # Of the same kind, without the path, which names a patient.
                raise OSError(error.errno, error.strerror) from None
        return report_of(read)


# MaCheX's index has an empty text where there is no report.
_NO_REPORT = Report("")


def _patients(group: Path) -> list[str]:
    names = (entry.name for entry in entries(group))
    return [name for name in names if _PATIENT.fullmatch(name) and name.startswith(group.name)]


def _lines(path: Path) -> Iterator[tuple[int, _Image | str]]:
    """Yield line number and image of a list of paths, or what is wrong with the line."""
    for number, line in enumerate(read_lines(path), start=1):
        match = _TAIL.fullmatch(path_inside(line) or "")
        yield (
            number,
            _Image(match[3], match[1], match[2], {}) if match else f"expected a path such as {_SAMPLE}",
        )


def _rows(path: Path) -> Iterator[tuple[int, _Image | str]]:
    """Yield row number and image of a table that has the three ids, or what is wrong with the row."""
    is_metadata = path.name.lower().startswith(_TABLE_NAMES[_METADATA])
    table = Table(path, columns=(*_ID_COLUMNS, *(("ViewPosition",) if is_metadata else ())))
    columns = [name for name in _NATIVE_COLUMNS if name in table.columns]
    cells = table.rows(*_ID_COLUMNS, *columns)
    for number, (identity, patient, study, *native) in enumerate(cells, start=2):
        fault = _fault(identity, patient, study)
        yield number, fault or _Image(identity, patient, study, dict(zip(columns, native, strict=True)))


def _fault(identity: str, patient: str, study: str) -> str | None:
    """Say what is wrong with ids, of which paths are made."""
    if not _DICOM_ID.fullmatch(identity):
        return "expected five groups of eight hexadecimal digits joined by '-' in 'dicom_id'"
    if not _PATIENT.fullmatch(f"p{patient}"):
        return "expected eight digits that start with 1 in 'subject_id'"
    if not _STUDY.fullmatch(f"s{study}"):
        return "expected eight digits that start with 5 in 'study_id'"
    return None
