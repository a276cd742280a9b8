"""SIIM-ACR Pneumothorax in miniature: its mirrors as DICOM and PNG, twelve invented images.

Two are films of NIH's miniature, as all of the release's are NIH's; no table tells which. They have the
release's oddities that do no harm: a blank before the name of a column, before ``-1`` and before a mask,
several masks of one image that overlap, a DICOM file that no row names, ages without a unit, and files that
are not part of the release. vbookshelf's masks (``png_masks``) are left out: nothing reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydicom.config import disable_value_validation
from pydicom.uid import JPEGBaseline8Bit

from composer.demo import chexray14
from composer.demo.carriers import write_dicom, write_lines, write_png
from composer.demo.layout import Layout
from composer.demo.phantom import film
from composer.demo.shapes import Film

_SIDE = 1024
_UID = "1.2.276.0.7230010.3.1.{kind}.8323329.{number}.1517875299.{counter}"


def _crescent(left: int, top: int, width: int, height: int) -> str:
    """Return a region as the release writes it: gaps and lengths in turn, down the columns of 1024 pixels."""
    cells: list[int] = []
    end = 0
    for place in range(width):
        shift = abs(2 * place - width)
        start = (left + place) * _SIDE + top + shift
        length = height - shift
        cells += [start - end, length]
        end = start + length
    return " ".join(map(str, cells))


class _Image(NamedTuple):
    number: int
    view: str
    # The cells of its rows; none where no row names it.
    cells: tuple[str, ...] = ()
    # Which part of stage 1 it belonged to.
    stage: str = "train"
    # One film has the published size; the others are small to be made quickly.
    side: int = 256
    # Identity of the film in NIH's miniature.
    nih: str | None = None

    @property
    def uid(self) -> str:
        return self.uid_of("image")

    def uid_of(self, level: str) -> str:
        # The converter counts on from study to series to image.
        kind = ("study", "series", "image").index(level) + 2
        return _UID.format(kind=kind, number=self.number, counter=100 * self.number % 900_000 + kind)

    @property
    def nested(self) -> str:
        return f"{self.uid_of('study')}/{self.uid_of('series')}/{self.uid}.dcm"

    @property
    def film(self) -> Film:
        if self.nih is not None:
            return chexray14.film_of(self.nih)
        findings = ("pneumothorax",) if self.is_positive else ()
        seed = 8000 + self.number % 1000
        return film(seed, rows=self.side, columns=self.side, view=self.view, findings=findings)

    @property
    def is_positive(self) -> bool:
        return any(cell.strip() != "-1" for cell in self.cells)


_LABELLED = (
    _Image(99001, "PA", ("-1",), side=_SIDE),
    # A test image of NIH, and a training image.
    _Image(99002, "PA", (_crescent(250, 130, 40, 150),), nih="00099906_000"),
    _Image(99003, "AP", (" -1",), nih="00099903_000"),
    # Two readers, whose masks overlap.
    _Image(99004, "AP", (_crescent(650, 200, 60, 220), _crescent(680, 230, 50, 180))),
    _Image(99005, "PA", (f" {_crescent(300, 600, 30, 90)}",)),
    _Image(99006, "PA", (" -1",), stage="test"),
    _Image(
        99007,
        "AP",
        (_crescent(240, 120, 20, 80), _crescent(700, 110, 30, 60), _crescent(240, 500, 20, 70)),
        stage="test",
    ),
)
_UNLABELLED = _Image(99008, "PA")
_TEST = (_Image(99009, "PA"), _Image(99010, "AP"))
_STAGE_2 = (("ID_0fade0001", "PA", 9101), ("ID_0fade0002", "AP", 9102))


def _make_stage_1(root: Path) -> None:
    _write_tree(root / "dicom-images-train", (*_LABELLED, _UNLABELLED))
    _write_tree(root / "dicom-images-test", _TEST)
    _write_masks(root / "train-rle.csv", header="ImageId, EncodedPixels")
    (root / "dicom-images-train/.DS_Store").write_bytes(b"\0\0\0\x01Bud1")
    (root / "mask_functions.py").write_text('"""Stands in for the script of the challenge."""\n', "utf-8")


def _make_seesee(root: Path) -> None:
    _make_stage_1(root / "siim")


def _make_jesperdramsch(root: Path) -> None:
    folder = root / "pneumothorax"
    _make_stage_1(folder)
    image = folder / "dicom-images-train" / _LABELLED[0].nested
    (image.parent / f"._{image.name}").write_bytes(b"\0\x05\x16\x07 left by macOS")


def _make_stage_2(root: Path) -> None:
    for number, (name, view, seed) in enumerate(_STAGE_2):
        picture = film(seed, rows=256, columns=256, view=view)
        _write_dicom(root / f"stage_2_images/{name}.dcm", picture, _Image(99100 + number, view))
    _write_masks(root / "stage_2_train.csv", header="ImageId,EncodedPixels")
    rows = [f"{name},-1" for name, _, _ in _STAGE_2]
    write_lines(root / "stage_2_sample_submission.csv", ["ImageId,EncodedPixels", *rows])


def _make_vbookshelf(root: Path) -> None:
    folder = root / "siim-acr-pneumothorax"
    for stage in ("train", "test"):
        rows = ["new_filename,ImageId,has_pneumo"]
        for number, image in enumerate(image for image in _LABELLED if image.stage == stage):
            name = f"{number}_{stage}_{image.is_positive:d}_.png"
            write_png(folder / "png_images" / name, image.film)
            rows.append(f"{name},{image.uid},{image.is_positive:d}")
        write_lines(folder / f"stage_1_{stage}_images.csv", rows)


def _make_abhishek(root: Path) -> None:
    for image in (*_LABELLED, _UNLABELLED):
        write_png(root / f"input/train_png/{image.uid}.png", image.film)
    for image in _TEST:
        write_png(root / f"input/test_png/{image.uid}.png", image.film)
    # The mirror has no table; its users add the one of the challenge.
    _write_masks(root / "train-rle.csv", header="ImageId, EncodedPixels")


def _write_tree(folder: Path, images: Iterable[_Image]) -> None:
    for image in images:
        _write_dicom(folder / image.nested, image.film, image)


def _write_dicom(path: Path, picture: Film, image: _Image) -> None:
    # As in the release, each image is a patient of its own, whose name is the number.
    patient = f"feedc0de-0000-4000-8000-{image.number:012d}"
    # An age without a unit is no value of its type.
    with disable_value_validation():
        write_dicom(
            path,
            picture,
            bits_stored=8,
            transfer_syntax=JPEGBaseline8Bit,
            attributes={
                "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
                "SOPInstanceUID": image.uid,
                "StudyInstanceUID": image.uid_of("study"),
                "SeriesInstanceUID": image.uid_of("series"),
                "Modality": "CR",
                "ConversionType": "WSD",
                "ViewPosition": image.view,
                "SeriesDescription": f"view: {image.view}",
                "PatientID": patient,
                "PatientName": patient,
                "PatientSex": "F" if image.number % 2 else "M",
                "PatientAge": str(30 + image.number % 50),
            },
        )


def _write_masks(path: Path, *, header: str) -> None:
    # The rows of an image do not follow one another.
    rows = [(place, image.uid, cell) for image in _LABELLED for place, cell in enumerate(image.cells)]
    write_lines(path, [header, *(f"{uid},{cell}" for _, uid, cell in sorted(rows, key=lambda row: row[0]))])


LAYOUTS = (
    Layout("stage 1, cloud store", _make_stage_1, images=10),
    Layout("stage 1, seesee at Kaggle", _make_seesee, images=10),
    Layout("stage 1, jesperdramsch at Kaggle", _make_jesperdramsch, images=10),
    Layout("stage 2, Kaggle", _make_stage_2, images=9, missing=7),
    Layout("PNG, vbookshelf at Kaggle", _make_vbookshelf, images=7),
    Layout("PNG, abhishek at Kaggle", _make_abhishek, images=10),
)
