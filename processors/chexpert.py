"""CheXpert: 224,316 frontal and lateral films as JPEG, labelled from their reports or by radiologists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from processors.base import (
    KnownBad,
    Location,
    Processor,
    Record,
    Release,
    SourceError,
    Split,
    Table,
    contents,
    entries,
    find_table,
    floats,
    walk_images,
)
from processors.base.chexpert_labels import OBSERVATIONS, Values, class_label, labels, read_values

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
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

_BATCH = re.compile(r"CheXpert-v1\.0 batch [0-9].*", re.IGNORECASE)
_VALID_BATCH = "CheXpert-v1.0 batch 1 (validate & csv)"
# The last patient of each train archive of Stanford AIMI.
_TRAIN_BATCHES = (
    (21_513, "CheXpert-v1.0 batch 2 (train 1)"),
    (43_017, "CheXpert-v1.0 batch 3 (train 2)"),
    (64_540, "CheXpert-v1.0 batch 4 (train 3)"),
)

_EXPERTS = "radiologists"
_STUDY_TABLE = "groundtruth.csv"
_CLASS_LABEL_FROM = ("CheXpert", _EXPERTS)
_ROW_COLUMNS = ("Sex", "Age", "Frontal/Lateral", "AP/PA")
# What CheXlocalize publishes for its images: a path and labels.
_LABELS_ONLY = ("val_labels.csv", "test_labels.csv", "test.csv")
_SEX: dict[str, Literal["M", "F"]] = {"Male": "M", "Female": "F"}
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
        return cls(_SPLIT_OF_FOLDER[folder.lower()], patient, study, name, suffix)

    @property
    def identity(self) -> str:
        return f"{self.split}/{self.patient}/{self.study}/{self.name}"

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
        columns = () if path.name.lower().removesuffix(".gz") in _LABELS_ONLY else _ROW_COLUMNS
        self.labeller = labeller
        self._table = Table(path, columns=("Path", *columns, *OBSERVATIONS))
        self.values: dict[str, Values] = {}
        unmatched = 0
        for (cell,), values in zip(self._table.rows("Path"), read_values(self._table, warnings), strict=True):
            image = _Image.parse(cell)
            if image is None:
                unmatched += 1
            else:
                self.values.setdefault(image.identity, values)
        if unmatched:
            warnings.append(
                f"{path.name}: {unmatched:,} rows are not used: column 'Path' does not end like "
                "train/patient00001/study1/view1_frontal.jpg"
            )
        if repeated := len(self._table) - unmatched - len(self.values):
            warnings.append(
                f"{path.name}: {repeated:,} rows are not used: an earlier row names the same image"
            )

    def rows(self) -> Iterator[tuple[_Image, dict[str, str]]]:
        """Yield the image of every row and the cells that say how it was taken."""
        columns = ["Path", *(column for column in _ROW_COLUMNS if column in self._table.columns)]
        for cells in self._table.rows(*columns):
            image = _Image.parse(cells[0])
            if image is not None:
                yield image, dict(zip(columns, cells, strict=True))


class _Place(NamedTuple):
    """Where the folder of a patient lies: what to put before its name, and the part of the release."""

    prefix: str
    part: str


class CheXpert(Processor):
    """CheXpert-v1.0 in full size or small, merged or in four batches, and its test set."""

    name = "CheXpert"
    folder = "chexpert"
    config_key = "CHEXPERT_ROOT"
    licence = "Stanford University Dataset Research Use Agreement: non-commercial research, no redistribution"
    access = "registration at Stanford AIMI"
    homepage = "https://stanfordmlgroup.github.io/competitions/chexpert/"
    citation = (
        "Irvin J, Rajpurkar P, Ko M, et al. CheXpert: A Large Chest Radiograph Dataset with Uncertainty "
        "Labels and Expert Comparison. AAAI 2019."
    )
    releases = (
        Release("CheXpert-v1.0 or CheXpert-v1.0-small: train and valid", 223_648),
        Release("the same with the test set of CheXlocalize", 224_316),
        Release("CheXlocalize: val and test", 902),
    )
    known_bad = (
        KnownBad("train/patient00008/study2/view1_frontal", "suspicious", "badly rotated", _MEDAI),
        KnownBad("train/patient05271/study5/view2_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient07366/study15/view1_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient12362/study1/view1_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient25114/study3/view1_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient25979/study8/view1_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient27187/study1/view1_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient40368/study3/view2_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient44163/study1/view1_frontal", "suspicious", "looks empty", _MEDAI),
        KnownBad("train/patient48043/study1/view2_frontal", "suspicious", "looks empty", _MEDAI),
    )

    def recognise(self) -> str:
        """List the patient folders of every split, and find the tables beside them."""
        surveyed = list(_survey(self.root, is_root=True))
        bases = self._choose([folder for folder in surveyed if folder.patients])
        if not bases:
            raise SourceError(
                f"{self.root}: no image of {self.name} found: expected folders such as train/patient00001 or "
                f"'{_TRAIN_BATCHES[0][1]}/patient00001' here or in a folder CheXpert..., found "
                f"{contents(self.root)}; "
                "unpack the archives, or check the path"
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
        return "-small" in self.relative(path).lower()

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
            place = _Place("" if relative == "." else f"{relative}/", batch or split)
            new = {patient: place for patient in patients if patient not in places[split]}
            if len(new) < len(patients):
                self.warnings.append(
                    f"{relative}: {len(patients) - len(new):,} patients are not read from here: they lie in "
                    "another folder of this split too"
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
        bare = [
            split
            for split, sources in self._sources.items()
            if self._places[split] and not sources and not (split == "test" and self._study_table)
        ]
        if bare:
            expected = ", ".join(names[0] for split, _, names in _SOURCES if split in bare)
            self.warnings.append(
                f"no table found for {', '.join(bare)} (expected {expected}): these images are written "
                "without labels, sex and age"
            )

    def records(self) -> Iterator[Record]:
        """Yield every row of the tables, then the images of patients that no table of their split names."""
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

    def _listed(self, sources: list[tuple[str, Path]], listed: set[str]) -> Iterator[Record]:
        tables = [_ImageTable(path, labeller, self.warnings) for labeller, path in sources]
        for number, table in enumerate(tables):
            if table.values.keys() <= listed:
                continue
            for image, native in table.rows():
                identity = image.identity
                if identity in listed:
                    continue
                listed.add(identity)
                record = self._record(image, native.get("AP/PA"))
                record.sex = _SEX.get(native.get("Sex", ""))
                record.age = _years(native.get("Age", ""))
                record.native = native
                for source in tables[number:]:
                    if identity in source.values:
                        record.labels += labels(source.values[identity], source.labeller)
                if table.labeller in _CLASS_LABEL_FROM:
                    record.class_label = class_label(table.values[identity])
                yield record

    def _record(self, image: _Image, position: str | None = None) -> Record:
        place = self._places[image.split].get(image.patient)
        frontal = position if position in ("AP", "PA") else "PA or AP"
        return Record(
            identity=image.identity,
            key=image.identity + image.suffix,
            file=Location(place.prefix + image.in_split) if place else None,
            carrier="small" if place and "-small" in place.prefix.lower() else "",
            view="lateral" if image.is_lateral else frontal,
            patient_id=image.patient,
            study_id=f"{image.patient}/{image.study}",
            split=_SPLITS[image.split],
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
        """Yield the test images with the labels of their study."""
        table = Table(path, columns=("Study", *OBSERVATIONS))
        values_of: dict[str, Values] = {}
        for (cell,), values in zip(table.rows("Study"), read_values(table, self.warnings), strict=True):
            match = _STUDY_TAIL.fullmatch(cell)
            values_of[match[1] if match else cell] = values
        seen: set[str] = set()
        for record in self._unlisted(images, path.name):
            study = record.study_id or ""
            if study in values_of:
                values = values_of[study]
                seen.add(study)
                record.excluded = None
                record.labels = labels(values, _EXPERTS)
                record.class_label = class_label(values)
            yield record
        if absent := len(values_of) - len(seen):
            self.warnings.append(f"{path.name}: {absent:,} studies have no image here")


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
