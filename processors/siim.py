"""SIIM-ACR Pneumothorax: about 12,000 frontal films of NIH, the pneumothorax drawn on each that shows one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from processors.base import (
    ZERO_OR_ONE,
    Label,
    Location,
    Mask,
    Processor,
    Record,
    Release,
    SourceError,
    Split,
    Table,
    UnknownCells,
    UnusableRows,
    base_name,
    find_table,
    frontal_view_of,
    no_image_found,
    walk_images,
)
from processors.base.masks import union_of_runs

FINDING = "Pneumothorax"
_LABELLER = "SIIM-ACR"
# Every film of the release has this size, and the masks refer to it.
_ROWS = _COLUMNS = 1024

# SOPInstanceUIDs of one converter; other releases name their files by other ids.
_UID = r"1\.2\.276\.0\.7230010\.3\.1\.{kind}\.8323329(?:\.\d+){{3}}"
_IMAGE_ID = re.compile(_UID.format(kind=4), re.ASCII)
_STUDY_ID = re.compile(_UID.format(kind=2), re.ASCII)
_ANY_UID = re.compile(r"1\.2\.276\.[\d.]+", re.ASCII)
# RSNA's challenges use such ids too, in folders of other names.
_STAGE_2_ID = re.compile(r"id_[0-9a-f]{9}", re.ASCII | re.IGNORECASE)
_STAGE_2 = "stage_2_images"
# The pictures of vbookshelf's mirror: a number, the part of stage 1, and the label.
_NUMBERED = re.compile(r"\d+_(train|test)_([01])_\.png", re.ASCII)
_EXAMPLE = "1.2.276.0.7230010.3.1.4.8323329.<a>.<b>.<c>"

_EXPECTED = (
    f"{_EXAMPLE}.dcm in dicom-images-train, ID_<9 digits>.dcm in {_STAGE_2}, or 0_train_1_.png in png_images"
)

_SPLIT_OF_FOLDER: dict[str, Split] = {
    "dicom-images-train": "train",
    "dicom-images-test": "test",
    _STAGE_2: "test",
    "png_images": "train",
    "train_png": "train",
    "test_png": "test",
}
_MASK_FOLDER = re.compile(r"(?:png|train|test)?[-_ ]?masks?(?:[-_ ]?png)?")
_SAMPLE_FOLDER = re.compile(r"sample[-_ ]images")

# The second is that of the first with the test images of stage 1; the third is TorchXRayVision's copy.
_MASK_TABLES = ("train-rle.csv", "stage_2_train.csv", "siim-pneumothorax-train-rle.csv")
_STAGE_TABLES = {"train": "stage_1_train_images.csv", "test": "stage_1_test_images.csv"}

# Without a mask; the second as tables have it that were saved again.
_NO_MASK = ("-1", "-1.0")
_NUMBERS = re.compile(r"\d{1,7}(?:\s+\d{1,7})*", re.ASCII)
_DIGITS = tuple("0123456789")
_DAMAGED = (
    f"column 'EncodedPixels' holds no pairs of gap and length that end within {_ROWS} x {_COLUMNS} pixels; "
    "the image counts as positive"
)
_NEITHER = "column 'EncodedPixels' holds neither a mask nor -1"
_PNG = "png"


@dataclass(slots=True)
class _Reading:
    """What all rows of one image say: the runs of each region, and whether a row denies or affirms one."""

    regions: list[list[int]] = field(default_factory=list)
    affirmed: bool = False
    denied: bool = False


class _Annotations:
    """What the tables of masks say. Regions of one image, and readings of several readers, have rows each."""

    def __init__(self) -> None:
        self.readings: dict[str, _Reading] = {}
        self._labels = {value: [Label(FINDING, value, _LABELLER)] for value in (0, 1)}

    def read(self, path: Path, warnings: list[str]) -> Iterator[Record]:
        """Read a table; yield the rows that name no image."""
        unusable = UnusableRows(path.name)
        # The second column's name begins with a blank in the release; names and cells come stripped.
        columns = ("ImageId", "EncodedPixels")
        for row, (identity, cell) in enumerate(Table(path, columns=columns).rows(*columns), start=2):
            if not _is_id(identity):
                yield unusable.record(row, f"column 'ImageId' holds no id such as {_EXAMPLE}")
                continue
            reading = self.readings.setdefault(identity, _Reading())
            if cell in _NO_MASK:
                reading.denied = True
            elif runs := _runs(cell):
                reading.affirmed = True
                reading.regions.append(runs)
            else:
                # What begins with a number was a mask once.
                is_mask = cell[:1] in _DIGITS
                reading.affirmed |= is_mask
                # The image of the row has its record all the same: only the count is of use here.
                unusable.record(row, _DAMAGED if is_mask else _NEITHER)
        warnings += unusable.warnings

    @property
    def contradictory(self) -> int:
        """How many images have a mask in one row and none in another."""
        return sum(reading.affirmed and reading.denied for reading in self.readings.values())

    def label(self, identity: str) -> int | None:
        reading = self.readings.get(identity)
        if reading is None or not (reading.affirmed or reading.denied):
            return None
        return int(reading.affirmed)

    def labels_of(self, value: int | None) -> list[Label]:
        return [] if value is None else self._labels[value]

    def masks(self, identity: str) -> list[Mask]:
        reading = self.readings.get(identity)
        if reading is None or not reading.regions:
            return []
        return [Mask(FINDING, _ROWS, _COLUMNS, union_of_runs(reading.regions, _ROWS, _COLUMNS), _LABELLER)]


class SIIMACR(Processor):
    """The DICOM files of both stages of the challenge, and the copies of them as PNG.

    ``patient_id`` is None: PatientID in the headers is made up anew for each image. All images that a table
    labels are of the train split, those of stage 1's test among them, which were labelled later.
    """

    name = "SIIM-ACR Pneumothorax"
    folder = "siim"
    config_key = "SIIM_ROOT"
    licence = "rules of the Kaggle competition"
    access = "account at Kaggle"
    homepage = "https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation"
    citation = (
        "Society for Imaging Informatics in Medicine, American College of Radiology, Society of Thoracic "
        "Radiology. SIIM-ACR Pneumothorax Segmentation. Kaggle 2019."
    )
    releases = (
        Release(
            "labelled images of stage 2",
            12_047,
            "dicom-images-train then holds about 40 more DICOM files, which no table labels",
        ),
        Release(
            "labelled images of stage 1",
            10_675,
            "dicom-images-train then holds 10,712 DICOM files; about 1,377 more are the test of stage 1",
        ),
        Release("test of stage 2 (unlabelled)", 3_205),
    )
    known_bad = ()
    parent = "chex-ray14"

    def recognise(self) -> str:
        """Collect the images by name, wherever they lie: the layouts differ in folders and names only."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path in walk_images(self.root, (".dcm", ".png")):
            found[self._kind(path)].append(path)
        self._index(found)
        paths = [*self._images.values(), *self._numbered.values()]
        if not paths:
            raise no_image_found(self, f"files such as {_EXPECTED}")
        self._find_tables(paths)
        # RSNA has such UIDs too, in folders of other names.
        if not (self._numbered or self._mask_tables or any(map(self._known_folder, paths))):
            raise SourceError(
                f"{self.root}: found UIDs for names, as other datasets have them too, but neither a table "
                f"nor a folder of the release; if they are of {self.name}, put {_MASK_TABLES[0]} beside them"
            )
        if found["sample"]:
            self.warnings.append(f"{len(found['sample']):,} images of the competition's sample are not used")
        if found["other"]:
            self.warnings.append(
                f"{len(found['other']):,} DICOM or PNG files are not used: expected {_EXPECTED}"
            )
        return self._describe()

    def _kind(self, path: str) -> str:
        *folders, name = f"{self.root.name}/{path}".lower().split("/")
        if any(map(_SAMPLE_FOLDER.fullmatch, folders)):
            return "sample"
        if _MASK_FOLDER.fullmatch(folders[-1]):
            return "mask"
        if _NUMBERED.fullmatch(name):
            return "numbered"
        stem, suffix = name[:-4], name[-3:]
        in_stage_2 = _STAGE_2 in folders
        if _IMAGE_ID.fullmatch(stem) or (in_stage_2 and _STAGE_2_ID.fullmatch(stem)):
            return suffix
        return "other"

    def _index(self, found: dict[str, list[str]]) -> None:
        """Keep the first file of each image, a DICOM file before a PNG file."""
        self._images: dict[str, str] = {}
        for path in (*found["dcm"], *found[_PNG]):
            self._images.setdefault(_stem(path), path)
        self._numbered: dict[str, str] = {}
        for path in found["numbered"]:
            self._numbered.setdefault(base_name(path).lower(), path)
        files = sum(len(found[kind]) for kind in ("dcm", _PNG, "numbered"))
        self._copies = files - len(self._images) - len(self._numbered)

    def _find_tables(self, paths: list[str]) -> None:
        """Look for the tables in the root and in the folders on the way to those that hold the images."""
        near = {place for path in paths for place in _above_images(path)}
        folders = [self.root, *(self.root / place for place in sorted(near))]
        found = (find_table(folders, name) for name in _MASK_TABLES)
        self._mask_tables = [path for path in found if path is not None]
        self._stage_tables = {
            stage: path for stage, name in _STAGE_TABLES.items() if (path := find_table(folders, name))
        }

    def _describe(self) -> str:
        paths = [*self._images.values(), *self._numbered.values()]
        formats = sorted({"DICOM" if path.lower().endswith(".dcm") else "PNG" for path in paths})
        counts = Counter(self._known_folder(path) or "other folders" for path in paths)
        places = " and ".join(f"{count:,} in {folder}" for folder, count in sorted(counts.items()))
        return f"{' and '.join(formats)} files: {places}"

    def _known_folder(self, path: str) -> str | None:
        folders = [self.root.name, *path.split("/")[:-1]]
        return next((name for name in map(str.lower, reversed(folders)) if name in _SPLIT_OF_FOLDER), None)

    def records(self) -> Iterator[Record]:
        """Yield every image that a table names, then the files that no row names."""
        annotations = _Annotations()
        for path in self._mask_tables:
            self.tables.append(self.relative(path))
            yield from annotations.read(path, self.warnings)
        if annotations.contradictory:
            self.warnings.append(
                f"{annotations.contradictory:,} images have a mask in one row and -1 in another: "
                "the mask counts"
            )
        listed: set[str] = set()
        untied = dict(self._numbered)
        for stage, path in self._stage_tables.items():
            for record in self._read_stage(stage, path, annotations, untied):
                listed.add(record.identity)
                yield record
        # Pictures that nothing ties to an id: the rows of masks without a file may be theirs.
        loose = sum(_stage(name) not in self._stage_tables for name in untied)
        for identity in annotations.readings:
            if identity not in listed and (identity in self._images or not loose):
                listed.add(identity)
                yield self._listed(identity, self._images.get(identity), annotations)
        for name, place in untied.items():
            yield self._untied(name, place, annotations)
        self._tell_of_pictures(loose, len(self._numbered) - len(untied))
        yield from self._unlisted(listed)
        if self._copies:
            self.warnings.append(
                f"{self._copies:,} files are not used: the same images are here in other folders, or "
                "as DICOM files"
            )

    def _read_stage(
        self, stage: str, path: Path, annotations: _Annotations, untied: dict[str, str]
    ) -> Iterator[Record]:
        """Yield the rows of a table of the numbered pictures, which are removed from ``untied``."""
        table = Table(path, columns=("new_filename", "has_pneumo"))
        self.tables.append(self.relative(path))
        unusable = UnusableRows(path.name)
        nameless = 0
        unread = UnknownCells(
            path.name,
            "has_pneumo",
            "0 or 1",
            fate="are not used (the digit at the end of new_filename counts)",
        )
        rows = table.rows("new_filename", table.first_of("ImageId"), "has_pneumo")
        for row, (name, identity, cell) in enumerate(rows, start=2):
            match = _NUMBERED.fullmatch(name.lower())
            if match is None:
                yield unusable.record(row, "column 'new_filename' holds no name such as 0_train_1_.png")
                continue
            untied.pop(name.lower(), None)
            picture = self._numbered.get(name.lower())
            if not _is_id(identity):
                nameless += 1
                identity = name[:-4]
            dicom = self._images.get(identity)
            self._copies += dicom is not None and picture is not None
            if cell not in ZERO_OR_ONE:
                unread.add(cell)
            value = ZERO_OR_ONE.get(cell, int(match[2]))
            record = self._listed(identity, dicom or picture, annotations, name=name, value=value)
            record.native = {"has_pneumo": cell, "stage 1": stage}
            yield record
        self.warnings += unusable.warnings
        if nameless:
            self.warnings.append(
                f"{path.name}: {nameless:,} cells of column 'ImageId' are not used: expected ids such as "
                f"{_EXAMPLE}; these images go by the name of their PNG file"
            )
        self.warnings += unread.warnings

    def _listed(
        self,
        identity: str,
        path: str | None,
        annotations: _Annotations,
        *,
        name: str = "",
        value: int | None = None,
    ) -> Record:
        """Return the record of an image of a table; ``value`` is its label where no table of masks tells."""
        record = _record(identity, path, name or f"{identity}.dcm", "train")
        told = annotations.label(identity)
        record.labels = annotations.labels_of(value if told is None else told)
        record.masks = annotations.masks(identity)
        record.part = "png_images" if name else "dicom-images-train"
        return record

    def _untied(self, name: str, path: str, annotations: _Annotations) -> Record:
        """Return the record of a numbered picture that no row names: its name has its label."""
        stage = _stage(name)
        record = _record(_stem(path), path, name, "train")
        record.native = {"stage 1": stage}
        record.part = "png_images"
        if stage in self._stage_tables:
            record.excluded = f"not in {self._stage_tables[stage].name}"
        else:
            record.labels = annotations.labels_of(int(name.removesuffix("_.png")[-1]))
        return record

    def _tell_of_pictures(self, loose: int, tied: int) -> None:
        if loose:
            absent = [name for stage, name in _STAGE_TABLES.items() if stage not in self._stage_tables]
            self.warnings.append(
                f"{' and '.join(absent)} not found: {loose:,} images go by the name of their PNG file, which "
                "tells their label; without ImageId they get no masks"
            )
        if tied and not self._mask_tables:
            self.warnings.append(
                f"{tied:,} images are written without masks: the pictures in png_masks are not read; put "
                f"{_MASK_TABLES[0]} here, which has the same masks as text"
            )

    def _unlisted(self, listed: set[str]) -> Iterator[Record]:
        tables = [path.name for path in (*self._mask_tables, *self._stage_tables.values())]
        unlabelled = 0
        for identity, path in self._images.items():
            if identity in listed:
                continue
            folder = self._known_folder(path)
            split = _SPLIT_OF_FOLDER[folder] if folder else None
            record = _record(identity, path, "", split)
            record.part = folder
            if split != "test":
                unlabelled += 1
                record.excluded = f"not in {' or '.join(tables)}" if tables else None
            yield record
        if unlabelled and not tables:
            self.warnings.append(
                f"{_MASK_TABLES[0]} or {_MASK_TABLES[1]} not found: {unlabelled:,} images are written "
                "without labels and masks; put it beside the folders of images"
            )

    def view_in_header(self, view_position: str | None, patient_orientation: str | None) -> str | None:
        """Return PA or AP where ViewPosition says so: all films of the release are frontal."""
        return frontal_view_of(view_position)


def _record(identity: str, path: str | None, name: str, split: Split | None) -> Record:
    """Return a record with what the path tells; ``name`` is the file's where there is no path."""
    key = path or name
    is_picture = key.lower().endswith(".png")
    return Record(
        identity=identity,
        key=key,
        file=Location(path) if path else None,
        carrier=_PNG if is_picture else "",
        view="PA or AP",
        view_from_header=not is_picture,
        study_id=next(filter(_STUDY_ID.fullmatch, key.split("/")), None),
        split=split,
    )


def _is_id(cell: str) -> bool:
    return bool(_IMAGE_ID.fullmatch(cell) or _STAGE_2_ID.fullmatch(cell))


def _runs(cell: str) -> list[int]:
    """Return gaps and lengths in turn; nothing when they are no such list, or run past the grid."""
    if not _NUMBERS.fullmatch(cell):
        return []
    numbers = list(map(int, cell.split()))
    if len(numbers) % 2 or min(numbers[1::2]) == 0 or sum(numbers) > _ROWS * _COLUMNS:
        return []
    return numbers


def _above_images(path: str) -> set[str]:
    """Return the folders on the way to an image, up to the one that is for images."""
    places: set[str] = set()
    place = ""
    for folder in path.split("/")[:-1][:2]:
        if folder.lower() in _SPLIT_OF_FOLDER or _ANY_UID.fullmatch(folder):
            break
        place = f"{place}/{folder}" if place else folder
        places.add(place)
    return places


def _stage(name: str) -> str:
    return name.split("_")[1]


def _stem(path: str) -> str:
    return base_name(path)[:-4]
