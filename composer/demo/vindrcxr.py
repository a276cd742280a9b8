"""VinDr-CXR in miniature: every layout that is about, twelve invented images.

The PhysioNet layout has the release's oddities that do no harm: both polarities, all bit depths, implicit VR
and JPEG 2000 side by side, ``No finding`` rows without corners, a box that runs past its image, ``Other
disease`` in the table of test where that of train has ``Other diseases``, and files that are no part of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from composer.demo.carriers import write_dicom, write_lines, write_png
from composer.demo.checksums import write_checksums
from composer.demo.findings import shown
from composer.demo.layout import Layout
from composer.demo.phantom import film
from composer.demo.shapes import Film

_FINDINGS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,"
    "Emphysema,Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,"
    "Nodule/Mass,Pleural effusion,Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,"
    "Other lesion,COPD,Lung tumor,Pneumonia,Tuberculosis"
)
_TRAIN_LABELS = [*_FINDINGS.split(","), "Other diseases", "No finding"]
_TEST_LABELS = [*_FINDINGS.split(","), "Other disease", "No finding"]
# In the order of their number.
_KAGGLE_CLASSES = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
)
_ROWS, _COLUMNS = 400, 360
_NOTHING = "No finding"


class _Image(NamedTuple):
    bits_stored: int
    photometric_interpretation: str
    transfer_syntax: str
    has_window: bool = True


class _Reading(NamedTuple):
    """What one reader, or the consensus, says of one image: boxes as text, and labels without a box."""

    image: int
    reader: str
    boxes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


_TRAIN = (
    _Image(12, "MONOCHROME2", ImplicitVRLittleEndian),
    _Image(12, "MONOCHROME1", ImplicitVRLittleEndian),
    _Image(14, "MONOCHROME2", JPEG2000Lossless),
    _Image(10, "MONOCHROME2", ImplicitVRLittleEndian),
    _Image(16, "MONOCHROME2", JPEG2000Lossless, has_window=False),
    _Image(12, "MONOCHROME1", JPEG2000Lossless),
    _Image(14, "MONOCHROME1", ImplicitVRLittleEndian, has_window=False),
    _Image(16, "MONOCHROME2", ImplicitVRLittleEndian),
)
_TEST = (
    _Image(12, "MONOCHROME2", JPEG2000Lossless),
    _Image(14, "MONOCHROME2", ImplicitVRLittleEndian),
    _Image(12, "MONOCHROME1", ImplicitVRLittleEndian, has_window=False),
    _Image(12, "MONOCHROME2", ExplicitVRLittleEndian),
)
_SPLITS = {"train": _TRAIN, "test": _TEST}

_TRAIN_READINGS = (
    # Three readers who agree in part, one of them with a diagnosis that has no box.
    _Reading(0, "R10", ("Lung Opacity,90.96,58.81,120.36,188.71",), ("Pneumonia",)),
    _Reading(0, "R8", ("Consolidation,93.47,56.78,119.77,189.41", "Nodule/Mass,200.5,150.25,221.0,170.5")),
    _Reading(0, "R9"),
    _Reading(1, "R10", ("Cardiomegaly,120.4,210.0,260.8,290.3",)),
    _Reading(1, "R8", ("Cardiomegaly,118.9,212.5,262.1,288.7", "Aortic enlargement,170.2,90.1,210.6,140.9")),
    _Reading(1, "R9", ("Cardiomegaly,121.0,209.5,259.3,291.2",), ("Other diseases",)),
    # Runs past the right and the lower edge of the image.
    _Reading(2, "R1", ("Pleural effusion,250.5,300.25,371.0,408.5",)),
    _Reading(2, "R2", ("Pleural effusion,252.0,298.75,358.5,399.0", "Other lesion,0.0,0.0,40.5,35.25")),
    _Reading(2, "R3", ("Pleural thickening,20.25,60.5,45.75,210.0",)),
    *(_Reading(image, reader) for image in (3, 4, 5) for reader in ("R1", "R2", "R17")),
    _Reading(6, "R4", ("ILD,60.5,120.0,160.25,320.75", "Pulmonary fibrosis,60.5,120.0,160.25,320.75")),
    _Reading(6, "R5", (), ("COPD", "Other diseases")),
    _Reading(6, "R6", ("ILD,62.0,118.5,158.0,322.25",)),
    _Reading(7, "R8", ("Calcification,140.0,80.0,150.5,91.25",), ("Tuberculosis",)),
    _Reading(7, "R9", ("Lung cavity,230.75,70.5,262.0,104.25",), ("Tuberculosis",)),
    _Reading(7, "R10"),
)
_TEST_READINGS = (
    _Reading(
        0, "", ("Cardiomegaly,112.35,210.1,260.92,291.4", "Aortic enlargement,171.5,94.25,209.75,140.0")
    ),
    _Reading(1, ""),
    _Reading(2, "", ("Pleural effusion,40.5,290.0,120.25,380.5",), ("Pneumonia", "Other disease")),
    _Reading(3, ""),
)


def _make_physionet(root: Path) -> None:
    _write_images(root)
    for split in ("train", "test"):
        (root / split / "index.html").write_text("<html>left by wget</html>\n", encoding="utf-8")
    tables = root / "annotations"
    _write_labels(tables / "image_labels_train.csv", "train", _TRAIN_READINGS, _TRAIN_LABELS)
    _write_labels(tables / "image_labels_test.csv", "test", _TEST_READINGS, _TEST_LABELS)
    _write_boxes(tables / "annotations_train.csv", "train", _TRAIN_READINGS)
    _write_boxes(tables / "annotations_test.csv", "test", _TEST_READINGS)
    (root / "LICENSE.txt").write_text("stands in for the licence of the release\n", encoding="utf-8")
    write_checksums(root)


def _make_kaggle(root: Path) -> None:
    release = root / "vinbigdata-chest-xray-abnormalities-detection"
    _write_images(release)
    _write_kaggle_tables(release)


def _make_resized(root: Path) -> None:
    for split, images in _SPLITS.items():
        for number in range(len(images)):
            picture = _film(split, number, rows=_ROWS // 2, columns=_COLUMNS // 2)
            write_png(root / split / f"{_image_id(split, number)}.png", picture)
        sizes = [f"{_image_id(split, number)},{_ROWS},{_COLUMNS}" for number in range(len(images))]
        write_lines(root / f"{split}_meta.csv", ["image_id,dim0,dim1", *sizes])
    _write_kaggle_tables(root)


def _write_images(root: Path) -> None:
    for split, images in _SPLITS.items():
        for number, image in enumerate(images):
            path = root / split / f"{_image_id(split, number)}.dicom"
            picture = _film(split, number, rows=_ROWS, columns=_COLUMNS)
            _write_image(path, image, picture, seed=_seed(split, number))


def _write_kaggle_tables(root: Path) -> None:
    rows: list[str] = []
    for image in range(len(_TRAIN)):
        readings = [reading for reading in _TRAIN_READINGS if reading.image == image]
        boxes = [
            f"{_image_id('train', image)},{row}" for reading in readings for row in _kaggle_rows(reading)
        ]
        # An image never has both boxes and rows without a finding.
        rows += boxes or [f"{_image_id('train', image)},{_NOTHING},14,{each.reader},,,," for each in readings]
    write_lines(root / "train.csv", ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max", *rows])
    guesses = [f"{_image_id('test', number)},14 1.0 0 0 1 1" for number in range(len(_TEST))]
    write_lines(root / "sample_submission.csv", ["image_id,PredictionString", *guesses])


def _kaggle_rows(reading: _Reading) -> list[str]:
    rows = []
    for box in reading.boxes:
        finding, *corners = box.split(",")
        if finding in _KAGGLE_CLASSES:
            # Kaggle's corners are cut down to whole pixels; these also to the image.
            limits = (_COLUMNS, _ROWS) * 2
            cells = [f"{min(int(float(at)), limit)}.0" for at, limit in zip(corners, limits, strict=True)]
            rows.append(",".join([finding, str(_KAGGLE_CLASSES.index(finding)), reading.reader, *cells]))
    return rows


def _image_id(split: str, number: int) -> str:
    return f"feedc0de{_seed(split, number):024x}"


def _seed(split: str, number: int) -> int:
    return (6000 if split == "train" else 6500) + number


def _film(split: str, number: int, *, rows: int, columns: int) -> Film:
    statements = [
        (label, 1, reading.reader or "consensus")
        for reading in (_TRAIN_READINGS if split == "train" else _TEST_READINGS)
        if reading.image == number
        for label in (*(box.partition(",")[0] for box in reading.boxes), *reading.labels)
    ]
    return film(_seed(split, number), rows=rows, columns=columns, findings=shown("vindrcxr", statements))


def _write_image(path: Path, image: _Image, picture: Film, *, seed: int) -> None:
    # The windows of the release cover nearly the full range.
    levels = 2.0**image.bits_stored
    write_dicom(
        path,
        picture,
        bits_stored=image.bits_stored,
        photometric_interpretation=image.photometric_interpretation,
        transfer_syntax=image.transfer_syntax,
        window=(levels / 2, levels - 1) if image.has_window else None,
        attributes={"PatientSex": "F" if seed % 2 else "M", "PatientAge": f"0{40 + seed % 10}Y"},
    )


def _write_labels(path: Path, split: str, readings: tuple[_Reading, ...], labels: list[str]) -> None:
    header = ["image_id", *(["rad_id"] if split == "train" else []), *labels]
    lines = [",".join(header)]
    for reading in readings:
        found = {box.partition(",")[0] for box in reading.boxes} | set(reading.labels) or {_NOTHING}
        cells = [str(int(label in found)) for label in labels]
        lines.append(",".join([*_begin(split, reading), *cells]))
    write_lines(path, lines)


def _write_boxes(path: Path, split: str, readings: tuple[_Reading, ...]) -> None:
    header = ["image_id", *(["rad_id"] if split == "train" else []), "class_name,x_min,y_min,x_max,y_max"]
    lines = [",".join(header)]
    for reading in readings:
        boxes = reading.boxes or (f"{_NOTHING},,,,",)
        lines += [",".join([*_begin(split, reading), box]) for box in boxes]
    write_lines(path, lines)


def _begin(split: str, reading: _Reading) -> list[str]:
    return [_image_id(split, reading.image), *([reading.reader] if reading.reader else [])]


LAYOUTS = (
    Layout("PhysioNet", _make_physionet, images=12),
    Layout("VinBigData (Kaggle)", _make_kaggle, images=12),
    Layout("resized PNG copy of VinBigData", _make_resized, images=12),
)
