"""MIMIC-CXR-JPG and MIMIC-CXR in every layout and table form in which they are published or kept."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from composer.demo.mimiccxr import LAYOUTS
from processors.base import Label, Record, Report, SourceError
from processors.base.chexpert_labels import FINDINGS
from processors.mimiccxr import MimicCXR
from tests.processors.releases import Made, lay, path_of, read_release, same_images, write

pytestmark = pytest.mark.filterwarnings("error")

LAYOUT = {layout.name: layout for layout in LAYOUTS}
METADATA, SPLIT = "mimic-cxr-2.0.0-metadata.csv", "mimic-cxr-2.0.0-split.csv"
CHEXPERT, NEGBIO = "mimic-cxr-2.0.0-chexpert.csv", "mimic-cxr-2.0.0-negbio.csv"
TEST_SET = "mimic-cxr-2.1.0-test-set-labeled.csv"
PARTS = ("view", "split", "patient_id", "study_id", "labels", "class_label", "native", "part", "excluded")
LABELLED = "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum"
LABEL_HEADER = (
    f"{LABELLED},Fracture,Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,"
    "Pneumothorax,Support Devices"
)


def dicom_id(number: int) -> str:
    return f"00aa11bb-22cc33dd-44ee55ff-66778899-aabbcc{number:02x}"


A, B, C = dicom_id(1), dicom_id(2), dicom_id(3)


@pytest.fixture(scope="module")
def miniature(made: Made) -> Path:
    """Return a release with unpacked tables at its top, and reports beside the studies."""
    return (
        made(MimicCXR, LAYOUT["MIMIC-CXR-JPG by wget, tables and reports unpacked"])
        / "physionet.org/files/mimic-cxr-jpg/2.1.0"
    )


@pytest.fixture
def release(miniature: Path, tmp_path: Path) -> Path:
    """Return a miniature that a test may rearrange; it is the only thing in the folder above."""
    return Path(shutil.copytree(miniature, tmp_path / "sources" / "2.1.0"))


def small(root: Path, *positions: str) -> Path:
    """Lay out a release of one patient with a metadata table and one image per position."""
    rows = []
    for number, position in enumerate(positions, start=1):
        identity = dicom_id(number)
        lay(root, f"files/p19/p19999991/s59999991/{identity}.jpg")
        rows.append(f"{identity},19999991,59999991,{position}")
    write(root / METADATA, "dicom_id,subject_id,study_id,ViewPosition", *rows)
    return root


def read(root: Path) -> tuple[MimicCXR, dict[str, Record]]:
    return read_release(MimicCXR, root)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def rows_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def of_study(records: dict[str, Record], study: str) -> list[Record]:
    return [record for record in records.values() if record.study_id == study]


class TestMiniature:
    def test_release_as_published(self, tmp_path: Path) -> None:
        LAYOUTS[0].make(tmp_path)
        processor, records = read(tmp_path)
        assert processor.layout == (
            "MIMIC-CXR-JPG 2.1.0: .jpg files in files, reports in mimic-cxr-reports.zip"
        )
        assert processor.tables == [f"{name}.gz" for name in (METADATA, SPLIT, CHEXPERT, NEGBIO)] + [TEST_SET]
        assert processor.warnings == []
        assert sorted(record.view for record in records.values()) == sorted(
            ["PA", "PA", "AP", "AP", "AP", "lateral", "lateral", "unknown", "decubitus", "oblique"]
        )
        assert {record.split for record in records.values()} == {"train", "val", "test"}
        assert {(record.sex, record.age, record.carrier) for record in records.values()} == {(None, None, "")}
        assert all(record.histogram_equalised for record in records.values())

    @pytest.mark.parametrize("name", [name for name in LAYOUT if "JPG" in name and "from" not in name])
    def test_jpg_layouts_name_the_same_images(self, name: str, miniature: Path, tmp_path: Path) -> None:
        LAYOUT[name].make(tmp_path / "x")
        _, expected = read(miniature)
        _, records = read(tmp_path / "x")
        assert {each: record.key for each, record in records.items()} == {
            each: record.key for each, record in expected.items()
        }
        assert {each: record.study_id for each, record in records.items()} == {
            each: record.study_id for each, record in expected.items()
        }

    def test_dicom_with_the_tables_says_the_same(self, miniature: Path, tmp_path: Path) -> None:
        LAYOUT["MIMIC-CXR and the tables of MIMIC-CXR-JPG, from buckets"].make(tmp_path)
        records = same_images(MimicCXR, tmp_path, miniature, PARTS)
        assert {record.carrier for record in records.values()} == {"dicom"}
        assert not any(record.histogram_equalised for record in records.values())
        assert all(record.key.endswith(f"/{each}.dcm") for each, record in records.items())
        from_header = [record.view for record in records.values() if record.view_from_header]
        assert from_header == ["unknown"]

    def test_dicom_alone(self, tmp_path: Path) -> None:
        LAYOUT["MIMIC-CXR"].make(tmp_path)
        processor, records = read(tmp_path)
        assert processor.tables == ["mimic-cxr/2.0.0/cxr-record-list.csv.gz"]
        assert len(records) == 10
        said = {
            (record.view, record.view_from_header, record.split, record.class_label)
            for record in records.values()
        }
        assert said == {("unknown", True, None, None)}
        assert len(processor.warnings) == 1
        assert "unless the DICOM headers tell them" in processor.warnings[0]
        assert processor.warnings[0].endswith("are written only with FRONTAL_ONLY: false")

    def test_images_alone_are_walked(self, tmp_path: Path) -> None:
        LAYOUT["images of MIMIC-CXR-JPG alone"].make(tmp_path)
        processor, records = read(tmp_path)
        assert processor.tables == []
        assert [warning.partition(" not found")[0] for warning in processor.warnings] == [
            f"{METADATA}, {SPLIT}, {CHEXPERT}, {NEGBIO}",
            "pNN/pNNNNNNNN/sNNNNNNNN.txt",
        ]
        said = {(record.view, record.excluded, record.class_label) for record in records.values()}
        assert said == {("unknown", None, None)}
        assert {record.view_from_header for record in records.values()} == {False}

    def test_unofficial_tables_are_not_used(self, tmp_path: Path) -> None:
        LAYOUT["unofficial copy on Kaggle"].make(tmp_path)
        processor, records = read(tmp_path)
        assert processor.tables == []
        assert processor.layout.startswith("unofficial copy of MIMIC-CXR-JPG on Kaggle: .jpg files in ")
        assert "mimic_cxr_aug_*.csv are not used" in processor.warnings[0]
        assert len(records) == 10


class TestRoots:
    @pytest.mark.parametrize(
        "place",
        [
            "files",
            "x/y/files",
            "mimic-cxr-jpg-2.1.0.physionet.org/files",
            "data/physionet.org/files/mimic-cxr-jpg/2.1.0/files",
        ],
    )
    def test_the_root_may_be_too_high(self, miniature: Path, tmp_path: Path, place: str) -> None:
        shutil.copytree(miniature, (tmp_path / place).parent, dirs_exist_ok=True)
        same_images(MimicCXR, tmp_path, miniature, (*PARTS, "key", "class_label"))

    def test_the_files_folder_itself(self, release: Path, miniature: Path) -> None:
        for path in release.glob("*.csv"):
            path.rename(release / "files" / path.name)
        records = same_images(MimicCXR, release / "files", miniature, (*PARTS, "key"))
        assert all(path_of(record).startswith("p1") for record in records.values())

    def test_nothing_above_the_root_is_read(self, release: Path) -> None:
        processor, records = read(release / "files")
        assert processor.tables == []
        assert len(records) == 10

    def test_a_link_to_the_release_is_the_release(self, release: Path, miniature: Path) -> None:
        (release.parent / "latest").symlink_to(release)
        (release / "mimic-loop").symlink_to(release.parent)
        same_images(MimicCXR, release.parent, miniature, (*PARTS, "key"))

    @pytest.mark.parametrize(
        "paths",
        [
            ("train/patient00001/study1/view1_frontal.jpg",),
            ("files/p19/p19999991/s59999991.txt",),
            ("files/p19/p19999991/s59999991/view1.jpg",),
            ("files/p19/p18999991/s59999991/" + A + ".jpg",),
            (),
        ],
    )
    def test_another_folder_is_refused(self, tmp_path: Path, paths: tuple[str, ...]) -> None:
        lay(tmp_path, *paths)
        with pytest.raises(
            SourceError, match=r"expected files such as files/pNN/.*; check the path"
        ) as caught:
            MimicCXR(tmp_path)
        assert "99999" not in str(caught.value).replace(str(tmp_path), "")

    def test_packed_releases_are_to_be_unpacked(self, tmp_path: Path) -> None:
        lay(tmp_path, "mimic-cxr-jpg-2.1.0.zip", "p10.tar")
        with pytest.raises(SourceError, match="unpack the archives first, 2 here"):
            MimicCXR(tmp_path)

    def test_packed_tables_and_reports_are_no_images_to_unpack(self, tmp_path: Path) -> None:
        lay(tmp_path, f"{METADATA}.zip", "MIMIC-CXR-reports.zip")
        with pytest.raises(SourceError, match="check the path"):
            MimicCXR(tmp_path)

    def test_images_of_late_patients_only_are_found(self, tmp_path: Path) -> None:
        lay(tmp_path, *(f"files/p19/p1900000{number}/s5000000{number}.txt" for number in range(9)))
        lay(tmp_path, f"files/p19/p19999991/s59999991/{A}.jpg")
        processor, records = read(tmp_path)
        assert set(records) == {A}
        assert processor.layout.endswith("reports in files")

    def test_both_forms_give_jpg(self, miniature: Path, tmp_path: Path) -> None:
        LAYOUT["MIMIC-CXR"].make(tmp_path)
        shutil.copytree(miniature, tmp_path / "mimic-cxr-jpg/2.1.0")
        for report in (tmp_path / "mimic-cxr-jpg").rglob("s*.txt"):
            report.unlink()
        processor, records = read(tmp_path)
        assert processor.warnings == ["DICOM files are not used: JPG files of the same images are here"]
        assert {record.carrier for record in records.values()} == {""}
        assert all((tmp_path / path_of(record)).is_file() for record in records.values())
        reports = {record.report_file for record in records.values()}
        assert all(report and report.startswith("mimic-cxr/2.0.0/files/") for report in reports)

    def test_both_forms_in_one_folder_give_jpg(self, release: Path) -> None:
        for path in list((release / "files").rglob("*.jpg")):
            shutil.copy(path, path.with_suffix(".dcm"))
        processor, records = read(release)
        assert processor.warnings == ["DICOM files are not used: JPG files of the same images are here"]
        assert all(path_of(record).endswith(".jpg") for record in records.values())

    def test_a_release_on_two_disks(self, release: Path, miniature: Path) -> None:
        shutil.copytree(release / "files/p19", release / "disk2/files/p19")
        (release / "files/p10").rename(release / "disk2/files/p10")
        processor, records = read(release)
        assert processor.warnings == [
            "disk2/files: 1 patient folders are not used: the same patients are here in other folders"
        ]
        assert len(records) == len(read(miniature)[1])
        assert all((release / path_of(record)).is_file() for record in records.values())

    def test_the_ending_is_that_of_the_files(self, release: Path, miniature: Path) -> None:
        for path in list((release / "files").rglob("*.jpg")):
            path.rename(path.with_suffix(".JPEG"))
        records = same_images(MimicCXR, release, miniature, PARTS)
        assert all(record.key.endswith(".JPEG") for record in records.values())


class TestTables:
    @pytest.mark.parametrize("change", ["crlf", "bom", "gz", "zip", "case"])
    def test_resaved_tables_read_the_same(self, release: Path, miniature: Path, change: str) -> None:
        for path in list(release.glob("*.csv")):
            lines = rows_of(path)
            path.unlink()
            if change == "crlf":
                write(path, *lines, newline="\r\n")
            elif change == "bom":
                write(path, *lines, encoding="utf-8-sig")
            elif change == "case":
                write(path.with_name(path.name.upper()), *lines)
            elif change == "gz":
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
            else:
                with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w") as archive:
                    archive.writestr(path.name, "\n".join(lines))
        same_images(MimicCXR, release, miniature, (*PARTS, "key"))

    def test_columns_are_found_by_name(self, release: Path, miniature: Path) -> None:
        for path in release.glob("*.csv"):
            write(path, *(",".join(line.split(",")[::-1]) for line in rows_of(path)))
        same_images(MimicCXR, release, miniature, (*PARTS, "key"))

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            (METADATA, "dicom_id"),
            (METADATA, "ViewPosition"),
            (SPLIT, "split"),
            (CHEXPERT, "study_id"),
            (NEGBIO, "Edema"),
            (CHEXPERT, "Lung Opacity"),
            (TEST_SET, "Airspace Opacity"),
        ],
    )
    def test_a_missing_column_is_named(self, release: Path, name: str, column: str) -> None:
        edit(release / name, column, "Something")
        expected = "Lung Opacity" if "Opacity" in column else column
        with pytest.raises(SourceError, match=rf"{name}: expected column '{expected}'"):
            read(release)

    @pytest.mark.parametrize("column", ["Rows", "StudyTime", "PatientOrientationCodeSequence_CodeMeaning"])
    def test_cells_that_nobody_needs_may_be_absent(self, release: Path, column: str) -> None:
        edit(release / METADATA, column, "Something")
        processor, records = read(release)
        assert processor.warnings == []
        assert not any(column in record.native for record in records.values())

    @pytest.mark.parametrize(
        ("absent", "warning"),
        [
            (
                METADATA,
                "views are unknown; images of unknown view are written only with FRONTAL_ONLY: false",
            ),
            (SPLIT, "the official validation and test images cannot be told from the others"),
            (CHEXPERT, "images are written without the labels of CheXpert and without class_label"),
            (NEGBIO, "images are written without the labels of NegBio"),
        ],
    )
    def test_one_absent_table_is_one_warning(self, release: Path, absent: str, warning: str) -> None:
        (release / absent).unlink()
        processor, records = read(release)
        assert processor.warnings == [f"{absent} not found: {warning}"]
        assert len(records) == 10
        assert {record.excluded for record in records.values()} == {None}
        assert ({record.split for record in records.values()} == {None}) == (absent == SPLIT)
        assert ({record.view for record in records.values()} == {"unknown"}) == (absent == METADATA)
        assert ({record.class_label is None for record in records.values()} == {True}) == (absent == CHEXPERT)

    def test_release_2_0_0_has_no_labels_of_the_radiologist(self, release: Path) -> None:
        (release / TEST_SET).unlink()
        processor, records = read(release)
        assert processor.warnings == []
        assert processor.layout.startswith("MIMIC-CXR-JPG: ")
        labellers = {label.labeller for record in records.values() for label in record.labels}
        assert labellers == {"chexpert", "negbio"}

    def test_the_record_list_comes_before_the_splits(self, release: Path) -> None:
        (release / METADATA).unlink()
        rows = [line.split(",") for line in rows_of(release / SPLIT)[1:]]
        write(
            release / "cxr-record-list.csv",
            "subject_id,study_id,dicom_id,path",
            *(f"{subject},{study},{identity},../../etc/passwd" for identity, study, subject, _ in rows),
        )
        processor, records = read(release)
        assert processor.tables[0] == "cxr-record-list.csv"
        assert all((release / path_of(record)).is_file() for record in records.values())
        assert "test" in {record.split for record in records.values()}

    def test_lines_of_the_list_that_name_no_image(self, tmp_path: Path) -> None:
        lay(tmp_path, f"files/p19/p19999991/s59999991/{A}.jpg")
        write(
            tmp_path / "IMAGE_FILENAMES",
            f"files/p19/p19999991/s59999991/{A}.jpg",
            f"../files/p19/p19999991/s59999991/{B}.jpg",
            f"/files/p19/p19999991/s59999991/{B}.jpg",
            "files/p19/p19999991/s59999991/B.jpg",
        )
        processor, records = read(tmp_path)
        assert sorted(record.excluded or "" for record in records.values()) == ["", *["unusable row"] * 3]
        assert processor.warnings[-1] == (
            "IMAGE_FILENAMES: 3 rows are not used: expected a path such as "
            "files/pNN/pNNNNNNNN/sNNNNNNNN/<dicom_id>.jpg (rows 2, 3, 4)"
        )


class TestViews:
    @pytest.mark.parametrize(
        ("position", "view"),
        [
            ("AP", "AP"),
            ("PA", "PA"),
            ("LATERAL", "lateral"),
            ("LL", "lateral"),
            ("LPO", "oblique"),
            ("RPO", "oblique"),
            ("LAO", "oblique"),
            ("RAO", "oblique"),
            ("AP LLD", "decubitus"),
            ("PA RLD", "decubitus"),
            ("AP AXIAL", "other"),
            ("XTABLE LATERAL", "other"),
            ("SWIMMERS", "other"),
            ("L5 S1", "other"),
            ("", "unknown"),
            ("ap", "AP"),
        ],
    )
    def test_position_as_published(self, tmp_path: Path, position: str, view: str) -> None:
        processor, records = read(small(tmp_path, "PA", position))
        assert (records[B].view, records[B].native["ViewPosition"]) == (view, position)
        assert not any("tell no view" in warning for warning in processor.warnings)

    def test_other_spellings_are_unknown_and_said(self, tmp_path: Path) -> None:
        processor, records = read(small(tmp_path, "PA", "SIDEWAYS", "19999991"))
        assert (records[B].view, records[C].view) == ("unknown", "unknown")
        assert (
            f"{METADATA}: 2 cells of column 'ViewPosition' tell no view: expected a view such as AP, PA or "
            "LATERAL, found 'SIDEWAYS', other texts"
        ) in processor.warnings

    def test_corrections_of_the_publishers(self, tmp_path: Path) -> None:
        corrected = {
            "2164992c-f4abb30a-7aaaf4f4-383cab47-4e3eb1c8": "PA",
            "5e6881e2-ff4254e0-b99f0c2f-8964482a-031364db": "lateral",
            "598cfe48-33a8643e-843e27e2-5dd584e7-3cd5f1c0": "AP",
        }
        small(tmp_path, "PA")
        with (tmp_path / METADATA).open("a") as table:
            table.writelines(f"{identity},19999991,59999991,SWIMMERS\n" for identity in corrected)
        _, records = read(tmp_path)
        assert {identity: records[identity].view for identity in corrected} == corrected
        assert {records[identity].native["ViewPosition"] for identity in corrected} == {"SWIMMERS"}

    def test_dicom_without_position_asks_the_header(self, tmp_path: Path) -> None:
        small(tmp_path, "PA", "", "AP AXIAL")
        for path in list(tmp_path.rglob("*.jpg")):
            path.rename(path.with_suffix(".dcm"))
        _, records = read(tmp_path)
        assert [records[identity].view_from_header for identity in (A, B, C)] == [False, True, False]

    @pytest.mark.parametrize(
        ("position", "orientation", "view"),
        [
            ("AP LLD", "L\\F", "decubitus"),
            ("AP AXIAL", "L\\F", "other"),
            ("XTABLE LATERAL", "L\\F", "other"),
            ("LATERAL", None, "lateral"),
            ("", "L\\F", "PA or AP"),
            (None, "A\\F", "lateral"),
            ("ANTEROPOSTERIOR", None, "AP"),
            ("SIDEWAYS", None, None),
        ],
    )
    def test_a_header_says_what_the_table_would(
        self, tmp_path: Path, position: str | None, orientation: str | None, view: str | None
    ) -> None:
        assert MimicCXR(small(tmp_path, "PA")).view_in_header(position, orientation) == view


class TestSplits:
    def test_images_that_only_the_splits_name_are_counted(self, release: Path) -> None:
        rows = rows_of(release / METADATA)
        write(release / METADATA, *(row for row in rows if ",59999992," not in row))
        processor, records = read(release)
        # Their patient has another study, so that nobody looks into the folder.
        assert of_study(records, "59999992") == []
        told = f"2 rows are not used: {METADATA} names no such images; download it again"
        assert f"{SPLIT}: {told}" in processor.warnings

    def test_images_of_patients_that_are_gone_through_are_not_counted(self, release: Path) -> None:
        rows = rows_of(release / METADATA)
        write(release / METADATA, *(row for row in rows if ",10999992," not in row))
        processor, records = read(release)
        assert {record.excluded for record in of_study(records, "59999993")} == {f"not in {METADATA}"}
        assert processor.warnings == []

    def test_names_are_normalised_and_kept(self, miniature: Path) -> None:
        records = read(miniature)[1].values()
        assert {(record.split, record.native["split"]) for record in records} == {
            ("train", "train"),
            ("val", "validate"),
            ("test", "test"),
        }

    def test_an_image_that_the_splits_do_not_name_may_be_held_out(self, release: Path) -> None:
        rows = rows_of(release / SPLIT)
        write(release / SPLIT, *rows[:-1])
        absent = rows[-1].split(",")[0]
        _, records = read(release)
        assert {each for each, record in records.items() if record.excluded == f"not in {SPLIT}"} == {absent}
        assert records[absent].split is None

    def test_an_unknown_split_may_be_held_out(self, release: Path) -> None:
        edit(release / SPLIT, ",validate", ",valid")
        processor, records = read(release)
        assert processor.warnings == [
            f"{SPLIT}: 1 cells of column 'split' are not used: expected train, validate or test, found "
            "'valid'"
        ]
        assert [record.excluded for record in of_study(records, "59999994")] == [f"not in {SPLIT}"]

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_two_splits_the_one_that_holds_out_counts(self, release: Path, order: int) -> None:
        rows = rows_of(release / SPLIT)
        test = next(row for row in rows if row.endswith(",test"))
        both = [test, test.replace(",test", ",train")][::order]
        write(release / SPLIT, rows[0], *both, *(row for row in rows[1:] if row != test))
        assert read(release)[1][test.split(",")[0]].split == "test"


class TestLabels:
    def test_all_states_and_labellers(self, miniature: Path) -> None:
        (first,) = of_study(read(miniature)[1], "59999995")
        by_labeller = {
            labeller: {label.label: label.value for label in first.labels if label.labeller == labeller}
            for labeller in ("chexpert", "negbio", "radiologist")
        }
        effusion = {"Lung Opacity": 1, "Pleural Effusion": 1, "Pneumothorax": 0, "Support Devices": 1}
        assert by_labeller["chexpert"] == effusion
        assert by_labeller["negbio"] == {**effusion, "Pneumonia": -1}
        # The table says Airspace Opacity, and No Finding may be uncertain.
        assert by_labeller["radiologist"] == {
            "Airspace Opacity": 1,
            "Cardiomegaly": -1,
            "Consolidation": 1,
            "Enlarged Cardiomediastinum": 0,
            "No Finding": -1,
            "Pleural Effusion": 1,
            "Pneumonia": -1,
            "Pneumothorax": 0,
            "Support Devices": 1,
        }

    def test_class_label_is_that_of_the_chexpert_table(self, miniature: Path) -> None:
        records = read(miniature)[1]
        (record,) = of_study(records, "59999995")
        mentioned = {"Lung Opacity": 1, "Pleural Effusion": 1, "Pneumothorax": -1, "Support Devices": 1}
        assert record.class_label == [mentioned.get(finding, 0) for finding in FINDINGS]
        uncertain = of_study(records, "59999992")[0].class_label
        assert uncertain is not None
        assert uncertain[FINDINGS.index("Atelectasis")] == 0

    def test_a_study_without_row_has_zeros_and_no_labels(self, miniature: Path) -> None:
        (record,) = of_study(read(miniature)[1], "59999996")
        assert (record.labels, record.class_label) == ([], [0] * 13)

    def test_a_row_of_blanks_mentions_nothing(self, miniature: Path) -> None:
        record = of_study(read(miniature)[1], "59999993")[0]
        assert record.labels == [Label("No Finding", 1, "negbio")]
        assert record.class_label == [0] * 13

    def test_equal_statements_are_one_list(self, tmp_path: Path) -> None:
        small(tmp_path, "PA", "AP")
        with (tmp_path / METADATA).open("a") as table:
            table.write(f"{C},19999991,59999992,PA\n")
        cells = ",1.0" * 14
        write(tmp_path / CHEXPERT, LABEL_HEADER, *(f"19999991,5999999{n}{cells}" for n in (1, 2)))
        _, records = read(tmp_path)
        assert len(records[A].labels) == 14
        assert records[A].labels is records[B].labels is records[C].labels
        assert records[A].class_label is records[C].class_label

    def test_unread_cells_are_counted_and_not_shown(self, release: Path) -> None:
        edit(release / CHEXPERT, "-1.0", "19999991")
        processor, records = read(release)
        expected = "expected 1, 0, -1 or a blank, found other texts"
        assert processor.warnings == [f"{CHEXPERT}: 1 label cells are not used: {expected}"]
        labels = of_study(records, "59999992")[0].labels
        assert ("Atelectasis", "chexpert") not in {(label.label, label.labeller) for label in labels}

    def test_the_first_row_of_a_study_counts(self, release: Path, miniature: Path) -> None:
        with (release / CHEXPERT).open("a") as table:
            table.write("19999991,59999991" + ",1.0" * 14 + "\n")
        processor, records = read(release)
        assert processor.warnings == [f"{CHEXPERT}: 1 rows are not used: an earlier row names the same study"]
        expected = of_study(read(miniature)[1], "59999991")[0].labels
        assert of_study(records, "59999991")[0].labels == expected

    def test_studies_without_images_are_counted(self, release: Path) -> None:
        with (release / NEGBIO).open("a") as table:
            table.write("19999991,50000001" + ",1.0" * 14 + "\n")
        assert read(release)[0].warnings == [f"{NEGBIO}: 1 rows are not used: no image is of these studies"]


class TestFilesAndRows:
    def test_absent_patients_are_missing_by_group(self, release: Path) -> None:
        shutil.rmtree(release / "files/p15")
        shutil.rmtree(release / "files/p18/p18999995")
        processor, records = read(release)
        absent = [record for record in records.values() if record.file is None]
        assert sorted(record.part or "" for record in absent) == [*["files/p15"] * 3, "files/p18"]
        assert all(record.key.endswith(".jpg") and record.study_id for record in absent)
        assert processor.warnings == []

    def test_a_deep_tree_is_trusted(self, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        image = next((release / "files/p19").rglob("*.jpg"))
        image.unlink()
        listed: list[str] = []
        scandir = os.scandir

        def listing(path: Path) -> Iterator[os.DirEntry[str]]:
            listed.append(str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", listing)
        assert path_of(read(release)[1][image.stem]) == image.relative_to(release).as_posix()
        # One study is looked into, to see what the files are.
        assert len([path for path in listed if "/s5" in path]) == 1

    def test_patients_that_no_row_names_are_excluded(self, release: Path) -> None:
        lay(
            release,
            f"files/p17/p17000001/s50000001/{A}.jpg",
            f"files/p17/p17000001/s50000001/{B}.JPG",
            "files/p17/p17000001/s50000001/copy.jpg",
            f"files/p17/p17000001/s50000001/old/{C}.jpg",
            "files/p17/p17000001/s50000001/index.html",
            f"files/p17/p17000001/s50000001/._{A}.jpg",
        )
        processor, records = read(release)
        for identity in (A, B):
            assert records[identity].excluded == f"not in {METADATA}"
            assert (release / path_of(records[identity])).is_file()
        assert C not in records
        assert processor.warnings == [
            "2 image files are not used: expected names such as files/pNN/pNNNNNNNN/sNNNNNNNN/<dicom_id>.jpg"
        ]

    @pytest.mark.parametrize(
        ("row", "column"),
        [
            ("../../etc/passwd,19999991,59999991,PA", "dicom_id"),
            (f"{B}.jpg,19999991,59999991,PA", "dicom_id"),
            (f"{B},../../etc,59999991,PA", "subject_id"),
            (f"{B},29999991,59999991,PA", "subject_id"),
            (f"{B},19999991,s59999991,PA", "study_id"),
            (f"{B},19999991,,PA", "study_id"),
        ],
    )
    def test_a_row_that_names_no_image_is_accounted_for(self, tmp_path: Path, row: str, column: str) -> None:
        small(tmp_path, "PA")
        with (tmp_path / METADATA).open("a") as table:
            table.write(f"{row}\n")
        processor, records = read(tmp_path)
        assert len(records) == 2
        unusable = records[f"{METADATA} row 3"]
        assert (unusable.file, unusable.excluded) == (None, "unusable row")
        assert processor.warnings[-1].startswith(f"{METADATA}: 1 rows are not used: expected ")
        assert processor.warnings[-1].endswith(f" in '{column}' (row 3)")

    def test_a_repeated_row_is_yielded_again(self, release: Path) -> None:
        rows = rows_of(release / METADATA)
        write(release / METADATA, *rows, rows[1])
        identities = [record.identity for record in MimicCXR(release).records()]
        assert (len(identities), len(set(identities))) == (11, 10)


REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 FINDINGS:  An earlier text.

 FINDINGS:

 Two   invented
words.  AP: is no heading here.
 IMPRESSION:

 1.  An invented impression.

 RECOMMENDATION(S):  None.
"""


class TestReports:
    def report(self, root: Path, text: str | bytes) -> Report:
        small(root, "PA")
        path = root / "files/p19/p19999991/s59999991.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        processor, records = read(root)
        name = records[A].report_file
        assert name is not None
        assert records[A].report is None
        return processor.read_report(name)

    def test_text_of_machex_and_sections(self, tmp_path: Path) -> None:
        assert self.report(tmp_path, REPORT) == Report(
            "Two inventedwords. AP: is no heading here. 1. An invented impression. RECOMMENDATION(S): None.",
            "Two invented words. AP: is no heading here.",
            "1. An invented impression.",
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("IMPRESSION: a\n IMPRESSION: b\n", Report("b", None, "b")),
            (" FINDINGS: a\n CONCLUSION: b", Report("a CONCLUSION: b", "a", "b")),
            (" FINDINGS AND IMPRESSION: a", Report("a", None, "a")),
            (" FINDINGS:\n IMPRESSION:\n", Report("", "", "")),
            ("No\n section\n", Report("No section", None, None)),
            ("Findings: a", Report("Findings: a", None, None)),
            (" FINDINGS: a\r\n b\r\n", Report("a b", "a b", None)),
            ("", Report("", None, None)),
            (b" FINDINGS: caf\xe9", Report("caf\ufffd", "caf\ufffd", None)),
        ],
    )
    def test_odd_reports(self, tmp_path: Path, text: str | bytes, expected: Report) -> None:
        assert self.report(tmp_path, text) == expected

    @pytest.mark.parametrize(
        "place",
        ["mimic-cxr-reports/files", "mimic-cxr-reports", "reports", "notes", "notes/files", "zip", "ZIP"],
    )
    @pytest.mark.parametrize("top", ["files/", "", "mimic-cxr-reports/files/"])
    def test_places(self, release: Path, miniature: Path, place: str, top: str) -> None:
        processor, records = read(miniature)
        expected = {
            identity: processor.read_report(record.report_file or "") for identity, record in records.items()
        }
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in list((release / "files").rglob("s*.txt")):
                tail = path.relative_to(release / "files")
                archive.write(path, f"{top}{tail.as_posix()}")
                if place.lower() != "zip":
                    (release / place / tail).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, release / place / tail)
                path.unlink()
        if place.lower() == "zip":
            name = "mimic-cxr-reports.zip"
            (release / (name if place == "zip" else name.upper())).write_bytes(packed.getvalue())
        processor, records = read(release)
        assert processor.warnings == []
        with ThreadPoolExecutor(8) as threads:
            names = [record.report_file or "" for record in records.values()] * 20
            reports = list(threads.map(processor.read_report, names))
        assert dict(zip(records, reports, strict=False)) == expected

    @pytest.mark.parametrize("form", ["beside", "zip"])
    def test_an_absent_report_is_a_missing_file(self, miniature: Path, tmp_path: Path, form: str) -> None:
        if form == "zip":
            LAYOUTS[0].make(tmp_path)
        processor = MimicCXR(tmp_path if form == "zip" else miniature)
        with pytest.raises(FileNotFoundError) as caught:
            processor.read_report("p19/p19999991/s50000000.txt")
        assert "50000000" not in str(caught.value)

    def test_damage_inside_the_archive_is_an_os_error(self, tmp_path: Path) -> None:
        LAYOUTS[0].make(tmp_path)
        archive = tmp_path / "mimic-cxr-reports.zip"
        content = bytearray(archive.read_bytes())
        content[80:120] = b"\xff" * 40
        archive.write_bytes(content)
        processor, records = read(tmp_path)
        with pytest.raises(OSError, match="damaged or encrypted"):
            processor.read_report(of_study(records, "59999991")[0].report_file or "")

    def test_a_cut_archive_stops_the_run(self, tmp_path: Path) -> None:
        LAYOUTS[0].make(tmp_path)
        archive = tmp_path / "mimic-cxr-reports.zip"
        archive.write_bytes(archive.read_bytes()[:-100])
        with pytest.raises(SourceError, match=r"mimic-cxr-reports\.zip: not readable as a zip file"):
            MimicCXR(tmp_path)

    def test_without_reports_the_text_is_empty(self, release: Path) -> None:
        for path in list((release / "files").rglob("s*.txt")):
            path.unlink()
        processor, records = read(release)
        assert {(record.report, record.report_file) for record in records.values()} == {(Report(""), None)}
        assert len(processor.warnings) == 1
        assert processor.warnings[0].startswith("pNN/pNNNNNNNN/sNNNNNNNN.txt not found ")
        assert processor.warnings[0].endswith(": images are written without reports")


def test_known_bad_images_are_written() -> None:
    assert len(MimicCXR.known_bad) == 27
    assert {image.state for image in MimicCXR.known_bad} == {"suspicious"}
    found_by = [image.found_by for image in MimicCXR.known_bad]
    assert sum("rgrg" in each for each in found_by) == 23
    assert sum("medical-ai" in each for each in found_by) == 7
