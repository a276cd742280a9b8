"""RSNA Pneumonia in miniature: Kaggle's DICOM files, plain and packed, the JPEG torrent, and RSNA's own tree.

Ten films of NIH's miniature, as all of the release's are NIH's. They have the release's oddities that do no
harm: an image with several boxes is in both tables as often, a bare number for an age, one of 151 years, and
files that are not part of the release. The tree of RSNA also has an image without a consensus, and marks of
single readers.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pydicom.config
from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage

from composer.demo import chexray14
from composer.demo.carriers import write_dicom, write_jpeg, write_lines
from composer.demo.layout import Layout
from composer.demo.shapes import Film

_OPACITY, _NOT_NORMAL, _NORMAL = "Lung Opacity", "No Lung Opacity / Not Normal", "Normal"
_LABEL_IDS = {_NORMAL: "L_o8w", _NOT_NORMAL: "L_yd0", _OPACITY: "L_v8n"}
# The earliest time stamp that a zip file can hold.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_UID = "1.2.276.0.7230010.3.1.{level}.8323329.9900.1517800000.{number}"
_TREE = "mdai_rsna_project_x9N20BZa_images_2018-07-20-153330"


class _Image(NamedTuple):
    """An image: view and sex are those of NIH, the age is not, because NIH corrected ages later.

    The boxes are pixels of the published 1024 x 1024 grid, whatever the size of the film.
    """

    number: int
    nih: str
    view: str
    sex: str
    age: str
    label: str | None
    boxes: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def image_id(self) -> str:
        return f"feedc0de-0000-4000-8000-{self.number:012d}"

    def uid(self, level: int) -> str:
        """Return the UID of the study (2), the series (3) or the image (4)."""
        return _UID.format(level=level, number=990000 + self.number)


# The challenge drew its images without regard to NIH's lists: 9003 is a test image of NIH.
_TRAIN = (
    _Image(9001, "00099901_000", "PA", "F", "51", _NOT_NORMAL),
    _Image(9002, "00099901_001", "AP", "F", "52", _OPACITY, ((120, 233, 210, 305), (601, 240, 198, 287))),
    _Image(9003, "00099906_001", "PA", "M", "28", _NORMAL),
    _Image(9004, "00099903_001", "AP", "F", "63", _OPACITY, ((140, 400, 250, 330),)),
    _Image(
        9005,
        "00099902_000",
        "PA",
        "M",
        "7",
        _OPACITY,
        ((96, 180, 205, 240), (130, 560, 190, 215), (598, 301, 255, 420)),
    ),
    _Image(9006, "00099901_002", "PA", "F", "151", _NORMAL),
    _Image(9007, "00099904_000", "PA", "M", "77", _NOT_NORMAL),
    _Image(9008, "00099904_001", "PA", "M", "78", _NORMAL),
)
# Kaggle does not tell their classes, RSNA does.
_TEST = (
    _Image(9009, "00099905_002", "PA", "F", "45", _NORMAL),
    _Image(9010, "00099905_001", "AP", "F", "69", _OPACITY, ((580, 260, 240, 380),)),
)
_WITHOUT_CONSENSUS = _Image(9011, "00099903_000", "AP", "F", "33", None)
_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"


def _make_linked(root: Path) -> None:
    _make_kaggle(root)
    _write_json(root / _MAPPING, _mapping())


def _make_kaggle(root: Path) -> None:
    _write_flat(root, "stage_2", "dcm", _write_dicom)
    _write_tables(root, "stage_2")
    (root / "GCP Credits Request Link - RSNA.txt").write_text("stands in for a note\n", encoding="utf-8")
    (root / f"stage_2_train_images/._{_TRAIN[0].image_id}.dcm").write_bytes(b"\0\x05\x16\x07 left by macOS")


def _make_packed(root: Path) -> None:
    _make_kaggle(root)
    for folder in ("stage_2_train_images", "stage_2_test_images"):
        _pack(root / f"{folder}.zip", sorted((root / folder).glob("f*.dcm")))
        for path in (root / folder).iterdir():
            path.unlink()
        (root / folder).rmdir()
    for path in sorted(root.glob("*.csv")):
        _pack(path.with_name(f"{path.name}.zip"), [path])
        path.unlink()


def _make_jpg(root: Path) -> None:
    top = root / "kaggle-pneumonia-jpg"
    _write_flat(top, "stage_2", "jpg", _write_jpeg)
    _write_tables(top, "stage_2")
    (top / "stage_2_sample_submission.csv").unlink()
    (top / "stage_2_train_images_jpg/index.html").write_text("<html>left by wget</html>\n", encoding="utf-8")
    _write_headers(top / "kaggle_stage_2_train_images_dicom_headers.csv.gz")


def _make_rsna(root: Path) -> None:
    for image in (*_TRAIN, *_TEST, _WITHOUT_CONSENSUS):
        _write_dicom(root / _TREE / image.uid(2) / image.uid(3) / f"{image.uid(4)}.dcm", image)
    annotations = "pneumonia-challenge-annotations-adjudicated-kaggle_2018.json"
    _write_json(root / annotations, _project())
    _write_json(root / _MAPPING, _mapping())


def _make_stage_1(root: Path) -> None:
    _write_flat(root, "stage_1", "dcm", _write_dicom)
    _write_tables(root, "stage_1")


def _write_flat(root: Path, stage: str, suffix: str, write: Callable[[Path, _Image], None]) -> None:
    for split, images in (("train", _TRAIN), ("test", _TEST)):
        folder = root / f"{stage}_{split}_images{'_jpg' if suffix == 'jpg' else ''}"
        for image in images:
            write(folder / f"{image.image_id}.{suffix}", image)


def _write_tables(root: Path, stage: str) -> None:
    targets, classes = ["patientId,x,y,width,height,Target"], ["patientId,class"]
    for image in _TRAIN:
        boxes = [",".join(f"{side}.0" for side in box) for box in image.boxes]
        targets += [f"{image.image_id},{box},1" for box in boxes] or [f"{image.image_id},,,,,0"]
        classes += [f"{image.image_id},{image.label}"] * max(1, len(boxes))
    write_lines(root / f"{stage}_train_labels.csv", targets)
    write_lines(root / f"{stage}_detailed_class_info.csv", classes)
    submission = ["patientId,PredictionString", *(f"{image.image_id},0.5 0 0 100 100" for image in _TEST)]
    write_lines(root / f"{stage}_sample_submission.csv", submission)


def _write_headers(path: Path) -> None:
    header = (
        ",BodyPartExamined,ConversionType,Filename,InstanceNumber,Modality,PatientAge,PatientID,"
        "PatientOrientation,PatientSex,PixelSpacing,SamplesPerPixel,SeriesNumber,ViewPosition"
    )
    rows = (
        f"{place},CHEST,WSD,{image.image_id}.dcm,1.0,CR,{image.age},{image.image_id},,{image.sex},0.143,1.0,1.0,"
        f"{image.view}"
        for place, image in enumerate(_TRAIN)
    )
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in (header, *rows)).encode(), mtime=0))


def _write_dicom(path: Path, image: _Image) -> None:
    # Ages are written without the unit that DICOM asks for.
    with pydicom.config.disable_value_validation():
        write_dicom(
            path,
            _film(image),
            bits_stored=8,
            transfer_syntax=JPEGBaseline8Bit,
            attributes={
                "SOPClassUID": SecondaryCaptureImageStorage,
                "StudyInstanceUID": image.uid(2),
                "SeriesInstanceUID": image.uid(3),
                "SOPInstanceUID": image.uid(4),
                "Modality": "CR",
                "BodyPartExamined": "CHEST",
                "ConversionType": "WSD",
                "PatientID": image.image_id,
                "PatientSex": image.sex,
                "PatientAge": image.age,
                "ViewPosition": image.view,
            },
        )


def _write_jpeg(path: Path, image: _Image) -> None:
    write_jpeg(path, _film(image), quality=95)


def _film(image: _Image) -> Film:
    return chexray14.film_of(image.nih)


def _pack(path: Path, members: Iterable[Path]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            # A header of its own, because that of the file has its time.
            info = zipfile.ZipInfo(member.name, _ZIP_DATE)
            archive.writestr(info, member.read_bytes(), zipfile.ZIP_DEFLATED)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _mapping() -> list[dict[str, object]]:
    """Return the link to the images of NIH; an image that the challenge did without has no id of Kaggle."""
    groups = {"train": _TRAIN, "test": _TEST, "": (_WITHOUT_CONSENSUS,)}
    return [
        {
            "subset_img_id": image.image_id if group else None,
            "img_id": f"{image.nih}.png",
            "subset_group": group,
            "subset_init_label": image.number % 3,
            "orig_labels": ["Infiltration", "Mass"] if image.boxes else ["No Finding"],
            "StudyInstanceUID": image.uid(2),
            "SeriesInstanceUID": image.uid(3),
            "SOPInstanceUID": image.uid(4),
            "studyId": image.number,
            "seriesId": 1,
            "instanceId": 1,
        }
        for group, images in groups.items()
        for image in images
    ]


def _project() -> dict[str, object]:
    """Return the annotations: the consensus, marks of single readers, and one that names a study alone."""
    annotations: list[dict[str, object]] = []
    for image in (*_TRAIN, *_TEST):
        assert image.label is not None
        for box in image.boxes or (None,):
            data = dict(zip(("x", "y", "width", "height"), box, strict=True)) if box else None
            annotations.append(_annotation(image, _LABEL_IDS[image.label], data))
    annotations.append(_annotation(_TRAIN[2], "L_inv1", {"x": 300, "y": 310, "width": 90, "height": 80}))
    annotations.append(_annotation(_WITHOUT_CONSENSUS, "L_inv2", None))
    annotations.append({"labelId": "L_inv3", "StudyInstanceUID": _TRAIN[0].uid(2), "data": None})
    groups = {
        "Default group": {"Question Addressed": "L_inv3"},
        "Team 1": {_OPACITY: "L_inv1", "Exclude": "L_inv2"},
        "Calculated": _LABEL_IDS,
    }
    return {
        "id": "invented",
        "labelGroups": [
            {"name": group, "labels": [{"id": label, "name": name} for name, label in labels.items()]}
            for group, labels in groups.items()
        ],
        "datasets": [{"id": "invented", "annotations": annotations}],
    }


def _annotation(image: _Image, label: str, data: dict[str, int] | None) -> dict[str, object]:
    return {
        "labelId": label,
        "StudyInstanceUID": image.uid(2),
        "SeriesInstanceUID": image.uid(3),
        "SOPInstanceUID": image.uid(4),
        "height": 1024,
        "width": 1024,
        "data": data,
    }


LAYOUTS = (
    Layout("Kaggle, with RSNA's mapping", _make_linked, images=10),
    Layout("Kaggle", _make_kaggle, images=10),
    Layout("Kaggle, packed", _make_packed, images=10),
    Layout("Academic Torrents, JPEG", _make_jpg, images=10),
    Layout("RSNA, tree of UIDs", _make_rsna, images=11),
    Layout("Kaggle, stage 1", _make_stage_1, images=10),
)
