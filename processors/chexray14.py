"""NIH ChestX-ray14: 112,120 frontal films as PNG, findings mined from reports, 984 boxes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

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

_IMAGE_NAME = re.compile(r"\d{8}_\d{3}\.png", re.IGNORECASE)
_AGE = re.compile(r"(\d+)([YMD]?)")
_AGE_UNIT_IN_YEARS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "D": 1 / 365.25}
# The 2017 table has ages up to 414 years.
_OLDEST = 120
# Boxes are given on the published PNG grid, also for resized copies.
_BOX_GRID = (1024, 1024)
# The twelve archives hold the images in order of name; the first is the short one.
_FIRST_ARCHIVE, _ARCHIVE = 4_999, 10_000
_MEDAI = "medai/datasets/cxr14.py of github.com/pdpino/medical-ai"

# Cells worth keeping as they are written. The commas inside the brackets of the header are not quoted, so
# that the halves are column names; the Kaggle sample spells them without brackets.
_NATIVE_COLUMNS = (
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
        if unpacked and len(unpacked) < len(pictures):
            others = len(pictures) - len(unpacked)
            self.warnings.append(
                f"{others:,} PNG files are not used: expected names such as 00000001_000.png"
            )
        resized = [path for path in unpacked if self._is_resized(path)]
        full_size = [path for path in unpacked if not self._is_resized(path)]
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
            packed = next(walk_images(self.root, (".tar.gz", ".tgz", ".zip")), None)
            raise SourceError(
                f"{self.root}: no image of {self.name} found: expected files such as 00000001_000.png in "
                f"images/, images_001/images/ or images-224/, or images-224.tar, found {contents(self.root)}; "
                + (f"unpack {packed} first" if packed else "check the path")
            )
        self._images = {
            name.lower(): member
            for name, member in tar_members(self.root / archive, self.root, (".png",))
            if _IMAGE_NAME.fullmatch(name)
        }
        return "224 px PNG files inside images-224.tar"

    def records(self) -> Iterator[Record]:
        """Yield every row of the table, then the files that no row names."""
        folders = [self.root, *subfolders(self.root)]
        splits = self._read_splits(folders)
        path = find_table(folders, "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "sample_labels.csv")
        listed: set[str] = set()
        if path is None:
            self.warnings.append(
                "no Data_Entry_2017 table found: images are written without labels, sex, age and view"
            )
        else:
            for record in self._listed(path, folders, splits):
                listed.add(record.key.lower())
                yield record
        for name, location in self._images.items():
            if name not in listed:
                yield self._unlisted(name, location, splits, table=path)

    def _listed(self, path: Path, folders: list[Path], splits: dict[str, Split]) -> Iterator[Record]:
        table = Table(path, columns=("Image Index", "Finding Labels", "View Position"))
        self.tables.append(self.relative(path))
        boxes = self._read_boxes(folders)
        native_columns = [column for column in _NATIVE_COLUMNS if column in table.columns]
        names = [_with_ending(name) for (name,) in table.rows("Image Index")]
        parts = _parts(names)
        unknown: Counter[str] = Counter()
        rows = table.rows(
            "Finding Labels",
            "View Position",
            table.first_of("Patient Sex", "Patient Gender"),
            table.first_of("Patient Age"),
        )
        natives = table.rows(*native_columns)
        for name, (findings, view, sex, age), native in zip(names, rows, natives, strict=True):
            labels = [finding.strip() for finding in findings.split("|") if finding.strip()]
            unknown.update(label for label in labels if label not in FINDINGS and label != NO_FINDING)
            location = self._images.get(name.lower())
            yield Record(
                identity=name.rpartition(".")[0],
                key=name,
                file=location,
                view=view if view in ("PA", "AP") else "unknown",
                patient_id=_patient(name),
                split=splits.get(name.lower()),
                excluded=self._not_in_lists(name, splits),
                sex="M" if sex == "M" else "F" if sex == "F" else None,
                age=_age_in_years(age),
                labels=[Label(label, 1, "NIH") for label in labels],
                boxes=boxes.get(name.lower(), []),
                box_grid=_BOX_GRID,
                native={"View Position": view, **dict(zip(native_columns, native, strict=True))},
                part=parts.get(name),
            )
        self.warnings += [
            f"{count:,} rows carry the unknown label {label!r}" for label, count in unknown.items()
        ]

    def _unlisted(
        self, name: str, location: Location, splits: dict[str, Split], *, table: Path | None
    ) -> Record:
        return Record(
            identity=name.rpartition(".")[0],
            key=name,
            file=location,
            view="PA or AP",
            patient_id=_patient(name),
            split=splits.get(name),
            excluded=f"not in {table.name}" if table else self._not_in_lists(name, splits),
        )

    def _read_splits(self, folders: list[Path]) -> dict[str, Split]:
        """Return the split of every image in the official lists, by its name in lower case."""
        self._lists: list[str] = []
        splits: dict[str, Split] = {}
        # The test list is read last: an image in both lists is held out.
        lists: tuple[tuple[str, Split], ...] = (("train_val_list.txt", "train"), ("test_list.txt", "test"))
        for list_name, split in lists:
            path = find_table(folders, list_name)
            if path is None:
                continue
            self._lists.append(list_name)
            self.tables.append(self.relative(path))
            # Some copies name the folder too, or leave the ending out.
            lines = read_lines(path)
            names = [name for line in lines if _IMAGE_NAME.fullmatch(name := _with_ending(_name(line)))]
            if len(names) < len(lines):
                odd = len(lines) - len(names)
                self.warnings.append(f"{list_name}: {odd:,} lines are not used: they name no image")
            splits.update((name.lower(), split) for name in names)
        self._tell_absent_lists([list_name for list_name, _ in lists if list_name not in self._lists])
        return splits

    def _tell_absent_lists(self, absent: list[str]) -> None:
        if self._lists and absent:
            self.warnings.append(
                f"{absent[0]} not found: images that {self._lists[0]} does not name are left out"
            )
        elif absent:
            self.warnings.append(
                f"{' and '.join(absent)} not found: the official test images cannot be told from the others"
            )

    def _not_in_lists(self, name: str, splits: dict[str, Split]) -> str | None:
        """Say why an image is left out that no list names although there is a list: it may be held out."""
        if not self._lists or name.lower() in splits:
            return None
        return f"not in {' or '.join(self._lists)}"

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
            boxes[name.lower()].append(Box(finding, x, y, width, height))
        if unread:
            self.warnings.append(f"{path.name}: {unread:,} boxes are not used: expected four numbers")
        return boxes


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _with_ending(name: str) -> str:
    return name if name.lower().endswith(".png") else f"{name}.png"


def _patient(name: str) -> str | None:
    # The number in the name equals the Patient ID of every row, which some tables pad with zeros.
    return str(int(name[:8])) if _IMAGE_NAME.fullmatch(name) else None


def _age_in_years(cell: str) -> float | None:
    match = _AGE.fullmatch(cell)
    if match is None:
        return None
    years = int(match[1]) * _AGE_UNIT_IN_YEARS[match[2]]
    return round(years, 2) if years <= _OLDEST else None


def _parts(names: list[str]) -> dict[str, str]:
    if len(names) != ChestXray14.releases[0].images:
        return {}
    return {
        name: f"images_{(place - _FIRST_ARCHIVE + _ARCHIVE) // _ARCHIVE + 1:03d}"
        for place, name in enumerate(sorted(names))
    }
