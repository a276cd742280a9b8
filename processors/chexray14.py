"""NIH ChestX-ray14: 112,120 frontal films as PNG, findings mined from reports, 984 boxes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from processors.base import (
    Box,
    KnownBad,
    Label,
    Location,
    Processor,
    Record,
    Release,
    SourceError,
    Split,
    Table,
    UnknownCells,
    UnusableRows,
    age_in_years,
    base_name,
    find_further_file,
    find_table,
    naming_key,
    no_image_found,
    read_lines,
    sex_of,
    tar_members,
    walk_images,
)
from processors.base.boxes import sides_of

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
NO_FINDING = "No Finding"
_KNOWN_LABELS = {*FINDINGS, NO_FINDING}

_IMAGE_NAME = re.compile(r"[0-9]{8}_[0-9]{3}\.png", re.IGNORECASE)
_ARCHIVE_NAME = "images-224.tar"
_PACKED = (".tar.gz", ".tgz", ".zip")
_TABLES = (".csv", ".csv.gz", ".csv.zip", ".txt", ".txt.gz", ".txt.zip")
# An image in both lists is held out: the list that comes last decides.
_TRAINING_LIST = "train_val_list.txt"
_TEST_LIST = "test_list.txt"
_TEST_LIST_KEY = "CHEXRAY14_TEST_LIST"
_LISTS: dict[str, Split] = {_TRAINING_LIST: "train", _TEST_LIST: "test"}
_TEST_IMAGES = 25_596
# Every image of the release is meant to be frontal, so that one of which no cell says more is.
_FRONTAL = "PA or AP"
_VIEWS = {"PA": "PA", "AP": "AP", "": _FRONTAL}
# Boxes are given on the published PNG grid, also for resized copies.
_BOX_GRID = (1024, 1024)
# The twelve archives hold the images in order of name; the first is the short one.
_FIRST_ARCHIVE, _ARCHIVE = 4_999, 10_000
_RESIZED = "224 px"
_TABLE_NAMES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "sample_labels.csv")
_BOXES = "BBox_List_2017.csv"
_MEDAI = "medai/datasets/cxr14.py of github.com/pdpino/medical-ai"

# Labels of Majkowska et al. (Radiology 2020) for 4,376 of the images, as their bucket, a download of it by
# browser, and TorchXRayVision name the files. Their labels of single readers are not read.
_GOOGLE_PREFIX = "four_findings_expert_labels_"
_GOOGLE_TABLES = (
    "google2019_nih-chest-xray-labels.csv",
    "test_labels.csv",
    "validation_labels.csv",
    f"{_GOOGLE_PREFIX}test_labels.csv",
    f"{_GOOGLE_PREFIX}validation_labels.csv",
)
_GOOGLE_FINDINGS = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")
_GOOGLE_VALUES = {"YES": 1, "NO": 0}

# Cells worth keeping as they are written. The commas inside the brackets of the header are not quoted, so
# that the halves are column names; the Kaggle sample spells them without brackets.
_NATIVE_COLUMNS = (
    "View Position",
    "Finding Labels",
    "Follow-up #",
    "Patient Age",
    "OriginalImage[Width",
    "Height]",
    "OriginalImagePixelSpacing[x",
    "y]",
    "OriginalImageWidth",
    "OriginalImageHeight",
    "OriginalImagePixelSpacing_x",
    "OriginalImagePixelSpacing_y",
)


class _SplitLists:
    """The official lists that are there, and what they say of an image by its name.

    Together they name every image. One that the training list should name and does not is left out: it may be
    held out. With the test list alone, what it does not name is for training.
    """

    def __init__(self, source: ChestXray14, folders: list[Path]) -> None:
        paths = {
            _TRAINING_LIST: find_table(folders, _TRAINING_LIST),
            _TEST_LIST: find_further_file(source, _TEST_LIST_KEY, folders),
        }
        found = {name: path for name, path in paths.items() if path}
        warnings = source.warnings
        self.paths = list(found.values())
        self._named_by = " or ".join(found)
        self.splits: dict[str, Split] = {}
        for list_name, path in found.items():
            if list_name == _TEST_LIST:
                names = _read_test_list(path, source.files, warnings)
                if _TRAINING_LIST not in found and len(names) < _TEST_IMAGES:
                    warnings.append(_incomplete(path, names))
            else:
                names = _read_list(path, warnings)
            self.splits.update(dict.fromkeys(names, _LISTS[list_name]))
        self._names_training = _TRAINING_LIST in found
        absent = " and ".join(name for name in _LISTS if name not in found)
        if absent and found:
            others = "are left out" if self._names_training else "count as training images"
            warnings.append(f"{absent} not found: images that {self._named_by} does not name {others}")
        elif absent:
            warnings.append(
                f"{absent} not found: the official test images cannot be told from the others; put "
                f"{_TEST_LIST} beside the tables, or name it as {_TEST_LIST_KEY}"
            )

    def split(self, name: str) -> Split | None:
        return self.splits.get(name.lower())

    def excluded(self, name: str) -> str | None:
        """Say why the lists leave an image out, None when they do not."""
        if not self._names_training or name.lower() in self.splits:
            return None
        return f"not in {self._named_by}"


class _GoogleLabels:
    """What a panel of radiologists for Google said of some images, by the image's name in lower case."""

    def __init__(self, paths: list[Path], warnings: list[str]) -> None:
        self.paths: list[Path] = []
        self.labels: dict[str, tuple[Label, ...]] = {}
        self._shared: dict[tuple[Label, ...], tuple[Label, ...]] = {}
        self._differing = 0
        for path in paths:
            table = Table(path)
            # Tables of other releases have such names too, even Google's own with all findings.
            if absent := {"Image Index", *_GOOGLE_FINDINGS} - set(table.columns):
                warnings.append(
                    f"{path.name} is not used: it lacks columns {', '.join(map(repr, sorted(absent)))} of "
                    "Google's labels of four findings; is it the table of another release?"
                )
                continue
            self.paths.append(path)
            self._read(table, warnings)
        if self._differing:
            warnings.append(
                f"Google's tables: {self._differing:,} rows contradict an earlier one of their image: the "
                "first counts"
            )

    def _read(self, table: Table, warnings: list[str]) -> None:
        nameless = 0
        unread = UnknownCells(table.path.name, None, "YES or NO")
        for cell, *values in table.rows("Image Index", *_GOOGLE_FINDINGS):
            name = _image_name(cell)
            if name is None:
                nameless += 1
                continue
            for value in values:
                if value not in _GOOGLE_VALUES:
                    unread.add(value)
            labels = tuple(
                Label(finding, _GOOGLE_VALUES[value], "Google")
                for finding, value in zip(_GOOGLE_FINDINGS, values, strict=True)
                if value in _GOOGLE_VALUES
            )
            labels = self._shared.setdefault(labels, labels)
            self._differing += self.labels.setdefault(name.lower(), labels) != labels
        if nameless:
            warnings.append(
                f"{table.path.name}: {nameless:,} rows are not used: expected a name such as "
                "00000001_000.png in column 'Image Index'"
            )
        warnings += unread.warnings


class ChestXray14(Processor):
    """The NIH release in its full-size (Box, Kaggle) and 224 px (Academic Torrents) forms.

    Images are told by their names alone, so that any arrangement of folders is read. Google's labels of four
    findings (Majkowska et al., Radiology 2020), where their tables lie below the root, are further labels of
    these images.
    """

    name = "NIH ChestX-ray14"
    folder = "chex-ray14"
    config_key = "CHEXRAY14_ROOT"
    licence = (
        "unrestricted use with attribution to the NIH Clinical Center and a link to its download page; "
        "Kaggle marks its copy CC0"
    )
    access = "open download"
    homepage = "https://nihcc.app.box.com/v/ChestXray-NIHCC"
    citation = (
        "Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: Hospital-scale Chest X-ray Database "
        "and Benchmarks on Weakly-Supervised Classification and Localization of Common Thorax Diseases. "
        "CVPR 2017."
    )
    releases = (
        Release(
            "full size (Box, Kaggle) or 224 px (Academic Torrents)",
            112_120,
            note="the table of 2020 has corrected ages and 181 extended label cells; with 224 px there are "
            "no split lists",
        ),
        Release("Kaggle sample", 5_606, note="a selection, without split lists and boxes"),
    )
    further_files = MappingProxyType({_TEST_LIST_KEY: _TEST_LIST})
    known_bad = (
        *KnownBad.each("suspicious", "looks empty", _MEDAI, "00007160_002 00012249_001"),
        *KnownBad.each("suspicious", "lateral although listed as frontal", _MEDAI, "00013774_015"),
        *KnownBad.each("suspicious", "inverted", _MEDAI, "00020006_001 00021201_042"),
        *KnownBad.each("suspicious", "one-lung patient", _MEDAI, "00029041_016 00029041_017"),
    )

    def recognise(self) -> str:
        """Collect the images by name: the releases differ only in the folders they lie in."""
        found = list(walk_images(self.root, (".png", ".tar", *_TABLES, *_PACKED)))
        self._google_tables = [self.root / path for path in found if _is_of_google(base_name(path).lower())]
        self._table_folders = self._folders(path for path in found if path.lower().endswith(_TABLES))
        archive = next((path for path in found if base_name(path).lower() == _ARCHIVE_NAME), None)
        full_size, resized = self._pictures(found)
        self._carrier = "" if full_size else _RESIZED
        # The archive whose images stand in for those that are not unpacked.
        self._archive = None if full_size else archive
        if full_size:
            spare = [f"{len(resized):,} copies of 224 px are"] if resized else []
            spare += [f"{_ARCHIVE_NAME} is"] if archive else []
            self.warnings += [f"{what} not used: full-size images are here" for what in spare]
            self._images = self._index(full_size)
            return "full-size PNG files"
        self._images = self._index(resized)
        if resized:
            return f"{_RESIZED} PNG files"
        self._archive = None
        # PadChest is about in an archive of the same name.
        self._images = self._members(archive) if archive else {}
        if not self._images:
            raise no_image_found(
                self,
                "files such as 00000001_000.png in images/, images_001/images/ or images-224/, or "
                f"{_ARCHIVE_NAME}",
                (path for path in found if path != archive),
            )
        return f"{_RESIZED} PNG files inside {_ARCHIVE_NAME}"

    def _folders(self, tables: Iterator[str]) -> list[Path]:
        """Return the folders of some files, those nearest to the root first."""
        folders = {PurePosixPath(path).parent for path in tables}
        return [
            self.root / folder for folder in sorted(folders, key=lambda folder: (len(folder.parts), folder))
        ]

    def _pictures(self, found: list[str]) -> tuple[list[str], list[str]]:
        """Return the image files of full size and those of 224 px."""
        pictures = [path for path in found if path.lower().endswith(".png")]
        unpacked = [path for path in pictures if _IMAGE_NAME.fullmatch(base_name(path))]
        if others := len(pictures) - len(unpacked):
            self.warnings.append(
                f"{others:,} PNG files are not used: expected names such as 00000001_000.png"
            )
        resized = [path for path in unpacked if self._is_resized(path)]
        return [path for path in unpacked if not self._is_resized(path)], resized

    def _is_resized(self, path: str) -> bool:
        return "/images-224" in f"/{self.root.name}/{path}".lower()

    def _index(self, paths: list[str]) -> dict[str, str | Location]:
        # Texts, because a Location takes more memory than its path.
        images: dict[str, str | Location] = {}
        for path in paths:
            images.setdefault(base_name(path).lower(), path)
        if len(images) < len(paths):
            self.warnings.append(
                f"{len(paths) - len(images):,} files are not used: the same images are here in other folders"
            )
        return images

    def _members(self, archive: str) -> dict[str, str | Location]:
        return {
            name.lower(): location
            for name, location in tar_members(self.root / archive, self.root, (".png",))
            if _IMAGE_NAME.fullmatch(name)
        }

    def _location(self, name: str) -> Location | None:
        place = self._images.get(name)
        return Location(place) if isinstance(place, str) else place

    def records(self) -> Iterator[Record]:
        """Yield every row of the table, then the files that no row names."""
        lists = _SplitLists(self, self._table_folders)
        self._google = _GoogleLabels(self._google_tables, self.warnings)
        self.tables += map(self.relative, [*lists.paths, *self._google.paths])
        boxes = self._read_boxes()
        path = find_table(self._table_folders, *_TABLE_NAMES)
        listed: set[str] = set()
        if path is None:
            self.warnings.append(
                f"{_TABLE_NAMES[0]} not found: images are taken for frontal ones and written without labels, "
                "sex and age"
            )
            self._fill_gaps(None)
        else:
            for record in self._listed(path, boxes, lists):
                listed.add(record.key.lower())
                yield record
        for name in self._images:
            if name not in listed:
                record = self._record(name, boxes, lists)
                record.file = self._location(name)
                record.excluded = f"not in {path.name}" if path else record.excluded
                yield record
        unknown = boxes.keys() - listed - self._images.keys()
        if unplaced := sum(len(boxes[name]) for name in unknown):
            self.warnings.append(f"{_BOXES}: {unplaced:,} boxes are not used: their images are not here")
        if unplaced := len(self._google.labels.keys() - listed - self._images.keys()):
            self.warnings.append(f"Google's labels of {unplaced:,} images are not used: these are not here")
        here = listed | self._images.keys()
        self._splits_of_absent = {
            _identity(name): split for name, split in lists.splits.items() if name not in here
        }
        # A processor lives as long as the run, and these are large.
        del self._images

    def _fill_gaps(self, names: set[str] | None) -> None:
        """Take what is not unpacked from the archive beside; without names, all that it holds."""
        if self._archive is None or (names is not None and names <= self._images.keys()):
            return
        packed = self._members(self._archive)
        gaps = {name: location for name, location in packed.items() if name not in self._images}
        self._images |= gaps
        if gaps:
            self.warnings.append(
                f"{len(gaps):,} images are read from {_ARCHIVE_NAME}: they are not unpacked beside it"
            )

    def _listed(self, path: Path, boxes: dict[str, list[Box]], lists: _SplitLists) -> Iterator[Record]:
        table = Table(path, columns=("Image Index", "Finding Labels", "View Position"))
        self.tables.append(self.relative(path))
        names = [_image_name(cell) for (cell,) in table.rows("Image Index")]
        if self._archive is not None:
            self._fill_gaps({name.lower() for name in names if name})
        parts = _parts({name for name in names if name}) if self._carrier != _RESIZED else {}
        people = table.rows(table.first_of("Patient Sex", "Patient Gender"), table.first_of("Patient Age"))
        unusable = UnusableRows(path.name)
        # Most cells are alike; equal ones share their labels.
        labels_of: dict[tuple[str, tuple[Label, ...]], list[Label]] = {}
        findings = UnknownCells(path.name, "Finding Labels", "labels of the release", fate=UnknownCells.KEPT)
        views = UnknownCells(path.name, "View Position", "PA, AP or a blank", fate=UnknownCells.NO_VIEW)
        rows = zip(names, table.natives(_NATIVE_COLUMNS), people, strict=True)
        for row, (name, native, (sex, age)) in enumerate(rows, start=2):
            if name is None:
                yield unusable.record(row, "column 'Image Index' holds no name such as 00000001_000.png")
                continue
            cell = native["Finding Labels"]
            key = (cell, self._google.labels.get(name.lower(), ()))
            if (labels := labels_of.get(key)) is None:
                labels = labels_of[key] = [*_labels(cell), *key[1]]
            for label in labels[: len(labels) - len(key[1])]:
                if label.label not in _KNOWN_LABELS:
                    findings.add(label.label)
            record = self._record(name, boxes, lists)
            record.file = self._location(name.lower())
            record.view = _VIEWS.get(native["View Position"], "unknown")
            if record.view == "unknown":
                views.add(native["View Position"])
            record.sex = sex_of(sex)
            record.age = age_in_years(age)
            record.labels = labels
            record.native = native
            record.part = parts.get(name)
            yield record
        self.warnings += [*unusable.warnings, *views.warnings, *findings.warnings]

    def _record(self, name: str, boxes: dict[str, list[Box]], lists: _SplitLists) -> Record:
        """Return what the name alone tells, and lists and boxes of it."""
        return Record(
            identity=name[:-4],
            key=name,
            file=None,
            carrier=self._carrier,
            view=_FRONTAL,
            # The number in the name equals the Patient ID of every row, which some tables pad with zeros.
            patient_id=str(int(name[:8])),
            split=lists.split(name),
            labels=list(self._google.labels.get(name.lower(), ())),
            boxes=boxes.get(name.lower(), []),
            box_grid=_BOX_GRID,
            excluded=lists.excluded(name),
        )

    def official_splits(self) -> Mapping[str, Split]:
        """Return what the lists say of images that are not here."""
        return self._splits_of_absent

    @classmethod
    def splits_without_images(cls, files: Mapping[str, Path], warnings: list[str]) -> Mapping[str, Split]:
        """Return ``"test"`` for every image of the test list, where the configuration names it."""
        if _TEST_LIST_KEY not in files:
            return {}
        names = _read_test_list(files[_TEST_LIST_KEY], files, warnings)
        if len(names) < _TEST_IMAGES:
            warnings.append(_incomplete(files[_TEST_LIST_KEY], names))
        return {_identity(name): "test" for name in names}

    def _read_boxes(self) -> dict[str, list[Box]]:
        path = find_table(self._table_folders, _BOXES)
        if path is None:
            self.warnings.append(f"{_BOXES} not found: images are written without boxes")
            return {}
        columns = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
        table = Table(path, columns=columns)
        self.tables.append(self.relative(path))
        boxes: defaultdict[str, list[Box]] = defaultdict(list)
        unread = 0
        for cell, finding, *cells in table.rows(*columns):
            name, sides = _image_name(cell), sides_of(cells)
            if name is None or sides is None:
                unread += 1
            else:
                boxes[name.lower()].append(Box(finding, *sides))
        if unread:
            self.warnings.append(
                f"{path.name}: {unread:,} boxes are not used: expected an image name and four numbers, "
                "width and height above zero"
            )
        return boxes


def _read_list(path: Path, warnings: list[str]) -> list[str]:
    """Return the image names of an official list in lower case; some copies add a folder or lack ``.png``."""
    names = [_image_name(line) for line in read_lines(path)]
    images = [name.lower() for name in names if name]
    if not images:
        raise SourceError(f"{path}: expected names such as 00000001_000.png, found none; download it again")
    if odd := len(names) - len(images):
        warnings.append(f"{path.name}: {odd:,} lines are not used: they name no image")
    return images


def _incomplete(path: Path, names: Collection[str]) -> str:
    return (
        f"{path.name}: names {len(names):,} of the {_TEST_IMAGES:,} official test images, and the others "
        "count as training images; download it again"
    )


def _identity(name: str) -> str:
    return name.removesuffix(".png")


def _read_test_list(path: Path, files: Mapping[str, Path], warnings: list[str]) -> list[str]:
    with naming_key(files, _TEST_LIST_KEY):
        names = _read_list(path, warnings)
        if (found := len(set(names))) > _TEST_IMAGES:
            raise SourceError(
                f"{path}: found {found:,} images, the official {_TEST_LIST} names {_TEST_IMAGES:,}; is it "
                f"{_TRAINING_LIST}? Put the right one in its place"
            )
    return names


def _is_of_google(name: str) -> bool:
    return any(name in (table, f"{table}.gz", f"{table}.zip") for table in _GOOGLE_TABLES)


def _labels(cell: str) -> list[Label]:
    findings = dict.fromkeys(finding.strip() for finding in cell.split("|"))
    return [Label(finding, 1, "NIH") for finding in findings if finding]


def _image_name(cell: str) -> str | None:
    """Return the image that a cell names, with ``.png``; None when it names none.

    A folder before it, which some copies add, is not used: files are looked up by name.
    """
    name = base_name(cell)
    if not name.lower().endswith(".png"):
        name += ".png"
    return name if _IMAGE_NAME.fullmatch(name) else None


def _parts(names: Collection[str]) -> dict[str, str]:
    """Return the archive that holds each image, if the names are those of the whole release."""
    if len(names) != ChestXray14.releases[0].images:
        return {}
    return {
        name: f"images_{(place - _FIRST_ARCHIVE + _ARCHIVE) // _ARCHIVE + 1:03d}"
        for place, name in enumerate(sorted(names))
    }
