"""object-CXR in every layout in which it is published or kept."""

from __future__ import annotations

import gzip
import math
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from composer.demo.layout import Layout
from composer.demo.objectcxr import LAYOUTS
from processors.base import Box, Label, Record, SourceError
from processors.objectcxr import ObjectCXR
from tests.processors.releases import Made, lay, path_of, read_release, same_images, write

pytestmark = pytest.mark.filterwarnings("error")

PRESENT = [Label("Foreign object", 1, "object-CXR")]
ABSENT = [Label("Foreign object", 0, "object-CXR")]
NO_TABLES = (
    "train.csv and dev.csv not found: the images of train and dev are written without labels and boxes"
)


@pytest.fixture(scope="module")
def miniature(made: Made) -> Path:
    return made(ObjectCXR, LAYOUTS[0])


@pytest.fixture(scope="module")
def packed(made: Made) -> Path:
    return made(ObjectCXR, LAYOUTS[1])


@pytest.fixture
def release(miniature: Path, tmp_path: Path) -> Path:
    """Return a miniature that a test may rearrange; it is the only thing in the folder above."""
    return Path(shutil.copytree(miniature, tmp_path / "sources" / "object-CXR"))


@pytest.fixture
def zips(packed: Path, tmp_path: Path) -> Path:
    """Return a miniature of zip files that a test may rearrange."""
    return Path(shutil.copytree(packed / "object-CXR", tmp_path / "zip files" / "object-CXR"))


def read(root: Path) -> tuple[ObjectCXR, dict[str, Record]]:
    return read_release(ObjectCXR, root)


def assert_same_images(root: Path, miniature: Path) -> dict[str, Record]:
    parts = ("key", "view", "split", "labels", "boxes", "native", "part", "excluded", "carrier")
    return same_images(ObjectCXR, root, miniature, parts)


def read_row(root: Path, annotation: str) -> tuple[ObjectCXR, Record]:
    """Read a release of one image, in whose row the annotation stands."""
    lay(root, "train/00001.jpg")
    write(root / "train.csv", "image_name,annotation", f"00001.jpg,{annotation}")
    processor, records = read(root)
    return processor, records["00001"]


def boxes_of(root: Path, annotation: str) -> list[Box]:
    processor, record = read_row(root, annotation)
    assert processor.warnings == []
    return record.boxes


def pack(archive: Path, *members: str) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as packed:
        for member in members:
            packed.writestr(member, member)


class TestMiniature:
    def test_every_row_is_a_file_of_the_right_split(self, miniature: Path) -> None:
        processor, records = read(miniature)
        assert processor.warnings == []
        assert processor.layout == "JPEG files in test, dev, train"
        assert processor.tables == ["dev.csv", "train.csv"]
        folders = {"train": "train", "val": "dev", "test": "test"}
        assert Counter(record.split for record in records.values()) == {"train": 6, "val": 3, "test": 3}
        for identity, record in records.items():
            assert record.split
            folder = folders[record.split]
            assert (path_of(record), record.key) == (f"{folder}/{identity}.jpg", f"{identity}.jpg")
            assert (record.part, record.view, record.excluded) == (folder, "PA or AP", None)
            assert (record.patient_id, record.study_id, record.box_grid) == (None, None, None)
        assert sorted(records) == [str(number) for number in range(99001, 99013)]

    def test_an_empty_annotation_is_a_negative(self, miniature: Path) -> None:
        records = read(miniature)[1]
        assert records["99001"].labels == PRESENT
        assert records["99002"].labels == ABSENT
        assert records["99002"].boxes == []
        assert records["99002"].native == {"annotation": ""}

    def test_test_has_no_labels_and_is_not_left_out(self, miniature: Path) -> None:
        record = read(miniature)[1]["99010"]
        assert (record.labels, record.boxes, record.native, record.excluded) == ([], [], {}, None)

    def test_shapes(self, miniature: Path) -> None:
        records = read(miniature)[1]
        polygon = (190.0, 201.0, 230.0, 192.0, 255.0, 240.0, 221.0, 261.0)
        assert records["99001"].boxes == [
            Box("Foreign object", 112, 140, 59, 62, "object-CXR", None),
            Box("Foreign object", 190, 192, 65, 69, "object-CXR", polygon),
        ]
        assert records["99001"].native == {
            "annotation": "0 112 140 171 202;2 190 201 230 192 255 240 221 261"
        }
        (ellipse,) = records["99003"].boxes
        assert ellipse[:5] == ("Foreign object", 203, 88, 57, 53)
        assert ellipse.outline is not None


class TestShapes:
    def test_an_ellipse_touches_its_box_and_bulges_between(self, tmp_path: Path) -> None:
        (box,) = boxes_of(tmp_path, "1 100 200 301 260")
        assert box[1:5] == (100, 200, 201, 60)
        assert box.outline is not None
        xs, ys = box.outline[::2], box.outline[1::2]
        assert len(xs) == len(ys) == 64
        assert (min(xs), max(xs), min(ys), max(ys)) == (100, 301, 200, 260)
        for x, y in zip(xs, ys, strict=True):
            assert math.isclose(((x - 200.5) / 100.5) ** 2 + ((y - 230) / 30) ** 2, 1, abs_tol=1e-3)
        assert box.outline[:2] == (301, 230)
        assert box.outline == tuple(round(number, 2) for number in box.outline)

    def test_a_polygon_may_run_past_the_film_and_is_not_cut(self, tmp_path: Path) -> None:
        (box,) = boxes_of(tmp_path, "2 -5 10 20 -3 40 4000")
        assert box[1:5] == (-5, -3, 45, 4003)
        assert box.outline == (-5, 10, 20, -3, 40, 4000)

    def test_corners_the_other_way_round_span_the_same_box(self, tmp_path: Path) -> None:
        (box,) = boxes_of(tmp_path, "0 30 40 10 20")
        assert box == Box("Foreign object", 10, 20, 20, 20, "object-CXR")

    @pytest.mark.parametrize(
        "annotation",
        [
            "0 1 2 3 4;0 5 6 7 8",
            "0 1 2 3 4;0 5 6 7 8;",
            "0 1 2 3 4;0 5 6 7 8; ",
            ";0 1 2 3 4;;0 5 6 7 8",
            " 0  1 2   3 4 ; 0 5 6 7 8 ",
            "0 1.0 2.0 3.0 4.0;0.0 5 6 7 8.0",
        ],
    )
    def test_accidents_of_form_make_no_difference(self, tmp_path: Path, annotation: str) -> None:
        assert [box[1:] for box in boxes_of(tmp_path, annotation)] == [
            (1, 2, 2, 2, "object-CXR", None),
            (5, 6, 2, 2, "object-CXR", None),
        ]

    @pytest.mark.parametrize("annotation", ["", " ", ";", " ; ", "nan", "NaN", "NA", "null", "None"])
    def test_what_stands_for_nothing_is_a_negative(self, tmp_path: Path, annotation: str) -> None:
        processor, record = read_row(tmp_path, annotation)
        assert (record.labels, record.boxes, processor.warnings) == (ABSENT, [], [])
        assert record.native == {"annotation": annotation.strip()}

    @pytest.mark.parametrize(
        "malformed",
        [
            pytest.param("3 1 2 3 4", id="unknown-type"),
            pytest.param("3 1 2 3 4 5 7", id="unknown-type-of-polygon"),
            pytest.param("0.5 1 2 3 4", id="no-type"),
            pytest.param("0", id="no-numbers"),
            pytest.param("0 1 2 3", id="three-numbers"),
            pytest.param("1 1 2 3 4 5 6", id="six-numbers"),
            pytest.param("2 1 2 3 4", id="two-corners"),
            pytest.param("2 1 2 3 4 5 6 7", id="odd-polygon"),
            pytest.param("0 1 2 x 4", id="text"),
            pytest.param("0 1 2 nan 4", id="nan"),
            pytest.param("2 1 2 inf 4 5 6", id="infinite"),
            pytest.param("0 1 2 1 4", id="no-width"),
            pytest.param("1 1 2 3 2", id="no-height"),
            pytest.param("2 1 1 1 2 1 3", id="no-area"),
        ],
    )
    def test_an_object_that_is_none_is_counted_and_the_film_positive(
        self, tmp_path: Path, malformed: str
    ) -> None:
        processor, record = read_row(tmp_path, f"0 1 2 3 4;{malformed}")
        assert [box[1:5] for box in record.boxes] == [(1, 2, 2, 2)]
        assert record.labels == PRESENT
        assert processor.warnings == [
            "train.csv: 1 objects are not used: expected 0 or 1 and the four numbers of a box, or 2 and at "
            "least three corners, that span an area; their images count as positive (row 2)"
        ]
        processor, record = read_row(tmp_path, malformed)
        assert (record.boxes, record.labels) == ([], PRESENT)
        assert len(processor.warnings) == 1

    def test_malformed_objects_are_counted_by_table_with_their_first_rows(self, tmp_path: Path) -> None:
        names = [f"{number:05d}.jpg" for number in range(1, 9)]
        lay(tmp_path, *(f"dev/{name}" for name in names))
        rows = [f"{name},7 1 2 3 4;0 1 2;" for name in names[1:]]
        write(tmp_path / "dev.csv", "image_name,annotation", f"{names[0]},", *rows)
        processor, records = read(tmp_path)
        (warning,) = processor.warnings
        assert warning.startswith("dev.csv: 14 objects are not used")
        assert warning.endswith("(rows 3, 4, 5, 6, 7, ...)")
        assert len(records) == 8


class TestLayouts:
    @pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])
    def test_all_give_the_same(self, miniature: Path, tmp_path: Path, layout: Layout) -> None:
        layout.make(tmp_path / "root")
        assert_same_images(tmp_path / "root", miniature)

    @pytest.mark.parametrize("levels", [0, 1, 2])
    @pytest.mark.parametrize("form", ["release", "zips"])
    def test_the_root_is_here_or_above(
        self, request: pytest.FixtureRequest, miniature: Path, levels: int, form: str
    ) -> None:
        release: Path = request.getfixturevalue(form)
        root = [release, release.parent, release.parent.parent][levels]
        assert_same_images(root, miniature)

    def test_the_root_is_not_looked_for_further_below(self, release: Path, tmp_path: Path) -> None:
        shutil.move(release.parent, tmp_path / "a" / "sources")
        with pytest.raises(SourceError, match="up to two folders below"):
            read(tmp_path)

    @pytest.mark.parametrize("place", ["..", "../..", "train"])
    def test_the_table_lies_elsewhere(self, release: Path, miniature: Path, place: str) -> None:
        (release / "train.csv").rename(release / place / "train.csv")
        root = release.parent.parent
        assert_same_images(root, miniature)

    def test_the_table_of_the_release_comes_before_another_above(
        self, release: Path, miniature: Path
    ) -> None:
        write(release.parent / "train.csv", "Path,Sex,Age", "train/patient99001/study1/view1.jpg,Female,1")
        assert_same_images(release.parent, miniature)

    def test_a_zip_file_is_read_where_it_lies(self, packed: Path) -> None:
        processor, records = read(packed)
        assert processor.layout == (
            "JPEG files in object-CXR/test.zip, object-CXR/dev.zip, object-CXR/train.zip"
        )
        assert processor.tables == ["object-CXR/dev.csv", "object-CXR/train.csv"]
        for identity, archive, member in (
            ("99001", "train", "train/99001.jpg"),
            ("99008", "dev", "dev/dev/99008.jpg"),
            ("99012", "test", "99012.jpg"),
        ):
            with zipfile.ZipFile(packed / "object-CXR" / f"{archive}.zip") as opened:
                info = opened.getinfo(member)
            assert records[identity].file == (
                f"object-CXR/{archive}.zip",
                info.header_offset,
                info.compress_size,
                True,
            )

    @pytest.mark.parametrize(
        "member", ["{}", "train/{}", "dev/{}", "dev/dev/{}", "object-CXR/dev/{}", "dev\\{}"]
    )
    def test_the_archive_tells_the_split_whatever_its_folders(self, tmp_path: Path, member: str) -> None:
        pack(tmp_path / "dev.zip", *(member.format(name) for name in ("08001.jpg", "08002.jpg")))
        processor, records = read(tmp_path)
        assert {identity: (each.key, each.split) for identity, each in records.items()} == {
            "08001": ("08001.jpg", "val"),
            "08002": ("08002.jpg", "val"),
        }
        assert processor.layout == "JPEG files in dev.zip"

    @pytest.mark.parametrize("unpacked", ["train", "dev", "test"])
    def test_some_splits_are_unpacked(
        self, zips: Path, release: Path, miniature: Path, unpacked: str
    ) -> None:
        for path in list(release.iterdir()):
            if path.is_dir() and path.name != unpacked:
                shutil.rmtree(path)
        for split in {"train", "dev", "test"} - {unpacked}:
            shutil.copy(zips / f"{split}.zip", release)
        assert_same_images(release, miniature)

    def test_a_folder_comes_before_the_zip_file_it_came_from(self, zips: Path, miniature: Path) -> None:
        shutil.copytree(miniature / "dev", zips / "dev")
        # It is not even opened.
        (zips / "dev.zip").write_bytes(b"PK cut short")
        processor, records = read(zips)
        assert path_of(records["99008"]) == "dev/99008.jpg"
        assert path_of(records["99001"]) == "train.zip"
        assert processor.warnings == ["dev.zip is not used: dev is unpacked here"]

    def test_a_folder_without_images_does_not(self, zips: Path, miniature: Path) -> None:
        lay(zips, "dev/index.html")
        assert_same_images(zips, miniature)

    def test_names_in_capitals(self, release: Path, miniature: Path) -> None:
        for path in list(release.glob("train/9*.jpg")):
            path.rename(path.with_suffix(".JPG"))
        (release / "train").rename(release / "TRAIN")
        (release / "train.csv").rename(release / "Train.CSV")
        processor, records = read(release)
        _, expected = read(miniature)
        assert processor.warnings == []
        assert path_of(records["99001"]) == "TRAIN/99001.JPG"
        assert records["99001"].key == "99001.JPG"
        assert records["99001"].boxes == expected["99001"].boxes

    def test_a_zip_file_in_capitals(self, zips: Path, miniature: Path) -> None:
        (zips / "train.zip").rename(zips / "Train.ZIP")
        assert path_of(assert_same_images(zips, miniature)["99001"]) == "Train.ZIP"

    def test_a_damaged_zip_file_stops_the_run(self, zips: Path) -> None:
        whole = (zips / "train.zip").read_bytes()
        (zips / "train.zip").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(SourceError, match=r"train\.zip: not readable as a zip file .*download it again"):
            read(zips)

    def test_a_folder_that_links_to_itself_ends(self, release: Path) -> None:
        (release / "train" / "train").symlink_to(".")
        records = read(release)[1]
        assert len(records) == 12
        assert path_of(records["99001"]) == "train/99001.jpg"

    @pytest.mark.parametrize(
        "paths",
        [
            pytest.param((), id="empty"),
            pytest.param(("train/patient00001/study1/view1_frontal.jpg", "train.csv"), id="chexpert"),
            pytest.param(("CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg",), id="small"),
            pytest.param(("train/0123abcd.dicom", "test/0123abcd.dicom", "train.csv"), id="vindr"),
            pytest.param(("images/00000001_000.png",), id="nih"),
            pytest.param(("train/000001.jpg", "train/0001.jpg", "train/a00001.jpg"), id="other-numbers"),
            pytest.param(("train/00001.png", "valid/00001.jpg"), id="other-places"),
            pytest.param(("00001.jpg", "00002.jpg"), id="without-split"),
            pytest.param(("train/\u0661\u0662\u0663\u0664\u0665.jpg",), id="other-digits"),
        ],
    )
    def test_another_folder_is_refused(self, tmp_path: Path, paths: tuple[str, ...]) -> None:
        lay(tmp_path, *paths)
        with pytest.raises(
            SourceError, match=r"expected train/, dev/ or test/.* 00001\.jpg, or train\.zip.*; check the path"
        ):
            ObjectCXR(tmp_path)

    def test_zip_files_of_other_names_or_contents_are_refused_with_the_remedy(self, tmp_path: Path) -> None:
        pack(tmp_path / "object-CXR.zip", "train/00001.jpg")
        pack(tmp_path / "train.zip", "train/patient00001/study1/view1_frontal.jpg", "train/000001.jpg")
        with pytest.raises(
            SourceError, match=r"0 folders and 2 files \(endings \.zip\); unpack the archives first, 2 here"
        ):
            ObjectCXR(tmp_path)

    def test_one_split_alone(self, release: Path) -> None:
        for split in ("dev", "test"):
            shutil.rmtree(release / split)
        (release / "dev.csv").unlink()
        processor, records = read(release)
        assert processor.layout == "JPEG files in train"
        assert (processor.warnings, len(records)) == ([], 6)


class TestTables:
    def test_none(self, release: Path) -> None:
        for split in ("train", "dev"):
            (release / f"{split}.csv").unlink()
        processor, records = read(release)
        assert processor.warnings == [NO_TABLES]
        assert len(records) == 12
        for record in records.values():
            assert (record.labels, record.boxes, record.excluded) == ([], [], None)
            assert record.file is not None

    def test_one_of_two(self, release: Path) -> None:
        (release / "dev.csv").unlink()
        processor, records = read(release)
        assert processor.warnings == [
            "dev.csv not found: the images of dev are written without labels and boxes"
        ]
        assert records["99001"].labels == PRESENT
        assert (records["99007"].labels, records["99007"].excluded) == ([], None)

    def test_test_has_one_in_some_copies(self, release: Path) -> None:
        rows = ["99010.jpg,0 50 60 70 80", "99011.jpg,", "99012.jpg,1 20 30 44 52;0 80 80 90 90"]
        write(release / "test.csv", "image_name,annotation", *rows)
        processor, records = read(release)
        assert processor.warnings == []
        assert processor.tables == ["test.csv", "dev.csv", "train.csv"]
        assert records["99010"].labels == records["99012"].labels == PRESENT
        assert records["99011"].labels == ABSENT
        assert len(records["99012"].boxes) == 2
        assert records["99012"].split == "test"

    @pytest.mark.parametrize("column", ["image_name", "image_path"])
    @pytest.mark.parametrize(
        "cell",
        ["{}", "/path/{}", "train/{}", "C:\\data\\train\\{}", "../../{}", "/mnt/a b, c/{}"],
    )
    def test_the_base_name_counts(self, release: Path, miniature: Path, column: str, cell: str) -> None:
        header, *rows = (release / "train.csv").read_text().splitlines()
        quote = '"' if "," in cell else ""
        cells = [row.partition(",") for row in rows]
        write(
            release / "train.csv",
            header.replace("image_name", column),
            *(f"{quote}{cell.format(name)}{quote},{annotation}" for name, _, annotation in cells),
        )
        assert_same_images(release, miniature)

    def test_columns_are_found_by_name(self, tmp_path: Path) -> None:
        lay(tmp_path, "train/00001.jpg")
        write(tmp_path / "train.csv", "n,annotation,image_name", "1,0 1 2 3 4,00001.jpg")
        assert read(tmp_path)[1]["00001"].boxes == [Box("Foreign object", 1, 2, 2, 2, "object-CXR")]

    @pytest.mark.parametrize(
        ("header", "column"),
        [
            ("image_name,Annotations", "'annotation'"),
            ("image,annotation", "'image_name' or 'image_path'"),
            # The table of another dataset that has its images in train/.
            ("Path,Sex", "'annotation'"),
        ],
    )
    def test_a_missing_column_is_named(self, release: Path, header: str, column: str) -> None:
        write(release / "train.csv", header, "99001.jpg,")
        with pytest.raises(SourceError, match=rf"train\.csv: expected column {column}"):
            read(release)

    @pytest.mark.parametrize("change", ["crlf", "bom", "gz", "zip", "all"])
    def test_resaved_tables_read_the_same(self, release: Path, miniature: Path, change: str) -> None:
        for path in list(release.glob("*.csv")):
            lines = path.read_text().splitlines()
            path.unlink()
            write(
                path,
                *lines,
                newline="\r\n" if change in ("crlf", "all") else "\n",
                encoding="utf-8-sig" if change in ("bom", "all") else "utf-8",
            )
            if change in ("gz", "all"):
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
                path.unlink()
            if change == "zip":
                with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w") as packed:
                    packed.writestr(path.name, path.read_bytes())
                path.unlink()
        assert_same_images(release, miniature)


class TestFilesAndRows:
    @pytest.mark.parametrize("form", ["release", "zips"])
    def test_a_file_without_row_is_left_out_where_there_is_a_table(
        self, request: pytest.FixtureRequest, form: str
    ) -> None:
        release: Path = request.getfixturevalue(form)
        for split in ("train", "dev"):
            path = release / f"{split}.csv"
            write(path, *path.read_text().splitlines()[:-1])
        processor, records = read(release)
        assert processor.warnings == []
        assert {identity: each.excluded for identity, each in records.items() if each.excluded} == {
            "99006": "not in train.csv",
            "99009": "not in dev.csv",
        }
        assert records["99006"].labels == []

    def test_a_row_without_file_is_missing(self, release: Path) -> None:
        (release / "train/99001.jpg").unlink()
        processor, records = read(release)
        record = records["99001"]
        assert (record.file, record.key, record.part) == (None, "99001.jpg", "train")
        assert (record.labels, len(record.boxes)) == (PRESENT, 2)
        assert processor.warnings == []

    def test_an_absent_split_is_one_part(self, zips: Path) -> None:
        (zips / "dev.zip").unlink()
        processor, records = read(zips)
        absent = [record for record in records.values() if record.file is None]
        assert [(record.part, record.split) for record in absent] == [("dev", "val")] * 3
        assert processor.warnings == []

    def test_an_image_of_another_split_is_not_taken(self, release: Path) -> None:
        (release / "train/99001.jpg").rename(release / "dev/99001.jpg")
        processor = ObjectCXR(release)
        found = [record for record in processor.records() if record.identity == "99001"]
        # The held-out one comes first, and the first counts.
        assert [(record.split, record.excluded, record.file is None) for record in found] == [
            ("val", "not in dev.csv", False),
            ("train", None, True),
        ]

    def test_an_image_in_two_splits_is_held_out(self, tmp_path: Path) -> None:
        lay(
            tmp_path, "train/00001.jpg", "test/00001.jpg", "train/00002.jpg", "dev/00002.jpg", "dev/00003.jpg"
        )
        processor = ObjectCXR(tmp_path)
        assert [(record.identity, record.split) for record in processor.records()] == [
            ("00001", "test"),
            ("00002", "val"),
            ("00003", "val"),
            ("00001", "train"),
            ("00002", "train"),
        ]
        assert processor.warnings == [
            "2 images lie in more than one of test, dev and train: the first of these counts",
            NO_TABLES,
        ]

    def test_a_repeated_row_is_yielded_again(self, release: Path) -> None:
        with (release / "train.csv").open("a") as table:
            table.write("99002.jpg,0 1 2 3 4\n")
        processor = ObjectCXR(release)
        found = [record for record in processor.records() if record.identity == "99002"]
        assert [record.labels for record in found] == [ABSENT, PRESENT]

    @pytest.mark.parametrize(
        "cell",
        [
            "",
            "../../etc/passwd",
            "/etc/passwd",
            "99001",
            "99001.png",
            "099001.jpg",
            "99001.jpg/..",
            "x/",
            "1.jpg",
        ],
    )
    def test_a_row_that_names_no_image_is_counted(self, release: Path, cell: str) -> None:
        with (release / "train.csv").open("a") as table:
            table.write(f"{cell},0 1 2 3 4\n{cell},0 1 2 3 4\n")
        processor, records = read(release)
        assert processor.warnings == [
            "train.csv: 2 rows are not used: column 'image_name' names no image such as 00001.jpg (rows 8, 9)"
        ]
        assert len(records) == 14
        record = records["train.csv row 9"]
        assert (record.file, record.excluded) == (None, "unusable row")

    def test_what_is_no_image_among_the_images_is_counted(self, release: Path) -> None:
        lay(
            release / "train",
            "Thumbs.db",
            "99001 (2).jpg",
            "099001.jpg",
            "99001.png",
            "99001.jpg.gz",
            "more/99001.jpg",
            "train.csv.gz",
            "README.txt",
            "._99002.jpg",
        )
        processor, records = read(release)
        assert processor.warnings == [
            "train: 6 entries are not used: expected files such as 00001.jpg, none in folders below or packed"
        ]
        assert len(records) == 12

    def test_so_it_is_in_a_zip_file(self, tmp_path: Path) -> None:
        pack(
            tmp_path / "train.zip",
            "train/00001.jpg",
            "train/00002.jpeg",
            "train/cover.jpg",
            "train/README.md",
            "__MACOSX/train/._00001.jpg",
        )
        processor, records = read(tmp_path)
        assert processor.warnings[0].startswith("train.zip: 1 entries are not used: expected files such as")
        assert sorted(records) == ["00001", "00002"]

    @pytest.mark.parametrize("form", ["release", "zip"])
    def test_an_image_that_is_there_twice_is_read_once(self, tmp_path: Path, form: str) -> None:
        if form == "zip":
            pack(
                tmp_path / "dev.zip", "dev/08001.jpg", "dev/dev/08001.jpg", "dev/08001.jpeg", "dev/08002.jpg"
            )
        else:
            lay(tmp_path, "dev/08001.jpg", "dev/dev/08001.jpg", "dev/08001.jpeg", "dev/dev/08002.jpg")
        processor, records = read(tmp_path)
        place = "dev.zip" if form == "zip" else "dev"
        assert f"{place}: 2 files are not used: the same images are here again" in processor.warnings
        assert sorted(records) == ["08001", "08002"]

    def test_half_of_the_files(self, release: Path) -> None:
        for path in list(release.glob("*/990*[02468].jpg")):
            path.unlink()
        processor, records = read(release)
        assert processor.warnings == []
        # The rows of train and dev are missing; nothing names those of test.
        assert Counter(record.file is None for record in records.values()) == {False: 6, True: 4}
