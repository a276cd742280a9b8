"""RSNA Pneumonia Detection Challenge 2018: 29,684 frontal films of NIH, read anew for lung opacity."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from processors.base import (
    ZERO_OR_ONE,
    Box,
    Label,
    Location,
    Processor,
    Record,
    Release,
    Sex,
    SourceError,
    Split,
    Table,
    UnknownCells,
    UnusableRows,
    age_in_years,
    base_name,
    entries,
    find_further_file,
    find_table,
    folders_above,
    folders_below,
    frontal_view_of,
    image_names,
    is_folder,
    naming_key,
    no_image_found,
    sex_of,
    subfolders,
    walk_images,
    zip_members,
)
from processors.base.boxes import sides_of
from processors.base.json_files import objects_in, read_json, text_of

OPACITY = "Lung Opacity"
# An image has one of three classes, so that these two state that there is no such opacity.
_WITHOUT_OPACITY = ("No Lung Opacity / Not Normal", "Normal")
_CLASSES = (OPACITY, *_WITHOUT_OPACITY)
_CONTRADICTIONS = ({(OPACITY, 0), (OPACITY, 1)}, {(name, 1) for name in _WITHOUT_OPACITY})
_LABELLER = "RSNA"
# All images have this size; boxes of resized copies refer to it too.
_BOX_GRID = (1024, 1024)
# Of the groups of labels in RSNA's JSON file the one with the final consensus.
_CONSENSUS = "Calculated"

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UID = re.compile(r"\d+(?:\.\d+)+")
_NIH_NAME = re.compile(r"(([0-9]{8})_[0-9]{3})(?:\.png)?", re.IGNORECASE)
_FLAT_FOLDER = re.compile(r"(stage_([12])_(train|test)_images(_jpg)?)(\.zip)?", re.IGNORECASE)
_FLAT_FILE = re.compile(rf"({_ID.pattern})\.(?:dcm|jpe?g)", re.IGNORECASE)
_TREE_FOLDER = re.compile(r"mdai_rsna_project_|pneumonia-challenge-dataset", re.IGNORECASE)
_TREE_FILE = re.compile(rf"({_UID.pattern})/{_UID.pattern}/({_UID.pattern})\.dcm", re.IGNORECASE)
_TREE_PART = "the DICOM files of RSNA"
_PICTURES = (".jpg", ".jpeg")
_SUFFIXES = (".dcm", *_PICTURES)

_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
_MAPPING_KEY = "RSNA_MAPPING"
# The first has the consensus.
_ANNOTATIONS = (
    "pneumonia-challenge-annotations-adjudicated-kaggle_2018.json",
    "pneumonia-challenge-annotations-original_2018.json",
)
_HEADERS = "kaggle_stage_2_train_images_dicom_headers.csv"
_SIDES = ("x", "y", "width", "height")
_SPLITS: dict[str, Split] = {"train": "train", "test": "test"}
# Cells of the mapping worth keeping as they are written; the name is that of the image in NIH ChestX-ray14.
_NATIVE_KEYS = ("img_id", "subset_group", "orig_labels")


class _Place(NamedTuple):
    """A flat folder, or an archive, with the images of one split."""

    path: Path
    name: str
    stage: str
    split: Split
    is_jpg: bool
    is_zip: bool


class _Image(NamedTuple):
    name: str
    location: Location
    split: Split | None = None
    study: str | None = None


class _Origin(NamedTuple):
    """What RSNA's mapping says of an image; the twin is the identity of the same film in NIH ChestX-ray14."""

    name: str
    twin: str | None
    patient: str | None
    study: str | None
    native: dict[str, str]


class _Header(NamedTuple):
    """What TorchXRayVision's table says of the DICOM header of an image."""

    view: str | None
    sex: Sex | None
    age: float | None
    native: dict[str, str]


class _Readings:
    """What one source says of the images, by identity; its several rows of an image are taken together.

    Parameters
    ----------
    table
        Name of the source in messages.
    classes
        Name of the table with the classes, where that is another one.
    """

    def __init__(self, table: str, classes: str = "") -> None:
        self.table = table
        self.boxes: defaultdict[str, list[Box]] = defaultdict(list)
        self._values: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        self._shared: dict[frozenset[tuple[str, int]], list[Label]] = {}
        self._classes = UnknownCells(classes or table, "class", "one of the three", fate=UnknownCells.KEPT)
        self._targets = UnknownCells(table, "Target", "0 or 1")
        self._unread_boxes = 0

    def __contains__(self, identity: str) -> bool:
        return identity in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def add_class(self, identity: str, name: str) -> None:
        """Take note of the class of an image; a blank one only names the image."""
        values = self._values[identity]
        if name:
            values.add((name, 1))
        if name in _WITHOUT_OPACITY:
            values.add((OPACITY, 0))
        elif name != OPACITY:
            self._classes.add(name)

    def add_target(self, identity: str, cell: str, box: Sequence[str]) -> None:
        """Take note of a row of Kaggle: whether there is an opacity, and where."""
        value, values = ZERO_OR_ONE.get(cell), self._values[identity]
        if value is None:
            self._targets.add(cell)
        else:
            values.add((OPACITY, value))
        if value == 1:
            self.add_box(identity, box)
        elif any(box):
            self._unread_boxes += 1

    def add_box(self, identity: str, cells: Sequence[str]) -> None:
        """Take note of a box: left, top, width, height."""
        sides = sides_of(cells)
        if sides is None:
            self._unread_boxes += 1
            return
        box = Box(OPACITY, *sides, _LABELLER)
        if box not in self.boxes[identity]:
            self.boxes[identity].append(box)

    def labels(self, identity: str) -> list[Label]:
        """Return the labels of an image: one and the same list for all that have the same."""
        key = frozenset(self._values[identity])
        if key not in self._shared:
            # A present opacity comes after an absent one.
            values = dict(sorted(key))
            order = [*_CLASSES, *sorted(values.keys() - set(_CLASSES))]
            self._shared[key] = [Label(name, values[name], _LABELLER) for name in order if name in values]
        return self._shared[key]

    @property
    def warnings(self) -> list[str]:
        """What is odd in the source."""
        found = [*self._targets.warnings, *self._classes.warnings]
        if odd := sum(any(pair <= values for pair in _CONTRADICTIONS) for values in self._values.values()):
            found.append(
                f"{self.table}: the rows of {odd:,} images contradict each other: every class that they name "
                "and every box is kept"
            )
        if self._unread_boxes:
            found.append(
                f"{self.table}: {self._unread_boxes:,} boxes are not used: expected four numbers, width and "
                "height above 0, where there is an opacity"
            )
        return found


class RSNAPneumonia(Processor):
    """The challenge as Kaggle, Academic Torrents (JPEG) and RSNA itself (a tree of UIDs) publish it.

    Kaggle's ``patientId`` is the id of an image, of which a patient has many. ``patient_id`` and ``twin``
    are those of NIH, from RSNA's ``pneumonia-challenge-dataset-mappings_2018.json`` where it is at hand, else
    None.

    Of RSNA's annotations only the consensus is read, the group ``Calculated``. The other groups hold marks
    of single readers and notes, whose 47 labels nobody describes. An image without a consensus, which the
    challenge did without, is left out.
    """

    name = "RSNA Pneumonia"
    folder = "rsna"
    config_key = "RSNA_ROOT"
    licence = (
        "any purpose with attribution to RSNA and the NIH Clinical Center; on Kaggle the competition rules"
    )
    access = "open download at RSNA and Academic Torrents; account at Kaggle"
    homepage = (
        "https://www.rsna.org/education/ai-resources-and-training/ai-image-challenge/"
        "rsna-pneumonia-detection-challenge-2018"
    )
    citation = (
        "Shih G, Wu CC, Halabi SS, et al. Augmenting the National Institutes of Health Chest Radiograph "
        "Dataset with Expert Annotations of Possible Pneumonia. Radiology: Artificial Intelligence 1(1), "
        "e180041 (2019)."
    )
    releases = (
        Release("stage 2 (Kaggle, Academic Torrents)", 29_684),
        Release("stage 2, train alone", 26_684),
        Release("stage 2, test alone", 3_000),
        Release("RSNA", 30_000, note="316 have no consensus and are left out"),
    )
    known_bad = ()
    parent = "chex-ray14"
    further_files = MappingProxyType({_MAPPING_KEY: _MAPPING})

    def recognise(self) -> str:
        """Find the flat folders of Kaggle or the tree of RSNA, here or up to two folders below."""
        self._tree: Path | None = None
        self._images: dict[str, _Image] = {}
        self._used: dict[Split, _Place] = {}
        self._stage = "2"
        folders = list(folders_below(self.root, _is_of_images))
        self._find_flat(folders)
        if self._used:
            self._find_tables(place.path.parent for place in self._used.values())
            return self._describe()
        trees = list(filter(_is_tree, folders))
        self._tree = next(filter(self._is_own, trees), None)
        if self._tree is None and trees and _MAPPING_KEY in self.files:
            # Whether the mapping knows the images is seen when both are read.
            self._tree = trees[0]
        if self._tree is not None:
            self._find_tables([self._tree])
            if others := len(trees) - 1:
                self.warnings.append(
                    f"{others:,} more trees of UIDs are not used: {self.relative(self._tree)} is here"
                )
            return "RSNA: DICOM files in a tree of UIDs"
        if trees:
            raise SourceError(
                f"{self.root}: found a tree of UIDs, as other datasets have them too, but no table of the "
                f"release; if it is of {self.name}, put {_ANNOTATIONS[0]} and {_MAPPING} beside it, "
                f"or name the latter as {_MAPPING_KEY}"
            )
        raise no_image_found(
            self,
            "stage_2_train_images/<patientId>.dcm, stage_2_train_images_jpg/<patientId>.jpg or "
            "<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm here or up to two folders below",
        )

    def _is_own(self, tree: Path) -> bool:
        """Say whether the name of a tree of UIDs, or a table near it, tells that it is of this release."""
        self._find_tables([tree])
        near = set(self._paths.values()) - set(self.files.values())
        return bool(near or _TREE_FOLDER.match(tree.name))

    def _find_flat(self, folders: Iterable[Path]) -> None:
        """List the images of both splits, of the last stage that is there."""
        unused = []
        for place in _flat_places(folders):
            if place.split in self._used or (self._used and place.stage != self._stage):
                unused.append(place)
            # Empty folders tell no stage.
            elif images := self._list(place):
                self._stage, self._used[place.split] = place.stage, place
                self._take(images, place.split)
        used = self._names(self._used.values())
        # An archive commonly stays beside the folder that was unpacked from it.
        if others := [name for name in self._names(unused) if name not in used]:
            self.warnings.append(f"{', '.join(others)} are not used: {' and '.join(used)} are here")

    def _names(self, places: Iterable[_Place]) -> list[str]:
        return sorted({self.relative(place.path.with_name(place.name)) for place in places})

    def _take(self, images: dict[str, _Image], split: Split) -> None:
        if twice := len(images.keys() & self._images.keys()):
            self.warnings.append(f"{twice:,} images lie in train and test: they are held out in test")
        self._images |= images if split == "test" else images | self._images

    def _list(self, place: _Place) -> dict[str, _Image]:
        """Return the images of a flat folder or an archive by their id in lower case."""
        images: dict[str, _Image] = {}
        odd = copies = 0
        # A DICOM file comes before a copy in another format.
        for name, location in sorted(self._files(place), key=lambda file: (_is_picture(file[0]), file[0])):
            match = _FLAT_FILE.fullmatch(name)
            if match is None:
                odd += 1
            elif (identity := match[1].lower()) in images:
                copies += 1
            else:
                images[identity] = _Image(name, location, place.split)
        if odd:
            self.warnings.append(
                f"{place.name}: {odd:,} image files are not used: expected names such as <patientId>.dcm"
            )
        if copies:
            self.warnings.append(
                f"{place.name}: {copies:,} files are not used: the same images are here in another format"
            )
        return images

    def _files(self, place: _Place) -> Iterator[tuple[str, Location]]:
        if place.is_zip:
            for path, location in zip_members(place.path, self.root, _SUFFIXES):
                yield base_name(path), location
            return
        # Some tools unpack an archive into a folder of its name, which is in it already.
        for folder in (place.path, place.path / place.name):
            if names := image_names(folder, _SUFFIXES):
                yield from ((name, Location(f"{self.relative(folder)}/{name}")) for name in names)
                return

    def _find_tables(self, folders: Iterable[Path]) -> None:
        """Look for the tables in these folders, in those above them, and one folder below each."""
        above = [place for folder in folders for place in folders_above(folder, self.root)]
        beside = [each for place in above for each in subfolders(place) if not _is_of_images(each.name)]
        near = list(dict.fromkeys([*above, *beside]))
        names = {
            "targets": (f"stage_{self._stage}_train_labels.csv",),
            "classes": (f"stage_{self._stage}_detailed_class_info.csv",),
            "submission": (f"stage_{self._stage}_sample_submission.csv",),
            "headers": (_HEADERS,),
            "annotations": _ANNOTATIONS,
        }
        self._paths = {kind: path for kind in names if (path := find_table(near, *names[kind]))}
        if mapping := find_further_file(self, _MAPPING_KEY, near):
            self._paths["mapping"] = mapping

    def _describe(self) -> str:
        kinds = sorted({"JPG" if place.is_jpg else "DICOM" for place in self._used.values()})
        names = sorted(self.relative(place.path) for place in self._used.values())
        publisher = "Academic Torrents" if kinds == ["JPG"] else "Kaggle"
        return f"{publisher}, stage {self._stage}: {' and '.join(kinds)} files in {' and '.join(names)}"

    def view_in_header(self, view_position: str | None, patient_orientation: str | None) -> str | None:
        """Return PA or AP, None for anything else: all images are frontal."""
        return frontal_view_of(view_position)

    def records(self) -> Iterator[Record]:
        """Yield every image that a table names, then the files that none names."""
        self._drop_unlinked()
        self.tables += [self.relative(path) for path in self._paths.values()]
        with naming_key(self.files, _MAPPING_KEY):
            self._read_mapping()
        if self._tree is not None:
            self._images = self._walk(self._tree)
            self._check_mapping()
        yield from self._read_headers()
        yield from self._read_submission()
        self._kaggle = _Readings(self._name_of("targets", "classes"), self._name_of("classes"))
        yield from self._read_kaggle()
        self._consensus = _Readings(self._name_of("annotations"))
        self._read_annotations()
        # Kaggle's tables were made of the consensus, with boxes in whole pixels.
        is_kaggle = self._tree is None and {"targets", "classes"} <= self._paths.keys()
        self._sources = sorted(
            (self._kaggle, self._consensus), key=lambda each: (each is self._kaggle) != is_kaggle
        )
        yield from self._all_images()
        self.warnings += [*self._kaggle.warnings, *self._consensus.warnings]

    def _name_of(self, *kinds: str) -> str:
        return next((self._paths[kind].name for kind in kinds if kind in self._paths), "")

    def _drop_unlinked(self) -> None:
        """Do without the tables whose ids are not those of the files, unless the mapping links them."""
        if "mapping" in self._paths:
            return
        others = ("targets", "classes", "submission", "headers") if self._tree else ("annotations",)
        if names := [self._paths.pop(kind).name for kind in others if kind in self._paths]:
            self.warnings.append(
                f"{', '.join(names)} are not used: their ids are not those of the files; put {_MAPPING}, "
                f"which links them, beside the images, or name it as {_MAPPING_KEY}"
            )

    def _walk(self, tree: Path) -> dict[str, _Image]:
        images: dict[str, _Image] = {}
        odd = 0
        above = "" if tree == self.root else f"{self.relative(tree)}/"
        for path in walk_images(tree, _SUFFIXES):
            match = _TREE_FILE.fullmatch(path)
            if match is None:
                odd += 1
                continue
            identity = self._identities.get(match[2], match[2])
            name = base_name(path)
            images.setdefault(identity, _Image(name, Location(above + path), study=match[1]))
        if odd:
            self.warnings.append(
                f"{odd:,} image files are not used: expected "
                "<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm"
            )
        return images

    def _read_mapping(self) -> None:
        self._origins: dict[str, _Origin] = {}
        # From SOPInstanceUID to Kaggle's id.
        self._identities: dict[str, str] = {}
        if "mapping" not in self._paths:
            return
        path = self._paths["mapping"]
        odd = unnamed = 0
        for entry in read_json(path, list):
            uid = text_of(entry.get("SOPInstanceUID")) if isinstance(entry, dict) else ""
            if not _UID.fullmatch(uid):
                odd += 1
                continue
            image_id = text_of(entry.get("subset_img_id"))
            identity = image_id.lower() if _ID.fullmatch(image_id) else uid
            origin = _origin(f"{uid}.dcm", entry)
            unnamed += origin.twin is None
            self._identities.setdefault(uid, identity)
            self._origins.setdefault(identity, origin)
        if not self._origins:
            raise SourceError(
                f"{path}: expected objects with SOPInstanceUID and img_id, found none; is this the file of "
                f"another dataset? The right one is published as {_MAPPING}"
            )
        if odd:
            self.warnings.append(
                f"{path.name}: {odd:,} entries are not used: expected a UID in SOPInstanceUID"
            )
        if unnamed:
            self.warnings.append(
                f"{path.name}: {unnamed:,} entries name no image of NIH ChestX-ray14: expected a name such "
                "as 00009999_001.png in img_id"
            )

    def _check_mapping(self) -> None:
        """Raise `SourceError` when the mapping knows no image of the tree, which may be another dataset's."""
        if "mapping" in self._paths and self._images and not self._images.keys() & self._origins.keys():
            raise SourceError(
                f"{self._tree}: none of {len(self._images):,} images is named in {self._paths['mapping']}; "
                "check both paths: one of them may be of another dataset"
            )

    def _read_rows(
        self, kind: str, columns: Sequence[str], take: Callable[[str, Sequence[str]], object]
    ) -> Iterator[Record]:
        """Pass identity and further cells of every row of a table on; yield the rows without an id."""
        if kind not in self._paths:
            return
        path = self._paths[kind]
        unusable = UnusableRows(path.name)
        for row, (image_id, *cells) in enumerate(Table(path, columns=columns).rows(*columns), start=2):
            if _ID.fullmatch(image_id):
                take(image_id.lower(), cells)
            else:
                yield unusable.record(row, f"column {columns[0]!r}: expected an id as in the files' names")
        self.warnings += unusable.warnings

    def _read_headers(self) -> Iterator[Record]:
        self._headers: dict[str, _Header] = {}
        columns = ("PatientID", "ViewPosition", "PatientSex", "PatientAge")

        def take(identity: str, cells: Sequence[str]) -> None:
            view, sex, age = cells
            native = {"ViewPosition": view, "PatientAge": age}
            header = _Header(self.view_in_header(view, None), sex_of(sex), age_in_years(age), native)
            self._headers.setdefault(identity, header)

        yield from self._read_rows("headers", columns, take)
        if odd := sum(header.view is None for header in self._headers.values()):
            self.warnings.append(
                f"{self._name_of('headers')}: {odd:,} rows tell no view: expected PA or AP in 'ViewPosition'"
            )

    def _read_submission(self) -> Iterator[Record]:
        """Read the example of a submission: it names the test images."""
        self._tested_on: dict[str, None] = {}
        columns = ("patientId",)
        yield from self._read_rows(
            "submission", columns, lambda identity, _: self._tested_on.setdefault(identity)
        )

    def _read_kaggle(self) -> Iterator[Record]:
        kaggle, named = self._kaggle, {"targets": set[str](), "classes": set[str]()}

        def take_target(identity: str, cells: Sequence[str]) -> None:
            named["targets"].add(identity)
            kaggle.add_target(identity, cells[-1], cells[:-1])

        def take_class(identity: str, cells: Sequence[str]) -> None:
            named["classes"].add(identity)
            kaggle.add_class(identity, cells[0])

        yield from self._read_rows("targets", ("patientId", *_SIDES, "Target"), take_target)
        yield from self._read_rows("classes", ("patientId", "class"), take_class)
        if all(named.values()):
            everything = set(kaggle)
            self.warnings += [
                f"{self._name_of(kind)}: {len(everything - images):,} images are not named here, only in "
                "the other table; is it complete?"
                for kind, images in named.items()
                if everything != images
            ]

    def _read_annotations(self) -> None:
        """Read the consensus of RSNA's annotations."""
        if "annotations" not in self._paths:
            return
        project, file_name = read_json(self._paths["annotations"], dict), self._name_of("annotations")
        classes = {
            text_of(label.get("id")): text_of(label.get("name"))
            for group in objects_in(project.get("labelGroups"))
            if group.get("name") == _CONSENSUS
            for label in objects_in(group.get("labels"))
        }
        if not classes:
            self.warnings.append(
                f"{file_name} is not used: it has no group of labels named {_CONSENSUS}; put "
                f"{_ANNOTATIONS[0]} beside the images"
            )
            return
        unlinked = 0
        for dataset in objects_in(project.get("datasets")):
            for annotation in objects_in(dataset.get("annotations")):
                name = classes.get(text_of(annotation.get("labelId")))
                if name is not None:
                    unlinked += not self._add_annotation(name, annotation)
        if unlinked:
            self.warnings.append(f"{file_name}: {unlinked:,} annotations are not used: they name no image")

    def _add_annotation(self, name: str, annotation: dict[str, Any]) -> bool:
        """Take note of an annotation, unless it names no image."""
        uid = text_of(annotation.get("SOPInstanceUID"))
        identity = self._identities.get(uid, uid if self._tree else "")
        if not (_ID.fullmatch(identity) or _UID.fullmatch(identity)):
            return False
        self._consensus.add_class(identity, name)
        if name == OPACITY:
            box = annotation.get("data")
            self._consensus.add_box(
                identity, [text_of(box.get(side)) if isinstance(box, dict) else "" for side in _SIDES]
            )
        return True

    def _all_images(self) -> Iterator[Record]:
        self._tell_absent()
        named: dict[str, None] = dict.fromkeys(self._origins if self._tree else ())
        for identities in (self._kaggle, self._consensus, self._tested_on, self._images):
            named |= dict.fromkeys(identities)
        unsplit = 0
        for identity in named:
            record = self._record(identity)
            unsplit += record.split is None and record.excluded is None
            yield record
        if unsplit:
            self.warnings.append(
                f"the official split of {unsplit:,} images is not told: put stage_2_train_labels.csv and "
                f"{_MAPPING} beside the images, or name the latter as {_MAPPING_KEY}"
            )

    def _tell_absent(self) -> None:
        targets, classes = (
            f"stage_{self._stage}_{name}.csv" for name in ("train_labels", "detailed_class_info")
        )
        if not any(self._kaggle) and not any(self._consensus):
            expected = _ANNOTATIONS[0] if self._tree else f"{targets}, {classes}"
            self.warnings.append(f"{expected} not found: images are written without labels and boxes")
        elif any(self._consensus):
            return
        elif "targets" not in self._paths:
            self.warnings.append(f"{targets} not found: images are written without boxes")
        elif "classes" not in self._paths:
            self.warnings.append(
                f"{classes} not found: images are written with {OPACITY} as their only label"
            )

    def _record(self, identity: str) -> Record:
        image, origin = self._images.get(identity), self._origins.get(identity)
        header = self._headers.get(identity)
        readings = next((readings for readings in self._sources if identity in readings), None)
        split = image.split if image and image.split else self._split(identity, origin)
        is_picture = _is_picture(image.name) if image else self._is_jpg
        view = header.view if header else None
        return Record(
            identity=identity,
            key=image.name if image else self._file_name(identity, origin),
            file=image.location if image else None,
            carrier="jpg" if is_picture else "",
            view=view or "PA or AP",
            view_from_header=view is None and not is_picture,
            patient_id=origin.patient if origin else None,
            twin=origin.twin if origin else None,
            study_id=origin.study if origin else image.study if image else None,
            split=split,
            sex=header.sex if header else None,
            age=header.age if header else None,
            labels=readings.labels(identity) if readings else [],
            boxes=readings.boxes.get(identity, []) if readings else [],
            box_grid=_BOX_GRID,
            native={**(origin.native if origin else {}), **(header.native if header else {})},
            part=self._part(split),
            excluded=None if readings else self._excluded(split),
        )

    @property
    def _is_jpg(self) -> bool:
        return bool(self._used) and all(place.is_jpg for place in self._used.values())

    def _file_name(self, identity: str, origin: _Origin | None) -> str:
        """Return the name that the file of an image should have."""
        if self._tree and origin:
            return origin.name
        return f"{identity}.{'jpg' if self._is_jpg else 'dcm'}"

    def _split(self, identity: str, origin: _Origin | None) -> Split | None:
        """Return the split of an image whose folder does not tell it."""
        if identity in self._tested_on:
            return "test"
        # The images that the challenge did without have no id of Kaggle.
        if any(self._kaggle) and _ID.fullmatch(identity):
            return "train" if identity in self._kaggle else "test"
        return _SPLITS.get(origin.native.get("subset_group", "").lower()) if origin else None

    def _part(self, split: Split | None) -> str | None:
        if self._tree:
            return _TREE_PART
        if split is None:
            return None
        place = self._used.get(split)
        return place.name if place else f"stage_{self._stage}_{split}_images{'_jpg' * self._is_jpg}"

    def _excluded(self, split: Split | None) -> str | None:
        """Say why an image of which no table says anything is left out; Kaggle has no labels of test."""
        if self._tree:
            return f"no consensus in {self._consensus.table}" if any(self._consensus) else None
        table = next((each.table for each in self._sources if any(each)), None)
        return f"not in {table}" if table and split == "train" else None


def _is_of_images(name: str) -> bool:
    return bool(_UID.fullmatch(name) or _FLAT_FOLDER.fullmatch(name))


def _flat_places(folders: Iterable[Path]) -> list[_Place]:
    """Return the folders and archives of images in some folders in order of preference.

    The later stage, which holds the images of the earlier one too, then DICOM, then what is unpacked.
    """
    places = []
    for entry in itertools.chain.from_iterable(map(entries, folders)):
        match = _FLAT_FOLDER.fullmatch(entry.name)
        if match and is_folder(entry) is (match[5] is None):
            split = _SPLITS[match[3].lower()]
            places.append(_Place(Path(entry.path), match[1], match[2], split, bool(match[4]), bool(match[5])))
    return sorted(places, key=lambda place: (-int(place.stage), place.is_jpg, place.is_zip))


def _is_tree(folder: Path) -> bool:
    """Say whether a folder holds ``<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm``."""
    return any(
        _TREE_FILE.fullmatch(f"{study.name}/{series.name}/{entry.name}")
        for study in subfolders(folder)
        if _UID.fullmatch(study.name)
        for series in subfolders(study)
        for entry in entries(series)
    )


def _origin(name: str, entry: dict[str, Any]) -> _Origin:
    native = {key: cell for key in _NATIVE_KEYS if (cell := text_of(entry.get(key)))}
    match = _NIH_NAME.fullmatch(base_name(native.get("img_id", "")))
    # The number as the tables of NIH write it.
    twin, patient = (match[1], str(int(match[2]))) if match else (None, None)
    return _Origin(name, twin, patient, text_of(entry.get("StudyInstanceUID")) or None, native)


def _is_picture(name: str) -> bool:
    return name.lower().endswith(_PICTURES)
