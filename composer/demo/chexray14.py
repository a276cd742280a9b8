"""NIH ChestX-ray14 in miniature: every layout that is about, six invented patients.

The Box layout has the release's oddities that do no harm: colour and RGBA pictures, labels out of order, the
spelling ``Infiltrate`` in the boxes, an age of 0, CRLF in a list, and files that are not part of the release.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from composer.demo.carriers import PngMode, write_lines, write_png
from composer.demo.findings import shown
from composer.demo.layout import Layout
from composer.demo.phantom import film
from composer.demo.shapes import Film

# The commas inside the brackets are not quoted in the release either; they split one name into two columns.
_TABLE_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
_SAMPLE_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y"
)
_BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


class _Image(NamedTuple):
    patient: int
    follow_up: int
    findings: str
    age: int
    sex: str
    view: str
    side: int = 256
    mode: PngMode = "L"

    @property
    def name(self) -> str:
        return f"{self.patient:08d}_{self.follow_up:03d}.png"


# One picture has the published size, at which nothing is resized; the others are small to be made quickly.
_TRAIN_VAL = (
    _Image(99901, 0, "No Finding", 47, "F", "PA", side=1024),
    _Image(99901, 1, "Effusion|Infiltration", 48, "F", "AP", side=512),
    _Image(99901, 2, "Infiltration", 48, "F", "PA"),
    _Image(99902, 0, "Mass|Atelectasis", 63, "M", "PA", side=512),
    _Image(99902, 1, "No Finding", 64, "M", "PA", mode="RGBA"),
    _Image(99903, 0, "No Finding", 0, "F", "AP"),
    _Image(99903, 1, "Pneumonia|Edema", 0, "F", "AP", mode="RGB"),
    _Image(99904, 0, "Pleural_Thickening|Fibrosis|Emphysema", 79, "M", "PA", side=384),
    _Image(99904, 1, "Hernia", 80, "M", "PA"),
)
_TEST = (
    _Image(99905, 0, "Cardiomegaly", 55, "F", "PA", side=512),
    _Image(99905, 1, "Cardiomegaly|Consolidation", 55, "F", "AP"),
    _Image(99905, 2, "No Finding", 57, "F", "PA"),
    _Image(99906, 0, "Pneumothorax|Nodule", 21, "M", "PA", side=384),
    _Image(99906, 1, "No Finding", 22, "M", "PA"),
)
_IMAGES = (*_TRAIN_VAL, *_TEST)

# Pixels of the published 1024 x 1024 grid, whatever the size of the picture.
_BOXES = (
    "00099901_001.png,Infiltrate,225.0847458,547.0192168,86.7796610,79.1864407",
    "00099901_001.png,Effusion,101.25,640.5,210.0,180.75",
    "00099902_000.png,Mass,686.1016949,131.5433984,185.4915254,113.4915254",
    "00099905_000.png,Cardiomegaly,371.5,480.0,398.25,297.5",
    "00099906_000.png,Pneumothorax,640.0,90.5,290.0,310.0",
)


def _make_box(root: Path) -> None:
    for image in _IMAGES:
        _write(root / "images" / image.name, image)
    # The release's table is not in order of name.
    table = [_TABLE_HEADER, *(_row(image) for image in reversed(_IMAGES))]
    write_lines(root / "Data_Entry_2017_v2020.csv", table)
    write_lines(root / "BBox_List_2017.csv", [_BOX_HEADER, *_BOXES])
    _write_lists(root)
    (root / "README_CHESTXRAY.pdf").write_bytes(b"%PDF-1.4 stands in for the publisher's notes\n")
    (root / "images" / f"._{_IMAGES[0].name}").write_bytes(b"\0\x05\x16\x07 left by macOS")
    (root / "images" / ".DS_Store").write_bytes(b"\0\0\0\x01Bud1")


def _make_kaggle(root: Path) -> None:
    for place, image in enumerate(_IMAGES):
        _write(root / f"images_{1 + place // 6:03d}" / "images" / image.name, image)
    # Kaggle's table has the columns of 2017, a comma at the end of its header included, and plain numbers.
    write_lines(root / "Data_Entry_2017.csv", [f"{_TABLE_HEADER},", *map(_row, _IMAGES)])
    write_lines(root / "BBox_List_2017.csv", [_BOX_HEADER, *_BOXES])
    _write_lists(root)


def _make_sample(root: Path) -> None:
    for image in _IMAGES:
        _write(root / "sample" / "images" / image.name, image)
    write_lines(root / "sample_labels.csv", [_SAMPLE_HEADER, *map(_row_of_2017, _IMAGES)])


def _make_resized(root: Path) -> None:
    for image in _IMAGES:
        _write(root / "images-224" / image.name, image._replace(side=224))
    _write_tables_of_2017(root)


def _make_resized_archive(root: Path) -> None:
    root.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(root / "images-224.tar", "w") as archive:
        for image in _IMAGES:
            path = Path(folder) / image.name
            _write(path, image._replace(side=224))
            # A header of its own, because that of the file has its time and owner.
            header = tarfile.TarInfo(f"images-224/{image.name}")
            header.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(header, file)
    _write_tables_of_2017(root)


def film_of(identity: str) -> Film:
    """Return a film of this miniature, of which the miniatures of other datasets hold copies."""
    return _film(next(image for image in _IMAGES if image.name == f"{identity}.png"))


def _film(image: _Image) -> Film:
    seed = image.patient % 100 * 100 + image.follow_up
    findings = shown("chex-ray14", [(label, 1, "NIH") for label in image.findings.split("|")])
    return film(seed, rows=image.side, columns=image.side, view=image.view, findings=findings)


def _write(path: Path, image: _Image) -> None:
    write_png(path, _film(image), mode=image.mode)


def _write_lists(root: Path) -> None:
    write_lines(root / "train_val_list.txt", [image.name for image in _TRAIN_VAL], newline="\r\n")
    write_lines(root / "test_list.txt", [image.name for image in _TEST])


def _write_tables_of_2017(root: Path) -> None:
    table = [f"{_TABLE_HEADER},", *map(_row_of_2017, _IMAGES)]
    write_lines(root / "Data_Entry_2017.csv", table, newline="\r\n")
    write_lines(root / "BBox_List_2017.csv", [_BOX_HEADER, *_BOXES])


def _row(image: _Image) -> str:
    return (
        f"{image.name},{image.findings},{image.follow_up},{image.patient},{image.age},{image.sex},{image.view},"
        "2500,2048,0.168,0.168"
    )


def _row_of_2017(image: _Image) -> str:
    return (
        f"{image.name},{image.findings},{image.follow_up:03d},{image.patient:08d},{image.age:03d}Y,{image.sex},"
        f"{image.view},2500,2048,0.168,0.168"
    )


LAYOUTS = (
    Layout("full size, Box", _make_box, images=14),
    Layout("full size, archives of Kaggle", _make_kaggle, images=14),
    Layout("Kaggle sample", _make_sample, images=14),
    Layout("224 px, unpacked", _make_resized, images=14),
    Layout("224 px, images-224.tar", _make_resized_archive, images=14),
)
