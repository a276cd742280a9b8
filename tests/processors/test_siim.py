"""SIIM-ACR Pneumothorax in every layout and table form in which it is published or kept."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco
from pydicom.uid import JPEGBaseline8Bit

from composer.demo.layout import Layout
from composer.demo.siim import LAYOUTS
from processors.base import Label, Mask, Record, SourceError
from processors.siim import SIIMACR
from tests.processors.releases import Made, lay, path_of, read_release, same_images, write

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # pycocotools decodes in a way that numpy 2 is to give up.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

STAGE_1, SEESEE, JESPERDRAMSCH, STAGE_2, VBOOKSHELF, ABHISHEK = LAYOUTS
HEADER = "ImageId, EncodedPixels"
POSITIVE, NEGATIVE = Label("Pneumothorax", 1, "SIIM-ACR"), Label("Pneumothorax", 0, "SIIM-ACR")
NO_TABLE = (
    "train-rle.csv or stage_2_train.csv not found: {} images are written without labels and masks; put it "
    "beside the folders of images"
)
NO_MASKS = (
    "{} images are written without masks: the pictures in png_masks are not read; put train-rle.csv here, "
    "which has the same masks as text"
)
COPIES = "{} files are not used: the same images are here in other folders, or as DICOM files"
DAMAGED = (
    "train-rle.csv: 1 rows are not used: column 'EncodedPixels' holds no pairs of gap and length that end "
    "within 1024 x 1024 pixels; the image counts as positive (row 2)"
)


def uid(number: int, kind: int = 4) -> str:
    return f"1.2.276.0.7230010.3.1.{kind}.8323329.{number}.1517875299.{100 * number % 900_000 + kind}"


def nested(number: int) -> str:
    return f"{uid(number, 2)}/{uid(number, 3)}/{uid(number)}.dcm"


# The miniature's: denied; one mask; denied with a blank before; two masks that overlap; a blank before the
# mask; denied and affirmed in the test of stage 1; without a row; and two of the test.
DENIED, AFFIRMED, BLANK_DENIED, TWO_MASKS, BLANK_AFFIRMED, TEST_DENIED, TEST_AFFIRMED, NO_ROW = map(
    uid, range(99001, 99009)
)
TEST = (uid(99009), uid(99010))
LABELLED = {uid(number) for number in range(99001, 99008)}


@pytest.fixture(scope="module")
def miniature(made: Made) -> Path:
    return made(SIIMACR, STAGE_1)


@pytest.fixture(scope="module")
def pictures(made: Made) -> Path:
    return made(SIIMACR, VBOOKSHELF)


@pytest.fixture
def release(miniature: Path, tmp_path: Path) -> Path:
    """Return a miniature that a test may rearrange; it is the only thing in the folder above."""
    return Path(shutil.copytree(miniature, tmp_path / "sources" / "SIIM_TRAIN_TEST"))


@pytest.fixture
def png(pictures: Path, tmp_path: Path) -> Path:
    """Return a copy of vbookshelf's mirror, at the folder that its tables lie in."""
    return Path(shutil.copytree(pictures, tmp_path / "sources")) / "siim-acr-pneumothorax"


def read(root: Path) -> tuple[SIIMACR, dict[str, Record]]:
    return read_release(SIIMACR, root)


def assert_same_images(root: Path, miniature: Path) -> dict[str, Record]:
    parts = ("split", "view", "view_from_header", "carrier", "study_id", "labels", "masks", "excluded")
    return same_images(SIIMACR, root, miniature, parts)


def one_table(root: Path, *rows: str) -> tuple[SIIMACR, dict[str, Record]]:
    """Read a release of one image, uid(1), and a table with these rows."""
    lay(root, f"dicom-images-train/{nested(1)}")
    write(root / "train-rle.csv", HEADER, *rows)
    return read(root)


def pixels(mask: Mask) -> NDArray[np.bool_]:
    coded: Any = {"counts": mask.runs.encode("ascii"), "size": [mask.rows, mask.columns]}
    grid: NDArray[np.bool_] = coco.decode(coded).astype(bool)
    return grid


def drawn(*cells: str) -> NDArray[np.bool_]:
    """Return the union of masks as Kaggle's own script decodes them."""
    flat = np.zeros(1024 * 1024, dtype=bool)
    for cell in cells:
        numbers = [int(number) for number in cell.split()]
        position = 0
        for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
            position += gap
            flat[position : position + length] = True
            position += length
    return flat.reshape(1024, 1024).T


class TestMiniature:
    def test_every_row_and_file_is_an_image(self, miniature: Path) -> None:
        processor, records = read(miniature)
        assert processor.warnings == []
        assert processor.layout == "DICOM files: 2 in dicom-images-test and 8 in dicom-images-train"
        assert processor.tables == ["train-rle.csv"]
        assert records.keys() == {*LABELLED, NO_ROW, *TEST}
        for identity, record in records.items():
            folder = "dicom-images-test" if identity in TEST else "dicom-images-train"
            number = int(identity.split(".")[9])
            assert path_of(record) == record.key == f"{folder}/{nested(number)}"
            assert (record.part, record.split) == (folder, folder.rpartition("-")[2])
            assert (record.view, record.view_from_header, record.carrier) == ("PA or AP", True, "")
            assert (record.patient_id, record.study_id) == (None, uid(number, 2))
            assert (record.sex, record.age, record.boxes, record.native) == (None, None, [], {})

    def test_labels_are_closed_world_for_rows_only(self, miniature: Path) -> None:
        records = read(miniature)[1]
        affirmed = {AFFIRMED, TWO_MASKS, BLANK_AFFIRMED, TEST_AFFIRMED}
        for identity in LABELLED:
            assert records[identity].labels == [POSITIVE if identity in affirmed else NEGATIVE]
            assert bool(records[identity].masks) == (identity in affirmed)
        for identity in (NO_ROW, *TEST):
            assert (records[identity].labels, records[identity].masks) == ([], [])

    def test_a_file_without_row_is_left_out_and_a_test_image_is_not(self, miniature: Path) -> None:
        records = read(miniature)[1]
        excluded = {identity: record.excluded for identity, record in records.items() if record.excluded}
        assert excluded == {NO_ROW: "not in train-rle.csv"}

    def test_the_mask_is_the_union_of_all_rows(self, miniature: Path) -> None:
        records = read(miniature)[1]
        rows = [line.split(",") for line in (miniature / "train-rle.csv").read_text().splitlines()[1:]]
        assert Counter(row[0] for row in rows)[TWO_MASKS] == 2
        for identity in (AFFIRMED, TWO_MASKS, BLANK_AFFIRMED, TEST_AFFIRMED):
            (mask,) = records[identity].masks
            assert (mask.label, mask.rows, mask.columns, mask.labeller) == (
                "Pneumothorax",
                1024,
                1024,
                "SIIM-ACR",
            )
            cells = [row[1] for row in rows if row[0] == identity]
            np.testing.assert_array_equal(pixels(mask), drawn(*cells))
        # They overlap, so that a sum would count pixels twice.
        first, second = (drawn(row[1]) for row in rows if row[0] == TWO_MASKS)
        assert (first & second).any()

    def test_the_table_has_the_blanks_of_the_release(self, miniature: Path) -> None:
        lines = (miniature / "train-rle.csv").read_text().splitlines()
        assert lines[0] == HEADER
        cells = [line.partition(",")[2] for line in lines[1:]]
        assert {"-1", " -1"} <= set(cells)
        assert any(cell[0] == " " and cell[1].isdigit() for cell in cells)

    def test_the_files_are_as_in_the_release(self, miniature: Path) -> None:
        files = [pydicom.dcmread(path) for path in sorted(miniature.rglob("*.dcm"))]
        assert {file.file_meta.TransferSyntaxUID for file in files} == {JPEGBaseline8Bit}
        assert {file.ViewPosition for file in files} == {"PA", "AP"}
        assert (1024, 1024) in {(file.Rows, file.Columns) for file in files}
        assert {str(file.SOPInstanceUID) for file in files} == {*LABELLED, NO_ROW, *TEST}
        assert all(file.PatientAge.isdigit() for file in files)
        assert len({file.PatientID for file in files}) == len(files)


class TestLayouts:
    @pytest.mark.parametrize("layout", [SEESEE, JESPERDRAMSCH], ids=lambda layout: layout.name)
    def test_mirrors_with_a_folder_above(self, layout: Layout, miniature: Path, tmp_path: Path) -> None:
        layout.make(tmp_path / "root")
        assert_same_images(tmp_path / "root", miniature)

    def test_the_root_may_be_one_or_two_levels_too_high(self, release: Path, miniature: Path) -> None:
        assert_same_images(release.parent, miniature)
        (release.parent / "deeper").mkdir()
        release.rename(release.parent / "deeper/siim")
        found = assert_same_images(release.parent, miniature)
        assert path_of(found[AFFIRMED]).startswith("deeper/siim/dicom-images-train/")

    def test_flat_and_deeper_trees_read_the_same(self, release: Path, miniature: Path) -> None:
        folder = release / "dicom-images-train"
        shutil.move(folder / nested(99001), folder / f"{DENIED}.dcm")
        shutil.move(folder / nested(99002), folder / uid(99002, 2) / f"{AFFIRMED}.DCM")
        (folder / "part").mkdir()
        shutil.move(folder / uid(99003, 2), folder / "part")
        processor, records = read(release)
        expected = read(miniature)[1]
        assert processor.warnings == []
        assert records.keys() == expected.keys()
        assert path_of(records[DENIED]) == f"dicom-images-train/{DENIED}.dcm"
        assert path_of(records[AFFIRMED]) == f"dicom-images-train/{uid(99002, 2)}/{AFFIRMED}.DCM"
        assert records[AFFIRMED].masks == expected[AFFIRMED].masks
        assert (records[DENIED].study_id, records[BLANK_DENIED].study_id) == (None, uid(99003, 2))

    def test_stage_2_has_the_labels_of_stage_1_and_a_test_of_its_own(
        self, miniature: Path, tmp_path: Path
    ) -> None:
        STAGE_2.make(tmp_path)
        processor, records = read(tmp_path)
        assert processor.warnings == []
        assert processor.layout == "DICOM files: 2 in stage_2_images"
        assert processor.tables == ["stage_2_train.csv"]
        expected = read(miniature)[1]
        for identity in LABELLED:
            record = records.pop(identity)
            assert (record.file, record.part, record.split) == (None, "dicom-images-train", "train")
            assert (record.labels, record.masks) == (expected[identity].labels, expected[identity].masks)
            assert record.key == f"{identity}.dcm"
        assert len(records) == 2
        for identity, record in records.items():
            assert path_of(record) == f"stage_2_images/{identity}.dcm"
            assert (record.split, record.excluded, record.labels) == ("test", None, [])
            assert (record.part, record.view_from_header) == ("stage_2_images", True)

    def test_both_stages_side_by_side(self, release: Path, tmp_path: Path) -> None:
        STAGE_2.make(release)
        processor, records = read(release)
        assert processor.warnings == []
        assert processor.tables == ["train-rle.csv", "stage_2_train.csv"]
        assert Counter((record.split, record.excluded) for record in records.values()) == {
            ("train", None): 7,
            ("test", None): 4,
            ("train", "not in train-rle.csv or stage_2_train.csv"): 1,
        }
        assert all(record.file for record in records.values())
        alone = read(tmp_path / "sources")[1]
        assert alone[TWO_MASKS].masks == records[TWO_MASKS].masks

    def test_images_of_stage_1s_test_are_for_training_once_labelled(self, release: Path) -> None:
        """The table of 12,047 images over the folders of 10,712 and 1,377 files."""
        for number in (99006, 99007):
            shutil.move(
                release / "dicom-images-train" / uid(number, 2),
                release / "dicom-images-test" / uid(number, 2),
            )
        processor, records = read(release)
        assert processor.warnings == []
        assert processor.layout == "DICOM files: 4 in dicom-images-test and 6 in dicom-images-train"
        assert (records[TEST_AFFIRMED].split, records[TEST_AFFIRMED].labels) == ("train", [POSITIVE])
        assert path_of(records[TEST_AFFIRMED]).startswith("dicom-images-test/")
        assert {records[identity].split for identity in TEST} == {"test"}

    def test_rows_of_the_larger_version_over_the_files_of_the_smaller(self, release: Path) -> None:
        for number in (99006, 99007):
            shutil.rmtree(release / "dicom-images-train" / uid(number, 2))
        processor, records = read(release)
        assert processor.warnings == []
        missing = {identity for identity, record in records.items() if record.file is None}
        assert missing == {TEST_DENIED, TEST_AFFIRMED}
        assert {records[identity].part for identity in missing} == {records[DENIED].part}

    def test_the_root_may_be_a_folder_of_images(self, release: Path) -> None:
        train, test = read(release / "dicom-images-train"), read(release / "dicom-images-test")
        assert train[0].warnings == [NO_TABLE.format(8)]
        assert test[0].warnings == []
        assert {record.split for record in train[1].values()} == {"train"}
        assert {record.split for record in test[1].values()} == {"test"}
        assert path_of(train[1][DENIED]) == nested(99001)

    def test_pngs_named_by_id(self, miniature: Path, tmp_path: Path) -> None:
        ABHISHEK.make(tmp_path)
        processor, records = read(tmp_path)
        expected = read(miniature)[1]
        assert processor.warnings == []
        assert processor.layout == "PNG files: 2 in test_png and 8 in train_png"
        assert records.keys() == expected.keys()
        for identity, record in records.items():
            folder = "test_png" if identity in TEST else "train_png"
            assert path_of(record) == record.key == f"input/{folder}/{identity}.png"
            assert (record.carrier, record.view, record.view_from_header) == ("png", "PA or AP", False)
            for part in ("split", "labels", "masks", "excluded", "patient_id"):
                assert getattr(record, part) == getattr(expected[identity], part), part

    def test_pngs_in_the_root_itself_with_their_masks_below(self, tmp_path: Path) -> None:
        lay(tmp_path, f"{uid(1)}.png", f"masks/{uid(1)}.png", f"masks/{uid(2)}.png")
        write(tmp_path / "train-rle.csv", HEADER, f"{uid(1)},5 3")
        processor, records = read(tmp_path)
        assert processor.layout == "PNG files: 1 in other folders"
        assert (processor.warnings, list(records)) == ([], [uid(1)])
        assert path_of(records[uid(1)]) == f"{uid(1)}.png"

    def test_dicom_comes_before_png(self, release: Path) -> None:
        lay(release, f"input/train_png/{AFFIRMED}.png")
        processor, records = read(release)
        assert processor.warnings == [COPIES.format(1)]
        assert (records[AFFIRMED].carrier, records[AFFIRMED].view_from_header) == ("", True)

    @pytest.mark.parametrize(
        "paths",
        [
            (),
            ("stage_2_test_images/0004cfab-14fd-4e49-80ba-63a80b6bddd6.dcm", "stage_2_train_labels.csv"),
            ("stage_2_train/ID_0fade0001.dcm", "stage_2_train.csv"),
            ("images/00000001_000.png", "Data_Entry_2017.csv"),
            ("train/feedc0de000000000000000000001770.dicom", "train.csv"),
            (f"{uid(1, 3)}.dcm",),
            (f"sample images/{uid(1)}.dcm", "sample images/mask_functions.py"),
            (f"png_masks/{uid(1)}.png", "png_masks/0_train_1_.png"),
        ],
    )
    def test_another_folder_is_refused(self, tmp_path: Path, paths: tuple[str, ...]) -> None:
        lay(tmp_path, *paths)
        found = r"found \d folders and \d files.*; check the path"
        with pytest.raises(
            SourceError, match=rf"expected files such as 1\.2\.276.*dicom-images-train.*{found}"
        ):
            SIIMACR(tmp_path)

    def test_packed_images_are_to_be_unpacked(self, tmp_path: Path) -> None:
        lay(tmp_path, "dicom-images-train.zip", "dicom-images-test.zip", "train-rle.csv")
        with pytest.raises(SourceError, match="unpack the archives first, 2 here"):
            SIIMACR(tmp_path)


class TestNumberedPictures:
    def test_ids_and_labels_are_those_of_the_tables(self, pictures: Path, miniature: Path) -> None:
        processor, records = read(pictures)
        assert processor.warnings == [NO_MASKS.format(7)]
        assert processor.layout == "PNG files: 7 in png_images"
        assert processor.tables == [
            "siim-acr-pneumothorax/stage_1_train_images.csv",
            "siim-acr-pneumothorax/stage_1_test_images.csv",
        ]
        expected = read(miniature)[1]
        assert records.keys() == LABELLED
        for identity, record in records.items():
            assert record.labels == expected[identity].labels
            assert (record.split, record.carrier, record.part) == ("train", "png", "png_images")
            assert (record.view, record.view_from_header, record.masks) == ("PA or AP", False, [])
        assert path_of(records[AFFIRMED]) == "siim-acr-pneumothorax/png_images/1_train_1_.png"
        assert records[AFFIRMED].key == path_of(records[AFFIRMED])
        assert records[AFFIRMED].native == {"has_pneumo": "1", "stage 1": "train"}
        assert records[TEST_DENIED].native == {"has_pneumo": "0", "stage 1": "test"}

    def test_mask_pictures_are_no_images(self, png: Path) -> None:
        lay(png, "png_masks/1_train_1_.png", "png_masks/0_train_0_.png", "png_masks/9_train_1_.png")
        processor, records = read(png.parent)
        assert records.keys() == LABELLED
        assert processor.warnings == [NO_MASKS.format(7)]

    def test_the_folder_of_the_mirror_is_named_after_masks(self, png: Path) -> None:
        mirror = png.parent.with_name("pneumothorax-chest-xray-images-and-masks")
        png.parent.rename(mirror)
        assert read(mirror.parent)[1].keys() == LABELLED

    def test_masks_come_from_the_challenge_s_table(self, png: Path, miniature: Path) -> None:
        shutil.copy(miniature / "train-rle.csv", png)
        processor, records = read(png)
        expected = read(miniature)[1]
        assert processor.warnings == []
        assert records.keys() == LABELLED
        for identity, record in records.items():
            assert (record.labels, record.masks) == (expected[identity].labels, expected[identity].masks)

    def test_pictures_without_tables_go_by_their_names(self, png: Path, miniature: Path) -> None:
        for stage in ("train", "test"):
            (png / f"stage_1_{stage}_images.csv").unlink()
        shutil.copy(miniature / "train-rle.csv", png)
        processor, records = read(png)
        assert processor.warnings == [
            "stage_1_train_images.csv and stage_1_test_images.csv not found: 7 images go by the name of "
            "their PNG file, which tells their label; without ImageId they get no masks"
        ]
        assert len(records) == 7
        assert (records["1_train_1_"].labels, records["0_train_0_"].labels) == ([POSITIVE], [NEGATIVE])
        assert {record.native["stage 1"] for record in records.values()} == {"train", "test"}
        assert {(record.split, record.excluded) for record in records.values()} == {("train", None)}

    def test_one_table_of_two_is_enough_for_its_part(self, png: Path) -> None:
        (png / "stage_1_test_images.csv").unlink()
        processor, records = read(png)
        assert processor.warnings == [
            "stage_1_test_images.csv not found: 2 images go by the name of their PNG file, which tells their "
            "label; without ImageId they get no masks",
            NO_MASKS.format(5),
        ]
        assert records.keys() == LABELLED - {TEST_DENIED, TEST_AFFIRMED} | {"0_test_0_", "1_test_1_"}
        assert records["1_test_1_"].labels == [POSITIVE]

    def test_pictures_and_rows_without_one_another(self, png: Path) -> None:
        (png / "png_images/1_train_1_.png").rename(png / "png_images/99_train_1_.png")
        records = read(png)[1]
        assert (records[AFFIRMED].file, records[AFFIRMED].key) == (None, "1_train_1_.png")
        assert (records[AFFIRMED].part, records[AFFIRMED].carrier) == ("png_images", "png")
        assert records["99_train_1_"].excluded == "not in stage_1_train_images.csv"
        assert records["99_train_1_"].labels == []

    def test_columns_are_found_by_name(self, png: Path) -> None:
        write(
            png / "stage_1_test_images.csv",
            "has_pneumo, ImageId,x,new_filename",
            f"1,{uid(7)},,0_test_0_.png",
        )
        record = read(png)[1][uid(7)]
        assert path_of(record) == "png_images/0_test_0_.png"
        # The table counts, not the name.
        assert record.labels == [POSITIVE]

    @pytest.mark.parametrize("column", ["ImageId", "Id"])
    def test_rows_without_an_id_go_by_the_name(self, png: Path, column: str) -> None:
        write(png / "stage_1_test_images.csv", f"new_filename,{column},has_pneumo", "1_test_1_.png,7,1")
        processor, records = read(png)
        assert records["1_test_1_"].labels == [POSITIVE]
        assert processor.warnings[0] == (
            "stage_1_test_images.csv: 1 cells of column 'ImageId' are not used: expected ids such as "
            "1.2.276.0.7230010.3.1.4.8323329.<a>.<b>.<c>; these images go by the name of their PNG file"
        )

    def test_a_label_that_is_none_is_that_of_the_name(self, png: Path) -> None:
        rows = [f"0_test_0_.png,{uid(7)},yes", f"1_test_1_.png,{uid(8)},"]
        write(png / "stage_1_test_images.csv", "new_filename,ImageId,has_pneumo", *rows)
        processor, records = read(png)
        assert (records[uid(7)].labels, records[uid(8)].labels) == ([NEGATIVE], [POSITIVE])
        assert processor.warnings[0] == (
            "stage_1_test_images.csv: 2 cells of column 'has_pneumo' are not used (the digit at the end of "
            "new_filename counts): expected 0 or 1, found 'yes', ''"
        )

    @pytest.mark.parametrize(
        "cell", ["../0_test_0_.png", "/etc/passwd", "", "0_test_2_.png", "0_test_0_.dcm"]
    )
    def test_a_name_that_is_none_is_counted(self, png: Path, cell: str) -> None:
        row = f"{cell},{uid(7)},1"
        write(png / "stage_1_test_images.csv", "new_filename,ImageId,has_pneumo", row)
        processor, records = read(png)
        assert records["stage_1_test_images.csv row 2"].excluded == "unusable row"
        assert uid(7) not in records
        assert processor.warnings[0] == (
            "stage_1_test_images.csv: 1 rows are not used: column 'new_filename' holds no name such as "
            "0_train_1_.png (row 2)"
        )

    def test_dicom_files_of_the_same_images_come_first(self, png: Path) -> None:
        lay(png, f"dicom-images-train/{nested(99002)}")
        processor, records = read(png)
        assert COPIES.format(1) in processor.warnings
        assert path_of(records[AFFIRMED]) == f"dicom-images-train/{nested(99002)}"
        assert (records[AFFIRMED].labels, records[AFFIRMED].carrier) == ([POSITIVE], "")
        assert len(records) == 7

    @pytest.mark.parametrize("column", ["new_filename", "has_pneumo"])
    def test_a_missing_column_is_named(self, png: Path, column: str) -> None:
        path = png / "stage_1_train_images.csv"
        path.write_text(path.read_text().replace(column, "something"))
        with pytest.raises(SourceError, match=rf"stage_1_train_images\.csv: expected column '{column}'"):
            read(png)


class TestMasks:
    def test_runs_are_relative_and_go_down_the_columns(self, tmp_path: Path) -> None:
        _, records = one_table(tmp_path, f"{uid(1)},2050 3 1020 2")
        rows, columns = np.nonzero(pixels(records[uid(1)].masks[0]))
        assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
            (2, 2), (3, 2), (4, 2), (1, 3), (2, 3)
        }  # fmt: skip

    @pytest.mark.parametrize(
        "cells",
        [
            ["0 1"],
            ["1048575 1"],
            ["0 1048576"],
            ["7 2 0 3 5 1"],
            ["0 2 0 3", "0 2 0 3 1 1"],
            ["10 5", "12 9", "3 1 90000 40"],
            [" 10 5 ", "10  5"],
        ],
    )
    def test_the_union_is_what_the_rows_draw(self, tmp_path: Path, cells: list[str]) -> None:
        processor, records = one_table(tmp_path, *(f"{uid(1)},{cell}" for cell in cells))
        assert processor.warnings == []
        assert records[uid(1)].labels == [POSITIVE]
        np.testing.assert_array_equal(pixels(records[uid(1)].masks[0]), drawn(*cells))

    @pytest.mark.parametrize(
        "cell",
        ["5", "5 3 1", "1048576 1", "0 1048577", "5 0", "5 -3", "5 3.0", "5;3", "5 1_0", "9" * 5000],
    )
    def test_a_mask_that_is_none_is_counted_and_the_label_stays(self, tmp_path: Path, cell: str) -> None:
        processor, records = one_table(tmp_path, f"{uid(1)},{cell}", f"{uid(1)},10 5")
        assert processor.warnings == [DAMAGED]
        assert records[uid(1)].labels == [POSITIVE]
        np.testing.assert_array_equal(pixels(records[uid(1)].masks[0]), drawn("10 5"))

    def test_an_image_with_no_usable_mask_is_positive_without_one(self, tmp_path: Path) -> None:
        processor, records = one_table(tmp_path, f"{uid(1)},10 5 3")
        assert processor.warnings == [DAMAGED]
        assert (records[uid(1)].labels, records[uid(1)].masks) == ([POSITIVE], [])

    def test_masks_count_against_a_denial(self, tmp_path: Path) -> None:
        processor, records = one_table(tmp_path, f"{uid(1)}, -1", f"{uid(1)},10 5", f"{uid(1)},-1")
        assert processor.warnings == ["1 images have a mask in one row and -1 in another: the mask counts"]
        assert records[uid(1)].labels == [POSITIVE]
        np.testing.assert_array_equal(pixels(records[uid(1)].masks[0]), drawn("10 5"))

    def test_a_repeated_row_changes_nothing(self, tmp_path: Path) -> None:
        processor, records = one_table(tmp_path, f"{uid(1)},-1", f"{uid(1)},-1")
        assert (processor.warnings, records[uid(1)].labels) == ([], [NEGATIVE])

    @pytest.mark.parametrize("cell", ["", "nan", "none", "-5 3", "-1 -1", "x 5 3"])
    def test_what_is_no_mask_is_no_statement(self, tmp_path: Path, cell: str) -> None:
        processor, records = one_table(tmp_path, f"{uid(1)},{cell}", f"{uid(2)},-1")
        assert processor.warnings == [
            "train-rle.csv: 1 rows are not used: column 'EncodedPixels' holds neither a mask nor -1 (row 2)"
        ]
        assert (records[uid(1)].labels, records[uid(1)].masks, records[uid(1)].excluded) == ([], [], None)

    def test_a_table_saved_again_with_decimals(self, tmp_path: Path) -> None:
        processor, records = one_table(tmp_path, f"{uid(1)},-1.0")
        assert (processor.warnings, records[uid(1)].labels) == ([], [NEGATIVE])


class TestRowsAndFiles:
    def test_without_a_table_nothing_is_labelled(self, release: Path) -> None:
        (release / "train-rle.csv").unlink()
        processor, records = read(release)
        assert processor.warnings == [NO_TABLE.format(8)]
        assert {record.excluded for record in records.values()} == {None}
        assert all(record.labels == [] for record in records.values())
        assert Counter(record.split for record in records.values()) == {"train": 8, "test": 2}

    def test_in_folders_of_other_names_a_table_is_needed(self, tmp_path: Path) -> None:
        lay(tmp_path, f"films/{nested(1)}", f"films/{nested(2)}")
        # RSNA's challenge has UIDs of the same form in folders of other names.
        with pytest.raises(SourceError, match=r"as other datasets have them too.*put train-rle\.csv beside"):
            SIIMACR(tmp_path)
        # No other release has such names.
        lay(tmp_path, "0_train_1_.png")
        assert len(read(tmp_path)[1]) == 3
        (tmp_path / "0_train_1_.png").unlink()
        write(tmp_path / "train-rle.csv", HEADER, f"{uid(1)},-1")
        records = read(tmp_path)[1]
        assert (records[uid(1)].split, records[uid(2)].split) == ("train", None)
        assert records[uid(2)].excluded == "not in train-rle.csv"

    def test_half_the_files_absent(self, release: Path) -> None:
        shutil.rmtree(release / "dicom-images-train")
        processor, records = read(release)
        assert processor.warnings == []
        missing = [record for record in records.values() if record.file is None]
        assert len(missing) == 7
        assert {record.part for record in missing} == {"dicom-images-train"}

    @pytest.mark.parametrize(
        "cell", ["../../etc/passwd", "/etc/passwd", "", "7", f"x/{uid(1)}", f"{uid(1)}.5"]
    )
    def test_a_row_that_names_no_image_is_counted(self, tmp_path: Path, cell: str) -> None:
        processor, records = one_table(tmp_path, f"{uid(1)},-1", f"{cell},10 5")
        assert records.keys() == {uid(1), "train-rle.csv row 3"}
        assert records["train-rle.csv row 3"].excluded == "unusable row"
        assert processor.warnings == [
            "train-rle.csv: 1 rows are not used: column 'ImageId' holds no id such as "
            "1.2.276.0.7230010.3.1.4.8323329.<a>.<b>.<c> (row 3)"
        ]

    def test_an_image_in_two_places_is_read_once(self, release: Path) -> None:
        lay(release, f"copy/{DENIED}.dcm", f"dicom-images-train/{DENIED}.dcm")
        processor, records = read(release)
        assert processor.warnings == [COPIES.format(2)]
        assert path_of(records[DENIED]) == f"copy/{DENIED}.dcm"
        assert len(records) == 10

    def test_the_sample_and_foreign_files_are_counted(self, release: Path) -> None:
        lay(
            release,
            f"sample images/{uid(1)}.dcm",
            "dicom-images-train/other.dcm",
            "ID_0fade0001.dcm",
            f"dicom-images-train/._{uid(1)}.dcm",
            f"__MACOSX/{uid(1)}.dcm",
            "dicom-images-train/readme.txt",
        )
        processor, records = read(release)
        assert len(records) == 10
        assert processor.warnings == [
            "1 images of the competition's sample are not used",
            "2 DICOM or PNG files are not used: expected 1.2.276.0.7230010.3.1.4.8323329.<a>.<b>.<c>.dcm in "
            "dicom-images-train, ID_<9 digits>.dcm in stage_2_images, or 0_train_1_.png in png_images",
        ]

    def test_torchxrayvisions_copy_of_the_table(self, release: Path, miniature: Path) -> None:
        table = release / "train-rle.csv"
        packed = gzip.compress(table.read_bytes().replace(b", -1", b",-1"))
        (release / "siim-pneumothorax-train-rle.csv.gz").write_bytes(packed)
        table.unlink()
        processor, records = read(release)
        expected = read(miniature)[1]
        assert (processor.warnings, processor.tables) == ([], ["siim-pneumothorax-train-rle.csv.gz"])
        for identity in LABELLED:
            assert records[identity].labels == expected[identity].labels
        assert records[NO_ROW].excluded == "not in siim-pneumothorax-train-rle.csv.gz"

    @pytest.mark.parametrize("change", ["crlf, bom", "gz", "zip", "upper case", "no blanks", "reversed"])
    def test_resaved_tables_read_the_same(self, release: Path, miniature: Path, change: str) -> None:
        path = release / "train-rle.csv"
        lines = path.read_text().splitlines()
        path.unlink()
        if change == "crlf, bom":
            write(path, *lines, newline="\r\n", encoding="utf-8-sig")
        elif change == "gz":
            write(path, *lines)
            path.with_name("train-rle.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        elif change == "zip":
            with zipfile.ZipFile(release / "train-rle.csv.zip", "w") as packed:
                packed.writestr("train-rle.csv", "\n".join(lines))
        elif change == "upper case":
            write(path.with_name("TRAIN-RLE.CSV"), *lines)
        elif change == "no blanks":
            write(path, *(line.replace(", ", ",") for line in lines))
        else:
            write(path, *(",".join(line.split(",")[::-1]) for line in lines))
        records = read(release)[1]
        records[NO_ROW].excluded = "not in train-rle.csv"
        assert records == read(miniature)[1]

    @pytest.mark.parametrize("column", ["ImageId", "EncodedPixels"])
    def test_a_missing_column_is_named(self, release: Path, column: str) -> None:
        path = release / "train-rle.csv"
        path.write_text(path.read_text().replace(column, "something"))
        with pytest.raises(SourceError, match=rf"train-rle\.csv: expected column '{column}'"):
            read(release)


class TestHeader:
    @pytest.mark.parametrize(
        ("position", "orientation", "view"),
        [
            ("PA", None, "PA"),
            ("AP", None, "AP"),
            (" pa ", None, "PA"),
            ("LL", None, None),
            ("LLD", None, None),
            (None, "A\\F", None),
            (None, "L\\F", None),
            ("", None, None),
        ],
    )
    def test_only_frontal_views_are_believed(
        self, miniature: Path, position: str | None, orientation: str | None, view: str | None
    ) -> None:
        assert SIIMACR(miniature).view_in_header(position, orientation) == view
