"""CheXpert in miniature: the merged full-size layout, five invented patients.

It has the release's oddities that do no harm: laterals with a blank view, a frontal taken as ``LL``, an
``Unknown`` sex, an age of 0, blank and uncertain labels, and files that are not part of the release.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from composer.demo.carriers import write_jpeg, write_lines
from composer.demo.layout import Layout
from composer.demo.phantom import film

_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,"
    "Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,"
    "Fracture,Support Devices"
)


class _Image(NamedTuple):
    path: str
    sex: str
    age: int
    position: str
    # The 14 cells in the order of the header.
    labels: str

    @property
    def is_lateral(self) -> bool:
        return self.path.endswith("_lateral.jpg")


# Labels are those of the study: the views of one study have equal cells.
_EFFUSION = ",,1.0,1.0,,-1.0,,,,0.0,1.0,,,1.0"
_HEALTHY = "1.0,,,,,,,,,0.0,,,,"
_TRAIN = (
    _Image("train/patient99001/study1/view1_frontal.jpg", "Female", 61, "AP", _EFFUSION),
    _Image("train/patient99001/study1/view2_lateral.jpg", "Female", 61, "", _EFFUSION),
    _Image(
        "train/patient99001/study2/view1_frontal.jpg", "Female", 62, "PA", ",0.0,-1.0,,1.0,,,-1.0,,,,1.0,,"
    ),
    _Image("train/patient99002/study3/view1_frontal.jpg", "Male", 45, "PA", _HEALTHY),
    # The number after "view" is only a counter: a lateral can come first.
    _Image("train/patient99002/study4/view1_lateral.jpg", "Male", 46, "", "1.0,,,,,,,,,,,,,1.0"),
    _Image("train/patient99002/study4/view2_frontal.jpg", "Male", 46, "LL", "1.0,,,,,,,,,,,,,1.0"),
    _Image("train/patient99003/study1/view1_frontal.jpg", "Unknown", 90, "AP", ",,,,,,,,,,,,,"),
    _Image(
        "train/patient99003/study2/view1_frontal.jpg", "Male", 0, "AP", ",,,1.0,,1.0,-1.0,,-1.0,,,,1.0,1.0"
    ),
)
_VALID = (
    _Image(
        "valid/patient99004/study1/view1_frontal.jpg",
        "Male",
        73,
        "AP",
        "0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,1.0",
    ),
    _Image(
        "valid/patient99005/study1/view1_frontal.jpg",
        "Female",
        37,
        "PA",
        "1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
    ),
    _Image(
        "valid/patient99005/study1/view2_lateral.jpg",
        "Female",
        37,
        "",
        "1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
    ),
)


def _make(root: Path) -> None:
    release = root / "CheXpert-v1.0"
    # Films differ in size as in the release, in which no picture is square.
    for number, image in enumerate((*_TRAIN, *_VALID)):
        view = "lateral" if image.is_lateral else "AP" if image.position == "AP" else "PA"
        picture = film(2000 + number, rows=320 + 8 * number, columns=390, view=view)
        write_jpeg(release / image.path, picture)
    write_lines(release / "train.csv", [_HEADER, *map(_row, _TRAIN)])
    write_lines(release / "valid.csv", [_HEADER, *map(_row, _VALID)])
    (release / "index.html").write_text("<html>left by wget</html>\n", encoding="utf-8")
    study = release / "train/patient99001/study1"
    (study / "._view1_frontal.jpg").write_bytes(b"\0\x05\x16\x07 left by macOS")
    (release / "train/.DS_Store").write_bytes(b"\0\0\0\x01Bud1")


def _row(image: _Image) -> str:
    direction = "Lateral" if image.is_lateral else "Frontal"
    return f"CheXpert-v1.0/{image.path},{image.sex},{image.age},{direction},{image.position},{image.labels}"


LAYOUTS = (Layout("CheXpert-v1.0 merged", _make, images=11),)
