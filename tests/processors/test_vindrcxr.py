"""VinDr-CXR in every layout and table form in which it is published or kept."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless

from composer.demo import chexpert, chexray14
from composer.demo.layout import Layout
from composer.demo.vindrcxr import LAYOUTS
from processors.base import Box, Label, Record, SourceError
from processors.vindrcxr import FINDINGS, VinDrCXR
from tests.processors.releases import Made, lay, path_of, read_release, same_images, write

pytestmark = pytest.mark.filterwarnings("error")

FIRST = "feedc0de000000000000000000001770"
THIRD = "feedc0de000000000000000000001772"
TEST = "feedc0de000000000000000000001964"
HEALTHY = "feedc0de000000000000000000001965"
DISEASED = "feedc0de000000000000000000001966"
A, B = "a" * 32, "b" * 32
KAGGLE_HEADER = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
BOX_HEADER = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max"
LABELS_HEADER = ",".join(["image_id", "rad_id", *FINDINGS, "Other diseases", "No finding"])


@pytest.fixture(scope="module")
def miniature(made: Made) -> Path:
    return made(VinDrCXR, LAYOUTS[0])


@pytest.fixture
def release(miniature: Path, tmp_path: Path) -> Path:
    """Return a miniature that a test may rearrange; it is the only thing in the folder above."""
    return Path(shutil.copytree(miniature, tmp_path / "sources" / "1.0.0"))


@pytest.fixture
def kaggle(release: Path) -> Path:
    """Rearrange the miniature as the VinBigData competition, with three readers for two images."""
    shutil.rmtree(release / "annotations")
    write(
        release / "train.csv",
        KAGGLE_HEADER,
        f"{FIRST},Lung Opacity,7,R10,90.0,58.0,120.0,188.0",
        f"{FIRST},Consolidation,4,R8,93.0,56.0,119.0,189.0",
        f"{FIRST},Consolidation,4,R8,10.0,20.0,30.0,50.0",
        f"{FIRST},Consolidation,4,R9,92.0,57.0,118.0,190.0",
        *(f"{THIRD},No finding,14,R{reader},,,," for reader in (3, 4, 5)),
    )
    write(release / "sample_submission.csv", "image_id,PredictionString", f"{TEST},14 1.0 0 0 1 1")
    return release


def read(root: Path) -> tuple[VinDrCXR, dict[str, Record]]:
    return read_release(VinDrCXR, root)


def assert_same_images(root: Path, miniature: Path) -> dict[str, Record]:
    parts = ("split", "view", "labels", "boxes", "part", "excluded")
    return same_images(VinDrCXR, root, miniature, parts)


def positives(record: Record) -> list[tuple[str, str]]:
    return [(label.labeller, label.label) for label in record.labels if label.value == 1]


class TestMiniature:
    def test_every_row_is_a_file_of_the_right_split(self, miniature: Path) -> None:
        processor, records = read(miniature)
        assert processor.warnings == []
        assert processor.layout == "PhysioNet: .dicom files in test and train"
        assert sorted(processor.tables) == [
            "annotations/annotations_test.csv",
            "annotations/annotations_train.csv",
            "annotations/image_labels_test.csv",
            "annotations/image_labels_train.csv",
        ]
        assert Counter(record.split for record in records.values()) == {"train": 8, "test": 4}
        for identity, record in records.items():
            assert path_of(record) == f"{record.split}/{identity}.dicom"
            assert (record.key, record.part) == (f"{identity}.dicom", record.split)
            assert (record.view, record.patient_id, record.study_id) == ("PA", None, None)
            assert (record.excluded, record.class_label, record.box_grid) == (None, None, None)

    def test_the_files_have_the_variety_of_the_release(self, miniature: Path) -> None:
        files = [pydicom.dcmread(path) for path in sorted(miniature.glob("*/*.dicom"))]
        assert {file.BitsStored for file in files} == {10, 12, 14, 16}
        assert {file.PhotometricInterpretation for file in files} == {"MONOCHROME1", "MONOCHROME2"}
        syntaxes = {file.file_meta.TransferSyntaxUID for file in files}
        assert syntaxes >= {ImplicitVRLittleEndian, JPEG2000Lossless}
        for file in files:
            assert file.pixel_array.max() <= 2**file.BitsStored - 1

    def test_every_statement_of_every_reader_is_kept(self, miniature: Path) -> None:
        record = read(miniature)[1][FIRST]
        assert Counter(label.labeller for label in record.labels) == {"R10": 28, "R8": 28, "R9": 28}
        assert {label.value for label in record.labels} == {0, 1}
        assert positives(record) == [
            ("R10", "Lung Opacity"),
            ("R10", "Pneumonia"),
            ("R8", "Consolidation"),
            ("R8", "Nodule/Mass"),
            ("R9", "No finding"),
        ]
        assert Label("Other diseases", 0, "R10") in record.labels

    def test_the_test_set_has_one_consensus_and_a_spelling_of_its_own(self, miniature: Path) -> None:
        records = read(miniature)[1]
        assert positives(records[TEST]) == [
            ("consensus", "Aortic enlargement"),
            ("consensus", "Cardiomegaly"),
        ]
        assert positives(records[DISEASED])[-1] == ("consensus", "Other disease")
        assert len(records[TEST].labels) == 28
        assert {box.labeller for box in records[TEST].boxes} == {"consensus"}

    def test_boxes_are_left_top_width_height(self, miniature: Path) -> None:
        records = read(miniature)[1]
        assert [(box.label, box.labeller) for box in records[FIRST].boxes] == [
            ("Lung Opacity", "R10"),
            ("Consolidation", "R8"),
            ("Nodule/Mass", "R8"),
        ]
        assert records[FIRST].boxes[2] == Box("Nodule/Mass", 200.5, 150.25, 20.5, 20.25, "R8")
        assert records[HEALTHY].boxes == []

    def test_a_box_past_the_image_is_not_cut(self, miniature: Path) -> None:
        box = read(miniature)[1][THIRD].boxes[0]
        file = pydicom.dcmread(miniature / "train" / f"{THIRD}.dicom", stop_before_pixels=True)
        assert box.x + box.width == 371.0 > file.Columns
        assert box.y + box.height == 408.5 > file.Rows


class TestLayouts:
    @pytest.mark.parametrize("levels", [0, 1, 2])
    def test_the_root_is_here_or_above(self, release: Path, miniature: Path, levels: int) -> None:
        root = [release, release.parent, release.parent.parent][levels]
        assert_same_images(root, miniature)

    @pytest.mark.parametrize("place", ["top", "beside the images"])
    def test_the_tables_were_moved(self, release: Path, miniature: Path, place: str) -> None:
        for path in list((release / "annotations").iterdir()):
            split = "train" if "train" in path.name else "test"
            path.rename(release / path.name if place == "top" else release / split / path.name)
        assert_same_images(release, miniature)

    def test_the_tables_lie_in_the_folder_above(self, kaggle: Path) -> None:
        (kaggle / "train.csv").rename(kaggle.parent / "train.csv")
        processor, records = read(kaggle.parent)
        assert processor.tables == ["train.csv"]
        assert len(records[FIRST].boxes) == 4

    @pytest.mark.parametrize("suffix", [".dcm", ".DICOM", ".png", ".jpg", ".jpeg"])
    def test_other_carriers_have_a_key_of_their_own(self, release: Path, suffix: str) -> None:
        for path in list(release.glob("*/*.dicom")):
            path.rename(path.with_suffix(suffix))
        records = read(release)[1]
        assert len(records) == 12
        assert records[FIRST].key == f"{FIRST}{suffix}"
        assert path_of(records[FIRST]) == f"train/{FIRST}{suffix}"

    def test_resized_copies_bring_the_size_of_the_originals(self, release: Path) -> None:
        for path in list(release.glob("*/*.dicom")):
            path.rename(path.with_suffix(".png"))
        write(release / "train_meta.csv", "image_id,dim0,dim1", f"{FIRST},2880,2304")
        processor, records = read(release)
        assert records[FIRST].box_grid == (2880, 2304)
        assert records[THIRD].box_grid is None
        assert "train_meta.csv" in processor.tables
        # Five of the train images have boxes; one has a size.
        assert [warning.partition(" images")[0] for warning in processor.warnings] == [
            "test: the boxes of 2",
            "train: the boxes of 4",
        ]

    def test_bare_images(self, tmp_path: Path) -> None:
        lay(tmp_path, f"train/{A}.dicom", f"train/{B.upper()}.dcm", "train/film 1.dicom")
        lay(tmp_path, "train/index.html", f"train/._{B}.dcm", "train/C.txt")
        processor, records = read(tmp_path)
        assert processor.layout == "no tables: .dcm and .dicom files in train"
        assert {identity: record.key for identity, record in records.items()} == {
            "film 1": "film 1.dicom",
            A: f"{A}.dicom",
            B: f"{B.upper()}.dcm",
        }
        assert processor.warnings == [
            "image_labels_train.csv, annotations_train.csv not found: the images of train are written "
            "without labels and boxes"
        ]
        assert {record.excluded for record in records.values()} == {None}
        assert records[B].split == "train"

    @pytest.mark.parametrize(
        "names",
        [
            ("00001.jpg", "08001.jpg"),
            ("00000001_000.png", "00000001_001.png"),
            (f"{A}0.png", f"{A[:-1]}g.jpeg"),
        ],
    )
    def test_pictures_of_other_names_alone_are_another_dataset(
        self, tmp_path: Path, names: tuple[str, str]
    ) -> None:
        lay(tmp_path, *(f"{split}/{name}" for split in ("train", "test") for name in names))
        with pytest.raises(SourceError, match=r"no image of VinDr-CXR found"):
            VinDrCXR(tmp_path)

    def test_nothing_is_said_of_the_folder_of_another_dataset(self, tmp_path: Path) -> None:
        lay(tmp_path, "a/train/00001.jpg", "a/train/x.zip", f"b/train/{A}.dicom")
        write(tmp_path / "b" / "train.csv", KAGGLE_HEADER, f"{A},No finding,14,R3,,,,")
        processor, records = read(tmp_path)
        assert list(records) == [A]
        assert processor.warnings == []

    @pytest.mark.parametrize("layout", [chexpert.LAYOUTS[0], chexray14.LAYOUTS[0]])
    def test_the_miniature_of_another_dataset_is_refused(self, tmp_path: Path, layout: Layout) -> None:
        layout.make(tmp_path / "root")
        with pytest.raises(SourceError, match=r"no image of VinDr-CXR found.*check the path"):
            VinDrCXR(tmp_path / "root")

    @pytest.mark.parametrize("layout", LAYOUTS[1:], ids=lambda layout: layout.name)
    def test_every_layout_holds_the_same_images(
        self, miniature: Path, tmp_path: Path, layout: Layout
    ) -> None:
        layout.make(tmp_path / "root")
        processor, records = read(tmp_path / "root")
        expected = read(miniature)[1]
        assert records.keys() == expected.keys()
        resized = "PNG" in layout.name
        for identity, record in records.items():
            for part in ("view", "split", "part", "excluded"):
                assert getattr(record, part) == getattr(expected[identity], part), (identity, part)
            # What Kaggle states, PhysioNet states too.
            assert {label for label in record.labels if label.label != "No finding"} <= set(
                expected[identity].labels
            )
            assert len(record.boxes) <= len(expected[identity].boxes)
            assert (record.box_grid, record.carrier) == (((400, 360), "picture") if resized else (None, ""))
        assert positives(records[FIRST]) == [
            ("R10", "Lung Opacity"),
            ("R8", "Consolidation"),
            ("R8", "Nodule/Mass"),
        ]
        assert records[FIRST].boxes[0] == Box("Lung Opacity", 90, 58, 30, 130, "R10")
        # The boxes of the resized copy have a grid, so that only the labels of test are missed.
        assert len(processor.warnings) == 1
        assert processor.warnings[0].startswith("image_labels_test.csv, annotations_test.csv not found: ")

    @pytest.mark.parametrize("content", ["empty", "another dataset"])
    def test_another_folder_is_refused(self, tmp_path: Path, content: str) -> None:
        if content == "another dataset":
            lay(tmp_path, "train/patient00001/study1/view1_frontal.jpg", "train.csv")
        found = "0 folders and 0 files;"
        if content == "another dataset":
            found = r"1 folders and 1 files \(endings .csv\);"
        with pytest.raises(SourceError, match=rf"expected train/ or test/ with files such as.*found {found}"):
            VinDrCXR(tmp_path)


class TestKaggle:
    def test_labels_are_those_of_the_boxes(self, kaggle: Path) -> None:
        processor, records = read(kaggle)
        assert processor.layout == "VinBigData (Kaggle): .dicom files in test and train"
        assert processor.tables == ["train.csv"]
        assert records[FIRST].labels == [
            Label("Lung Opacity", 1, "R10"),
            Label("Consolidation", 1, "R8"),
            Label("Consolidation", 1, "R9"),
        ]
        assert [box.labeller for box in records[FIRST].boxes] == ["R10", "R8", "R8", "R9"]
        assert records[FIRST].boxes[2] == Box("Consolidation", 10.0, 20.0, 20.0, 30.0, "R8")
        assert records[THIRD].labels == [Label("No finding", 1, f"R{reader}") for reader in (3, 4, 5)]
        assert records[THIRD].boxes == []

    def test_the_test_images_have_no_labels(self, kaggle: Path) -> None:
        processor, records = read(kaggle)
        assert (records[TEST].labels, records[TEST].excluded, records[TEST].split) == ([], None, "test")
        assert len(processor.warnings) == 1
        assert processor.warnings[0].startswith("image_labels_test.csv, annotations_test.csv not found: ")

    def test_train_images_without_a_row_are_excluded(self, kaggle: Path) -> None:
        records = read(kaggle)[1].values()
        assert Counter(record.excluded for record in records) == {None: 6, "not in train.csv": 6}

    def test_filled_corners_of_no_finding_are_no_box(self, kaggle: Path) -> None:
        text = (kaggle / "train.csv").read_text()
        write(kaggle / "train.csv", *text.replace(",,,,", ",0,0,1,1").splitlines())
        assert read(kaggle)[1][THIRD].boxes == []

    def test_physionet_comes_first(self, kaggle: Path, miniature: Path) -> None:
        shutil.copytree(miniature / "annotations", kaggle / "annotations")
        processor, records = read(kaggle)
        assert len(records[FIRST].labels) == 84
        assert "train.csv" not in processor.tables
        assert processor.warnings == ["train.csv of Kaggle is not used: the tables of PhysioNet are here"]

    def test_a_table_without_class_id_is_another(self, kaggle: Path) -> None:
        write(kaggle / "train.csv", BOX_HEADER, f"{FIRST},R8,Consolidation,93.0,56.0,119.0,189.0")
        with pytest.raises(SourceError, match=r"train\.csv.*expected column 'class_id'"):
            read(kaggle)


class TestFilesAndRows:
    def test_a_row_without_file_is_missing(self, release: Path) -> None:
        (release / "train" / f"{FIRST}.dicom").unlink()
        record = read(release)[1][FIRST]
        assert (record.file, record.key, record.part) == (None, f"{FIRST}.dicom", "train")
        assert len(record.labels) == 84

    def test_an_absent_split_is_one_part(self, release: Path) -> None:
        shutil.rmtree(release / "test")
        processor, records = read(release)
        absent = [record for record in records.values() if record.file is None]
        assert {(record.part, record.split) for record in absent} == {("test", "test")}
        assert len(absent) == 4
        assert processor.warnings == []

    def test_a_file_without_row_is_excluded(self, release: Path) -> None:
        lay(release, "train/other.dicom", "test/another.dicom")
        records = read(release)[1]
        assert records["other"].excluded == "not in image_labels_train.csv"
        assert records["another"].excluded == "not in image_labels_test.csv"

    @pytest.mark.parametrize(
        ("absent", "warning"),
        [
            (
                "annotations_train.csv",
                "annotations_train.csv not found: the images of train are written without boxes",
            ),
            (
                "image_labels_test.csv",
                "image_labels_test.csv not found: the images of test are written without labels",
            ),
        ],
    )
    def test_one_table_of_two_is_enough(self, release: Path, absent: str, warning: str) -> None:
        (release / "annotations" / absent).unlink()
        processor, records = read(release)
        assert processor.warnings == [warning]
        assert len(records) == 12
        assert {record.excluded for record in records.values()} == {None}
        assert (records[FIRST].boxes == []) == (absent == "annotations_train.csv")
        assert (records[TEST].labels == []) == (absent == "image_labels_test.csv")

    def test_letter_case_of_ids_does_not_matter(self, release: Path) -> None:
        for name in ("image_labels_train.csv", "annotations_test.csv"):
            path = release / "annotations" / name
            write(path, *(line.replace("feedc0de", "FEEDC0DE") for line in path.read_text().splitlines()))
        processor, records = read(release)
        assert processor.warnings == []
        assert len(records) == 12
        assert path_of(records[FIRST]) == f"train/{FIRST}.dicom"
        assert (len(records[FIRST].boxes), len(records[TEST].boxes)) == (3, 2)

    def test_a_table_without_some_images_is_doubted(self, release: Path) -> None:
        path = release / "annotations/image_labels_train.csv"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:13]))
        processor, records = read(release)
        assert processor.warnings == [
            "image_labels_train.csv: 4 images of train are not named here; is it complete?"
        ]
        assert len(records) == 12

    def test_carrier_tells_dicom_from_pictures(self, release: Path) -> None:
        (release / f"train/{FIRST}.dicom").rename(release / f"train/{FIRST}.png")
        _, records = read(release)
        assert (records[FIRST].carrier, records[TEST].carrier) == ("picture", "")

    def test_an_image_in_two_formats_is_read_once(self, release: Path) -> None:
        lay(release, f"train/{FIRST}.png", f"train/{FIRST}.dcm")
        processor, records = read(release)
        assert path_of(records[FIRST]) == f"train/{FIRST}.dicom"
        assert processor.warnings == [
            "train: 2 files are not used: the same images are here in another format"
        ]

    @pytest.mark.parametrize("split", ["train", "test"])
    def test_what_is_no_image_among_the_images_is_counted(self, release: Path, split: str) -> None:
        lay(
            release / split,
            f"{FIRST}a",
            f"{FIRST}b.dicom.gz",
            f"{FIRST}c/1.dicom",
            f"{FIRST}d.zip",
            # The miniature has an index.html there already.
            "index.htm.html",
            "image_labels.csv",
            "annotations.CSV.GZ",
            "SHA256SUMS.txt",
            "._a",
        )
        processor, records = read(release)
        assert processor.warnings == [
            f"{split}: 4 entries are not used: expected files such as <image_id>.dicom, "
            "none in folders below or packed"
        ]
        assert len(records) == 12

    def test_an_image_in_both_splits_is_held_out(self, tmp_path: Path) -> None:
        lay(tmp_path, f"train/{A}.dicom", f"train/{B}.dicom", f"test/{A}.dicom")
        processor = VinDrCXR(tmp_path)
        records = [(record.identity, record.split) for record in processor.records()]
        # The first record of an image counts.
        assert records == [(A, "test"), (A, "train"), (B, "train")]
        assert processor.warnings[1:] == ["1 images of train are in test too: they count as held out"]


class TestDamage:
    @pytest.mark.parametrize(
        "cell",
        ["../../etc/passwd", "/etc/passwd", "a/b", "", "a b", "..", f"../train/{FIRST}", f"{FIRST}.dicom"],
    )
    def test_a_row_that_names_no_image_is_accounted_for(self, release: Path, cell: str) -> None:
        with (release / "annotations" / "annotations_train.csv").open("a") as table:
            table.write(f"{cell},R1,No finding,,,,\n")
        processor, records = read(release)
        assert len(records) == 13
        last = len((release / "annotations" / "annotations_train.csv").read_text().splitlines())
        unusable = records[f"annotations_train.csv row {last}"]
        assert (unusable.excluded, unusable.file) == ("unusable row", None)
        assert processor.warnings == [
            "annotations_train.csv: 1 rows are not used: column 'image_id' holds no id of 32 hexadecimal "
            f"digits (row {last})"
        ]

    @pytest.mark.parametrize("name", ["image_labels_train.csv", "image_labels_test.csv"])
    def test_a_second_row_of_an_image_and_reader_is_a_repeated_one(self, release: Path, name: str) -> None:
        path = release / "annotations" / name
        lines = path.read_text().splitlines()
        write(path, *lines, lines[1].replace(",0,", ",1,"))
        processor = VinDrCXR(release)
        records = list(processor.records())
        identity = lines[1].partition(",")[0]
        first, again = (record for record in records if record.identity == identity)
        assert len({(label.label, label.labeller) for label in first.labels}) == len(first.labels)
        assert (again.labels, again.boxes) == ([], [])
        assert len(records) == 13
        assert processor.warnings == []

    def test_the_very_same_row_of_a_box_is_a_repeated_one(self, release: Path) -> None:
        path = release / "annotations" / "annotations_train.csv"
        lines = path.read_text().splitlines()
        write(path, *lines, lines[1], lines[1].replace("90.96", "90.97"))
        records = list(VinDrCXR(release).records())
        assert [len(record.boxes) for record in records if record.identity == FIRST] == [4, 0]
        assert len(records) == 13

    def test_an_unknown_finding_is_kept_and_said(self, release: Path) -> None:
        with (release / "annotations" / "annotations_train.csv").open("a") as table:
            table.write(f"{FIRST},R9,Pneumomediastinum,1,2,3,4\n")
        processor, records = read(release)
        assert records[FIRST].boxes[-1] == Box("Pneumomediastinum", 1, 2, 2, 2, "R9")
        assert processor.warnings == [
            "annotations_train.csv: 1 cells of column 'class_name' are kept as they are written: expected "
            "labels of the release, found 'Pneumomediastinum'"
        ]

    @pytest.mark.parametrize("size", ["2880,", "0,2304", "tall,wide"])
    def test_a_size_that_is_none_is_counted(self, release: Path, size: str) -> None:
        write(release / "train_meta.csv", "image_id,dim0,dim1", f"{FIRST},{size}", f"{THIRD},400,360")
        processor, records = read(release)
        assert (records[FIRST].box_grid, records[THIRD].box_grid) == (None, (400, 360))
        assert processor.warnings == [
            "train_meta.csv: 1 sizes are not used: expected an id of 32 hexadecimal digits in "
            "image_id, rows and columns in dim0 and dim1"
        ]

    @pytest.mark.parametrize("corners", ["1,2,,4", "1,2,x,4", "5,2,5,4", "1,9,3,4", "nan,1,2,3"])
    def test_a_box_that_is_none_is_counted(self, release: Path, corners: str) -> None:
        with (release / "annotations" / "annotations_train.csv").open("a") as table:
            table.write(f"{FIRST},R9,Edema,{corners}\n")
        processor, records = read(release)
        assert len(records[FIRST].boxes) == 3
        assert processor.warnings == [
            "annotations_train.csv: 1 boxes are not used: expected four numbers with x_min < x_max and "
            "y_min < y_max"
        ]

    def test_a_label_that_is_no_vote_is_said(self, release: Path) -> None:
        path = release / "annotations" / "image_labels_test.csv"
        lines = path.read_text().splitlines()
        lines[1] = lines[1].replace(",1,", ",maybe,", 1)
        lines[2] = lines[2].replace(",0,", ",,", 1).replace(",0", ",0.0")
        write(path, *lines)
        processor, records = read(release)
        assert (len(records[TEST].labels), len(records[HEALTHY].labels)) == (27, 27)
        assert processor.warnings == [
            "image_labels_test.csv: 1 label cells are not used: expected 0 or 1, found 'maybe'"
        ]

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("image_labels_train.csv", "image_id"),
            ("image_labels_train.csv", "rad_id"),
            ("image_labels_train.csv", "Nodule/Mass"),
            ("image_labels_train.csv", "Other diseases"),
            ("image_labels_test.csv", "No finding"),
            ("annotations_train.csv", "x_max"),
            ("annotations_train.csv", "rad_id"),
            ("annotations_test.csv", "class_name"),
        ],
    )
    def test_a_missing_column_is_named(self, release: Path, name: str, column: str) -> None:
        path = release / "annotations" / name
        write(path, *path.read_text().replace(column, "Something", 1).splitlines())
        with pytest.raises(SourceError, match=rf"{name}: expected column '{column}'"):
            read(release)

    def test_columns_are_found_by_name(self, tmp_path: Path) -> None:
        lay(tmp_path, f"train/{A}.dicom")
        columns = LABELS_HEADER.replace("rad_id", "rad_ID").split(",")[::-1]
        cells = [A if column == "image_id" else "R7" if column == "rad_ID" else "0" for column in columns]
        cells[columns.index("ILD")] = "1"
        write(tmp_path / "image_labels_train.csv", ",".join(columns), ",".join(cells))
        assert positives(read(tmp_path)[1][A]) == [("R7", "ILD")]

    @pytest.mark.parametrize("change", ["crlf", "bom", "gz"])
    def test_resaved_tables_read_the_same(self, release: Path, miniature: Path, change: str) -> None:
        for path in list((release / "annotations").iterdir()):
            lines = path.read_text().splitlines()
            path.unlink()
            if change == "crlf":
                write(path, *lines, newline="\r\n")
            elif change == "bom":
                write(path, *lines, encoding="utf-8-sig")
            else:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        assert_same_images(release, miniature)
