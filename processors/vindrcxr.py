"""VinDr-CXR: 18,000 frontal films as DICOM, every image labelled and boxed by radiologists."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath

from processors.base import (
    ZERO_OR_ONE,
    Box,
    Label,
    Location,
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
    folders_below,
    no_image_found,
)

FINDINGS = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Clavicle fracture",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Enlarged PA",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Lung cavity",
    "Lung cyst",
    "Mediastinal shift",
    "Nodule/Mass",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
    "Rib fracture",
    "Other lesion",
    "COPD",
    "Lung tumor",
    "Pneumonia",
    "Tuberculosis",
)
NO_FINDING = "No finding"
# The table of train has the first spelling, that of test the second.
_OTHER_DISEASE = ("Other diseases", "Other disease")
_KNOWN_LABELS = {*FINDINGS, *_OTHER_DISEASE, NO_FINDING}

# The test labels are the consensus of five radiologists; its tables have no column for a reader.
_CONSENSUS = "consensus"
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_ID = re.compile(r"[0-9A-Fa-f]{32}")
_NO_ID = "column 'image_id' holds no id of 32 hexadecimal digits"

# The carrier of PNG and JPEG files: the boxes refer to the DICOM files, of which they may be resized copies.
_PICTURE = "picture"
# In order of preference, should an image lie there in more than one format.
_DICOM_SUFFIXES = (".dicom", ".dcm")
# wget leaves index.html, and some users put the tables beside the images.
_LEFT_BESIDE = (".html", ".csv", ".csv.gz", ".txt")
_SUFFIXES = (*_DICOM_SUFFIXES, ".png", ".jpg", ".jpeg")
# The held-out split comes first: of an image in both, the first record counts.
_SPLITS: tuple[Split, ...] = ("test", "train")


class _Readings:
    """What the tables of one split say of its images.

    Parameters
    ----------
    reader
        Who labelled a split whose tables have no column for it; None when the column must be there.
    """

    def __init__(self, reader: str | None) -> None:
        self.labels: defaultdict[str, list[Label]] = defaultdict(list)
        self.boxes: defaultdict[str, list[Box]] = defaultdict(list)
        # The images of every table that was read, in its order.
        self.named_by: dict[str, dict[str, None]] = {}
        # The rows that name no image, and the images of rows that say again what an earlier one said.
        self.unusable: list[Record] = []
        self.repeated: list[str] = []
        self.warnings: list[str] = []
        self._reader = reader

    @property
    def images(self) -> dict[str, None]:
        """The images that any table names, in the order of the tables."""
        return {identity: None for named in self.named_by.values() for identity in named}

    def read_labels(self, path: Path) -> None:
        """Read a table of PhysioNet with a row per image and reader, and a column per label."""
        table = Table(path, columns=("image_id", *FINDINGS, NO_FINDING))
        columns = [*FINDINGS, table.one_of(*_OTHER_DISEASE), NO_FINDING]
        # Most rows are alike; sharing their labels keeps 1,260,000 statements small.
        shared: dict[tuple[str, ...], list[Label]] = {}
        unread = UnknownCells(path.name, None, "0 or 1")
        read: set[tuple[str, str]] = set()
        for identity, *row in self._rows(table, *columns):
            # A reader has one row for each image.
            if (identity, row[0]) in read:
                self.repeated.append(identity)
                continue
            read.add((identity, row[0]))
            key = tuple(row)
            if key not in shared:
                reader, *cells = row
                shared[key] = [
                    Label(column, ZERO_OR_ONE[cell], reader)
                    for column, cell in zip(columns, cells, strict=True)
                    if cell in ZERO_OR_ONE
                ]
            if len(shared[key]) < len(columns):
                for cell in key[1:]:
                    if cell and cell not in ZERO_OR_ONE:
                        unread.add(cell)
            self.labels[identity] += shared[key]
        self.warnings += unread.warnings

    def read_boxes(self, path: Path, *, as_labels: bool) -> None:
        """Read a table with a row per image, reader and box.

        With ``as_labels`` it is Kaggle's only table, whose boxes are the labels too.
        """
        columns = ("class_name", *_CORNERS)
        table = Table(path, columns=("image_id", *(("class_id",) if as_labels else ()), *columns))
        unread = 0
        unknown = UnknownCells(path.name, "class_name", "labels of the release", fate=UnknownCells.KEPT)
        read: set[tuple[str, ...]] = set()
        for row in self._rows(table, *columns):
            # Boxes of one reader may nearly be the same; the very same row is the row once more.
            if row in read:
                self.repeated.append(row[0])
                continue
            read.add(row)
            identity, reader, finding, *cells = row
            if finding not in _KNOWN_LABELS:
                unknown.add(finding)
            boxes = self.boxes[identity]
            if as_labels and (label := Label(finding, 1, reader)) not in self.labels[identity]:
                self.labels[identity].append(label)
            # Some notebooks fill the blank corners of these rows with 0, 0, 1, 1.
            if finding == NO_FINDING or not any(cells):
                continue
            corners = floats(cells)
            if corners is None or corners[0] >= corners[2] or corners[1] >= corners[3]:
                unread += 1
                continue
            left, top, right, bottom = corners
            boxes.append(Box(finding, left, top, right - left, bottom - top, reader))
        self.warnings += unknown.warnings
        if unread:
            self.warnings.append(
                f"{path.name}: {unread:,} boxes are not used: expected four numbers with x_min < x_max and "
                "y_min < y_max"
            )

    def _rows(self, table: Table, *columns: str) -> Iterator[tuple[str, ...]]:
        """Yield id, reader and the named cells of every row."""
        reader_column = None if self._reader else table.one_of("rad_id", "rad_ID")
        named = self.named_by.setdefault(table.path.name, {})
        unusable = UnusableRows(table.path.name)
        rows = table.rows("image_id", reader_column, *columns)
        for row, (identity, reader, *cells) in enumerate(rows, start=2):
            if _ID.fullmatch(identity):
                # Copies differ in the letter case of the ids, also between tables and files.
                named[identity.lower()] = None
                yield identity.lower(), self._reader or reader, *cells
            else:
                self.unusable.append(unusable.record(row, _NO_ID))
        self.warnings += unusable.warnings


class VinDrCXR(Processor):
    """VinDr-CXR as PhysioNet publishes it, the VinBigData competition of Kaggle, and resized copies.

    No patient or study is told: every image counts as a patient of its own, and ``patient_id`` is None.
    """

    name = "VinDr-CXR"
    folder = "vindrcxr"
    config_key = "VINDRCXR_ROOT"
    licence = (
        "PhysioNet Credentialed Health Data License 1.5.0 and its data use agreement; on Kaggle the rules of "
        "the competition, non-commercial"
    )
    access = "credentialed access at PhysioNet; account at Kaggle"
    homepage = "https://physionet.org/content/vindr-cxr/1.0.0/"
    citation = (
        "Nguyen HQ, Lam K, Le LT, et al. VinDr-CXR: An open dataset of chest X-rays with radiologist's "
        "annotations. Scientific Data 9, 429 (2022)."
    )
    releases = (
        Release("1.0.0 (PhysioNet)", 18_000, note="15,000 train, 3,000 test"),
        Release(
            "VinBigData (Kaggle)",
            18_000,
            note="the same images and ids; 14 labels, corners cut to whole pixels, none for test",
        ),
    )
    known_bad = ()

    def recognise(self) -> str:
        """Find the folder that holds train/ and test/, list their images once, and find the tables."""
        for folder in folders_below(self.root, _SPLITS.__contains__):
            # What was said of another folder does not matter.
            self.warnings.clear()
            self._images = {split: self._list(folder / split) for split in _SPLITS}
            if any(self._is_own(*image) for images in self._images.values() for image in images.items()):
                self._find_tables(folder)
                return self._describe(folder)
        raise no_image_found(
            self,
            "train/ or test/ with files such as <image_id>.dicom, or pictures named after ids of 32 "
            "hexadecimal digits, here or up to two folders below",
        )

    @staticmethod
    def _is_own(identity: str, location: Location) -> bool:
        # Other releases too have folders train/ and test/, of pictures with other names (object-CXR).
        return _ID.fullmatch(identity) is not None or location.path.lower().endswith(_DICOM_SUFFIXES)

    def _list(self, folder: Path) -> dict[str, Location]:
        """Return the images of a flat folder by their id in lower case."""
        found = [entry.name for entry in entries(folder)]
        names = [PurePath(name) for name in found if name.lower().endswith(_SUFFIXES)]
        images: dict[str, Location] = {}
        for name in sorted(names, key=lambda name: _SUFFIXES.index(name.suffix.lower())):
            images.setdefault(name.stem.lower(), Location(self.relative(folder / name)))
        others = sum(not name.lower().endswith((*_SUFFIXES, *_LEFT_BESIDE)) for name in found)
        if others:
            self.warnings.append(
                f"{folder.name}: {others:,} entries are not used: expected files such as <image_id>.dicom, "
                "none in folders below or packed"
            )
        if len(images) < len(names):
            self.warnings.append(
                f"{folder.name}: {len(names) - len(images):,} files are not used: the same images are here "
                "in another format"
            )
        return images

    def _find_tables(self, folder: Path) -> None:
        self._tables: dict[Split, dict[str, Path]] = {}
        near = list(dict.fromkeys((folder, folder / "annotations", self.root)))
        for split in _SPLITS:
            # Some users put the tables beside the images.
            places = [*near, folder / split]
            found = {
                "labels": find_table(places, f"image_labels_{split}.csv"),
                "boxes": find_table(places, f"annotations_{split}.csv"),
                "Kaggle": find_table(near, "train.csv") if split == "train" else None,
            }
            tables = {kind: path for kind, path in found.items() if path is not None}
            if "Kaggle" in tables and len(tables) > 1:
                name = tables.pop("Kaggle").name
                self.warnings.append(f"{name} of Kaggle is not used: the tables of PhysioNet are here")
            self._tables[split] = tables
        sizes = {split: find_table(near, f"{split}_meta.csv") for split in _SPLITS}
        self._size_tables = {split: path for split, path in sizes.items() if path is not None}
        paths = [path for tables in self._tables.values() for path in tables.values()]
        paths += self._size_tables.values()
        self.tables += map(self.relative, paths)
        self._tell_absent()

    def _tell_absent(self) -> None:
        bare = [split for split in _SPLITS if self._images[split] and not self._tables[split]]
        if bare:
            expected = ", ".join(f"image_labels_{split}.csv, annotations_{split}.csv" for split in bare)
            self.warnings.append(
                f"{expected} not found: the images of {' and '.join(bare)} are written without labels and "
                "boxes"
            )
        for split, tables in self._tables.items():
            if tables.keys() == {"labels"}:
                self.warnings.append(
                    f"annotations_{split}.csv not found: the images of {split} are written without boxes"
                )
            if tables.keys() == {"boxes"}:
                self.warnings.append(
                    f"image_labels_{split}.csv not found: the images of {split} are written without labels"
                )

    def _describe(self, folder: Path) -> str:
        kinds = {kind for tables in self._tables.values() for kind in tables}
        form = "PhysioNet" if kinds - {"Kaggle"} else "VinBigData (Kaggle)" if kinds else "no tables"
        locations = (location for images in self._images.values() for location in images.values())
        suffixes = " and ".join(sorted({PurePath(location.path).suffix for location in locations}))
        places = [self.relative(folder / split) for split, images in self._images.items() if images]
        return f"{form}: {suffixes} files in {' and '.join(places)}"

    def records(self) -> Iterator[Record]:
        """Yield every image that the tables name, then the files that no row names."""
        held_out: set[str] = set()
        for split in _SPLITS:
            found: set[str] = set()
            unplaced = 0
            for record in self._records_of(split, self._read_grids(split)):
                found.add(record.identity)
                unplaced += bool(record.boxes and record.box_grid is None and record.carrier == _PICTURE)
                yield record
            if twice := len(held_out & found):
                self.warnings.append(f"{twice:,} images of {split} are in test too: they count as held out")
            if unplaced:
                self.warnings.append(
                    f"{split}: the boxes of {unplaced:,} images are pixels of a PNG or JPEG file; if "
                    f"the files are resized copies, put their {split}_meta.csv (image_id,dim0,dim1) here"
                )
            held_out = found

    def _records_of(self, split: Split, grids: dict[str, tuple[int, int] | None]) -> Iterator[Record]:
        readings = self._read(split)
        listed, images = readings.images, self._images[split]
        if not self._tables[split]:
            # Kaggle has no labels for its test images; the table of their sizes names them all.
            listed |= dict.fromkeys(grids)
        for identity in listed:
            record = _record(identity, images.get(identity), split)
            record.labels = readings.labels.get(identity, [])
            record.boxes = readings.boxes.get(identity, [])
            record.box_grid = grids.get(identity)
            yield record
        table = next((path.name for path in self._tables[split].values()), None)
        for identity, location in images.items():
            if identity not in listed:
                record = _record(identity, location, split)
                record.box_grid = grids.get(identity)
                record.excluded = f"not in {table}" if table else None
                yield record
        for identity in readings.repeated:
            yield _record(identity, images.get(identity), split)
        yield from readings.unusable

    def _read(self, split: Split) -> _Readings:
        readings = _Readings(_CONSENSUS if split == "test" else None)
        for kind, path in self._tables[split].items():
            if kind == "labels":
                readings.read_labels(path)
            else:
                readings.read_boxes(path, as_labels=kind == "Kaggle")
        self.warnings += readings.warnings
        for name, named in readings.named_by.items():
            # Each table of the release names every image of its split, if only as one without findings.
            if absent := len(readings.images) - len(named):
                self.warnings.append(
                    f"{name}: {absent:,} images of {split} are not named here; is it complete?"
                )
        return readings

    def _read_grids(self, split: Split) -> dict[str, tuple[int, int] | None]:
        """Return rows and columns of the original images, to which the boxes of resized copies refer."""
        grids: dict[str, tuple[int, int] | None] = {}
        columns = ("image_id", "dim0", "dim1")
        path = self._size_tables.get(split)
        if path is None:
            return grids
        unread = 0
        for identity, *cells in Table(path, columns=columns).rows(*columns):
            size = floats(cells)
            is_usable = _ID.fullmatch(identity) is not None and size is not None and min(size) >= 1
            unread += not is_usable
            if _ID.fullmatch(identity):
                grids[identity.lower()] = (int(size[0]), int(size[1])) if size and is_usable else None
        if unread:
            self.warnings.append(
                f"{path.name}: {unread:,} sizes are not used: expected an id of 32 hexadecimal digits in "
                "image_id, rows and columns in dim0 and dim1"
            )
        return grids


def _record(identity: str, location: Location | None, split: Split) -> Record:
    return Record(
        identity=identity,
        key=PurePath(location.path).name if location else f"{identity}.dicom",
        file=location,
        carrier="" if location is None or location.path.lower().endswith(_DICOM_SUFFIXES) else _PICTURE,
        # The headers say nothing of the view; the release holds this one alone.
        view="PA",
        split=split,
        part=split,
    )
