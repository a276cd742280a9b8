"""CheXpert: 224,316 frontal and lateral films as JPEG, labelled from their reports or by radiologists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from processors.base import (
    KnownBad,
    Location,
    Mask,
    Processor,
    Record,
    Release,
    Split,
    Table,
    UnknownCells,
    UnusableRows,
    entries,
    find_table,
    floats,
    no_image_found,
    sex_of,
    walk_images,
)
from processors.base.chexpert_labels import OBSERVATIONS, Statements, Values, class_label, labels, read_values
from processors.base.json_files import read_json, text_of
from processors.base.masks import pixels_inside

# Split names as the paths in the tables have them; CheXlocalize calls the folder of `valid` `val`.
_SPLITS: dict[str, Split] = {"train": "train", "valid": "val", "test": "test"}
_SPLIT_OF_FOLDER = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}

_PATIENT = re.compile(r"patient[0-9]+")
# Mirrors change what stands before this tail.
_TAIL = re.compile(
    r"(?:.*/)?(?i:(train|valid|val|test))/(patient[0-9]+)/(study[0-9]+)/(view[0-9]+_(?:frontal|lateral))"
    r"(?i:(\.jpe?g|\.png))"
)
_STUDY_TAIL = re.compile(r"(?:.*/)?test/(patient[0-9]+/study[0-9]+)/?")
_MASK_KEY = re.compile(r"(patient[0-9]+)_(study[0-9]+)_(view[0-9]+_(?:frontal|lateral))")
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

_BATCH = re.compile(r"CheXpert-v1\.0 batch [0-9].*", re.IGNORECASE)
_SMALL = re.compile(r"chex[^/]*-small", re.IGNORECASE)
_VALID_BATCH = "CheXpert-v1.0 batch 1 (validate & csv)"
# The last patient of each train archive of Stanford AIMI.
_TRAIN_BATCHES = (
    (21_513, "CheXpert-v1.0 batch 2 (train 1)"),
    (43_017, "CheXpert-v1.0 batch 3 (train 2)"),
    (64_540, "CheXpert-v1.0 batch 4 (train 3)"),
)

_NO_IMAGE = "column 'Path' does not end like train/patient00001/study1/view1_frontal.jpg"
_EXPERTS = "radiologists"
_STUDY_TABLE = "groundtruth.csv"
_MASK_FILES = {"valid": "gt_segmentations_val.json", "test": "gt_segmentations_test.json"}
_CARRIER_SMALL = "small"
_CLASS_LABEL_FROM = ("CheXpert", _EXPERTS)
_ROW_COLUMNS = ("Sex", "Age", "Frontal/Lateral", "AP/PA")
# What CheXlocalize publishes for its images: a path and labels.
_LABELS_ONLY = ("val_labels.csv", "test_labels.csv", "test.csv")
# Frontal ones; LL and RL stand beside 17 frontal films.
_POSITIONS = ("", "AP", "PA", "LL", "RL")
_MEDAI = "medai/datasets/chexpert.py of github.com/pdpino/medical-ai"


class _LabelTable(NamedTuple):
    """A table with one row per image: the names it goes by, and who labelled."""

    split: str
    labeller: str
    names: tuple[str, ...]


# The first that is present describes the images of its split, the next ones add labels.
_SOURCES = (
    _LabelTable("train", "CheXpert", ("train.csv",)),
    _LabelTable("train", "CheXbert", ("train_cheXbert.csv",)),
    _LabelTable("train", "visualCheXbert", ("train_visualCheXbert.csv",)),
    _LabelTable("valid", _EXPERTS, ("valid.csv", "val_labels.csv")),
    _LabelTable("test", _EXPERTS, ("test_labels.csv", "test.csv")),
)


class _Image(NamedTuple):
    """An image by the tail of its path."""

    identity: str
    split: str
    patient: str
    study: str
    name: str
    suffix: str

    @classmethod
    def parse(cls, path: str) -> _Image | None:
        match = _TAIL.fullmatch(path)
        if match is None:
            return None
        folder, patient, study, name, suffix = match.groups()
        split = _SPLIT_OF_FOLDER[folder.lower()]
        return cls(f"{split}/{patient}/{study}/{name}", split, patient, study, name, suffix)

    @property
    def in_split(self) -> str:
        return f"{self.patient}/{self.study}/{self.name}{self.suffix}"

    @property
    def is_lateral(self) -> bool:
        return self.name.endswith("_lateral")


class _Folder(NamedTuple):
    """A folder that may belong to the release: the split that its name tells, and its patient folders."""

    path: Path
    split: str | None
    patients: list[str]


class _ImageTable:
    """A table with one row per image, and the values of its labeller by identity."""

    def __init__(self, path: Path, labeller: str, warnings: list[str]) -> None:
        columns = () if path.name.lower().startswith(_LABELS_ONLY) else _ROW_COLUMNS
        self.labeller = labeller
        self._table = Table(path, columns=("Path", *columns, *OBSERVATIONS))
        self.values: dict[str, Values] = {}
        # Of the rows that name no image.
        self.unusable: list[Record] = []
        # Of the rows whose image an earlier row names.
        self.repeated: list[_Image] = []
        unusable = UnusableRows(path.name)
        rows = zip(self._table.rows("Path"), read_values(self._table, warnings), strict=True)
        for row, ((cell,), values) in enumerate(rows, start=2):
            image = _Image.parse(cell)
            if image is None:
                self.unusable.append(unusable.record(row, _NO_IMAGE))
            elif image.identity in self.values:
                self.repeated.append(image)
            else:
                self.values[image.identity] = values
        warnings += unusable.warnings

    def rows(self) -> Iterator[tuple[_Image, dict[str, str]]]:
        """Yield the image of every row and the cells that say how it was taken."""
        columns = ["Path", *(column for column in _ROW_COLUMNS if column in self._table.columns)]
        for cells in self._table.rows(*columns):
            image = _Image.parse(cells[0])
            if image is not None:
                yield image, dict(zip(columns, cells, strict=True))


class _Place(NamedTuple):
    """Where the folder of a patient lies: what to put before its name, and the part of the release.

    ``suffix`` is that of the files there; a mirror may have others than the tables say. None when unknown.
    """

    prefix: str
    part: str
    suffix: str | None
    is_small: bool


class CheXpert(Processor):
    """CheXpert-v1.0 in full size or small, merged or in four batches, and its test set.

    The tree is as deep as 64,540 patient folders, so that the tables are trusted: of a patient whom they name
    no folder is listed, and a file there that no row names is not found. All files of a split are taken to
    have the suffix of its first one.
    """

    name = "CheXpert"
    folder = "chexpert"
    config_key = "CHEXPERT_ROOT"
    licence = "Stanford University Dataset Research Use Agreement: non-commercial research, no redistribution"
    access = "registration at Stanford AIMI"
    homepage = "https://stanfordmlgroup.github.io/competitions/chexpert/"
    citation = (
        "Irvin J, Rajpurkar P, Ko M, et al. CheXpert: A Large Chest Radiograph Dataset with Uncertainty "
        "Labels and Expert Comparison. AAAI 2019. For the test set and its masks: Saporta A, Gui X, Agrawal "
        "A, et al. Benchmarking saliency methods for chest X-ray interpretation. Nature Machine Intelligence "
        "4, 867-878 (2022)."
    )
    releases = (
        Release(
            "CheXpert-v1.0 or CheXpert-v1.0-small: train and valid",
            223_648,
            note="the published 224,316 include the test set, which came later with CheXlocalize",
        ),
        Release("the same with the test set of CheXlocalize", 224_316),
        Release(
            "CheXlocalize: val and test",
            902,
            note="val is CheXpert's valid; 187 of val and 499 of test have masks",
        ),
    )
    known_bad = (
        *KnownBad.each("suspicious", "badly rotated", _MEDAI, "train/patient00008/study2/view1_frontal"),
        *KnownBad.each(
            "suspicious",
            "looks empty",
            _MEDAI,
            """
            train/patient05271/study5/view2_frontal train/patient07366/study15/view1_frontal
            train/patient12362/study1/view1_frontal train/patient25114/study3/view1_frontal
            train/patient25979/study8/view1_frontal train/patient27187/study1/view1_frontal
            train/patient40368/study3/view2_frontal train/patient44163/study1/view1_frontal
            train/patient48043/study1/view2_frontal
            """,
        ),
    )
    machex_fields = ("class_label",)

    def recognise(self) -> str:
        """List the patient folders of every split, and find the tables beside them."""
        surveyed = list(_survey(self.root, is_root=True))
        bases = self._choose([folder for folder in surveyed if folder.patients])
        if not bases:
            raise no_image_found(
                self,
                f"folders such as train/patient00001 or '{_TRAIN_BATCHES[0][1]}/patient00001' here or in a "
                "folder CheXpert...",
            )
        self._in_batches = any(_BATCH.fullmatch(folder.path.name) for folder in surveyed)
        self._places = self._index(bases)
        parents = {self.root, *(base.path.parent for base in bases)}
        beside = [
            folder.path
            for folder in surveyed
            if not folder.patients and (folder.path in parents or _is_chex(folder.path.name))
        ]
        self._find_tables(sorted(beside, key=self._is_small))
        form = "batches of Stanford AIMI" if self._in_batches else "merged folders"
        return f"{form}: {', '.join(self.relative(base.path) for base in bases)}"

    def _is_small(self, path: Path) -> bool:
        # The root itself may be the folder CheXpert-v1.0-small.
        return _SMALL.search(f"{self.root.absolute().name}/{self.relative(path)}") is not None

    def _choose(self, folders: list[_Folder]) -> list[_Folder]:
        """Leave out what is not to be read: the small release beside the full one."""
        full_size = {folder.split for folder in folders if not self._is_small(folder.path)}
        chosen = []
        for folder in folders:
            name = self.relative(folder.path)
            if folder.split is None:
                self.warnings.append(
                    f"{name}: {len(folder.patients):,} patient folders are not used: expected them in train, "
                    "valid, val, test or a batch folder"
                )
            elif folder.split in full_size and self._is_small(folder.path):
                self.warnings.append(f"{name} is not used: full-size images of this split are here")
            else:
                chosen.append(folder)
        return chosen

    def _index(self, bases: list[_Folder]) -> dict[str, dict[str, _Place]]:
        places: dict[str, dict[str, _Place]] = {split: {} for split in _SPLITS}
        for folder, split, patients in bases:
            assert split is not None
            relative = self.relative(folder)
            batch = next((p.name for p in (folder, folder.parent) if _BATCH.fullmatch(p.name)), None)
            place = _Place(
                prefix="" if relative == "." else f"{relative}/",
                part=batch or split,
                suffix=_suffix_in(folder / patients[0]),
                is_small=self._is_small(folder),
            )
            new = {patient: place for patient in patients if patient not in places[split]}
            if len(new) < len(patients):
                self.warnings.append(
                    f"{relative}: {len(patients) - len(new):,} patient folders are not used: the same "
                    "patients are here in other folders"
                )
            places[split] |= new
        return places

    def _find_tables(self, folders: list[Path]) -> None:
        self._sources: dict[str, list[tuple[str, Path]]] = {split: [] for split in _SPLITS}
        for split, labeller, names in _SOURCES:
            path = find_table(folders, *names)
            if path is not None:
                self._sources[split].append((labeller, path))
                self.tables.append(self.relative(path))
        self._study_table = find_table(folders, _STUDY_TABLE)
        if self._study_table is not None and not self._sources["test"]:
            self.tables.append(self.relative(self._study_table))
        found = {split: find_table(folders, name) for split, name in _MASK_FILES.items()}
        self._mask_files = {split: path for split, path in found.items() if path is not None}
        self.tables += map(self.relative, self._mask_files.values())
        bare = [
            split
            for split, sources in self._sources.items()
            if self._places[split] and not sources and not (split == "test" and self._study_table)
        ]
        if bare:
            expected = ", ".join(names[0] for split, _, names in _SOURCES if split in bare)
            self.warnings.append(
                f"{expected} not found: the images of {' and '.join(bare)} are written without labels, sex "
                "and age"
            )

    def records(self) -> Iterator[Record]:
        """Yield every row of the tables, then the images of patients that no table of their split names."""
        self._masks = self._read_masks()
        listed: set[str] = set()
        for sources in self._sources.values():
            yield from self._listed(sources, listed)
        named = {identity.rsplit("/", 2)[0] for identity in listed}
        for split, places in self._places.items():
            images = self._walk(split, {p: at for p, at in places.items() if f"{split}/{p}" not in named})
            if split == "test" and self._study_table and not self._sources[split]:
                yield from self._of_studies(self._study_table, images)
            else:
                table = next((path.name for _, path in self._sources[split]), None)
                yield from self._unlisted(images, table)
        if self._masks:
            names = ", ".join(path.name for path in self._mask_files.values())
            self.warnings.append(
                f"{names}: the masks of {len(self._masks):,} images are not used: the images are not here"
            )

    def _listed(self, sources: list[tuple[str, Path]], listed: set[str]) -> Iterator[Record]:
        tables = [_ImageTable(path, labeller, self.warnings) for labeller, path in sources]
        for number, table in enumerate(tables):
            # Kaggle's copies of the small release have no folder of that name, only paths in the tables.
            told_by_paths = not self._is_small(sources[number][1])
            statements = Statements((each.labeller, each.values, OBSERVATIONS) for each in tables[number:])
            positions = UnknownCells(
                sources[number][1].name, "AP/PA", f"{', '.join(_POSITIONS[1:])} or a blank"
            )
            for image, native in () if table.values.keys() <= listed else table.rows():
                identity = image.identity
                if identity in listed:
                    continue
                listed.add(identity)
                record = self._record(self._on_disk(image), native.get("AP/PA"))
                if told_by_paths and _SMALL.search(native["Path"]):
                    record.carrier = _CARRIER_SMALL
                if (position := native.get("AP/PA", "")) not in _POSITIONS:
                    positions.add(position)
                record.sex = sex_of(native.get("Sex", ""))
                record.age = _years(native.get("Age", ""))
                record.native = native
                record.labels = statements.labels(identity)
                values = table.values.get(identity)
                if values and table.labeller in _CLASS_LABEL_FROM:
                    record.class_label = class_label(values)
                yield record
            for image in table.repeated:
                yield self._record(image)
            yield from table.unusable
            self.warnings += positions.warnings

    def _on_disk(self, image: _Image) -> _Image:
        """Return the image with the suffix that files of its split have here."""
        place = self._places[image.split].get(image.patient)
        if place is None or place.suffix is None or place.suffix == image.suffix:
            return image
        return image._replace(suffix=place.suffix)

    def _record(self, image: _Image, position: str | None = None) -> Record:
        place = self._places[image.split].get(image.patient)
        frontal = position if position in ("AP", "PA") else "PA or AP"
        identity = image.identity
        return Record(
            identity=identity,
            key=identity + image.suffix,
            # So the publishers describe their pictures of 8 bits.
            histogram_equalised=True,
            file=Location(place.prefix + image.in_split) if place else None,
            carrier=_carrier(place, image) if place else "",
            view="lateral" if image.is_lateral else frontal,
            patient_id=image.patient,
            study_id=f"{image.patient}/{image.study}",
            split=_SPLITS[image.split],
            masks=self._masks.pop(identity, []),
            part=place.part if place else self._absent_part(image),
        )

    def _absent_part(self, image: _Image) -> str:
        if not self._in_batches or image.split == "test":
            return image.split
        if image.split == "valid":
            return _VALID_BATCH
        number = int(image.patient.removeprefix("patient"))
        return next((part for last, part in _TRAIN_BATCHES if number <= last), "train")

    def _walk(self, split: str, places: dict[str, _Place]) -> Iterator[_Image]:
        """Yield the images below the given patient folders; only these are listed."""
        seen: set[str] = set()
        unused = 0
        for patient, place in places.items():
            folder = self.root / f"{place.prefix}{patient}"
            for path in walk_images(folder, _IMAGE_SUFFIXES):
                tail = f"{patient}/{path}"
                image = _Image.parse(f"{split}/{tail}")
                if image is None or image.in_split != tail or image.identity in seen:
                    unused += 1
                else:
                    seen.add(image.identity)
                    yield image
        if unused:
            self.warnings.append(
                f"{unused:,} image files of {split} are not used: expected one file with a name such as "
                "patient00001/study1/view1_frontal.jpg for each image"
            )

    def _unlisted(self, images: Iterator[_Image], table: str | None) -> Iterator[Record]:
        for image in images:
            record = self._record(image)
            record.excluded = f"not in {table}" if table else None
            yield record

    def _of_studies(self, path: Path, images: Iterator[_Image]) -> Iterator[Record]:
        """Yield the images of the test set with the labels of their studies."""
        table = Table(path, columns=("Study", *OBSERVATIONS))
        unusable = UnusableRows(path.name)
        values_of: dict[str, Values] = {}
        row_of: dict[str, int] = {}
        rows = zip(table.rows("Study"), read_values(table, self.warnings), strict=True)
        for row, ((cell,), values) in enumerate(rows, start=2):
            match = _STUDY_TAIL.fullmatch(cell)
            if match is None:
                yield unusable.record(row, "column 'Study' does not end like test/patient00001/study1")
            elif match[1] in values_of:
                yield unusable.record(row, "an earlier row names the same study")
            else:
                values_of[match[1]], row_of[match[1]] = values, row
        for record in self._unlisted(images, path.name):
            study = record.study_id or ""
            if study in values_of:
                values = values_of[study]
                row_of.pop(study, None)
                record.excluded = None
                record.labels = labels(values, _EXPERTS)
                record.class_label = class_label(values)
            yield record
        for row in row_of.values():
            yield unusable.record(row, "no image of the study is here")
        self.warnings += unusable.warnings

    def _read_masks(self) -> dict[str, list[Mask]]:
        """Return what the radiologists of CheXlocalize outlined, by identity."""
        masks: dict[str, list[Mask]] = {}
        for split, path in self._mask_files.items():
            unread = 0
            for key, findings in read_json(path, dict).items():
                match = _MASK_KEY.fullmatch(key)
                if match is None or not isinstance(findings, dict):
                    unread += 1
                    continue
                shown = masks[f"{split}/{'/'.join(match.groups())}"] = []
                for finding, cell in findings.items():
                    try:
                        shown += _mask(text_of(finding), cell)
                    except ValueError:
                        unread += 1
            if unread:
                self.warnings.append(
                    f"{path.name}: {unread:,} masks are not used: expected names such as "
                    "patient00001_study1_view1_frontal with size and counts for each finding, the counts "
                    "those of a grid of that size"
                )
        return masks


def _survey(folder: Path, *, is_root: bool = False) -> Iterator[_Folder]:
    """Yield the folder and those below it that may belong to the release, each listed once."""
    patients: list[str] = []
    below: list[Path] = []
    for entry in entries(folder):
        if _PATIENT.fullmatch(entry.name):
            patients.append(entry.name)
        elif is_root or _is_chex(entry.name) or entry.name.lower() in _SPLIT_OF_FOLDER:
            below.append(Path(entry.path))
    # The train batches of Stanford AIMI have no folder train/ inside.
    name = folder.absolute().name
    split = "train" if _BATCH.fullmatch(name) else _SPLIT_OF_FOLDER.get(name.lower())
    yield _Folder(folder, "valid" if name.lower() == _VALID_BATCH.lower() else split, patients)
    for child in below:
        if child.is_dir():
            yield from _survey(child)


def _is_chex(name: str) -> bool:
    # CheXpert-v1.0-small, chexpertchestxrays-u20210408, chexlocalize, ...
    return name.lower().startswith("chex")


def _years(cell: str) -> float | None:
    number = floats([cell])
    # The release writes 0 for an unknown age; all patients are adults.
    return number[0] if number and number[0] > 0 else None


def _suffix_in(patient: Path) -> str | None:
    """Return the suffix of the first image of a patient."""
    for path in walk_images(patient, _IMAGE_SUFFIXES):
        image = _Image.parse(f"train/{patient.name}/{path}")
        if image is not None and image.in_split == f"{patient.name}/{path}":
            return image.suffix
    return None


def _carrier(place: _Place, image: _Image) -> str:
    if place.is_small:
        return _CARRIER_SMALL
    # The release has JPEG alone; who made PNG files of it may have made them smaller too.
    return "PNG" if image.suffix.lower() == ".png" else ""


def _mask(finding: str, cell: object) -> list[Mask]:
    """Return the mask in a cell; none when it is empty, as those of findings that the image does not show.

    Raises
    ------
    ValueError
        When it is no mask.
    """
    match cell:
        case {"size": [int(rows), int(columns)], "counts": str(runs)}:
            painted = pixels_inside(runs, rows, columns)
            return [Mask(finding, rows, columns, runs, _EXPERTS)] if painted else []
    raise ValueError("expected size and counts")
