"""CheXpert in every layout and table form in which it is published or kept."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from pycocotools import mask as coco

from composer.demo import chexray14, vindrcxr
from composer.demo.chexpert import LAYOUTS
from composer.demo.layout import Layout
from processors.base import Label, Mask, Record, SourceError
from processors.base.chexpert_labels import OBSERVATIONS
from processors.base.masks import union_of_runs
from processors.chexpert import CheXpert
from tests.processors.releases import Made, lay, path_of, read_release, same_images, write

pytestmark = pytest.mark.filterwarnings("error")

BATCHES = (
    "CheXpert-v1.0 batch 1 (validate & csv)",
    "CheXpert-v1.0 batch 2 (train 1)",
    "CheXpert-v1.0 batch 3 (train 2)",
    "CheXpert-v1.0 batch 4 (train 3)",
)
FIRST = "train/patient99001/study1/view1_frontal"
LABELS_HEADER = ",".join(["Path", *OBSERVATIONS])
ROW_HEADER = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS])
TEST_ROWS = (
    "test/patient99101/study1/view1_frontal.jpg,0,1,1,1,0,0,0,0,1,0,1,0,0,1",
    "test/patient99101/study1/view2_lateral.jpg,0,1,1,1,0,0,0,0,1,0,1,0,0,1",
    "test/patient99102/study1/view1_frontal.jpg,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
)


@pytest.fixture(scope="module")
def miniature(made: Made) -> Path:
    return made(CheXpert, LAYOUTS[0])


@pytest.fixture
def merged(miniature: Path, tmp_path: Path) -> Path:
    """Return the folder CheXpert-v1.0 of a miniature that a test may rearrange."""
    return Path(shutil.copytree(miniature / "CheXpert-v1.0", tmp_path / "sources" / "CheXpert-v1.0"))


def row(path: str, **mentioned: str) -> str:
    cells = [mentioned.get(observation.replace(" ", "_"), "") for observation in OBSERVATIONS]
    return ",".join([f"CheXpert-v1.0/{path}", "Female", "61", "Frontal", "AP", *cells])


def read(root: Path) -> tuple[CheXpert, dict[str, Record]]:
    return read_release(CheXpert, root)


def assert_same_images(root: Path, miniature: Path) -> dict[str, Record]:
    parts = ("key", "view", "split", "sex", "age", "labels", "class_label", "excluded")
    return same_images(CheXpert, root, miniature, parts)


def into_batches(merged: Path, patients: dict[str, int]) -> Path:
    """Rearrange the merged layout as the four archives of Stanford AIMI unpack."""
    root = merged.parent / "chexpertchestxrays-u20210408"
    first = root / BATCHES[0]
    first.mkdir(parents=True)
    for name in ("train.csv", "valid.csv", "valid"):
        (merged / name).rename(first / name)
    for patient, batch in patients.items():
        (root / BATCHES[batch - 1]).mkdir(exist_ok=True)
        (merged / "train" / patient).rename(root / BATCHES[batch - 1] / patient)
    shutil.rmtree(merged)
    return root


class TestMiniature:
    def test_every_row_is_a_readable_image(self, miniature: Path) -> None:
        processor, records = read(miniature)
        assert processor.warnings == []
        assert processor.layout == "merged folders: CheXpert-v1.0/train, CheXpert-v1.0/valid"
        assert processor.tables == ["CheXpert-v1.0/train.csv", "CheXpert-v1.0/valid.csv"]
        assert len(records) == 11
        for record in records.values():
            assert record.excluded is None
            with Image.open(miniature / path_of(record)) as picture:
                assert (picture.mode, picture.format) == ("L", "JPEG")

    def test_a_row_says_who_and_what(self, miniature: Path) -> None:
        record = read(miniature)[1][FIRST]
        assert record.key == f"{FIRST}.jpg"
        assert record.patient_id == "patient99001"
        assert record.study_id == "patient99001/study1"
        assert (record.split, record.view, record.sex, record.age) == ("train", "AP", "F", 61.0)
        assert record.part == "train"
        assert record.native == {
            "Path": f"CheXpert-v1.0/{FIRST}.jpg",
            "Sex": "Female",
            "Age": "61",
            "Frontal/Lateral": "Frontal",
            "AP/PA": "AP",
        }
        assert record.labels == [
            Label("Cardiomegaly", 1, "CheXpert"),
            Label("Lung Opacity", 1, "CheXpert"),
            Label("Edema", -1, "CheXpert"),
            Label("Pneumothorax", 0, "CheXpert"),
            Label("Pleural Effusion", 1, "CheXpert"),
            Label("Support Devices", 1, "CheXpert"),
        ]
        assert record.class_label == [0, 1, 1, 0, 0, 0, 0, 0, -1, 1, 0, 0, 1]

    def test_views_come_from_name_and_column(self, miniature: Path) -> None:
        records = read(miniature)[1]
        views = {identity: record.view for identity, record in records.items()}
        assert views["train/patient99001/study2/view1_frontal"] == "PA"
        assert views["train/patient99002/study4/view1_lateral"] == "lateral"
        # LL is no position of a frontal film.
        assert views["train/patient99002/study4/view2_frontal"] == "PA or AP"
        assert records["train/patient99002/study4/view2_frontal"].native["AP/PA"] == "LL"

    def test_unknown_sex_and_age_are_none(self, miniature: Path) -> None:
        records = read(miniature)[1]
        unknown, newest = (records[f"train/patient99003/study{number}/view1_frontal"] for number in (1, 2))
        assert (unknown.sex, unknown.age) == (None, 90.0)
        assert (newest.sex, newest.age) == ("M", None)
        assert (unknown.native["Sex"], newest.native["Age"]) == ("Unknown", "0")

    def test_a_row_without_labels_has_a_vector_of_zeros(self, miniature: Path) -> None:
        record = read(miniature)[1]["train/patient99003/study1/view1_frontal"]
        assert record.labels == []
        assert record.class_label == [0] * 13

    def test_validation_images_are_read_by_radiologists(self, miniature: Path) -> None:
        record = read(miniature)[1]["valid/patient99005/study1/view2_lateral"]
        assert (record.split, record.part, record.view) == ("val", "valid", "lateral")
        assert record.labels[0] == Label("No Finding", 1, "radiologists")
        assert len(record.labels) == 14
        assert record.class_label == [-1] * 13


class TestLayouts:
    @pytest.mark.parametrize("layout", LAYOUTS[1:3], ids=lambda layout: layout.name)
    def test_every_miniature_says_the_same(self, miniature: Path, tmp_path: Path, layout: Layout) -> None:
        layout.make(tmp_path / "root")
        processor, records = read(tmp_path / "root")
        expected = read(miniature)[1]
        assert processor.warnings == []
        assert records.keys() == expected.keys()
        for identity, record in records.items():
            own = [label for label in record.labels if label.labeller in ("CheXpert", "radiologists")]
            assert own == expected[identity].labels
            for part in ("key", "view", "split", "sex", "age", "class_label", "excluded"):
                assert getattr(record, part) == getattr(expected[identity], part), (identity, part)

    def test_the_root_is_the_folder_itself(self, merged: Path, miniature: Path) -> None:
        found = assert_same_images(merged, miniature)
        assert path_of(found[FIRST]) == f"{FIRST}.jpg"

    def test_the_root_is_the_folder_above(self, merged: Path, miniature: Path) -> None:
        assert_same_images(merged.parent, miniature)

    @pytest.mark.parametrize("above", [False, True])
    def test_the_small_release(self, merged: Path, miniature: Path, above: bool) -> None:
        small = merged.rename(merged.with_name("CheXpert-v1.0-small"))
        for name in ("train.csv", "valid.csv"):
            text = (small / name).read_text()
            write(small / name, *text.replace("CheXpert-v1.0/", "CheXpert-v1.0-small/").splitlines())
        assert_same_images(small.parent if above else small, miniature)

    def test_the_kaggle_copy_has_no_top_folder(self, merged: Path, miniature: Path) -> None:
        copy = merged.rename(merged.with_name("archive"))
        assert_same_images(copy, miniature)
        assert_same_images(copy.parent, miniature)

    @pytest.mark.parametrize("above", [False, True])
    def test_four_batches(self, merged: Path, miniature: Path, above: bool) -> None:
        root = into_batches(merged, {"patient99001": 2, "patient99002": 3, "patient99003": 4})
        found = assert_same_images(root.parent if above else root, miniature)
        assert found[FIRST].part == BATCHES[1]
        assert found["valid/patient99004/study1/view1_frontal"].part == BATCHES[0]
        assert CheXpert(root).layout == f"batches of Stanford AIMI: {BATCHES[0]}/valid, " + ", ".join(
            BATCHES[1:]
        )

    def test_validation_patients_without_their_folder_stay_held_out(self, merged: Path) -> None:
        root = into_batches(merged, {"patient99001": 2})
        first = root / BATCHES[0]
        for patient in list((first / "valid").iterdir()):
            patient.rename(first / patient.name)
        (first / "valid").rmdir()
        for table in first.glob("*.csv"):
            table.unlink()
        _, records = read(root)
        assert {record.split for record in records.values()} == {"train", "val"}
        assert records["valid/patient99004/study1/view1_frontal"].split == "val"

    def test_batches_with_the_tables_at_the_top(self, merged: Path, miniature: Path) -> None:
        root = into_batches(merged, {"patient99001": 2, "patient99002": 2, "patient99003": 4})
        for name in ("train.csv", "valid.csv"):
            (root / BATCHES[0] / name).rename(root / name)
        assert_same_images(root, miniature)

    def test_an_absent_batch_is_one_part(self, tmp_path: Path) -> None:
        lay(tmp_path, f"{BATCHES[1]}/patient00001/study1/view1_frontal.jpg")
        patients = ("patient00001", "patient21513", "patient21514", "patient43018", "patient64540")
        rows = [row(f"train/{patient}/study1/view1_frontal.jpg") for patient in patients]
        write(tmp_path / BATCHES[0] / "train.csv", ROW_HEADER, *rows)
        write(
            tmp_path / BATCHES[0] / "valid.csv",
            ROW_HEADER,
            row("valid/patient64541/study1/view1_frontal.jpg"),
        )
        records = read(tmp_path)[1].values()
        assert [(record.patient_id, record.file is not None, record.part) for record in records] == [
            ("patient00001", True, BATCHES[1]),
            ("patient21513", False, BATCHES[1]),
            ("patient21514", False, BATCHES[2]),
            ("patient43018", False, BATCHES[3]),
            ("patient64540", False, BATCHES[3]),
            ("patient64541", False, BATCHES[0]),
        ]

    def test_the_root_is_one_unpacked_batch(self, tmp_path: Path) -> None:
        lay(tmp_path, f"{BATCHES[1]}/patient00001/study1/view1_frontal.jpg")
        processor, records = read(tmp_path / BATCHES[1])
        assert path_of(records["train/patient00001/study1/view1_frontal"]) == (
            "patient00001/study1/view1_frontal.jpg"
        )
        assert records["train/patient00001/study1/view1_frontal"].part == BATCHES[1]
        assert len(processor.warnings) == 1

    # One name comes before that of the small release, the other after it.
    @pytest.mark.parametrize("name", ["CheXpert-v1.0", "chexpert"])
    def test_the_small_release_beside_the_full_one_is_not_read(self, merged: Path, name: str) -> None:
        small = Path(shutil.copytree(merged, merged.with_name("CheXpert-v1.0-small")))
        merged.rename(merged.with_name(name))
        lay(small, "test/patient99101/study1/view1_frontal.jpg")
        write(small / "test.csv", LABELS_HEADER, TEST_ROWS[0])
        processor, records = read(small.parent)
        assert Counter(path_of(record).partition("/")[0] for record in records.values()) == {
            name: 11,
            "CheXpert-v1.0-small": 1,
        }
        assert processor.tables == [f"{name}/train.csv", f"{name}/valid.csv", "CheXpert-v1.0-small/test.csv"]
        assert processor.warnings == [
            f"CheXpert-v1.0-small/{split} is not used: full-size images of this split are here"
            for split in ("train", "valid")
        ]


class TestCarriers:
    @pytest.mark.parametrize("above", [False, True])
    def test_the_small_release(self, merged: Path, above: bool) -> None:
        small = merged.rename(merged.with_name("CheXpert-v1.0-small"))
        assert {record.carrier for record in read(small.parent if above else small)[1].values()} == {"small"}

    def test_a_copy_without_its_folder_tells_by_its_paths(self, merged: Path) -> None:
        assert {record.carrier for record in read(merged)[1].values()} == {""}
        for name in ("train.csv", "valid.csv"):
            text = (merged / name).read_text()
            write(merged / name, *text.replace("CheXpert-v1.0/", "CheXpert-v1.0-small/").splitlines())
        copy = merged.rename(merged.with_name("archive"))
        assert {record.carrier for record in read(copy)[1].values()} == {"small"}

    def test_tables_of_the_small_release_beside_full_size_images(self, merged: Path) -> None:
        small = merged.with_name("CheXpert-v1.0-small")
        for name in ("train.csv", "valid.csv"):
            text = (merged / name).read_text()
            write(small / name, *text.replace("CheXpert-v1.0/", "CheXpert-v1.0-small/").splitlines())
            (merged / name).unlink()
        records = read(merged.parent)[1].values()
        assert {record.carrier for record in records} == {""}
        assert all(record.labels or record.native["Sex"] != "Female" for record in records)

    @pytest.mark.parametrize(("suffix", "carrier"), [(".png", "PNG"), (".PNG", "PNG"), (".jpeg", "")])
    def test_a_mirror_has_files_of_another_suffix_than_its_tables(
        self, merged: Path, suffix: str, carrier: str
    ) -> None:
        for path in list(merged.glob("train/*/*/*.jpg")):
            path.rename(path.with_suffix(suffix))
        lay(merged, "train/patient99001/copy of view1.jpg")
        processor, records = read(merged)
        assert processor.warnings == []
        for record in records.values():
            wanted = suffix if record.split == "train" else ".jpg"
            assert record.key == record.identity + wanted
            assert (merged / path_of(record)).is_file()
            assert record.carrier == (carrier if record.split == "train" else "")

    def test_a_first_patient_without_images_tells_nothing(self, merged: Path) -> None:
        (merged / "train/patient00000").mkdir()
        assert path_of(read(merged)[1][FIRST]) == f"{FIRST}.jpg"


class TestMasks:
    KEY = "patient99101_study1_view1_frontal"

    def release(self, root: Path, masks: object) -> Path:
        lay(root, *(line.partition(",")[0] for line in TEST_ROWS))
        write(root / "test_labels.csv", LABELS_HEADER, *TEST_ROWS)
        write(root / "gt_segmentations_test.json", masks if isinstance(masks, str) else json.dumps(masks))
        return root

    def test_are_those_of_findings_that_the_image_shows(self, tmp_path: Path) -> None:
        LAYOUTS[3].make(tmp_path / "root")
        processor, records = read(tmp_path / "root")
        assert processor.warnings == []
        assert [name for name in processor.tables if name.endswith(".json")] == [
            "chexlocalize/CheXlocalize/gt_segmentations_val.json",
            "chexlocalize/CheXlocalize/gt_segmentations_test.json",
        ]
        assert {name: len(record.masks) for name, record in records.items()} == {
            "valid/patient99004/study1/view1_frontal": 2,
            "valid/patient99005/study1/view1_frontal": 2,
            "valid/patient99005/study1/view2_lateral": 0,
            "test/patient99101/study1/view1_frontal": 2,
            "test/patient99101/study1/view2_lateral": 2,
            "test/patient99102/study1/view1_frontal": 2,
            "test/patient99103/study1/view1_frontal": 0,
        }
        mask = records["test/patient99101/study1/view2_lateral"].masks[1]
        assert (mask.label, mask.rows, mask.columns) == ("Airspace Opacity", 344, 400)
        assert mask.labeller == "radiologists"
        area = coco.area({"size": [mask.rows, mask.columns], "counts": mask.runs.encode()})
        assert area == 40 * 80

    def test_an_empty_one_is_one_long_run(self, tmp_path: Path) -> None:
        # Runs are written in characters of five bits each: these need one, two and six.
        grids = ((3, 5), (10, 90), (9000, 9000))
        masks = {
            str(rows): {"size": [rows, columns], "counts": union_of_runs([[]], rows, columns)}
            for rows, columns in grids
        }
        masks["all of it"] = {"size": [9, 9], "counts": union_of_runs([[0, 81]], 9, 9)}
        records = read(self.release(tmp_path, {self.KEY: masks}))[1]
        found = records["test/patient99101/study1/view1_frontal"].masks
        assert [mask.label for mask in found] == ["all of it"]

    @pytest.mark.parametrize(
        "cell",
        [
            None,
            "x",
            {},
            {"size": [3]},
            {"size": ["3", "5"], "counts": "?"},
            {"size": [3, 5], "counts": ""},
            # What fits another grid, is cut, or would take 128 GB.
            {"size": [10, 9], "counts": union_of_runs([[3, 4]], 9, 9)},
            {"size": [9, 9], "counts": union_of_runs([[3, 4]], 9, 9)[:-1]},
            {"size": [400_000, 320_000], "counts": union_of_runs([[3, 4]], 9, 9)},
            {"size": [2**62, 9], "counts": union_of_runs([[3, 4]], 9, 9)},
            {"size": [9, -9], "counts": union_of_runs([[3, 4]], 9, 9)},
            {"size": [9, 9], "counts": "3é4"},
        ],
    )
    def test_those_of_another_form_are_counted(self, tmp_path: Path, cell: object) -> None:
        runs = union_of_runs([[3, 4]], 9, 9)
        good = {"size": [9, 9], "counts": runs}
        masks = {self.KEY: {"Edema": cell, "Atelectasis": good}, "../../etc/passwd": {"Edema": good}}
        processor, records = read(self.release(tmp_path, masks))
        assert records["test/patient99101/study1/view1_frontal"].masks == [
            Mask("Atelectasis", 9, 9, runs, "radiologists")
        ]
        assert processor.warnings == [
            "gt_segmentations_test.json: 2 masks are not used: expected names such as "
            "patient00001_study1_view1_frontal with size and counts for each finding, the counts those of a "
            "grid of that size"
        ]

    def test_those_of_absent_images_are_counted(self, tmp_path: Path) -> None:
        masks = '{"patient99109_study1_view1_frontal": {}}'
        assert read(self.release(tmp_path, masks))[0].warnings == [
            "gt_segmentations_test.json: the masks of 1 images are not used: the images are not here"
        ]

    @pytest.mark.parametrize("text", ["", "{", "[]", "<html>"])
    def test_a_file_that_is_none_stops_the_run(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(
            SourceError, match=r"gt_segmentations_test\.json: (not readable as JSON|expected a JSON dict)"
        ):
            read(self.release(tmp_path, text))


class TestTestSet:
    @pytest.mark.parametrize("nested", ["chexlocalize", "chexlocalize/chexlocalize", ""])
    def test_chexlocalize(self, merged: Path, tmp_path: Path, nested: str) -> None:
        root = tmp_path / "chexlocalize-root"
        release = root / nested / "CheXpert"
        release.mkdir(parents=True)
        (merged / "valid").rename(release / "val")
        (merged / "valid.csv").rename(release / "val_labels.csv")
        write(release / "test_labels.csv", LABELS_HEADER, *TEST_ROWS)
        lay(release, *(line.partition(",")[0] for line in TEST_ROWS))
        lay(root / nested / "CheXlocalize", "gt_annotations_val.json", "gradcam_maps_val/patient99004.pkl")
        processor, records = read(root)
        assert processor.warnings == []
        assert Counter(record.split for record in records.values()) == {"val": 3, "test": 3}
        # The folder is called val, the identity is that of the main release.
        image = records["valid/patient99004/study1/view1_frontal"]
        assert image.key == "valid/patient99004/study1/view1_frontal.jpg"
        assert path_of(image).endswith("CheXpert/val/patient99004/study1/view1_frontal.jpg")
        assert all((root / path_of(record)).is_file() for record in records.values())

    def test_labels_alone_say_little_of_a_test_image(self, tmp_path: Path) -> None:
        lay(tmp_path, *(line.partition(",")[0] for line in TEST_ROWS))
        write(tmp_path / "test_labels.csv", LABELS_HEADER, *TEST_ROWS)
        records = read(tmp_path)[1]
        frontal = records["test/patient99101/study1/view1_frontal"]
        assert (frontal.split, frontal.view, frontal.sex, frontal.age) == ("test", "PA or AP", None, None)
        assert frontal.native == {"Path": "test/patient99101/study1/view1_frontal.jpg"}
        assert frontal.class_label == [1, 1, 1, -1, -1, -1, -1, 1, -1, 1, -1, -1, 1]
        assert {label.labeller for label in frontal.labels} == {"radiologists"}
        assert records["test/patient99101/study1/view2_lateral"].view == "lateral"

    @pytest.mark.parametrize("table", ["test_labels.csv", "test.csv"])
    def test_dropped_into_the_main_release(self, merged: Path, table: str) -> None:
        lay(merged, *(line.partition(",")[0] for line in TEST_ROWS))
        write(merged / table, LABELS_HEADER, *TEST_ROWS)
        processor, records = read(merged.parent)
        assert processor.warnings == []
        assert Counter(record.split for record in records.values()) == {"train": 8, "val": 3, "test": 3}
        assert records["test/patient99102/study1/view1_frontal"].part == "test"

    def test_the_validation_set_of_both_downloads_is_read_once(self, merged: Path) -> None:
        shutil.copytree(merged / "valid", merged.parent / "chexlocalize" / "CheXpert" / "val")
        shutil.copy(merged / "valid.csv", merged.parent / "chexlocalize" / "CheXpert" / "val_labels.csv")
        processor, records = read(merged.parent)
        assert len(records) == 11
        assert path_of(records["valid/patient99004/study1/view1_frontal"]).startswith("CheXpert-v1.0/valid/")
        assert processor.warnings == [
            "chexlocalize/CheXpert/val: 2 patient folders are not used: the same patients are here in other "
            "folders"
        ]

    def test_study_labels_go_to_every_image_of_the_study(self, tmp_path: Path) -> None:
        lay(tmp_path, *(line.partition(",")[0] for line in TEST_ROWS))
        lay(tmp_path, "test/patient99103/study1/view1_frontal.jpg")
        columns = ["Study", *OBSERVATIONS]
        # The order of the columns differs between the tables of that repository.
        columns[4], columns[5] = columns[5], columns[4]
        write(
            tmp_path / "groundtruth.csv",
            ",".join(columns),
            "CheXpert-v1.0/test/patient99101/study1,0,1,1,0,1,0,0,0,1,0,1,0,0,1",
            "CheXpert-v1.0/test/patient99102/study1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
            "CheXpert-v1.0/test/patient99104/study1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
            "CheXpert-v1.0/test/patient99102/study1,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
            "../../etc/passwd,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
        )
        processor, records = read(tmp_path)
        assert processor.tables == ["groundtruth.csv"]
        for view in ("view1_frontal", "view2_lateral"):
            labels = records[f"test/patient99101/study1/{view}"].labels
            assert Label("Lung Opacity", 1, "radiologists") in labels
            assert Label("Lung Lesion", 0, "radiologists") in labels
        assert records["test/patient99102/study1/view1_frontal"].class_label == [-1] * 13
        assert records["test/patient99103/study1/view1_frontal"].excluded == "not in groundtruth.csv"
        assert {name for name, record in records.items() if record.excluded == "unusable row"} == {
            f"groundtruth.csv row {row}" for row in (4, 5, 6)
        }
        assert processor.warnings == [
            "groundtruth.csv: 1 rows are not used: an earlier row names the same study (row 5)",
            "groundtruth.csv: 1 rows are not used: column 'Study' does not end like "
            "test/patient00001/study1 (row 6)",
            "groundtruth.csv: 1 rows are not used: no image of the study is here (row 4)",
        ]

    def test_image_labels_come_before_study_labels(self, tmp_path: Path) -> None:
        lay(tmp_path, TEST_ROWS[2].partition(",")[0])
        write(tmp_path / "test_labels.csv", LABELS_HEADER, TEST_ROWS[2])
        write(tmp_path / "groundtruth.csv", LABELS_HEADER.replace("Path", "Study"))
        processor, records = read(tmp_path)
        assert processor.tables == ["test_labels.csv"]
        assert len(records["test/patient99102/study1/view1_frontal"].labels) == 14


class TestFurtherLabellers:
    def test_are_kept_apart(self, merged: Path) -> None:
        bert, visual = row(f"{FIRST}.jpg", Edema="1.0"), row(f"{FIRST}.jpg", Edema="0.0", Fracture="1.0")
        write(merged.parent / "chexpertchestxrays-u20210408" / "train_cheXbert.csv", ROW_HEADER, bert)
        write(merged / "train_VisualCheXbert.csv", ROW_HEADER, visual)
        processor, records = read(merged.parent)
        record = records[FIRST]
        assert Counter(label.labeller for label in record.labels) == {
            "CheXpert": 6,
            "CheXbert": 1,
            "visualCheXbert": 2,
        }
        assert Label("Edema", -1, "CheXpert") in record.labels
        assert Label("Edema", 1, "CheXbert") in record.labels
        assert Label("Edema", 0, "visualCheXbert") in record.labels
        # MaCheX's vector stays that of train.csv.
        assert record.class_label == [0, 1, 1, 0, 0, 0, 0, 0, -1, 1, 0, 0, 1]
        assert processor.tables == [
            "CheXpert-v1.0/train.csv",
            "chexpertchestxrays-u20210408/train_cheXbert.csv",
            "CheXpert-v1.0/train_VisualCheXbert.csv",
            "CheXpert-v1.0/valid.csv",
        ]
        assert processor.warnings == []

    def test_an_image_that_only_they_name_is_in(self, merged: Path) -> None:
        lay(merged, "train/patient99009/study1/view1_frontal.jpg")
        path = "train/patient99009/study1/view1_frontal"
        write(merged / "train_cheXbert.csv", ROW_HEADER, row(f"{FIRST}.jpg"), row(f"{path}.jpg", Edema="1.0"))
        write(merged / "train_visualCheXbert.csv", ROW_HEADER, row(f"{path}.jpg", Edema="0.0"))
        record = read(merged)[1][path]
        assert record.labels == [Label("Edema", 1, "CheXbert"), Label("Edema", 0, "visualCheXbert")]
        assert (record.class_label, record.view, record.excluded) == (None, "AP", None)

    def test_serve_without_the_main_table(self, tmp_path: Path) -> None:
        lay(tmp_path, f"{FIRST}.jpg")
        write(tmp_path / "train_visualCheXbert.csv", ROW_HEADER, row(f"{FIRST}.jpg", Edema="1.0"))
        record = read(tmp_path)[1][FIRST]
        assert record.labels == [Label("Edema", 1, "visualCheXbert")]
        assert record.class_label is None


class TestFilesAndRows:
    def test_without_tables_the_tree_is_walked(self, merged: Path) -> None:
        for name in ("train.csv", "valid.csv"):
            (merged / name).unlink()
        processor, records = read(merged)
        assert processor.warnings == [
            "train.csv, train_cheXbert.csv, train_visualCheXbert.csv, valid.csv not found: the images of "
            "train and valid are written without labels, sex and age"
        ]
        assert len(records) == 11
        assert {record.excluded for record in records.values()} == {None}
        assert records["train/patient99002/study4/view1_lateral"].view == "lateral"
        assert records[FIRST].view == "PA or AP"
        assert records["valid/patient99004/study1/view1_frontal"].split == "val"
        assert (records[FIRST].labels, records[FIRST].class_label) == ([], None)

    def test_a_patient_that_no_row_names_is_excluded(self, merged: Path) -> None:
        lay(
            merged,
            "train/patient99009/study1/view1_frontal.jpg",
            "valid/patient99009/study1/view1_frontal.jpg",
        )
        _, records = read(merged)
        assert records["train/patient99009/study1/view1_frontal"].excluded == "not in train.csv"
        assert records["valid/patient99009/study1/view1_frontal"].excluded == "not in valid.csv"
        assert len(records) == 13

    def test_a_patient_without_a_folder_has_no_file(self, merged: Path) -> None:
        shutil.rmtree(merged / "train" / "patient99002")
        records = read(merged)[1]
        assert records["train/patient99002/study3/view1_frontal"].file is None
        assert records["train/patient99002/study3/view1_frontal"].part == "train"
        assert records[FIRST].file is not None

    def test_the_same_patient_of_another_split_is_no_help(self, merged: Path) -> None:
        (merged / "train" / "patient99001").rename(merged / "valid" / "patient99001")
        assert read(merged)[1][FIRST].file is None

    def test_of_listed_patients_only_the_first_of_a_split_is_opened(
        self, merged: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed: list[str] = []
        scan = os.scandir

        def watch(folder: Path) -> object:
            listed.append(Path(folder).name)
            return scan(folder)

        monkeypatch.setattr(os, "scandir", watch)
        read(merged)
        assert listed.count("train") == 1
        patients = [name for name in listed if name.startswith("patient")]
        assert patients == ["patient99001", "patient99004"]

    @pytest.mark.parametrize(
        "odd",
        [
            "patient99009/study1/copy of view1.jpg",
            "patient99009/view1_frontal.jpg",
            "patient99009/train/patient99001/study1/view1_frontal.jpg",
            # A second file of one image; names are read in sorted order.
            "patient99009/study1/view1_frontal.png",
        ],
    )
    @pytest.mark.parametrize("count", [1, 2])
    def test_odd_image_files_are_counted_and_not_named(self, merged: Path, odd: str, count: int) -> None:
        lay(merged, "train/patient99009/study1/view1_frontal.jpg", f"train/{odd}")
        if count == 2:
            lay(merged, "train/patient99009/study1/view1.jpg")
        processor, records = read(merged)
        assert len(records) == 12
        assert path_of(records["train/patient99009/study1/view1_frontal"]).endswith("view1_frontal.jpg")
        assert processor.warnings == [
            f"{count} image files of train are not used: expected one file with a name such as "
            "patient00001/study1/view1_frontal.jpg for each image"
        ]

    def test_patient_folders_of_unknown_split_are_said(self, merged: Path) -> None:
        lay(merged.parent, "more/patient99009/study1/view1_frontal.jpg")
        processor, _ = read(merged.parent)
        assert processor.warnings == [
            "more: 1 patient folders are not used: expected them in train, valid, val, test or a batch folder"
        ]


class TestDamage:
    @pytest.mark.parametrize(
        "cell",
        [
            "../../etc/passwd",
            "/etc/passwd",
            "CheXpert-v1.0/train/patient99001/../../../secret/view1_frontal.jpg",
            "train/patient99001/study1/view1_frontal.jpg/..",
            "train/patient99001/study1/view1_oblique.jpg",
            "",
        ],
    )
    def test_a_row_of_another_form_is_accounted_for(self, merged: Path, cell: str) -> None:
        with (merged / "train.csv").open("a") as table:
            table.write(row("x").replace("CheXpert-v1.0/x", cell) + "\n")
        processor, records = read(merged)
        assert len(records) == 12
        unusable = records["train.csv row 10"]
        assert (unusable.excluded, unusable.file) == ("unusable row", None)
        assert processor.warnings == [
            "train.csv: 1 rows are not used: column 'Path' does not end like "
            "train/patient00001/study1/view1_frontal.jpg (row 10)"
        ]

    def test_so_are_those_of_further_labellers(self, merged: Path) -> None:
        write(merged / "train_cheXbert.csv", ROW_HEADER, row("x"), *[row(f"{FIRST}.jpg", Edema="1.0")] * 2)
        processor = CheXpert(merged)
        found = Counter(record.identity for record in processor.records())
        assert found["train_cheXbert.csv row 2"] == 1
        assert found[FIRST] == 2
        assert sum(found.values()) == 11 + 1 + 1

    def test_what_stands_before_the_tail_never_leads_out(self, merged: Path) -> None:
        text = (merged / "train.csv").read_text()
        write(merged / "train.csv", *text.replace("CheXpert-v1.0/", "../../../elsewhere/").splitlines())
        assert path_of(read(merged)[1][FIRST]) == f"{FIRST}.jpg"

    @pytest.mark.parametrize("edema", ["0.0", "-1.0"])
    def test_a_repeated_row_is_yielded_again(self, merged: Path, edema: str) -> None:
        with (merged / "train.csv").open("a") as table:
            table.write(row(f"{FIRST}.jpg", Edema=edema) + "\n")
        processor = CheXpert(merged)
        records = list(processor.records())
        first, again = (record for record in records if record.identity == FIRST)
        assert Label("Edema", -1, "CheXpert") in first.labels
        assert again.labels == []
        assert len(records) == 12
        assert processor.warnings == []

    def test_a_label_that_is_none_is_said(self, merged: Path) -> None:
        path = merged / "train.csv"
        write(path, *path.read_text().replace(",-1.0,", ",maybe,", 1).splitlines())
        processor, records = read(merged)
        assert "Edema" not in {label.label for label in records[FIRST].labels}
        assert processor.warnings == [
            "train.csv: 1 label cells are not used: expected 1, 0, -1 or a blank, found 'maybe'"
        ]

    def test_equal_rows_share_their_labels(self, merged: Path) -> None:
        records = read(merged)[1]
        frontal, lateral = records[FIRST], records["train/patient99001/study1/view2_lateral"]
        assert frontal.labels is lateral.labels
        assert frontal.class_label is lateral.class_label

    @pytest.mark.parametrize("column", ["Path", "AP/PA", "Age", "Lung Opacity"])
    def test_a_missing_column_is_named(self, merged: Path, column: str) -> None:
        text = (merged / "train.csv").read_text()
        write(merged / "train.csv", *text.replace(column, "Something", 1).splitlines())
        with pytest.raises(SourceError, match=rf"train\.csv.*expected column '{column}'"):
            read(merged)

    @pytest.mark.parametrize("change", ["crlf", "bom", "gz", "upper case"])
    def test_a_resaved_table_reads_the_same(self, merged: Path, miniature: Path, change: str) -> None:
        path = merged / "train.csv"
        lines = path.read_text().splitlines()
        path.unlink()
        if change == "crlf":
            write(path, *lines, newline="\r\n")
        elif change == "bom":
            write(path, *lines, encoding="utf-8-sig")
        elif change == "gz":
            path.with_name("train.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        else:
            write(path.with_name("Train.CSV"), *lines)
        assert_same_images(merged, miniature)

    def test_a_capital_suffix_is_kept(self, tmp_path: Path) -> None:
        lay(tmp_path, f"{FIRST}.JPG")
        write(tmp_path / "train.csv", ROW_HEADER, row(f"{FIRST}.JPG"))
        assert path_of(read(tmp_path)[1][FIRST]) == f"{FIRST}.JPG"

    @pytest.mark.parametrize("content", ["empty", "another dataset"])
    def test_another_folder_is_refused(self, tmp_path: Path, content: str) -> None:
        if content == "another dataset":
            lay(tmp_path, "train/0123abcd.dicom", "annotations/annotations_train.csv", "Jane Doe.txt")
        found = (
            ("0 folders", "0 files;") if content == "empty" else ("2 folders", r"1 files \(endings .txt\);")
        )
        expected = " and ".join(found)
        with pytest.raises(
            SourceError, match=rf"expected folders such as train/patient00001.*found {expected}"
        ):
            CheXpert(tmp_path)


@pytest.mark.parametrize("layout", [chexray14.LAYOUTS[0], vindrcxr.LAYOUTS[0]])
def test_the_miniature_of_another_dataset_is_refused(tmp_path: Path, layout: Layout) -> None:
    layout.make(tmp_path / "root")
    with pytest.raises(SourceError, match=r"no image of CheXpert found.*check the path"):
        CheXpert(tmp_path / "root")


def test_known_bad_images_carry_identities_of_the_release() -> None:
    assert len(CheXpert.known_bad) == 10
    for bad in CheXpert.known_bad:
        assert bad.state == "suspicious"
        assert [part.rstrip("0123456789") for part in bad.identity.split("/")[:3]] == [
            "train",
            "patient",
            "study",
        ]
