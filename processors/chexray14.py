"""NIH ChestX-ray14: 112,120 frontal films as PNG, findings mined from reports, 984 boxes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

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
    age_in_years,
    contents,
    find_table,
    floats,
    read_lines,
    subfolders,
    tar_members,
    walk_images,
)

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

_IMAGE_NAME = re.compile(r"\d{8}_\d{3}\.png", re.IGNORECASE)
# An image in both lists is held out: the list that comes last decides.
_TRAINING_LIST = "train_val_list.txt"
_LISTS: dict[str, Split] = {_TRAINING_LIST: "train", "test_list.txt": "test"}
_SEX: dict[str, Literal["M", "F"]] = {"M": "M", "F": "F"}
# Boxes are given on the published PNG grid, also for resized copies.
_BOX_GRID = (1024, 1024)
# The twelve archives hold the images in order of name; the first is the short one.
_FIRST_ARCHIVE, _ARCHIVE = 4_999, 10_000
_MEDAI = "medai/datasets/cxr14.py of github.com/pdpino/medical-ai"

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

    def __init__(self, folders: list[Path], warnings: list[str]) -> None:
        found = {name: path for name in _LISTS if (path := find_table(folders, name))}
        self.paths = list(found.values())
        self._named_by = " or ".join(found)
        self._splits: dict[str, Split] = {}
        for list_name, path in found.items():
            names = _read_list(path, warnings)
            self._splits.update(dict.fromkeys(names, _LISTS[list_name]))
        self._names_training = _TRAINING_LIST in found
        absent = " and ".join(name for name in _LISTS if name not in found)
        if absent and found:
            others = "are left out" if self._names_training else "count as training images"
            warnings.append(f"{absent} not found: images that {self._named_by} does not name {others}")
        elif absent:
            warnings.append(f"{absent} not found: the official test images cannot be told from the others")

    def split(self, name: str) -> Split | None:
        return self._splits.get(name.lower())

    def excluded(self, name: str) -> str | None:
        """Say why the lists leave an image out, None when they do not."""
        if not self._names_training or name.lower() in self._splits:
            return None
        return f"not in {self._named_by}"


class ChestXray14(Processor):
    """The NIH release in its full-size (Box, Kaggle) and 224 px (Academic Torrents) forms."""

    name = "NIH ChestX-ray14"
    folder = "chex-ray14"
    config_key = "CHEXRAY14_ROOT"
    licence = "free use with attribution to the NIH Clinical Center"
    access = "open download"
    homepage = "https://nihcc.app.box.com/v/ChestXray-NIHCC"
    citation = (
        "Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: Hospital-scale Chest X-ray Database "
        "and Benchmarks on Weakly-Supervised Classification and Localization of Common Thorax Diseases. "
        "CVPR 2017."
    )
    releases = (
        Release("full size (Box, Kaggle) or 224 px (Academic Torrents)", 112_120),
        Release("Kaggle sample", 5_606),
    )
    known_bad = (
        KnownBad("00007160_002", "suspicious", "looks empty", _MEDAI),
        KnownBad("00012249_001", "suspicious", "looks empty", _MEDAI),
        KnownBad("00013774_015", "suspicious", "lateral although listed as frontal", _MEDAI),
        KnownBad("00020006_001", "suspicious", "inverted", _MEDAI),
        KnownBad("00021201_042", "suspicious", "inverted", _MEDAI),
        KnownBad("00029041_016", "suspicious", "one-lung patient", _MEDAI),
        KnownBad("00029041_017", "suspicious", "one-lung patient", _MEDAI),
    )

    def recognise(self) -> str:
        """Collect the images by name: the releases differ only in the folders they lie in."""
        pictures = list(walk_images(self.root, (".png",)))
        unpacked = [path for path in pictures if _IMAGE_NAME.fullmatch(_name(path))]
        if others := len(pictures) - len(unpacked):
            self.warnings.append(
                f"{others:,} PNG files are not used: expected names such as 00000001_000.png"
            )
        resized = [path for path in unpacked if self._is_resized(path)]
        full_size = [path for path in unpacked if not self._is_resized(path)]
        self._carrier = "" if full_size else "224 px"
        if full_size:
            if resized:
                self.warnings.append(
                    f"{len(resized):,} copies of 224 px are not used: full-size images are here"
                )
            self._images = self._index(full_size)
            return "full-size PNG files"
        if resized:
            self._images = self._index(resized)
            return "224 px PNG files"
        return self._recognise_archive()

    def _is_resized(self, path: str) -> bool:
        return "/images-224" in f"/{self.root.name}/{path}".lower()

    def _index(self, paths: list[str]) -> dict[str, Location]:
        images: dict[str, Location] = {}
        for path in paths:
            images.setdefault(_name(path).lower(), Location(path))
        if len(images) < len(paths):
            self.warnings.append(
                f"{len(paths) - len(images):,} images lie in more than one folder: the first of each is used"
            )
        return images

    def _recognise_archive(self) -> str:
        tars = walk_images(self.root, (".tar",))
        archive = next((path for path in tars if _name(path).lower() == "images-224.tar"), None)
        if archive is None:
            packed = len(list(walk_images(self.root, (".tar.gz", ".tgz", ".zip"))))
            raise SourceError(
                f"{self.root}: no image of {self.name} found: expected files such as 00000001_000.png in "
                "images/, images_001/images/ or images-224/, or images-224.tar, found "
                f"{contents(self.root)}; "
                + (f"unpack the archives first, {packed:,} here" if packed else "check the path")
            )
        self._images = {
            name.lower(): location
            for name, location in tar_members(self.root / archive, self.root, (".png",))
            if _IMAGE_NAME.fullmatch(name)
        }
        return "224 px PNG files inside images-224.tar"

    def records(self) -> Iterator[Record]:
        """Yield every row of the table, then the files that no row names."""
        folders = [self.root, *subfolders(self.root)]
        lists = _SplitLists(folders, self.warnings)
        self.tables += map(self.relative, lists.paths)
        path = find_table(folders, "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "sample_labels.csv")
        listed: set[str] = set()
        if path is None:
            self.warnings.append(
                "no Data_Entry_2017 table found: images are written without labels, sex, age and view"
            )
        else:
            for record in self._listed(path, self._read_boxes(folders), lists):
                listed.add(record.key.lower())
                yield record
        for name, location in self._images.items():
            if name not in listed:
                yield self._unlisted(name, location, lists, table=path)

    def _listed(self, path: Path, boxes: dict[str, list[Box]], lists: _SplitLists) -> Iterator[Record]:
        table = Table(path, columns=("Image Index", "Finding Labels", "View Position"))
        self.tables.append(self.relative(path))
        names = [_with_ending(_name(cell)) for (cell,) in table.rows("Image Index")]
        parts = _parts(names)
        people = table.rows(table.first_of("Patient Sex", "Patient Gender"), table.first_of("Patient Age"))
        unknown: Counter[str] = Counter()
        for name, native, (sex, age) in zip(names, _natives(table), people, strict=True):
            labels = _labels(native["Finding Labels"])
            unknown.update(label.label for label in labels if label.label not in _KNOWN_LABELS)
            view = native["View Position"]
            yield Record(
                identity=name.rpartition(".")[0],
                key=name,
                file=self._images.get(name.lower()),
                carrier=self._carrier,
                view=view if view in ("PA", "AP") else "unknown",
                patient_id=_patient(name),
                split=lists.split(name),
                sex=_SEX.get(sex),
                age=age_in_years(age),
                labels=labels,
                boxes=boxes.get(name.lower(), []),
                box_grid=_BOX_GRID,
                native=native,
                part=parts.get(name),
                excluded=lists.excluded(name),
            )
        self.warnings += [
            f"{count:,} rows carry the unknown label {label!r}" for label, count in unknown.items()
        ]

    def _unlisted(self, name: str, location: Location, lists: _SplitLists, *, table: Path | None) -> Record:
        return Record(
            identity=name.rpartition(".")[0],
            key=name,
            file=location,
            carrier=self._carrier,
            view="PA or AP",
            patient_id=_patient(name),
            split=lists.split(name),
            excluded=f"not in {table.name}" if table else lists.excluded(name),
        )

    def _read_boxes(self, folders: list[Path]) -> dict[str, list[Box]]:
        path = find_table(folders, "BBox_List_2017.csv")
        if path is None:
            self.warnings.append("BBox_List_2017.csv not found: images are written without boxes")
            return {}
        columns = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
        table = Table(path, columns=columns)
        self.tables.append(self.relative(path))
        boxes: defaultdict[str, list[Box]] = defaultdict(list)
        unread = 0
        for name, finding, *cells in table.rows(*columns):
            numbers = floats(cells)
            if numbers is None:
                unread += 1
                continue
            x, y, width, height = numbers
            boxes[_with_ending(_name(name)).lower()].append(Box(finding, x, y, width, height))
        if unread:
            self.warnings.append(f"{path.name}: {unread:,} boxes are not used: expected four numbers")
        return boxes


def _read_list(path: Path, warnings: list[str]) -> list[str]:
    """Return the image names of an official list in lower case; some copies add a folder or lack ``.png``."""
    names = [_with_ending(_name(line)).lower() for line in read_lines(path)]
    images = [name for name in names if _IMAGE_NAME.fullmatch(name)]
    if not images:
        raise SourceError(f"{path}: expected names such as 00000001_000.png, found none; download it again")
    if odd := len(names) - len(images):
        warnings.append(f"{path.name}: {odd:,} lines are not used: they name no image")
    return images


def _natives(table: Table) -> Iterator[dict[str, str]]:
    columns = [column for column in _NATIVE_COLUMNS if column in table.columns]
    for cells in table.rows(*columns):
        yield dict(zip(columns, cells, strict=True))


def _labels(cell: str) -> list[Label]:
    return [Label(finding.strip(), 1, "NIH") for finding in cell.split("|") if finding.strip()]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _with_ending(name: str) -> str:
    return name if name.lower().endswith(".png") else f"{name}.png"


def _patient(name: str) -> str | None:
    # The number in the name equals the Patient ID of every row, which some tables pad with zeros.
    return str(int(name[:8])) if _IMAGE_NAME.fullmatch(name) else None


def _parts(names: list[str]) -> dict[str, str]:
    if len(names) != ChestXray14.releases[0].images:
        return {}
    return {
        name: f"images_{(place - _FIRST_ARCHIVE + _ARCHIVE) // _ARCHIVE + 1:03d}"
        for place, name in enumerate(sorted(names))
    }
