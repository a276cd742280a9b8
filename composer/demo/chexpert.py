"""CheXpert in miniature: every layout of Stanford AIMI, eight invented patients.

The merged layout has the release's oddities that do no harm: laterals with a blank view, a frontal taken as
``LL``, an ``Unknown`` sex, an age of 0, blank and uncertain labels, and files that do not belong to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from composer.demo.carriers import write_jpeg, write_lines
from composer.demo.findings import shown, stated
from composer.demo.layout import Layout
from composer.demo.phantom import film
from processors.base.masks import union_of_runs

_LABELS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,"
    "Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
_HEADER = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{_LABELS}"


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


_IMAGES = (*_TRAIN, *_VALID)
_TEST = (
    ("test/patient99101/study1/view1_frontal.jpg", "0,1,1,1,0,0,0,0,1,0,1,0,0,1"),
    ("test/patient99101/study1/view2_lateral.jpg", "0,1,1,1,0,0,0,0,1,0,1,0,0,1"),
    ("test/patient99102/study1/view1_frontal.jpg", "1,0,0,0,0,0,0,0,0,0,0,0,0,0"),
    ("test/patient99103/study1/view1_frontal.jpg", "0,0,0,1,0,0,0,0,1,0,0,0,0,0"),
)
# Findings that CheXlocalize outlines; one is spelled otherwise than in its tables.
_OUTLINED = ("Enlarged Cardiomediastinum", "Cardiomegaly", "Airspace Opacity", "Atelectasis")
_TRAIN_BATCHES = {
    "patient99001": "CheXpert-v1.0 batch 2 (train 1)",
    "patient99002": "CheXpert-v1.0 batch 3 (train 2)",
    "patient99003": "CheXpert-v1.0 batch 4 (train 3)",
}


def _make_merged(root: Path) -> None:
    release = root / "CheXpert-v1.0"
    _write_images({release / image.path: image for image in _IMAGES})
    _write_tables(release)
    (release / "index.html").write_text("<html>left by wget</html>\n", encoding="utf-8")
    study = release / "train/patient99001/study1"
    (study / "._view1_frontal.jpg").write_bytes(b"\0\x05\x16\x07 left by macOS")
    (release / "train/.DS_Store").write_bytes(b"\0\0\0\x01Bud1")


def _make_batches(root: Path) -> None:
    release = root / "chexpertchestxrays-u20210408"
    first = release / "CheXpert-v1.0 batch 1 (validate & csv)"
    places = {first / image.path: image for image in _VALID}
    for image in _TRAIN:
        # The train batches have no folder train/, though the paths in the table do.
        in_split = image.path.removeprefix("train/")
        places[release / _TRAIN_BATCHES[in_split.partition("/")[0]] / in_split] = image
    _write_images(places)
    _write_tables(first)
    # What two further labellers make of the same reports; the second one knows neither blanks nor -1.
    bert = [_row(image, labels=image.labels.replace("-1.0", "0.0", 1)) for image in _TRAIN]
    visual = [_row(image, labels=_binary(image.labels)) for image in _TRAIN]
    write_lines(release / "train_cheXbert.csv", [_HEADER, *bert])
    write_lines(release / "train_visualCheXbert.csv", [_HEADER, *visual])
    (release / "README.md").write_text("stands in for the notes of the release\n", encoding="utf-8")


def _make_small(root: Path) -> None:
    release = root / "CheXpert-v1.0-small"
    _write_images({release / image.path: image for image in _IMAGES}, scale=0.5)
    _write_tables(release, top="CheXpert-v1.0-small")


def _make_chexlocalize(root: Path) -> None:
    release = root / "chexlocalize" / "CheXpert"
    # The folder of the validation images has another name than in the main release.
    _write_images({release / image.path.replace("valid/", "val/"): image for image in _VALID})
    write_lines(release / "val_labels.csv", [_HEADER, *map(_row, _VALID)])
    for number, (path, cells) in enumerate(_TEST):
        view = "lateral" if path.endswith("_lateral.jpg") else "PA"
        findings = shown("chexpert", stated(_LABELS, cells, "radiologists"))
        picture = film(2100 + number, rows=344, columns=400, view=view, findings=findings)
        write_jpeg(release / path, picture)
    write_lines(
        release / "test_labels.csv", [f"Path,{_LABELS}", *(f"{path},{cells}" for path, cells in _TEST)]
    )
    masks = release.parent / "CheXlocalize"
    # Not every image has masks.
    for name, images in (
        ("val", [image.path for image in _VALID[:2]]),
        ("test", [path for path, _ in _TEST[:3]]),
    ):
        found = {_mask_key(path): _masks(number) for number, path in enumerate(images)}
        write_lines(masks / f"gt_segmentations_{name}.json", [json.dumps(found)])
    (masks / "gradcam_segmentations_val.json").write_text("{}\n", encoding="utf-8")


def _write_images(places: dict[Path, _Image], *, scale: float = 1) -> None:
    # Films differ in size as in the release, in which no picture is square.
    for path, image in places.items():
        number = _IMAGES.index(image)
        view = "lateral" if image.is_lateral else "AP" if image.position == "AP" else "PA"
        rows, columns = round((320 + 8 * number) * scale), round(390 * scale)
        findings = shown("chexpert", stated(_LABELS, image.labels, "CheXpert"))
        write_jpeg(path, film(2000 + number, rows=rows, columns=columns, view=view, findings=findings))


def _write_tables(folder: Path, *, top: str = "CheXpert-v1.0") -> None:
    write_lines(folder / "train.csv", [_HEADER, *(_row(image, top=top) for image in _TRAIN)])
    write_lines(folder / "valid.csv", [_HEADER, *(_row(image, top=top) for image in _VALID)])


def _row(image: _Image, *, top: str = "CheXpert-v1.0", labels: str | None = None) -> str:
    direction = "Lateral" if image.is_lateral else "Frontal"
    taken = f"{top}/{image.path},{image.sex},{image.age},{direction},{image.position}"
    return f"{taken},{image.labels if labels is None else labels}"


def _binary(labels: str) -> str:
    return ",".join("1.0" if cell == "1.0" else "0.0" for cell in labels.split(","))


def _mask_key(path: str) -> str:
    return path.partition("/")[2].removesuffix(".jpg").replace("/", "_")


def _masks(number: int) -> dict[str, dict[str, object]]:
    rows, columns = 344, 400
    # A rectangle down the columns of the grid. Findings that the image does not show have an empty mask.
    rectangle = [rows * (100 + 10 * number) + 120, *([80, rows - 80] * 40)]
    shown = (number, number + 1)
    return {
        finding: {
            "size": [rows, columns],
            "counts": union_of_runs([rectangle if place in shown else []], rows, columns),
        }
        for place, finding in enumerate(_OUTLINED)
    }


LAYOUTS = (
    Layout("CheXpert-v1.0 merged", _make_merged, images=11),
    Layout("four batches of Stanford AIMI", _make_batches, images=11),
    Layout("CheXpert-v1.0-small", _make_small, images=11),
    Layout("CheXlocalize, validation and test set", _make_chexlocalize, images=7),
)
