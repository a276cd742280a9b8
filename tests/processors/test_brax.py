"""BRAX in every layout and table form in which it is published or kept."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from composer.demo.brax import LAYOUTS
from processors.base import Label, Record, SourceError
from processors.base.chexpert_labels import OBSERVATIONS
from processors.brax import Brax
from tests.processors.releases import lay, path_of, read_release, same_images, write

pytestmark = pytest.mark.filterwarnings("error")

TABLE = "master_spreadsheet_update.csv"
OLD_TABLE = "master_spreadsheet.csv"
PHYSIONET = "physionet.org/files/brax/1.1.0"
PARTS = (
    "key",
    "view",
    "patient_id",
    "study_id",
    "split",
    "sex",
    "age",
    "labels",
    "native",
    "excluded",
    "class_label",
)
# The key has the ending of the file.
PARTS_OF_ANY_FORM = tuple(part for part in PARTS if part != "key")

SERIES = "id_{0}-{0}-{0}-{0}-{0}/Study_{0}.{0}.{0}.{0}.{0}/Series_{0}.{0}.{0}.{0}.{0}".format
STEM = "image-{0}-{0}-{0}-{0}-{0}".format
A, B = "99000001", "99000002"
HEADER = ",".join(
    [
        "",
        *("DicomPath", "PngPath", "PatientID", "PatientSex", "PatientAge", "AccessionNumber", "StudyDate"),
        *OBSERVATIONS,
        *("ViewPosition", "Rows", "Columns", "Manufacturer"),
    ]
)


def image(number: str) -> str:
    return f"{SERIES(number)}/{STEM(number)}"


def row(number: str, png: str | None = None, *, view: str = "PA", age: str = "45", **mentioned: str) -> str:
    cells = [mentioned.get(observation.replace(" ", "_"), "") for observation in OBSERVATIONS]
    path = f"images/{image(number)}.png" if png is None else png
    dicom = f"Anonymized_DICOMs/{image(number)}.dcm"
    patient = f"id_{number}"
    return ",".join(["0", dicom, path, patient, "F", age, "1", "20120314", *cells, view, "8", "8", "3"])


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the miniature of a layout, made once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("miniature") / "root"
            next(layout for layout in LAYOUTS if layout.name == name).make(made[name])
        return made[name]

    return make


@pytest.fixture(scope="module")
def miniature(make: Callable[[str], Path]) -> Path:
    return make("PNG")


@pytest.fixture
def release(miniature: Path, tmp_path: Path) -> Path:
    """Return a copy of the miniature that a test may change."""
    return Path(shutil.copytree(miniature, tmp_path / "sources"))


@pytest.fixture
def dicoms(make: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(make("DICOM"), tmp_path / "dicoms"))


def read(root: Path) -> tuple[Brax, dict[str, Record]]:
    return read_release(Brax, root)


def named(number: int, records: dict[str, Record]) -> Record:
    return records["image-" + "-".join(f"993{number:02d}{place:03d}" for place in range(5))]


def edit(root: Path, old: str, new: str, count: int = -1) -> None:
    """Replace text in the rows of the table."""
    header, _, rows = (root / TABLE).read_text().partition("\n")
    assert old in rows
    (root / TABLE).write_text(f"{header}\n{rows.replace(old, new, count)}")


def cut_names(root: Path, suffix: str, characters: int, ending: str = "") -> None:
    for path in [path for path in root.rglob(f"image-*{suffix}") if path.name[0] != "."]:
        path.rename(path.with_name(path.name[:-characters] + ending))


class TestMiniature:
    def test_every_row_is_a_readable_image(self, miniature: Path) -> None:
        processor, records = read(miniature)
        assert processor.warnings == []
        assert processor.layout == "PNG files in images"
        assert processor.tables == [TABLE]
        assert len(records) == 11
        modes: Counter[str] = Counter()
        for record in records.values():
            with Image.open(miniature / path_of(record)) as picture:
                modes[picture.mode] += 1
        assert modes == {"L": 9, "I;16": 2}

    def test_a_row_says_who_and_what(self, miniature: Path) -> None:
        record = named(3, read(miniature)[1])
        patient = "id_9902abc0-9902abc1-9902abc2-9902abc3-9902abc4"
        study = "Study_99103000.99103001.99103002.99103003.99103004"
        path = f"{patient}/{study}/Series_99203000.99203001.99203002.99203003.99203004/{record.identity}"
        assert record.identity == "image-99303000-99303001-99303002-99303003-99303004"
        assert record.key == path_of(record) == f"images/{path}.png"
        assert (record.patient_id, record.study_id) == (patient, study)
        assert (record.view, record.sex, record.age) == ("AP", "M", 85.0)
        assert (record.carrier, record.part, record.split, record.class_label) == ("", "images", None, None)
        assert not record.view_from_header
        assert record.native == {
            "ViewPosition": "AP",
            "PatientAge": "85 or more",
            "PatientSex": "M",
            "AccessionNumber": "990003",
            "StudyDate": "20151102",
            "Manufacturer": "2",
            "Rows": "304",
            "Columns": "320",
            "DicomPath": f"Anonymized_DICOMs/{path}.dcm",
        }

    def test_labels_have_four_states(self, miniature: Path) -> None:
        records = read(miniature)[1]
        # The table has Lung Lesion before Lung Opacity, CheXpert the other way round.
        assert named(3, records).labels == [
            Label("Enlarged Cardiomediastinum", -1, "BRAX"),
            Label("Cardiomegaly", 1, "BRAX"),
            Label("Lung Opacity", 1, "BRAX"),
            Label("Lung Lesion", 0, "BRAX"),
            Label("Edema", 1, "BRAX"),
            Label("Consolidation", -1, "BRAX"),
            Label("Atelectasis", 1, "BRAX"),
            Label("Pneumothorax", 0, "BRAX"),
            Label("Pleural Effusion", 1, "BRAX"),
            Label("Pleural Other", 1, "BRAX"),
            Label("Support Devices", 1, "BRAX"),
        ]
        assert named(9, records).labels == []

    def test_images_of_a_study_share_their_labels(self, miniature: Path) -> None:
        records = read(miniature)[1]
        frontal, lateral = named(1, records), named(2, records)
        assert frontal.labels == lateral.labels == [Label("No Finding", 1, "BRAX")]
        assert frontal.labels is lateral.labels
        assert frontal.study_id == lateral.study_id

    def test_studies_of_one_accession_number_are_told_apart(self, miniature: Path) -> None:
        records = read(miniature)[1]
        one, other = named(1, records), named(8, records)
        assert one.native["AccessionNumber"] == other.native["AccessionNumber"] == "990001"
        assert one.study_id != other.study_id

    def test_views(self, miniature: Path) -> None:
        records = read(miniature)[1]
        assert [named(number, records).view for number in range(1, 11)] == [
            *("PA", "lateral", "AP", "decubitus", "decubitus"),
            *("PA", "lateral", "oblique", "unknown", "PA"),
        ]

    def test_sex_and_age_may_be_unknown(self, miniature: Path) -> None:
        records = read(miniature)[1]
        other, blank = named(8, records), named(9, records)
        assert (other.sex, other.age, other.native["PatientSex"]) == (None, 20.0, "O")
        assert (blank.sex, blank.age, blank.native["PatientAge"]) == (None, None, "")

    def test_a_file_that_no_row_names_is_excluded(self, miniature: Path) -> None:
        record = named(11, read(miniature)[1])
        assert record.excluded == f"not in {TABLE}"
        assert record.key == path_of(record)
        assert record.patient_id == named(10, read(miniature)[1]).patient_id
        assert record.view == "unknown"


class TestLayouts:
    @pytest.mark.parametrize("name", ["PNG as wget leaves it", "table above the images"])
    def test_the_place_of_images_and_table_does_not_matter(
        self, make: Callable[[str], Path], miniature: Path, name: str
    ) -> None:
        found = same_images(Brax, make(name), miniature, PARTS)
        assert all("files/brax/1.1.0/images/id_" in path_of(record) for record in found.values())

    def test_dicom_files_are_the_same_images(self, make: Callable[[str], Path], miniature: Path) -> None:
        found = same_images(Brax, make("DICOM"), miniature, PARTS_OF_ANY_FORM)
        processor, _ = read(make("DICOM"))
        assert processor.layout == "DICOM files in Anonymized_DICOMs"
        for record in found.values():
            assert record.carrier == "dicom"
            assert record.key == path_of(record)
            if record.native:
                assert record.key == record.native["DicomPath"]

    def test_headers_are_asked_where_the_table_is_blank(self, dicoms: Path) -> None:
        records = read(dicoms)[1]
        asked = [number for number in range(1, 11) if named(number, records).view_from_header]
        assert asked == [9]

    @pytest.mark.parametrize(
        ("position", "orientation", "view"),
        [
            ("AP LLD", None, "decubitus"),
            ("L", "A\\F", "lateral"),
            ("", "L\\F", "PA or AP"),
            (None, "P\\F", "lateral"),
            ("LAO", None, "oblique"),
            ("SUPINE", None, None),
            (None, None, None),
        ],
    )
    def test_a_header_spells_views_as_the_table_does(
        self, dicoms: Path, position: str | None, orientation: str | None, view: str | None
    ) -> None:
        assert Brax(dicoms).view_in_header(position, orientation) == view

    def test_the_older_table(self, make: Callable[[str], Path], miniature: Path) -> None:
        root = make("table under its older name")
        same_images(Brax, root, miniature, [part for part in PARTS if part != "excluded"])
        processor, records = read(root)
        assert processor.tables == [OLD_TABLE]
        assert named(11, records).excluded == f"not in {OLD_TABLE}"

    def test_the_newer_of_both_tables_is_used(self, release: Path) -> None:
        write(release / OLD_TABLE, HEADER, row(A))
        processor, records = read(release)
        assert processor.tables == [TABLE]
        assert processor.warnings == [f"{OLD_TABLE} is not used: {TABLE} is here"]
        assert len(records) == 11

    @pytest.mark.parametrize("prefix", ["data", "sources/x-rays", "BRAX_data/brax-1.1.0", f"x/{PHYSIONET}"])
    def test_the_root_may_be_given_too_high(self, release: Path, miniature: Path, prefix: str) -> None:
        root = release.parent / "high"
        (root / prefix).parent.mkdir(parents=True)
        release.rename(root / prefix)
        same_images(Brax, root, miniature, PARTS)
        assert read(root)[0].tables == [f"{prefix}/{TABLE}"]

    def test_a_folder_unpacked_into_one_of_its_name(self, release: Path, miniature: Path) -> None:
        (release / "images").rename(release / "inner")
        (release / "images").mkdir()
        (release / "inner").rename(release / "images/images")
        same_images(Brax, release, miniature, PARTS)

    def test_letter_case_of_folder_and_table_does_not_matter(self, release: Path) -> None:
        (release / "images").rename(release / "Images")
        (release / TABLE).rename(release / TABLE.upper())
        processor, records = read(release)
        assert processor.warnings == []
        record = named(1, records)
        assert path_of(record) == record.key.replace("images", "Images")
        assert (release / path_of(record)).is_file()

    def test_png_files_are_preferred(self, release: Path, dicoms: Path, miniature: Path) -> None:
        (dicoms / "Anonymized_DICOMs").rename(release / "Anonymized_DICOMs")
        found = same_images(Brax, release, miniature, PARTS)
        assert {record.carrier for record in found.values()} == {""}

    def test_dicom_files_do_not_stand_in_for_missing_ones(self, release: Path, dicoms: Path) -> None:
        (dicoms / "Anonymized_DICOMs").rename(release / "Anonymized_DICOMs")
        (release / path_of(named(1, read(release)[1]))).unlink()
        processor, records = read(release)
        assert named(1, records).file is None
        assert processor.warnings == [
            f"images: 1 images of {TABLE} are missing; the files in Anonymized_DICOMs do not stand in for "
            "them: complete the download, or move images away to use those alone"
        ]

    def test_a_second_copy_is_said(self, release: Path) -> None:
        shutil.copytree(release / "images", release / "files" / "images")
        processor, records = read(release)
        assert len(records) == 11
        assert processor.warnings == [
            "files/images is not used: images holds such images too; to use the other, name the folder above "
            "it as root"
        ]


class TestNamesCutByWget:
    """Older versions of wget cut a path at 236 characters, ``physionet.org/files/brax/1.1.0/`` included."""

    @pytest.mark.parametrize("characters", [1, 3, 4, 5, 7, 12, 25])
    def test_png_files(self, release: Path, miniature: Path, characters: int) -> None:
        (release / path_of(named(11, read(release)[1]))).unlink()
        cut_names(release, ".png", characters)
        processor, records = read(release)
        expected = read(miniature)[1]
        assert records.keys() == expected.keys() - {named(11, expected).identity}
        for identity, record in records.items():
            assert all(getattr(record, part) == getattr(expected[identity], part) for part in PARTS)
            assert (release / path_of(record)).is_file()
            assert path_of(record) == path_of(expected[identity])[:-characters]
        how = (
            "by the file name alone"
            if characters == 4
            else f"to a name cut by wget, {characters} characters shorter"
        )
        assert processor.warnings == [f"{TABLE}: column 'PngPath' led to 10 files: 10 {how}"]

    def test_dicom_files(self, dicoms: Path) -> None:
        cut_names(dicoms, ".dcm", 18)
        processor, records = read(dicoms)
        assert processor.warnings == [
            f"{TABLE}: column 'DicomPath' led to 10 files: 10 to a name cut by wget, 18 characters shorter"
        ]
        assert path_of(named(4, records)).endswith("/image-99304000-99304001-99304002-993")
        assert named(4, records).key == named(4, records).native["DicomPath"]

    def test_an_ending_that_a_user_put_back(self, release: Path) -> None:
        cut_names(release, ".png", 7, ending=".png")
        processor, records = read(release)
        assert path_of(named(4, records)).endswith("-99304003-99304.png")
        assert processor.warnings == [
            f"{TABLE}: column 'PngPath' led to 10 files: 10 to a name cut by wget, 3 characters shorter"
        ]

    def test_a_cut_name_that_no_row_names(self, release: Path) -> None:
        cut_names(release, ".png", 7)
        records = read(release)[1]
        record = records["image-99311000-99311001-99311002-99311003-99311"]
        assert record.excluded == f"not in {TABLE}"

    def test_a_cut_name_says_nothing_without_the_table(self, release: Path) -> None:
        whole = path_of(named(1, read(release)[1]))
        cut_names(release, ".png", 7)
        lay(release, whole)
        (release / TABLE).unlink()
        records = read(release)[1]
        assert named(1, records).excluded is None
        assert Counter(record.excluded for record in records.values()) == {
            None: 1,
            "name cut short, and no table that tells the whole": 11,
        }

    def test_a_name_that_fits_several_images_is_used_for_none(self, tmp_path: Path) -> None:
        write(tmp_path / TABLE, HEADER, row(A), row(A, f"images/{image(A)[:-3]}777.png"), row(B))
        lay(tmp_path, f"images/{image(A)[:-3]}", f"images/{image(B)}.png")
        processor, records = read(tmp_path)
        assert processor.warnings[1:] == [
            "images: 1 files are not used: their names are cut so short that each fits several images; "
            "download them again under their full names"
        ]
        assert {identity: record.file is None for identity, record in records.items()} == {
            STEM(A): True,
            f"{STEM(A)[:-3]}777": True,
            STEM(B): False,
            STEM(A)[:-3]: False,
        }
        assert records[STEM(A)[:-3]].excluded


class TestPaths:
    @pytest.mark.parametrize(
        ("cell", "how"),
        [
            ("images/{}.png", None),
            (r"images\{}.png", None),
            ("files/brax/1.1.0/images/{}.png", None),
            ("{}.png", None),
            ("./images//{}.png", None),
            ("Images/{}.png", None),
            ("data/png/{}.png", None),
            ("images/{}.png.backup", "under another ending"),
            ("images/{}.png1234567", "under another ending"),
            ("images/{}.png.png", "under another ending"),
            ("images/{}_123456", "under another ending"),
            ("images/{}", "under another ending"),
            ("images/{}.PNG", "under another ending"),
            ("images/{}.dcm", "under another ending"),
        ],
    )
    @pytest.mark.parametrize("here", [True, False])
    def test_what_a_path_of_the_table_may_look_like(
        self, tmp_path: Path, cell: str, how: str | None, here: bool
    ) -> None:
        write(tmp_path / TABLE, HEADER, row(B), row(A, cell.format(image(A))))
        lay(tmp_path, f"images/{image(B)}.png", *([f"images/{image(A)}.png"] if here else []))
        processor, records = read(tmp_path)
        record = records[STEM(A)]
        assert record.key == f"images/{image(A)}.png"
        assert (record.file is not None) == here
        assert record.study_id == f"Study_{A}.{A}.{A}.{A}.{A}"
        if here:
            assert path_of(record) == record.key
        assert len(records) == 2
        counts = f"{TABLE}: column 'PngPath' led to 2 files: 1 as written, 1 {how}"
        assert processor.warnings == ([counts] if how and here else [])

    def test_an_image_in_another_folder_is_found_by_its_name(self, tmp_path: Path) -> None:
        write(tmp_path / TABLE, HEADER, row(A))
        lay(tmp_path, f"images/{SERIES(B)}/{STEM(A)}.png")
        processor, records = read(tmp_path)
        assert path_of(records[STEM(A)]) == f"images/{SERIES(B)}/{STEM(A)}.png"
        assert records[STEM(A)].key == f"images/{image(A)}.png"
        assert processor.warnings == [f"{TABLE}: column 'PngPath' led to 1 files: 1 by the file name alone"]

    def test_of_two_files_of_one_name_the_one_in_the_right_folder_is_used(self, tmp_path: Path) -> None:
        write(tmp_path / TABLE, HEADER, row(B), row(A))
        # The first in order is not the one that the table names.
        other = f"images/{SERIES(A)}/{STEM(B)}.png"
        lay(tmp_path, other, f"images/{image(A)}.png", f"images/{image(B)}.png")
        processor, records = read(tmp_path)
        assert path_of(records[STEM(B)]) == f"images/{image(B)}.png"
        assert processor.warnings == [
            "images: 1 files are not used: the same images are here in other folders"
        ]

    @pytest.mark.parametrize(
        ("cell", "reason"),
        [
            ("../../etc/passwd", "column 'PngPath' leads out of the root"),
            (f"/etc/{STEM(A)}.png", "column 'PngPath' leads out of the root"),
            (rf"C:\{STEM(A)}.png", "column 'PngPath' leads out of the root"),
            (f"images/../../{image(A)}.png", "column 'PngPath' leads out of the root"),
            ("", "column 'PngPath' names no file such as image-<five times eight digits>.png"),
            ("images", "column 'PngPath' names no file such as image-<five times eight digits>.png"),
            (
                f"images/{SERIES(A)}/image-{A}.png",
                "column 'PngPath' names no file such as image-<five times eight digits>.png",
            ),
        ],
    )
    def test_a_path_that_names_no_image(self, tmp_path: Path, cell: str, reason: str) -> None:
        write(tmp_path / TABLE, HEADER, row(B), row(A, cell))
        lay(tmp_path, f"images/{image(A)}.png", f"images/{image(B)}.png")
        processor, records = read(tmp_path)
        assert processor.warnings == [f"{TABLE}: 1 rows are not used: {reason} (row 3)"]
        assert records[f"{TABLE} row 3"].excluded == "unusable row"
        assert records[STEM(A)].excluded == f"not in {TABLE}"
        assert len(records) == 3

    def test_a_repeated_row_is_yielded_again(self, tmp_path: Path) -> None:
        write(tmp_path / TABLE, HEADER, row(A), row(A, Edema="1.0"))
        lay(tmp_path, f"images/{image(A)}.png")
        records = list(Brax(tmp_path).records())
        assert [record.identity for record in records] == [STEM(A), STEM(A)]
        assert [len(record.labels) for record in records] == [0, 1]


class TestMissing:
    def test_without_the_table(self, release: Path, miniature: Path) -> None:
        (release / TABLE).unlink()
        processor, records = read(release)
        assert processor.warnings == [
            f"{TABLE} not found: images are written without labels, sex and age, and, as their view is "
            "unknown, only with FRONTAL_ONLY: false"
        ]
        expected = read(miniature)[1]
        assert records.keys() == expected.keys()
        for identity, record in records.items():
            assert (record.excluded, record.view, record.labels) == (None, "unknown", [])
            assert not record.view_from_header
            for part in ("key", "file", "patient_id", "study_id"):
                assert getattr(record, part) == getattr(expected[identity], part)

    def test_without_the_table_headers_tell_the_view(self, dicoms: Path) -> None:
        (dicoms / TABLE).unlink()
        processor, records = read(dicoms)
        assert all(record.view_from_header for record in records.values())
        assert "as their view is unknown unless the DICOM headers tell it, only with" in processor.warnings[0]

    def test_half_the_files(self, release: Path) -> None:
        shutil.rmtree(release / "images/id_9901abc0-9901abc1-9901abc2-9901abc3-9901abc4")
        processor, records = read(release)
        absent = [record for record in records.values() if record.file is None]
        assert len(absent) == 4
        assert len(records) == 11
        assert {(record.part, record.excluded) for record in absent} == {("images", None)}
        assert processor.warnings == []

    def test_no_image_at_all(self, release: Path) -> None:
        shutil.rmtree(release / "images")
        with pytest.raises(SourceError, match=r"no image of BRAX found.*check the path"):
            Brax(release)

    def test_archives_are_to_be_unpacked(self, release: Path) -> None:
        shutil.rmtree(release / "images")
        lay(release, "brax-1.1.0.zip")
        with pytest.raises(SourceError, match="unpack the archives first, 1 here"):
            Brax(release)

    def test_a_packed_table_is_no_archive_of_images(self, tmp_path: Path) -> None:
        lay(tmp_path, f"{TABLE}.zip")
        with pytest.raises(SourceError, match="check the path"):
            Brax(tmp_path)

    @pytest.mark.parametrize(
        "path",
        [
            "images/00000001_000.png",
            "images/a/b/c.png",
            "train/patient00001/study1/view1_frontal.jpg",
            "files/p10/p10000032/s50414267/a.jpg",
        ],
    )
    def test_another_dataset_is_refused(self, tmp_path: Path, path: str) -> None:
        lay(tmp_path, path)
        with pytest.raises(SourceError, match=r"expected images/id_<\.\.\.>.*found 1 folders and 0 files"):
            Brax(tmp_path)

    def test_folders_of_patients_are_not_searched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lay(tmp_path, *(f"train/patient{number:05d}/a.png" for number in range(60)))
        listed: list[Path] = []

        def subfolders(folder: Path) -> list[Path]:
            listed.append(folder)
            return sorted(path for path in folder.iterdir() if path.is_dir())

        monkeypatch.setattr("processors.brax.subfolders", subfolders)
        with pytest.raises(SourceError):
            Brax(tmp_path)
        assert {path.name for path in listed} == {tmp_path.name, "train"}


class TestOddities:
    def test_files_of_other_names_are_counted(self, release: Path) -> None:
        place = f"images/{SERIES(A)}"
        lay(release, f"{place}/scan.png", f"{place}/{STEM(A)} (2).png", f"{place}/{STEM(A)}.jpg")
        lay(release, f"{place}/._{STEM(A)}.png", f"{place}/notes.txt")
        processor, records = read(release)
        assert len(records) == 11
        assert processor.warnings == [
            "images: 3 files are not used: expected names such as image-<five times eight digits>.png"
        ]

    def test_unknown_views_are_counted(self, release: Path) -> None:
        edit(release, ",RLO,", ",Swimmer,")
        edit(release, ",RL,", ",rl,")
        processor, records = read(release)
        assert named(8, records).view == "unknown"
        assert named(8, records).native["ViewPosition"] == "Swimmer"
        assert named(7, records).view == "lateral"
        assert processor.warnings == [
            f"{TABLE}: 1 cells of column 'ViewPosition' tell no view: expected PA, AP, L or a blank, found "
            "'Swimmer'"
        ]

    @pytest.mark.parametrize(
        ("position", "view"),
        [("LL", "lateral"), ("LLD", "decubitus"), ("RLD", "decubitus"), ("LLO", "oblique")],
    )
    def test_the_views_of_the_documentation(self, tmp_path: Path, position: str, view: str) -> None:
        write(tmp_path / TABLE, HEADER, row(A, view=position))
        lay(tmp_path, f"images/{image(A)}.png")
        processor, records = read(tmp_path)
        assert records[STEM(A)].view == view
        assert processor.warnings == []

    def test_unknown_ages_are_counted(self, release: Path) -> None:
        edit(release, ",65,", ",sixty,")
        processor, records = read(release)
        assert (named(10, records).age, named(10, records).native["PatientAge"]) == (None, "sixty")
        assert processor.warnings == [
            f"{TABLE}: 1 cells of column 'PatientAge' are not used: expected years, found 'sixty'"
        ]

    def test_ages_that_a_program_read_as_numbers(self, release: Path) -> None:
        edit(release, ",45,", ",45.0,")
        processor, records = read(release)
        assert processor.warnings == []
        assert named(1, records).age == 45.0

    @pytest.mark.parametrize("cell", [f"id_{A}-{A}-{A}-{A}-{A}", "900001"])
    @pytest.mark.parametrize("column", ["ViewPosition", "PatientAge"])
    def test_no_cell_of_another_column_is_shown(self, tmp_path: Path, column: str, cell: str) -> None:
        shifted = row(A, view=cell) if column == "ViewPosition" else row(A, age=cell)
        write(tmp_path / TABLE, HEADER, shifted)
        lay(tmp_path, f"images/{image(A)}.png")
        processor, _ = read(tmp_path)
        assert len(processor.warnings) == 1
        assert processor.warnings[0].startswith(f"{TABLE}: 1 cells of column {column!r} ")
        assert processor.warnings[0].endswith(", found other texts")

    def test_unknown_label_values_are_counted(self, tmp_path: Path) -> None:
        write(tmp_path / TABLE, HEADER, row(A, Edema="maybe", Fracture="-1", Pneumonia="1"))
        lay(tmp_path, f"images/{image(A)}.png")
        processor, records = read(tmp_path)
        assert records[STEM(A)].labels == [Label("Pneumonia", 1, "BRAX"), Label("Fracture", -1, "BRAX")]
        assert processor.warnings == [
            f"{TABLE}: 1 label cells are not used: expected 1, 0, -1 or a blank, found 'maybe'"
        ]

    @pytest.mark.parametrize("column", ["PngPath", "PatientID", "ViewPosition", "Lung Opacity"])
    def test_a_missing_column_is_named(self, release: Path, column: str) -> None:
        table = release / TABLE
        table.write_text(table.read_text().replace(column, "Something", 1))
        with pytest.raises(SourceError, match=rf"{TABLE}: expected column '{column}'"):
            read(release)

    def test_other_columns_may_be_absent_or_more(self, release: Path) -> None:
        table = release / TABLE
        header = table.read_text().replace("PatientAge", "Age", 1).replace("DicomPath", "Dicom", 1)
        table.write_text(header)
        processor, records = read(release)
        assert processor.warnings == []
        record = named(1, records)
        assert (record.age, record.sex) == (None, "F")
        assert record.native.keys().isdisjoint({"PatientAge", "DicomPath", "Age"})

    def test_columns_are_found_by_name(self, tmp_path: Path) -> None:
        columns, cells = HEADER.split(",")[::-1], row(A, Lung_Lesion="1.0").split(",")[::-1]
        write(tmp_path / TABLE, ",".join(columns), ",".join(cells))
        lay(tmp_path, f"images/{image(A)}.png")
        record = read(tmp_path)[1][STEM(A)]
        assert record.labels == [Label("Lung Lesion", 1, "BRAX")]
        assert (record.view, record.patient_id) == ("PA", f"id_{A}")

    def test_a_blank_patient_is_told_by_the_folder(self, tmp_path: Path) -> None:
        write(tmp_path / TABLE, HEADER, row(A).replace(f",id_{A},", ",,"))
        lay(tmp_path, f"images/{image(A)}.png")
        assert read(tmp_path)[1][STEM(A)].patient_id == f"id_{A}-{A}-{A}-{A}-{A}"

    @pytest.mark.parametrize("change", ["crlf and bom", "gz"])
    def test_resaved_tables_read_the_same(self, release: Path, miniature: Path, change: str) -> None:
        table = release / TABLE
        lines = table.read_text().splitlines()
        table.unlink()
        if change == "gz":
            packed = gzip.compress("\n".join(lines).encode())
            (release / "Master_Spreadsheet_Update.csv.gz").write_bytes(packed)
        else:
            write(table, *lines, newline="\r\n", encoding="utf-8-sig")
        same_images(Brax, release, miniature, [part for part in PARTS if part != "excluded"])
