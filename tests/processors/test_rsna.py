"""RSNA Pneumonia in every layout and table form in which it is published or kept."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from composer.demo.rsna import LAYOUTS
from processors.base import UNUSABLE, Box, Label, Record, SourceError
from processors.rsna import RSNAPneumonia
from tests.processors.releases import Made, lay, path_of, read_release, same_images, write

pytestmark = pytest.mark.filterwarnings("error")

LINKED, KAGGLE, PACKED, JPG, TREE, STAGE_1 = range(6)
NOT_NORMAL, TWO_BOXES, NORMAL, ONE_BOX, THREE_BOXES, OLD = (
    f"feedc0de-0000-4000-8000-{number:012d}" for number in (9001, 9002, 9003, 9004, 9005, 9006)
)
TEST, TEST_BOX = (f"feedc0de-0000-4000-8000-{number:012d}" for number in (9009, 9010))
NEW = "feedc0de-0000-4000-8000-00000000ab01"
WITHOUT_CONSENSUS = "1.2.276.0.7230010.3.1.4.8323329.9900.1517800000.999011"
TARGETS, CLASSES = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
SUBMISSION, HEADERS = "stage_2_sample_submission.csv", "kaggle_stage_2_train_images_dicom_headers.csv"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
ANNOTATIONS = "pneumonia-challenge-annotations-adjudicated-kaggle_2018.json"
TREE_FOLDER = "mdai_rsna_project_x9N20BZa_images_2018-07-20-153330"
OPACITY = [Label("Lung Opacity", 1, "RSNA")]
NO_OPACITY = Label("Lung Opacity", 0, "RSNA")
SAID = ("view", "split", "labels", "boxes", "box_grid", "excluded")


@pytest.fixture(scope="module")
def miniatures(made: Made) -> list[Path]:
    return [made(RSNAPneumonia, layout) for layout in LAYOUTS]


@pytest.fixture
def copy(miniatures: list[Path], tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that copies a miniature, so that a test may rearrange it."""
    return lambda layout: Path(shutil.copytree(miniatures[layout], tmp_path / "sources" / "rsna"))


@pytest.fixture
def release(copy: Callable[[int], Path]) -> Path:
    return copy(KAGGLE)


@pytest.fixture
def tree(copy: Callable[[int], Path]) -> Path:
    return copy(TREE)


def read(root: Path, **files: Path) -> tuple[RSNAPneumonia, dict[str, Record]]:
    return read_release(RSNAPneumonia, root, **files)


def only_warning(root: Path) -> str:
    (warning,) = read(root)[0].warnings
    return warning


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change what a JSON file holds."""
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def append(path: Path, *rows: str) -> None:
    write(path, *path.read_text("utf-8").splitlines(), *rows)


class TestKaggle:
    def test_the_folder_tells_the_split(self, miniatures: list[Path]) -> None:
        processor, records = read(miniatures[KAGGLE])
        assert processor.warnings == []
        assert (
            processor.layout == "Kaggle, stage 2: DICOM files in stage_2_test_images and stage_2_train_images"
        )
        assert sorted(processor.tables) == [CLASSES, SUBMISSION, TARGETS]
        assert Counter(record.split for record in records.values()) == {"train": 8, "test": 2}
        for identity, record in records.items():
            assert path_of(record) == f"stage_2_{record.split}_images/{identity}.dcm"
            assert (record.key, record.part) == (f"{identity}.dcm", f"stage_2_{record.split}_images")
            assert (record.carrier, record.excluded, record.box_grid) == ("", None, (1024, 1024))
            assert (record.view, record.view_from_header) == ("PA or AP", True)
            assert (record.patient_id, record.study_id, record.sex, record.age) == (None, None, None, None)
            assert record.native == {}

    def test_labels(self, miniatures: list[Path]) -> None:
        records = read(miniatures[KAGGLE])[1]
        assert records[TWO_BOXES].labels == OPACITY
        assert records[NORMAL].labels == [NO_OPACITY, Label("Normal", 1, "RSNA")]
        assert records[NOT_NORMAL].labels == [NO_OPACITY, Label("No Lung Opacity / Not Normal", 1, "RSNA")]
        assert (records[TEST].labels, records[TEST].boxes) == ([], [])
        # One list for all that say the same.
        assert records[TWO_BOXES].labels is records[ONE_BOX].labels

    def test_every_row_of_an_image_is_a_box(self, miniatures: list[Path]) -> None:
        records = read(miniatures[KAGGLE])[1]
        assert records[TWO_BOXES].boxes == [
            Box("Lung Opacity", 120, 233, 210, 305, "RSNA"),
            Box("Lung Opacity", 601, 240, 198, 287, "RSNA"),
        ]
        assert len(records[THREE_BOXES].boxes) == 3
        assert records[NORMAL].boxes == []

    def test_the_files_are_like_those_of_the_release(self, miniatures: list[Path]) -> None:
        path = miniatures[KAGGLE] / "stage_2_train_images" / f"{OLD}.dcm"
        header = pydicom.dcmread(path)
        assert header.file_meta.TransferSyntaxUID.name == "JPEG Baseline (Process 1)"
        assert (header.PatientID, header.PatientAge, header.ViewPosition) == (OLD, "151", "PA")
        assert (header.BitsStored, header.PhotometricInterpretation) == (8, "MONOCHROME2")

    @pytest.mark.parametrize(
        ("position", "view"),
        [("PA", "PA"), ("AP", "AP"), (" ap ", "AP"), ("LL", None), ("RLD", None), ("", None), (None, None)],
    )
    def test_a_header_may_say_pa_or_ap_alone(
        self, miniatures: list[Path], position: str | None, view: str | None
    ) -> None:
        assert RSNAPneumonia(miniatures[KAGGLE]).view_in_header(position, "A\\F") == view

    @pytest.mark.parametrize("levels", [0, 1, 2])
    def test_the_root_is_here_or_above(self, release: Path, miniatures: list[Path], levels: int) -> None:
        root = [release, release.parent, release.parent.parent][levels]
        same_images(RSNAPneumonia, root, miniatures[KAGGLE], (*SAID, "part", "key"))

    def test_tables_in_another_case_and_a_folder_of_their_own(
        self, release: Path, miniatures: list[Path]
    ) -> None:
        (release / "tables").mkdir()
        for path in list(release.glob("*.csv")):
            path.rename(release / "tables" / path.name.upper())
        (release / "stage_2_train_images").rename(release / "Stage_2_Train_Images")
        same_images(RSNAPneumonia, release, miniatures[KAGGLE], SAID)

    def test_ids_and_endings_in_another_case(self, release: Path, miniatures: list[Path]) -> None:
        for path in list(release.glob("stage_2_*_images/f*.dcm")):
            path.rename(path.with_name(path.name.upper()))
        found = same_images(RSNAPneumonia, release, miniatures[KAGGLE], SAID)
        assert found[NORMAL].key == f"{NORMAL}.dcm".upper()

    def test_crlf_mark_and_gzip(self, release: Path, miniatures: list[Path]) -> None:
        for path in list(release.glob("*.csv")):
            rows = path.read_text("utf-8").replace("\n", "\r\n")
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(rows.encode("utf-8-sig")))
            path.unlink()
        same_images(RSNAPneumonia, release, miniatures[KAGGLE], SAID)

    def test_each_split_in_a_folder_of_its_own(self, release: Path, miniatures: list[Path]) -> None:
        for split in ("train", "test"):
            (release / split).mkdir()
            folder = release / f"stage_2_{split}_images"
            folder.rename(release / split / folder.name)
        (release / TARGETS).rename(release / "train" / TARGETS)
        same_images(RSNAPneumonia, release, miniatures[KAGGLE], (*SAID, "part", "key"))

    def test_a_second_copy_is_told_of(self, release: Path) -> None:
        shutil.copytree(release, release.parent / "second")
        (release / "stage_2_train_images" / f"{NORMAL}.dcm").unlink()
        processor, records = read(release.parent)
        assert records[NORMAL].file is None
        assert processor.layout.endswith("rsna/stage_2_test_images and rsna/stage_2_train_images")
        assert processor.warnings == [
            "second/stage_2_test_images, second/stage_2_train_images are not used: "
            "rsna/stage_2_test_images and rsna/stage_2_train_images are here"
        ]

    def test_an_archive_unpacked_into_a_folder_of_its_name(
        self, release: Path, miniatures: list[Path]
    ) -> None:
        folder = release / "stage_2_train_images"
        folder.rename(release / "unpacked")
        folder.mkdir()
        (release / "unpacked").rename(folder / folder.name)
        found = same_images(RSNAPneumonia, release, miniatures[KAGGLE], (*SAID, "part"))
        assert path_of(found[NORMAL]) == f"stage_2_train_images/stage_2_train_images/{NORMAL}.dcm"


class TestPacked:
    def test_images_are_read_where_they_lie(self, miniatures: list[Path]) -> None:
        found = same_images(RSNAPneumonia, miniatures[PACKED], miniatures[KAGGLE], (*SAID, "part", "key"))
        assert {path_of(record) for record in found.values()} == {
            "stage_2_train_images.zip",
            "stage_2_test_images.zip",
        }
        assert len({record.file for record in found.values()}) == 10
        assert all(record.file and record.file.zipped for record in found.values())

    def test_members_in_a_folder(self, release: Path, miniatures: list[Path]) -> None:
        folder = release / "stage_2_train_images"
        with zipfile.ZipFile(release / "stage_2_train_images.zip", "w") as archive:
            for path in folder.iterdir():
                archive.write(path, f"{folder.name}/{path.name}")
        shutil.rmtree(folder)
        same_images(RSNAPneumonia, release, miniatures[KAGGLE], SAID)

    def test_what_is_unpacked_comes_first(self, release: Path, miniatures: list[Path]) -> None:
        shutil.copy(miniatures[PACKED] / "stage_2_train_images.zip", release)
        found = same_images(RSNAPneumonia, release, miniatures[KAGGLE], SAID)
        assert path_of(found[NORMAL]) == f"stage_2_train_images/{NORMAL}.dcm"

    def test_a_cut_archive_stops_the_run(self, copy: Callable[[int], Path]) -> None:
        archive = copy(PACKED) / "stage_2_train_images.zip"
        archive.write_bytes(archive.read_bytes()[:-300])
        with pytest.raises(SourceError, match=r"stage_2_train_images\.zip: not readable as a zip file"):
            read(archive.parent)

    def test_other_archives_are_to_be_unpacked(self, tmp_path: Path) -> None:
        lay(tmp_path, "rsna-pneumonia-detection-challenge.zip")
        with pytest.raises(
            SourceError, match=r"expected stage_2_train_images/.*unpack the archives first, 1"
        ):
            RSNAPneumonia(tmp_path)


class TestJpg:
    def test_the_same_images_in_another_carrier(self, miniatures: list[Path]) -> None:
        parts = ("split", "labels", "boxes", "box_grid", "excluded")
        found = same_images(RSNAPneumonia, miniatures[JPG], miniatures[KAGGLE], parts)
        assert {record.carrier for record in found.values()} == {"jpg"}
        assert not any(record.view_from_header for record in found.values())
        assert found[NORMAL].key == f"{NORMAL}.jpg"
        assert found[TEST].part == "stage_2_test_images_jpg"
        assert path_of(found[TEST]) == f"kaggle-pneumonia-jpg/stage_2_test_images_jpg/{TEST}.jpg"

    def test_the_table_of_headers_tells_view_sex_and_age(self, miniatures: list[Path]) -> None:
        records = read(miniatures[JPG])[1]
        record = records[TWO_BOXES]
        assert (record.view, record.sex, record.age) == ("AP", "F", 52)
        assert record.native == {"ViewPosition": "AP", "PatientAge": "52"}
        assert (records[OLD].age, records[OLD].native["PatientAge"]) == (None, "151")
        assert (records[TEST].view, records[TEST].sex, records[TEST].age) == ("PA or AP", None, None)

    def test_the_table_of_headers_serves_dicom_too(self, release: Path, miniatures: list[Path]) -> None:
        shutil.copy(miniatures[JPG] / "kaggle-pneumonia-jpg" / f"{HEADERS}.gz", release)
        records = read(release)[1]
        assert (records[ONE_BOX].view, records[ONE_BOX].view_from_header) == ("AP", False)
        assert (records[TEST].view, records[TEST].view_from_header) == ("PA or AP", True)

    def test_odd_cells_of_the_table_of_headers(self, release: Path) -> None:
        write(
            release / HEADERS,
            ",PatientAge,PatientID,PatientSex,ViewPosition",
            f"0,x,{NORMAL},O,LL",
            f"1,40,{NORMAL},M,PA",
            "2,40,?,M,PA",
        )
        processor, records = read(release)
        record = records[NORMAL]
        assert (record.view, record.view_from_header, record.sex, record.age) == (
            "PA or AP",
            True,
            None,
            None,
        )
        assert record.native == {"ViewPosition": "LL", "PatientAge": "x"}
        assert records[f"{HEADERS} row 4"].excluded == UNUSABLE
        assert processor.warnings == [
            f"{HEADERS}: 1 rows are not used: column 'PatientID': expected an id as in the files' names "
            "(row 4)",
            f"{HEADERS}: 1 rows tell no view: expected PA or AP in 'ViewPosition'",
        ]

    def test_dicom_comes_first(self, release: Path, miniatures: list[Path]) -> None:
        for path in (miniatures[JPG] / "kaggle-pneumonia-jpg").iterdir():
            if path.is_dir():
                shutil.copytree(path, release / path.name)
        processor, records = read(release)
        assert {record.carrier for record in records.values()} == {""}
        assert processor.warnings == [
            "stage_2_test_images_jpg, stage_2_train_images_jpg are not used: "
            "stage_2_test_images and stage_2_train_images are here"
        ]

    def test_both_in_one_folder(self, release: Path) -> None:
        lay(release, f"stage_2_train_images/{NORMAL}.jpg", f"stage_2_train_images/{NEW}.JPEG")
        append(release / TARGETS, f"{NEW},,,,,0")
        append(release / CLASSES, f"{NEW},Normal")
        processor, records = read(release)
        assert path_of(records[NORMAL]).endswith(".dcm")
        assert (records[NEW].carrier, records[NEW].key) == ("jpg", f"{NEW}.JPEG")
        assert processor.warnings == [
            "stage_2_train_images: 1 files are not used: the same images are here in another format"
        ]


class TestTree:
    def test_the_same_images_by_way_of_the_mapping(self, miniatures: list[Path]) -> None:
        processor, records = read(miniatures[TREE])
        expected = read(miniatures[KAGGLE])[1]
        assert processor.warnings == []
        assert processor.layout == "RSNA: DICOM files in a tree of UIDs"
        assert sorted(processor.tables) == [ANNOTATIONS, MAPPING]
        assert records.keys() - expected.keys() == {WITHOUT_CONSENSUS}
        for identity, record in expected.items():
            parts = ["view", "view_from_header", "split", "carrier", "excluded", "box_grid"]
            if record.split == "train":
                parts += ["labels", "boxes"]
            for part in parts:
                assert getattr(records[identity], part) == getattr(record, part), (identity, part)

    def test_the_consensus_of_the_test_images(self, miniatures: list[Path]) -> None:
        records = read(miniatures[TREE])[1]
        assert records[TEST].labels == [NO_OPACITY, Label("Normal", 1, "RSNA")]
        assert records[TEST_BOX].labels == OPACITY
        assert records[TEST_BOX].boxes == [Box("Lung Opacity", 580, 260, 240, 380, "RSNA")]

    def test_patient_study_and_twin_in_nih(self, miniatures: list[Path]) -> None:
        record = read(miniatures[TREE])[1][TWO_BOXES]
        uid = "1.2.276.0.7230010.3.1.{}.8323329.9900.1517800000.999002"
        assert (record.patient_id, record.study_id) == ("99901", uid.format(2))
        assert record.twin == "00099901_001"
        assert record.key == f"{uid.format(4)}.dcm"
        assert path_of(record) == f"{TREE_FOLDER}/{uid.format(2)}/{uid.format(3)}/{uid.format(4)}.dcm"
        assert record.native == {
            "img_id": "00099901_001.png",
            "subset_group": "train",
            "orig_labels": "Infiltration|Mass",
        }

    def test_without_a_consensus(self, miniatures: list[Path]) -> None:
        record = read(miniatures[TREE])[1][WITHOUT_CONSENSUS]
        assert (record.excluded, record.labels) == (f"no consensus in {ANNOTATIONS}", [])
        assert (record.patient_id, record.twin) == ("99903", "00099903_000")

    def test_without_the_mapping(self, tree: Path) -> None:
        (tree / MAPPING).unlink()
        processor, records = read(tree)
        uid = "1.2.276.0.7230010.3.1.{}.8323329.9900.1517800000.999002"
        record = records[uid.format(4)]
        assert (record.patient_id, record.study_id, record.split) == (None, uid.format(2), None)
        assert (record.labels, len(record.boxes)) == (OPACITY, 2)
        assert len(records) == 11
        assert processor.warnings == [
            "the official split of 10 images is not told: put stage_2_train_labels.csv and "
            f"{MAPPING} beside the images, or name the latter as RSNA_MAPPING"
        ]

    def test_the_tables_of_kaggle_tell_the_split(self, tree: Path, miniatures: list[Path]) -> None:
        edit(tree / MAPPING, lambda entries: [entry.update(subset_group="pneumonia") for entry in entries])
        shutil.copy(miniatures[KAGGLE] / TARGETS, tree)
        processor, records = read(tree)
        assert processor.warnings == []
        assert Counter(record.split for record in records.values()) == {"train": 8, "test": 2, None: 1}
        assert records[TEST_BOX].split == "test"

    def test_the_tables_of_kaggle_tell_nothing_without_the_mapping(
        self, tree: Path, miniatures: list[Path]
    ) -> None:
        (tree / MAPPING).unlink()
        shutil.copy(miniatures[KAGGLE] / TARGETS, tree)
        processor, records = read(tree)
        assert len(records) == 11
        assert processor.warnings[0] == (
            f"{TARGETS} are not used: their ids are not those of the files; put {MAPPING}, which links them, "
            "beside the images, or name it as RSNA_MAPPING"
        )

    def test_the_tables_of_kaggle_in_place_of_the_annotations(
        self, tree: Path, miniatures: list[Path]
    ) -> None:
        (tree / ANNOTATIONS).unlink()
        for table in (TARGETS, CLASSES):
            shutil.copy(miniatures[KAGGLE] / table, tree)
        processor, records = read(tree)
        assert processor.warnings == [
            "the official split of 1 images is not told: put stage_2_train_labels.csv and "
            f"{MAPPING} beside the images, or name the latter as RSNA_MAPPING"
        ]
        assert (records[TWO_BOXES].labels, len(records[TWO_BOXES].boxes)) == (OPACITY, 2)
        assert (records[TEST].labels, records[TEST].excluded) == ([], None)

    def test_without_any_table(self, tree: Path) -> None:
        (tree / MAPPING).unlink()
        (tree / ANNOTATIONS).unlink()
        processor, records = read(tree)
        assert len(records) == 11
        assert {record.excluded for record in records.values()} == {None}
        assert processor.warnings == [
            f"{ANNOTATIONS} not found: images are written without labels and boxes",
            "the official split of 11 images is not told: put stage_2_train_labels.csv and "
            f"{MAPPING} beside the images, or name the latter as RSNA_MAPPING",
        ]

    def test_a_tree_of_another_dataset_is_refused(self, tree: Path) -> None:
        (tree / MAPPING).unlink()
        (tree / ANNOTATIONS).unlink()
        (tree / TREE_FOLDER).rename(tree / "dicom-images-train")
        write(tree / "train-rle.csv", "ImageId,EncodedPixels", "1.2.3,-1")
        with pytest.raises(SourceError, match=f"as other datasets have them too.*put {ANNOTATIONS} and"):
            RSNAPneumonia(tree)

    @pytest.mark.parametrize("form", ["in the root", "higher", "gzip", "zip"])
    def test_other_places(self, tree: Path, miniatures: list[Path], form: str) -> None:
        root = tree
        if form == "in the root":
            for path in (tree / TREE_FOLDER).iterdir():
                path.rename(tree / path.name)
        elif form == "higher":
            root = tree.parent
        for path in (tree / MAPPING, tree / ANNOTATIONS):
            if form == "gzip":
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
                path.unlink()
            elif form == "zip":
                with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w") as archive:
                    archive.write(path, path.name)
                path.unlink()
        parts = [*SAID, "key", "patient_id", "study_id", "native", "part"]
        if form in ("gzip", "zip"):
            # The reason gives the name of the file.
            parts.remove("excluded")
        same_images(RSNAPneumonia, root, miniatures[TREE], parts)

    def test_files_that_are_absent(self, tree: Path, miniatures: list[Path]) -> None:
        files = sorted(tree.rglob("*.dcm"))
        for path in files[:5]:
            path.unlink()
        records = read(tree)[1]
        expected = read(miniatures[TREE])[1]
        absent = [record for record in records.values() if record.file is None]
        assert records.keys() == expected.keys()
        assert sorted(record.key for record in absent) == [path.name for path in files[:5]]
        for record in absent:
            assert record.part == expected[record.identity].part == "the DICOM files of RSNA"
            assert record.labels == expected[record.identity].labels

    def test_a_second_tree_is_told_of(self, tree: Path) -> None:
        shutil.copytree(tree / TREE_FOLDER, tree / "pneumonia-challenge-dataset-adjudicated")
        processor, records = read(tree)
        assert all(path_of(record).startswith(TREE_FOLDER) for record in records.values())
        assert processor.warnings == [f"1 more trees of UIDs are not used: {TREE_FOLDER} is here"]

    def test_files_that_are_elsewhere(self, tree: Path) -> None:
        lay(tree, f"{TREE_FOLDER}/1.2.3/1.2.4.dcm", f"{TREE_FOLDER}/1.2.3/x/1.2.5.dcm")
        assert "2 image files are not used: expected <StudyInstanceUID>/" in only_warning(tree)

    def test_a_file_that_nothing_names(self, tree: Path) -> None:
        lay(tree, f"{TREE_FOLDER}/1.2.3/1.2.4/1.2.5.dcm")
        record = read(tree)[1]["1.2.5"]
        assert (record.excluded, record.study_id) == (f"no consensus in {ANNOTATIONS}", "1.2.3")

    @pytest.mark.parametrize("table", [MAPPING, ANNOTATIONS])
    def test_json_that_is_cut_stops_the_run(self, tree: Path, table: str) -> None:
        path = tree / table
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(SourceError, match=f"{table}: not readable as JSON .*; download it again"):
            read(tree)

    def test_json_without_end_stops_the_run(self, tree: Path) -> None:
        (tree / MAPPING).write_text("[" * 100_000)
        with pytest.raises(SourceError, match="not readable as JSON"):
            read(tree)

    def test_halves_of_characters_can_be_written(self, tree: Path) -> None:
        edit(tree / MAPPING, lambda entries: entries[0].update(orig_labels="Mass\ud800"))
        assert read(tree)[1][NOT_NORMAL].native["orig_labels"].encode() == b"Mass?"

    @pytest.mark.parametrize(("table", "form"), [(MAPPING, "list"), (ANNOTATIONS, "dict")])
    def test_json_of_another_kind_stops_the_run(self, tree: Path, table: str, form: str) -> None:
        (tree / table).write_text('"text"')
        with pytest.raises(SourceError, match=f"{table}: expected a JSON {form}, found a str"):
            read(tree)

    def test_odd_entries_of_the_mapping(self, tree: Path) -> None:
        odd = [{"SOPInstanceUID": "../../evil", "subset_img_id": NEW}, {"img_id": "x"}, "text", None]
        edit(tree / MAPPING, lambda entries: entries.extend(odd))
        processor, records = read(tree)
        assert len(records) == 11
        assert processor.warnings == [f"{MAPPING}: 4 entries are not used: expected a UID in SOPInstanceUID"]

    def test_an_image_that_nih_does_not_name(self, tree: Path) -> None:
        edit(tree / MAPPING, lambda entries: entries[0].update(img_id=None, orig_labels="Mass"))
        record = read(tree)[1][NOT_NORMAL]
        assert record.patient_id is None
        assert record.native == {"subset_group": "train", "orig_labels": "Mass"}

    def test_odd_annotations(self, tree: Path) -> None:
        def change(project: Any) -> None:  # noqa: ANN401 -- JSON
            annotations = project["datasets"][0]["annotations"]
            for data in (None, {"x": 1, "y": 2, "width": 0, "height": 3}, {"x": float("nan")}, "text"):
                annotations.append({**annotations[1], "data": data})
            annotations.append({"labelId": "L_v8n", "data": None})
            annotations.append({"labelId": "L_v8n", "SOPInstanceUID": "../evil"})
            # The same box twice.
            annotations.append(annotations[1])

        edit(tree / ANNOTATIONS, change)
        processor, records = read(tree)
        assert len(records) == 11
        assert len(records[TWO_BOXES].boxes) == 2
        assert processor.warnings == [
            f"{ANNOTATIONS}: 2 annotations are not used: they name no image",
            f"{ANNOTATIONS}: 4 boxes are not used: expected four numbers, width and height above 0, where "
            "there is an opacity",
        ]

    def test_annotations_without_the_consensus(self, tree: Path) -> None:
        path = tree / "pneumonia-challenge-annotations-original_2018.json"
        (tree / ANNOTATIONS).rename(path)
        edit(path, lambda project: project["labelGroups"].pop())
        processor, records = read(tree)
        assert {record.excluded for record in records.values()} == {None}
        assert processor.warnings[:2] == [
            f"{path.name} is not used: it has no group of labels named Calculated; put {ANNOTATIONS} beside "
            "the images",
            f"{ANNOTATIONS} not found: images are written without labels and boxes",
        ]


class TestOfRSNABesideKaggle:
    def test_the_mapping_tells_patients(self, release: Path, miniatures: list[Path]) -> None:
        shutil.copy(miniatures[TREE] / MAPPING, release)
        processor, records = read(release)
        expected = read(miniatures[TREE])[1]
        assert processor.warnings == []
        # What Kaggle does not have is not missing.
        assert len(records) == 10
        for identity, record in records.items():
            for part in ("patient_id", "study_id", "native", "identity"):
                assert getattr(record, part) == getattr(expected[identity], part)

    def test_the_consensus_tells_what_kaggle_does_not(self, release: Path, miniatures: list[Path]) -> None:
        for table in (MAPPING, ANNOTATIONS):
            shutil.copy(miniatures[TREE] / table, release)
        edit(release / MAPPING, lambda entries: entries.pop())
        edit(
            release / ANNOTATIONS,
            lambda project: [
                annotation["data"].update(x=1.25)
                for annotation in project["datasets"][0]["annotations"]
                if annotation["data"]
            ],
        )
        processor, records = read(release)
        assert processor.warnings == []
        assert (records[TEST_BOX].labels, records[TEST_BOX].boxes[0].x) == (OPACITY, 1.25)
        assert records[ONE_BOX].boxes[0].x == 140

    @pytest.mark.parametrize("table", [TARGETS, CLASSES])
    def test_the_consensus_stands_in_for_a_table(
        self, release: Path, miniatures: list[Path], table: str
    ) -> None:
        for name in (MAPPING, ANNOTATIONS):
            shutil.copy(miniatures[TREE] / name, release)
        (release / table).unlink()
        processor, records = read(release)
        assert processor.warnings == []
        assert records[NORMAL].labels == [NO_OPACITY, Label("Normal", 1, "RSNA")]
        assert len(records[TWO_BOXES].boxes) == 2

    def test_the_consensus_is_not_linked_without_the_mapping(
        self, release: Path, miniatures: list[Path]
    ) -> None:
        shutil.copy(miniatures[TREE] / ANNOTATIONS, release)
        processor, records = read(release)
        assert len(records) == 10
        assert records[TEST].labels == []
        assert processor.warnings[0].startswith(f"{ANNOTATIONS} are not used: their ids are not those")

    def test_annotations_of_images_that_the_mapping_lacks(
        self, release: Path, miniatures: list[Path]
    ) -> None:
        for table in (MAPPING, ANNOTATIONS):
            shutil.copy(miniatures[TREE] / table, release)
        edit(release / MAPPING, lambda entries: entries.pop(0))
        processor, records = read(release)
        assert len(records) == 10
        assert processor.warnings == [f"{ANNOTATIONS}: 1 annotations are not used: they name no image"]


class TestMappingElsewhere:
    """The key RSNA_MAPPING: the copies of Kaggle and Academic Torrents do not have the file."""

    @pytest.fixture
    def mapping(self, miniatures: list[Path], tmp_path: Path) -> Path:
        return Path(shutil.copy(miniatures[TREE] / MAPPING, tmp_path / "links.json"))

    @pytest.mark.parametrize("layout", [KAGGLE, PACKED, JPG, STAGE_1])
    def test_it_links_every_copy(self, miniatures: list[Path], mapping: Path, layout: int) -> None:
        processor, records = read(miniatures[layout], RSNA_MAPPING=mapping)
        expected = read(miniatures[LINKED])[1]
        assert records.keys() == expected.keys()
        for identity, record in records.items():
            assert record.twin
            assert (record.twin, record.patient_id) == (
                expected[identity].twin,
                expected[identity].patient_id,
            )
        assert processor.tables[-1] == str(mapping)
        assert processor.warnings == []

    def test_without_it_there_is_no_twin(self, miniatures: list[Path]) -> None:
        assert {record.twin for record in read(miniatures[KAGGLE])[1].values()} == {None}

    def test_it_links_the_tables_of_kaggle_to_the_tree(
        self, tree: Path, miniatures: list[Path], mapping: Path
    ) -> None:
        (tree / MAPPING).unlink()
        (tree / ANNOTATIONS).unlink()
        shutil.copy(miniatures[KAGGLE] / TARGETS, tree)
        records = read(tree, RSNA_MAPPING=mapping)[1]
        assert (records[TWO_BOXES].split, len(records[TWO_BOXES].boxes)) == ("train", 2)

    def test_it_links_the_consensus_to_kaggle(
        self, release: Path, miniatures: list[Path], mapping: Path
    ) -> None:
        shutil.copy(miniatures[TREE] / ANNOTATIONS, release)
        processor, records = read(release, RSNA_MAPPING=mapping)
        assert records[TEST_BOX].labels == OPACITY
        assert processor.warnings == []

    def test_it_comes_before_the_one_beside_the_images(self, miniatures: list[Path], mapping: Path) -> None:
        edit(mapping, lambda entries: entries[0].update(img_id="00012345_006.png"))
        processor, records = read(miniatures[LINKED], RSNA_MAPPING=mapping)
        assert (records[NOT_NORMAL].twin, records[NOT_NORMAL].patient_id) == ("00012345_006", "12345")
        assert MAPPING not in processor.tables

    def test_it_tells_whose_a_bare_tree_is(self, tree: Path, mapping: Path) -> None:
        for path in (tree / MAPPING, tree / ANNOTATIONS):
            path.unlink()
        (tree / TREE_FOLDER).rename(tree / "images")
        records = read(tree, RSNA_MAPPING=mapping)[1]
        assert len(records) == 11
        assert records[TWO_BOXES].twin == "00099901_001"
        edit(mapping, lambda entries: [entry.update(SOPInstanceUID="1.2.3") for entry in entries])
        with pytest.raises(
            SourceError, match=r"none of 11 images is named in .*links\.json; check both paths"
        ):
            read(tree, RSNA_MAPPING=mapping)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("img_id,subset_img_id\n", r"not readable as JSON \(JSONDecodeError\); download it again"),
            ("{}", "expected a JSON list, found a dict; is this the file of another dataset"),
            ('[{"image": "1.png"}]', "expected objects with SOPInstanceUID and img_id, found none"),
            ("[]", "expected objects with SOPInstanceUID and img_id, found none"),
        ],
    )
    def test_a_wrong_file_is_named_with_its_key(
        self, miniatures: list[Path], mapping: Path, text: str, message: str
    ) -> None:
        mapping.write_text(text)
        with pytest.raises(SourceError, match=f"^RSNA_MAPPING: {mapping}: {message}"):
            read(miniatures[KAGGLE], RSNA_MAPPING=mapping)

    @pytest.mark.parametrize(
        "name", ["00012345_006", "00012345_006.png", "images/00012345_006.PNG", "C:\\x\\00012345_006.png"]
    )
    def test_names_of_nih_in_any_spelling(self, miniatures: list[Path], mapping: Path, name: str) -> None:
        edit(mapping, lambda entries: entries[0].update(img_id=name))
        processor, records = read(miniatures[KAGGLE], RSNA_MAPPING=mapping)
        assert (records[NOT_NORMAL].twin, records[NOT_NORMAL].patient_id) == ("00012345_006", "12345")
        assert processor.warnings == []

    @pytest.mark.parametrize("name", [None, "", "00012345.png", "12345_006.png", "00012345_006.jpg", 7])
    def test_names_of_nobody_are_counted(
        self, miniatures: list[Path], mapping: Path, name: str | int | None
    ) -> None:
        edit(mapping, lambda entries: entries[0].update(img_id=name))
        processor, records = read(miniatures[KAGGLE], RSNA_MAPPING=mapping)
        assert (records[NOT_NORMAL].twin, records[NOT_NORMAL].patient_id) == (None, None)
        assert processor.warnings == [
            "links.json: 1 entries name no image of NIH ChestX-ray14: expected a name such as "
            "00009999_001.png in img_id"
        ]


class TestStage1:
    def test_the_same_under_other_names(self, miniatures: list[Path]) -> None:
        found = same_images(RSNAPneumonia, miniatures[STAGE_1], miniatures[KAGGLE], (*SAID, "key"))
        assert found[NORMAL].part == "stage_1_train_images"

    def test_empty_folders_tell_no_stage(self, tree: Path, miniatures: list[Path]) -> None:
        edit(tree / MAPPING, lambda entries: [entry.update(subset_group="") for entry in entries])
        (tree / "stage_1_train_images").mkdir()
        shutil.copy(miniatures[KAGGLE] / TARGETS, tree)
        assert read(tree)[1][TEST].split == "test"

    def test_stage_2_comes_first(self, release: Path, miniatures: list[Path]) -> None:
        shutil.copytree(miniatures[STAGE_1], release, dirs_exist_ok=True)
        processor, records = read(release)
        assert path_of(records[NORMAL]) == f"stage_2_train_images/{NORMAL}.dcm"
        assert sorted(processor.tables) == [CLASSES, SUBMISSION, TARGETS]
        assert processor.warnings == [
            "stage_1_test_images, stage_1_train_images are not used: "
            "stage_2_test_images and stage_2_train_images are here"
        ]


class TestAbsent:
    def test_half_the_files(self, release: Path) -> None:
        for path in sorted(release.glob("stage_2_*_images/f*.dcm"))[::2]:
            path.unlink()
        processor, records = read(release)
        absent = [record for record in records.values() if record.file is None]
        assert processor.warnings == []
        assert len(records) == 10
        assert len(absent) == 5
        for record in absent:
            assert record.key == f"{record.identity}.dcm"
            assert record.part == f"stage_2_{record.split}_images"

    @pytest.mark.parametrize("split", ["train", "test"])
    @pytest.mark.parametrize(("layout", "folder"), [(KAGGLE, ""), (JPG, "kaggle-pneumonia-jpg")])
    def test_a_whole_split(self, copy: Callable[[int], Path], layout: int, folder: str, split: str) -> None:
        root = copy(layout)
        name = f"stage_2_{split}_images{'_jpg' if layout == JPG else ''}"
        shutil.rmtree(root / folder / name)
        records = read(root)[1]
        absent = [record for record in records.values() if record.file is None]
        # The torrent has no example of a submission, which names the test images.
        assert len(absent) == {"train": 8, "test": 0 if layout == JPG else 2}[split]
        assert {(record.part, record.split) for record in absent} <= {(name, split)}
        assert {record.key.rpartition(".")[2] for record in absent} <= {"jpg" if layout == JPG else "dcm"}

    def test_the_boxes(self, release: Path) -> None:
        (release / TARGETS).unlink()
        processor, records = read(release)
        assert processor.warnings == [f"{TARGETS} not found: images are written without boxes"]
        assert records[NORMAL].labels == [NO_OPACITY, Label("Normal", 1, "RSNA")]
        assert (records[TWO_BOXES].labels, records[TWO_BOXES].boxes) == (OPACITY, [])

    def test_the_classes(self, release: Path) -> None:
        (release / CLASSES).unlink()
        processor, records = read(release)
        assert processor.warnings == [
            f"{CLASSES} not found: images are written with Lung Opacity as their only label"
        ]
        assert records[NORMAL].labels == [NO_OPACITY]
        assert len(records[TWO_BOXES].boxes) == 2

    def test_all_tables(self, release: Path) -> None:
        for path in release.glob("*.csv"):
            path.unlink()
        processor, records = read(release)
        assert processor.warnings == [
            f"{TARGETS}, {CLASSES} not found: images are written without labels and boxes"
        ]
        assert len(records) == 10
        assert {(record.excluded, len(record.labels)) for record in records.values()} == {(None, 0)}
        assert Counter(record.split for record in records.values()) == {"train": 8, "test": 2}


class TestOddRows:
    def test_files_that_no_row_names(self, release: Path) -> None:
        lay(release, f"stage_2_train_images/{NEW}.dcm", f"stage_2_test_images/{NEW[:-1]}2.dcm")
        records = read(release)[1]
        assert (records[NEW].excluded, records[NEW].split) == (f"not in {TARGETS}", "train")
        assert (records[f"{NEW[:-1]}2"].excluded, records[f"{NEW[:-1]}2"].split) == (None, "test")

    def test_files_of_other_names(self, release: Path) -> None:
        lay(release, "stage_2_train_images/copy.dcm", f"stage_2_train_images/{NEW} (2).dcm")
        assert only_warning(release) == (
            "stage_2_train_images: 2 image files are not used: expected names such as <patientId>.dcm"
        )

    def test_an_image_in_both_folders_is_held_out(self, release: Path) -> None:
        lay(release, f"stage_2_test_images/{NORMAL}.dcm")
        processor, records = read(release)
        assert records[NORMAL].split == "test"
        assert path_of(records[NORMAL]).startswith("stage_2_test_images/")
        assert processor.warnings == ["1 images lie in train and test: they are held out in test"]

    @pytest.mark.parametrize("cell", ["../../etc/passwd", "", "1.2.3", f"{NORMAL}.dcm", "/etc/passwd"])
    @pytest.mark.parametrize(
        ("table", "rest"), [(TARGETS, ",,,,,0"), (CLASSES, ",Normal"), (SUBMISSION, ",1")]
    )
    def test_a_row_that_names_no_image(self, release: Path, table: str, rest: str, cell: str) -> None:
        rows = len((release / table).read_text("utf-8").splitlines())
        append(release / table, f"{cell}{rest}")
        processor, records = read(release)
        assert len(records) == 11
        record = records[f"{table} row {rows + 1}"]
        assert (record.excluded, record.file) == (UNUSABLE, None)
        assert processor.warnings == [
            f"{table}: 1 rows are not used: column 'patientId': expected an id as in the files' names "
            f"(row {rows + 1})"
        ]

    def test_rows_that_are_there_again(self, release: Path, miniatures: list[Path]) -> None:
        for table in (TARGETS, CLASSES, SUBMISSION):
            append(release / table, *(release / table).read_text("utf-8").splitlines()[1:])
        same_images(RSNAPneumonia, release, miniatures[KAGGLE], SAID)

    def test_ids_in_another_case(self, release: Path, miniatures: list[Path]) -> None:
        header, *rows = (release / TARGETS).read_text("utf-8").splitlines()
        write(release / TARGETS, header, *(row.upper() for row in rows))
        same_images(RSNAPneumonia, release, miniatures[KAGGLE], SAID)

    @pytest.mark.parametrize(
        ("table", "row"),
        [
            (TARGETS, f"{TWO_BOXES},,,,,0"),
            (TARGETS, f"{NORMAL},1.0,2.0,3.0,4.0,1"),
            (CLASSES, f"{TWO_BOXES},Normal"),
            (CLASSES, f"{NORMAL},No Lung Opacity / Not Normal"),
        ],
    )
    def test_rows_that_contradict_each_other(self, release: Path, table: str, row: str) -> None:
        append(release / table, row)
        processor, records = read(release)
        assert len(records[TWO_BOXES].boxes) == 2
        assert records[TWO_BOXES].labels[0].value == 1
        assert processor.warnings == [
            f"{TARGETS}: the rows of 1 images contradict each other: every class that they name and every "
            "box is kept"
        ]

    @pytest.mark.parametrize("box", [",,,", "1,2,x,4", "1,2,0,4", "1,2,3,-4", "1,2,inf,4"])
    def test_a_box_that_is_none(self, release: Path, box: str) -> None:
        append(release / TARGETS, f"{ONE_BOX},{box},1")
        processor, records = read(release)
        assert (len(records[ONE_BOX].boxes), records[ONE_BOX].labels) == (1, OPACITY)
        assert processor.warnings == [
            f"{TARGETS}: 1 boxes are not used: expected four numbers, width and height above 0, where there "
            "is an opacity"
        ]

    def test_a_box_without_an_opacity(self, release: Path) -> None:
        append(release / TARGETS, f"{NORMAL},1,2,3,4,0")
        processor, records = read(release)
        assert records[NORMAL].boxes == []
        assert "1 boxes are not used" in processor.warnings[0]

    def test_unknown_classes_are_kept(self, release: Path) -> None:
        append(release / TARGETS, f"{NEW},,,,,2", f"{NORMAL},,,,,0")
        append(release / CLASSES, f"{NEW},Mass", f"{NORMAL},")
        processor, records = read(release)
        assert records[NEW].labels == [Label("Mass", 1, "RSNA")]
        assert records[NORMAL].labels == [NO_OPACITY, Label("Normal", 1, "RSNA")]
        assert processor.warnings == [
            f"{TARGETS}: 1 cells of column 'Target' are not used: expected 0 or 1, found '2'",
            f"{CLASSES}: 2 cells of column 'class' are kept as they are written: expected one of the three, "
            "found 'Mass', ''",
        ]

    def test_no_warning_shows_a_cell_that_may_be_an_id(self, release: Path) -> None:
        append(release / CLASSES, f"{NORMAL},{OLD}")
        assert only_warning(release).endswith("expected one of the three, found other texts")

    def test_a_table_that_is_not_complete(self, release: Path) -> None:
        rows = (release / CLASSES).read_text("utf-8").splitlines()
        write(release / CLASSES, *rows[:-1])
        assert only_warning(release) == (
            f"{CLASSES}: 1 images are not named here, only in the other table; is it complete?"
        )

    def test_a_column_that_is_missing_is_named(self, release: Path) -> None:
        write(release / TARGETS, "patientId,x,y,width,Target", f"{NORMAL},,,,0")
        with pytest.raises(SourceError, match=f"{TARGETS}: expected column 'height', found 'patientId'"):
            read(release)
