"""object-CXR: 10,000 frontal films as JPEG, on half of which foreign objects are outlined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from processors.base import (
    Box,
    Label,
    Location,
    Processor,
    Record,
    Release,
    Split,
    Table,
    UnusableRows,
    base_name,
    entries,
    find_table,
    floats,
    folders_above,
    folders_below,
    no_image_found,
    subfolders,
    zip_members,
)
from processors.base.boxes import ellipse, sides_around

FOREIGN_OBJECT = "Foreign object"
_LABELLER = "object-CXR"
_PRESENT = [Label(FOREIGN_OBJECT, 1, _LABELLER)]
_ABSENT = [Label(FOREIGN_OBJECT, 0, _LABELLER)]

# What lies in two splits is held out: of records of one image the first counts.
_SPLITS: dict[str, Split] = {"test": "test", "dev": "val", "train": "train"}
# The labels of test were withheld during the challenge; few copies have its table.
_HAVE_TABLES = ("train", "dev")
_IMAGE_NAME = re.compile(r"([0-9]{5})\.jpe?g", re.IGNORECASE)
_SUFFIXES = (".jpg", ".jpeg")
# wget leaves index.html, and some users put the tables beside the images.
_LEFT_BESIDE = (".html", ".csv", ".csv.gz", ".csv.zip", ".txt")
# The first is that of the released tables, the second that of the challenge's description.
_NAME_COLUMNS = ("image_name", "image_path")

_RECTANGLE, _ELLIPSE, _POLYGON = 0, 1, 2
# An empty cell, and what it becomes in tables that were saved again: by pandas, R, a database.
_NO_OBJECT = ("", "nan", "na", "null", "none")
_SHOWN = 5


class _Image(NamedTuple):
    name: str
    file: Location


@dataclass
class _Part:
    """What lies in the folder or the archive of one split: images by their five digits."""

    images: dict[str, _Image] = field(default_factory=dict)
    repeated: int = 0
    others: int = 0

    def add(self, files: Iterable[tuple[str, Location]]) -> None:
        for name, location in files:
            match = _IMAGE_NAME.fullmatch(name)
            if match is None:
                self.others += not name.lower().endswith(_LEFT_BESIDE)
            elif match[1] in self.images:
                self.repeated += 1
            else:
                self.images[match[1]] = _Image(name, location)

    def warnings(self, place: str) -> Iterator[str]:
        if self.others:
            yield (
                f"{place}: {self.others:,} entries are not used: expected files such as 00001.jpg, "
                "none in folders below or packed"
            )
        if self.repeated:
            yield f"{place}: {self.repeated:,} files are not used: the same images are here again"


class ObjectCXR(Processor):
    """object-CXR as downloaded (zip files, read where they lie) or unpacked.

    Objects inside the lung field are annotated: buttons, zips, jewellery. Support devices (tubes, lines,
    pacemakers) are not, so that a film without a foreign object may show them. No patient or study is told.
    """

    name = "object-CXR"
    folder = "objcxr"
    config_key = "OBJECTCXR_ROOT"
    licence = "free for scientific research and non-commercial use"
    access = "open download"
    homepage = "https://jfhealthcare.github.io/object-CXR/"
    citation = (
        "JF Healthcare. Object-CXR: Automatic detection of foreign objects on chest X-rays. Challenge at "
        "MIDL 2020."
    )
    releases = (
        Release("train, dev and test", 10_000),
        Release("train and dev (Google Drive, Academic Torrents)", 9_000),
        Release("train alone", 8_000),
    )
    known_bad = ()

    def recognise(self) -> str:
        """Find the folder that holds the splits, unpacked or as zip files, and list their images once."""
        for folder in folders_below(self.root, lambda name: name.lower() in _SPLITS):
            if places := self._find_images(folder):
                self._find_tables(folder)
                return f"JPEG files in {', '.join(places)}"
        raise no_image_found(
            self,
            "train/, dev/ or test/ with files such as 00001.jpg, or train.zip, dev.zip or test.zip, here or "
            "up to two folders below",
        )

    def _find_images(self, folder: Path) -> list[str]:
        """Take the images of every split that lies in a folder, and return where they lie."""
        present = {entry.name.lower(): folder / entry.name for entry in entries(folder)}
        self._images: dict[str, dict[str, _Image]] = {split: {} for split in _SPLITS}
        places: list[str] = []
        warnings: list[str] = []
        for split in _SPLITS:
            unpacked, archive = present.get(split), present.get(f"{split}.zip")
            part, place = _Part(), unpacked
            if unpacked:
                part.add(self._files(unpacked, split))
            if archive and part.images:
                warnings.append(f"{archive.name} is not used: {split} is unpacked here")
            elif archive:
                place = archive
                part.add(self._members(archive))
            if place:
                warnings += part.warnings(self.relative(place))
                places += [self.relative(place)] if part.images else []
            self._images[split] = part.images
        if places:
            self.warnings += warnings
            self._tell_repeated()
        return places

    def _files(self, folder: Path, split: str, *, nested: bool = True) -> Iterator[tuple[str, Location]]:
        """Yield name and place of every entry of a flat folder.

        With ``nested`` a folder inside that bears the name of the split, as a zip file unpacked into a folder
        of its own has it, is gone through too.
        """
        relative = self.relative(folder)
        for entry in entries(folder):
            if nested and entry.name.lower() == split:
                yield from self._files(folder / entry.name, split, nested=False)
            else:
                yield entry.name, Location(f"{relative}/{entry.name}")

    def _members(self, archive: Path) -> Iterator[tuple[str, Location]]:
        # The archive tells the split: its folders may be named train/, after the split, or not be there.
        for path, location in zip_members(archive, self.root, _SUFFIXES):
            yield base_name(path), location

    def _tell_repeated(self) -> None:
        total = sum(map(len, self._images.values()))
        if repeated := total - len(set().union(*self._images.values())):
            self.warnings.append(
                f"{repeated:,} images lie in more than one of test, dev and train: the first of these counts"
            )

    def _find_tables(self, folder: Path) -> None:
        near = folders_above(folder, self.root)
        beside = {place.name.lower(): place for place in subfolders(folder)}
        self._tables: dict[str, Path] = {}
        for split in _SPLITS:
            places = [*near, beside[split]] if split in beside else near
            if path := find_table(places, f"{split}.csv"):
                self._tables[split] = path
        self.tables += map(self.relative, self._tables.values())
        absent = [split for split in _HAVE_TABLES if self._images[split] and split not in self._tables]
        if absent:
            self.warnings.append(
                f"{' and '.join(f'{split}.csv' for split in absent)} not found: the images of "
                f"{' and '.join(absent)} are written without labels and boxes"
            )

    def records(self) -> Iterator[Record]:
        """Yield every row of the tables, then the files of the split that no row names."""
        for split, images in self._images.items():
            path = self._tables.get(split)
            listed: set[str] = set()
            if path:
                for record in self._listed(path, split):
                    listed.add(record.identity)
                    yield record
            for identity, image in images.items():
                if identity not in listed:
                    record = _record(identity, image, split)
                    record.excluded = f"not in {path.name}" if path else None
                    yield record

    def _listed(self, path: Path, split: str) -> Iterator[Record]:
        table = Table(path, columns=("annotation",))
        name_column = table.one_of(*_NAME_COLUMNS)
        unusable = UnusableRows(path.name)
        odd: dict[int, int] = {}
        for row, (name, annotation) in enumerate(table.rows(name_column, "annotation"), start=2):
            # Files are looked up by the base name alone: the description has paths such as /path/00001.jpg.
            match = _IMAGE_NAME.fullmatch(base_name(name))
            if match is None:
                yield unusable.record(row, f"column {name_column!r} names no image such as 00001.jpg")
                continue
            objects = _objects(annotation)
            boxes = [box for text in objects if (box := _box(text))]
            if len(boxes) < len(objects):
                odd[row] = len(objects) - len(boxes)
            record = _record(match[1], self._images[split].get(match[1]), split)
            record.labels = _PRESENT if objects else _ABSENT
            record.boxes = boxes
            record.native = {"annotation": annotation}
            yield record
        self.warnings += unusable.warnings
        if odd:
            rows = ", ".join(map(str, list(odd)[:_SHOWN])) + (", ..." if len(odd) > _SHOWN else "")
            self.warnings.append(
                f"{path.name}: {sum(odd.values()):,} objects are not used: expected 0 or 1 and the four "
                "numbers of a box, or 2 and at least three corners, that span an area; their images count as "
                f"positive (row{'s'[: len(odd) > 1]} {rows})"
            )


def _record(identity: str, image: _Image | None, split: str) -> Record:
    return Record(
        identity=identity,
        key=image.name if image else f"{identity}.jpg",
        file=image.file if image else None,
        view="PA or AP",
        split=_SPLITS[split],
        part=split,
    )


def _objects(annotation: str) -> list[str]:
    """Return the text of each object in a cell; none when it is empty: a film that was found free of them."""
    if annotation.lower() in _NO_OBJECT:
        return []
    return [text for text in annotation.split(";") if text.strip()]


def _box(text: str) -> Box | None:
    """Return the box around an object such as ``0 x1 y1 x2 y2``, None when it is written otherwise."""
    numbers = floats(text.split())
    if numbers is None:
        return None
    kind, corners = numbers[0], numbers[1:]
    four = kind in (_RECTANGLE, _ELLIPSE) and len(corners) == 4
    several = kind == _POLYGON and len(corners) >= 6 and len(corners) % 2 == 0
    if not (four or several):
        return None
    sides = sides_around(corners)
    if sides is None:
        return None
    outline = corners if several else ellipse(*sides) if kind == _ELLIPSE else None
    return Box(FOREIGN_OBJECT, *sides, _LABELLER, outline)
