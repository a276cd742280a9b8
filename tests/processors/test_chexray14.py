"""NIH ChestX-ray14 in every layout and table form in which it is published."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pytest

from composer.demo import chexpert, vindrcxr
from composer.demo.chexray14 import LAYOUTS
from composer.demo.layout import Layout
from processors import chexray14
from processors.base import Box, Label, Record, Release, SourceError
from processors.chexray14 import ChestXray14
from tests.processors.releases import Made, lay, path_of, read_release, tar_of, write

# A warning of pandas about the shape of a table would be shown to every user.
pytestmark = pytest.mark.filterwarnings("error")

HEADER_2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
HEADER_2025 = HEADER_2020.replace("Gender", "Sex")
NAMES = ("00099991_000.png", "00099991_001.png", "00099992_000.png")
ROWS = (
    "00099991_000.png,No Finding,0,99991,47,F,PA,2500,2048,0.168,0.168",
    "00099991_001.png,Effusion|Infiltration,1,99991,48,F,AP,2544,3056,0.139,0.139",
    "00099992_000.png,Mass|Atelectasis,0,99992,63,M,PA,2992,2991,0.14300000000000002,0.14300000000000002",
)
ROWS_2017 = (
    "00099991_000.png,No Finding,000,00099991,047Y,F,PA,2500,2048,0.168,0.168",
    "00099991_001.png,Effusion|Infiltration,001,00099991,048Y,F,AP,2544,3056,0.139,0.139",
    "00099992_000.png,Mass|Atelectasis,000,00099992,063Y,M,PA,2992,2991,0.143,0.143",
)
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


def read(root: Path, **files: Path) -> tuple[ChestXray14, dict[str, Record]]:
    return read_release(ChestXray14, root, **files)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Lay out the Box form with three images and everything that belongs to them."""
    lay(tmp_path, *(f"images/{name}" for name in NAMES))
    write(tmp_path / "Data_Entry_2017_v2020.csv", HEADER_2020, *ROWS)
    write(
        tmp_path / "BBox_List_2017.csv",
        BOX_HEADER,
        "00099991_001.png,Infiltrate,225.0847458,547.0192168,86.7796610,79.1864407",
        "00099991_001.png,Effusion,101.25,640.5,210.0,180.75",
    )
    write(tmp_path / "train_val_list.txt", *NAMES[:2])
    write(tmp_path / "test_list.txt", NAMES[2])
    return tmp_path


class TestLayouts:
    @pytest.mark.parametrize(
        ("folder", "layout"),
        [
            ("images", "full-size PNG files"),
            ("images/images", "full-size PNG files"),
            ("CXR8/images", "full-size PNG files"),
            ("images_001/images", "full-size PNG files"),
            ("sample/sample/images", "full-size PNG files"),
            ("images-224", "224 px PNG files"),
            ("images-224/images-224", "224 px PNG files"),
        ],
    )
    def test_finds_the_images_wherever_a_release_puts_them(
        self, tmp_path: Path, folder: str, layout: str
    ) -> None:
        lay(tmp_path, *(f"{folder}/{name}" for name in NAMES))
        write(tmp_path / "Data_Entry_2017_v2020.csv", HEADER_2020, *ROWS)
        processor, records = read(tmp_path)
        assert processor.layout == layout
        assert {path_of(record) for record in records.values()} == {f"{folder}/{name}" for name in NAMES}

    def test_the_kaggle_archives_are_one_set(self, tmp_path: Path) -> None:
        paths = [f"images_{1 + 5 * place:03d}/images/{name}" for place, name in enumerate(NAMES)]
        lay(tmp_path, *paths)
        write(tmp_path / "Data_Entry_2017.csv", HEADER_2020, *ROWS)
        _, records = read(tmp_path)
        assert [path_of(records[name[:-4]]) for name in NAMES] == paths

    def test_the_kaggle_sample_has_its_own_table(self, tmp_path: Path) -> None:
        lay(tmp_path, *(f"sample/images/{name}" for name in NAMES))
        header = (
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
            "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y"
        )
        write(tmp_path / "sample" / "sample_labels.csv", header, *ROWS_2017)
        processor, records = read(tmp_path)
        assert processor.tables == ["sample/sample_labels.csv"]
        assert records["00099992_000"].age == 63
        assert records["00099992_000"].native["OriginalImageWidth"] == "2992"

    def test_a_root_that_is_the_resized_folder_itself(self, tmp_path: Path) -> None:
        lay(tmp_path, *(f"images-224/{name}" for name in NAMES))
        assert ChestXray14(tmp_path / "images-224").layout == "224 px PNG files"

    def test_full_size_is_preferred_to_copies_of_224_px(self, release: Path) -> None:
        lay(release, *(f"images-224/{name}" for name in NAMES[:2]))
        processor, records = read(release)
        assert {path_of(record) for record in records.values()} == {f"images/{name}" for name in NAMES}
        assert processor.warnings == ["2 copies of 224 px are not used: full-size images are here"]

    @pytest.mark.parametrize("archive", ["images-224.tar", "torrent/Images-224.TAR"])
    def test_reads_the_tar_where_it_lies(self, tmp_path: Path, archive: str) -> None:
        tar_of(tmp_path / archive, *(f"images-224/{name}" for name in (*NAMES, f"._{NAMES[0]}", "a.png")))
        write(tmp_path / "Data_Entry_2017.csv", HEADER_2020, *ROWS)
        processor, records = read(tmp_path)
        assert processor.layout == "224 px PNG files inside images-224.tar"
        assert len(records) == 3
        packed = (tmp_path / archive).read_bytes()
        for record in records.values():
            assert record.file is not None
            path, offset, size, _ = record.file
            assert path == archive
            assert offset is not None
            assert size is not None
            assert packed[offset : offset + size] == f"images-224/{record.key}".encode()

    @pytest.mark.parametrize("table", [True, False])
    def test_what_is_not_unpacked_is_read_from_the_tar_beside(self, tmp_path: Path, table: bool) -> None:
        tar_of(tmp_path / "images-224.tar", *(f"images-224/{name}" for name in NAMES))
        lay(tmp_path, f"images-224/{NAMES[1]}")
        if table:
            write(tmp_path / "Data_Entry_2017.csv", HEADER_2020, *ROWS)
        processor, records = read(tmp_path)
        assert processor.layout == "224 px PNG files"
        assert {record.key: path_of(record) for record in records.values()} == {
            NAMES[0]: "images-224.tar",
            NAMES[1]: f"images-224/{NAMES[1]}",
            NAMES[2]: "images-224.tar",
        }
        assert processor.warnings[-1] == (
            "2 images are read from images-224.tar: they are not unpacked beside it"
        )

    def test_a_tar_of_other_images_is_another_dataset(self, tmp_path: Path) -> None:
        tar_of(tmp_path / "images-224.tar", "images-224/123_abc.png")
        with pytest.raises(SourceError, match=r"no image of NIH ChestX-ray14 found.*check the path"):
            ChestXray14(tmp_path)

    def test_the_tar_beside_a_complete_folder_is_not_opened(self, tmp_path: Path) -> None:
        lay(tmp_path, "images-224.tar", *(f"images-224/{name}" for name in NAMES))
        write(tmp_path / "Data_Entry_2017.csv", HEADER_2020, *ROWS)
        assert {path_of(record) for record in read(tmp_path)[1].values()} == {
            f"images-224/{name}" for name in NAMES
        }

    def test_the_tar_beside_full_size_images_is_not_read(self, release: Path) -> None:
        lay(release, "images-224.tar")
        assert read(release)[0].warnings == ["images-224.tar is not used: full-size images are here"]

    @pytest.mark.parametrize("above", ["", "CXR8/", "downloads/CXR8/"])
    def test_the_root_is_too_high(
        self, release: Path, tmp_path_factory: pytest.TempPathFactory, above: str
    ) -> None:
        root = tmp_path_factory.mktemp("high")
        shutil.copytree(release, root / above, dirs_exist_ok=True)
        processor, records = read(root)
        assert processor.warnings == []
        assert sorted(processor.tables) == sorted(above + table for table in read(release)[0].tables)
        assert {record.split for record in records.values()} == {"train", "test"}

    @pytest.mark.parametrize("archive", ["images-224.tar.gz", "images/images_001.tar.gz", "CXR8.zip"])
    def test_archives_that_are_only_packed_are_counted_with_the_remedy(
        self, tmp_path: Path, archive: str
    ) -> None:
        lay(tmp_path, archive)
        lay(tmp_path, "more/Jane Doe.zip")
        with pytest.raises(SourceError, match=f"{tmp_path}.*unpack the archives first, 2 here$"):
            ChestXray14(tmp_path)

    def test_other_pictures_are_not_images_of_this_dataset(self, tmp_path: Path) -> None:
        lay(tmp_path, "images/figure.png", "images/00099991_0000.png", "images/00099991_000.jpg")
        expected = r"no image of NIH ChestX-ray14 found.*found 1 folders and 0 files; check the path$"
        with pytest.raises(SourceError, match=expected):
            ChestXray14(tmp_path)

    @pytest.mark.parametrize("packed", [False, True])
    def test_other_pictures_among_the_images_are_counted(self, release: Path, packed: bool) -> None:
        if packed:
            shutil.rmtree(release / "images")
            tar_of(release / "images-224.tar", *NAMES)
        lay(release, "images/00099991_0000.png", "figures/Jane Doe.PNG", "images/._00099991_000.png")
        processor, records = read(release)
        assert processor.warnings == ["2 PNG files are not used: expected names such as 00000001_000.png"]
        assert len(records) == 3

    def test_of_duplicates_the_first_folder_is_used(self, release: Path) -> None:
        lay(release, f"images/images/{NAMES[0]}", f"images_001/images/{NAMES[1]}")
        processor, records = read(release)
        assert path_of(records["00099991_001"]) == f"images/{NAMES[1]}"
        assert processor.warnings == ["2 files are not used: the same images are here in other folders"]

    def test_file_names_in_capitals(self, tmp_path: Path) -> None:
        lay(tmp_path, *(f"images/{name.upper()}" for name in NAMES))
        write(tmp_path / "DATA_ENTRY_2017_V2020.CSV", HEADER_2020, *ROWS)
        write(tmp_path / "Bbox_List_2017.csv", BOX_HEADER, "00099991_001.PNG,Effusion,1,2,3,4")
        write(tmp_path / "Train_Val_List.txt", *NAMES[:2])
        write(tmp_path / "Test_List.txt", NAMES[2])
        processor, records = read(tmp_path)
        assert processor.warnings == []
        assert path_of(records["00099991_001"]) == "images/00099991_001.PNG"
        assert records["00099991_001"].boxes == [Box("Effusion", 1, 2, 3, 4)]
        assert records["00099992_000"].split == "test"


class TestTables:
    def test_the_form_of_2020(self, release: Path) -> None:
        processor, records = read(release)
        assert processor.warnings == []
        assert set(processor.tables) == {
            "Data_Entry_2017_v2020.csv",
            "BBox_List_2017.csv",
            "train_val_list.txt",
            "test_list.txt",
        }
        record = records["00099991_001"]
        assert (record.key, record.view, record.patient_id) == ("00099991_001.png", "AP", "99991")
        assert (record.split, record.sex, record.age) == ("train", "F", 48)
        assert record.labels == [Label("Effusion", 1, "NIH"), Label("Infiltration", 1, "NIH")]
        assert record.boxes == [
            Box("Infiltrate", 225.0847458, 547.0192168, 86.7796610, 79.1864407),
            Box("Effusion", 101.25, 640.5, 210.0, 180.75),
        ]
        assert record.box_grid == (1024, 1024)
        assert record.excluded is None
        assert record.native == {
            "View Position": "AP",
            "Finding Labels": "Effusion|Infiltration",
            "Follow-up #": "1",
            "Patient Age": "48",
            "OriginalImage[Width": "2544",
            "Height]": "3056",
            "OriginalImagePixelSpacing[x": "0.139",
            "y]": "0.139",
        }

    # Header and rows do not always have the same number of fields.
    @pytest.mark.parametrize(
        ("header", "rows", "newline"),
        [
            pytest.param(HEADER_2020, ROWS, "\n", id="2020"),
            pytest.param(f"{HEADER_2020},", ROWS_2017, "\r\n", id="2017"),
            pytest.param(HEADER_2025, ROWS, "\n", id="sex"),
            pytest.param(f"{HEADER_2025},", [f"{row}," for row in ROWS], "\n", id="2025"),
            pytest.param(HEADER_2025, [f"{row}," for row in ROWS], "\n", id="comma-on-rows-only"),
            pytest.param(f"{HEADER_2025},", ROWS, "\n", id="comma-on-header-only"),
        ],
    )
    @pytest.mark.parametrize("carrier", ["plain", "bom", "gzip"])
    def test_every_published_form_says_the_same(
        self, release: Path, header: str, rows: list[str], newline: str, carrier: str
    ) -> None:
        _, expected = read(release)
        table = release / "Data_Entry_2017_v2020.csv"
        write(table, header, *rows, newline=newline, encoding="utf-8-sig" if carrier == "bom" else "utf-8")
        if carrier == "gzip":
            (release / f"{table.name}.gz").write_bytes(gzip.compress(table.read_bytes()))
            table.unlink()
        processor, records = read(release)
        assert processor.warnings == []
        for identity, record in records.items():
            record.native = expected[identity].native
        assert records == expected

    @pytest.mark.parametrize(
        ("cell", "years"),
        [
            ("47", 47),
            ("0", 0),
            ("058Y", 58),
            ("006M", 0.5),
            ("001D", 0),
            ("120Y", 120),
            ("414Y", None),
            ("121", None),
            ("", None),
            ("unknown", None),
        ],
    )
    def test_ages(self, release: Path, cell: str, years: float | None) -> None:
        write(release / "Data_Entry_2017_v2020.csv", HEADER_2020, ROWS[0].replace(",47,", f",{cell},"))
        assert read(release)[1]["00099991_000"].age == years

    # A blank says no more than no table, and every image of the release is meant to be frontal.
    @pytest.mark.parametrize(("cell", "view"), [("", "PA or AP"), ("LL", "unknown")])
    def test_a_view_that_is_none_of_the_two(self, release: Path, cell: str, view: str) -> None:
        write(release / "Data_Entry_2017_v2020.csv", HEADER_2020, ROWS[0].replace(",PA,", f",{cell},"))
        record = read(release)[1]["00099991_000"]
        assert (record.view, record.native["View Position"]) == (view, cell)

    def test_the_corrected_table_is_preferred(self, release: Path) -> None:
        write(release / "Data_Entry_2017.csv", f"{HEADER_2020},", *ROWS_2017)
        assert "Data_Entry_2017_v2020.csv" in read(release)[0].tables

    def test_without_a_table_the_images_are_taken_as_frontal(self, release: Path) -> None:
        (release / "Data_Entry_2017_v2020.csv").unlink()
        processor, records = read(release)
        assert processor.warnings == [
            "Data_Entry_2017_v2020.csv not found: images are taken for frontal ones and written without "
            "labels, sex and age"
        ]
        record = records["00099992_000"]
        assert (record.view, record.patient_id, record.split) == ("PA or AP", "99992", "test")
        assert record.excluded is None
        assert record.labels == []

    def test_without_a_table_the_boxes_are_still_there(self, release: Path) -> None:
        (release / "Data_Entry_2017_v2020.csv").unlink()
        processor, records = read(release)
        assert [box.label for box in records["00099991_001"].boxes] == ["Infiltrate", "Effusion"]
        assert "BBox_List_2017.csv" in processor.tables

    def test_boxes_of_images_that_are_not_here_are_counted(self, release: Path) -> None:
        with (release / "BBox_List_2017.csv").open("a") as table:
            table.write("00099999_000.png,Mass,1,2,3,4\n")
        assert read(release)[0].warnings == [
            "BBox_List_2017.csv: 1 boxes are not used: their images are not here"
        ]

    @pytest.mark.parametrize(
        "cell",
        ["", "../../etc/passwd", "/etc/passwd", "00099991_000.jpg", "99991_000.png", "00099991_000.png.png"],
    )
    def test_a_row_that_names_no_image_is_accounted_for(self, release: Path, cell: str) -> None:
        table = release / "Data_Entry_2017_v2020.csv"
        write(table, HEADER_2020, *ROWS[:2], ROWS[1].replace("00099991_001.png", cell), ROWS[2])
        processor, records = read(release)
        assert len(records) == 4
        unusable = records["Data_Entry_2017_v2020.csv row 4"]
        assert (unusable.excluded, unusable.file) == ("unusable row", None)
        assert processor.warnings == [
            "Data_Entry_2017_v2020.csv: 1 rows are not used: column 'Image Index' holds no name such as "
            "00000001_000.png (row 4)"
        ]

    @pytest.mark.parametrize("folder", ["../../etc/", "/etc/", "C:\\images\\", "images/"])
    def test_a_folder_in_a_cell_leads_nowhere(self, release: Path, folder: str) -> None:
        write(release / "Data_Entry_2017_v2020.csv", HEADER_2020, *(folder + row for row in ROWS))
        processor, records = read(release)
        assert processor.warnings == []
        assert {path_of(record) for record in records.values()} == {f"images/{name}" for name in NAMES}

    def test_a_repeated_row_is_yielded_again(self, release: Path) -> None:
        write(release / "Data_Entry_2017_v2020.csv", HEADER_2020, *ROWS, ROWS[0].replace(",47,", ",99,"))
        processor = ChestXray14(release)
        found = [record for record in processor.records() if record.identity == "00099991_000"]
        assert [record.age for record in found] == [47, 99]
        assert processor.warnings == []

    def test_equal_cells_share_their_labels(self, release: Path) -> None:
        write(
            release / "Data_Entry_2017_v2020.csv",
            HEADER_2020,
            ROWS[0],
            ROWS[2].replace("Mass|Atel", "Mass|Mass|Atel"),
            ROWS[1].replace("Effusion|Infiltration", "No Finding"),
        )
        records = read(release)[1]
        assert records["00099991_000"].labels is records["00099991_001"].labels
        assert [label.label for label in records["00099992_000"].labels] == ["Mass", "Atelectasis"]

    def test_without_the_boxes_there_are_none(self, release: Path) -> None:
        (release / "BBox_List_2017.csv").unlink()
        processor, records = read(release)
        assert processor.warnings == ["BBox_List_2017.csv not found: images are written without boxes"]
        assert not any(record.boxes for record in records.values())
        assert len(records) == 3

    @pytest.mark.parametrize("name", ["00099991_001", "00099991_001.PNG"])
    def test_the_ending_may_lack_in_any_table(self, release: Path, name: str) -> None:
        _, expected = read(release)
        for table in ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt"):
            text = (release / table).read_text()
            assert "00099991_001.png" in text
            write(release / table, *text.replace("00099991_001.png", name).splitlines())
        processor, records = read(release)
        assert processor.warnings == []
        if name.endswith("1"):
            assert records == expected
        else:
            assert records["00099991_001"].key == name
            assert records["00099991_001"].boxes == expected["00099991_001"].boxes

    def test_a_row_without_a_file_is_a_record_without_one(self, release: Path) -> None:
        (release / "images" / NAMES[1]).unlink()
        record = read(release)[1]["00099991_001"]
        assert record.file is None
        assert (record.view, record.excluded) == ("AP", None)

    def test_a_file_without_a_row_is_excluded(self, release: Path) -> None:
        lay(release, "images/00099993_007.png")
        record = read(release)[1]["00099993_007"]
        assert record.excluded == "not in Data_Entry_2017_v2020.csv"
        assert path_of(record) == "images/00099993_007.png"
        assert record.patient_id == "99993"

    def test_an_unknown_label_is_kept_and_said(self, release: Path) -> None:
        write(
            release / "Data_Entry_2017_v2020.csv",
            HEADER_2020,
            *(row.replace("|", "|Pneumomediastinum|") for row in ROWS),
        )
        processor, records = read(release)
        assert processor.warnings == [
            "Data_Entry_2017_v2020.csv: 2 cells of column 'Finding Labels' are kept as they are written: "
            "expected labels of the release, found 'Pneumomediastinum'"
        ]
        assert Label("Pneumomediastinum", 1, "NIH") in records["00099992_000"].labels

    @pytest.mark.parametrize("cells", ["1,2,3,", "1,2,3,nan", "a,2,3,4", "1,2,0,4", "1,2,3,-4"])
    def test_boxes_that_are_not_four_numbers_are_counted(self, release: Path, cells: str) -> None:
        write(
            release / "BBox_List_2017.csv",
            BOX_HEADER,
            "00099991_001.png,Effusion,101.25,640.5,210.0,180.75",
            f"00099991_001.png,Mass,{cells}",
            f"00099991_000.png,Mass,{cells}",
            "00099992_000.png,Mass,1,2,3,4",
        )
        processor, records = read(release)
        assert [box.label for box in records["00099991_001"].boxes] == ["Effusion"]
        assert records["00099991_000"].boxes == []
        assert records["00099992_000"].boxes == [Box("Mass", 1, 2, 3, 4)]
        assert processor.warnings == [
            "BBox_List_2017.csv: 2 boxes are not used: expected an image name and four numbers, width and "
            "height above zero"
        ]

    @pytest.mark.parametrize(
        ("table", "header", "column"),
        [
            ("Data_Entry_2017_v2020.csv", HEADER_2020, "Finding Labels"),
            ("Data_Entry_2017_v2020.csv", HEADER_2020, "View Position"),
            ("BBox_List_2017.csv", BOX_HEADER, "Bbox [x"),
        ],
    )
    def test_a_missing_column_is_named_with_its_file(
        self, release: Path, table: str, header: str, column: str
    ) -> None:
        row = ",".join("1" * len(header.split(",")))
        write(release / table, header.replace(column, "Renamed"), row)
        with pytest.raises(SourceError) as caught:
            read(release)
        assert f"{table}: expected column {column!r}, found" in str(caught.value)
        assert "'Renamed'" in str(caught.value)


class TestLists:
    def test_with_crlf_and_bom(self, release: Path) -> None:
        write(release / "train_val_list.txt", *NAMES[:2], newline="\r\n", encoding="utf-8-sig")
        processor, records = read(release)
        assert [record.split for record in records.values()] == ["train", "train", "test"]
        assert {record.excluded for record in records.values()} == {None}
        assert processor.warnings == []

    @pytest.mark.parametrize("name", ["TRAIN_VAL_LIST.TXT", "Train_Val_List.txt.gz"])
    def test_in_any_letter_case_or_packed(self, release: Path, name: str) -> None:
        text = (release / "train_val_list.txt").read_bytes()
        (release / "train_val_list.txt").unlink()
        (release / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
        processor, records = read(release)
        assert [record.split for record in records.values()] == ["train", "train", "test"]
        assert name in processor.tables
        assert processor.warnings == []

    @pytest.mark.parametrize("form", ["images/{}.png", "images_001/images/{}", "{}", "{}.PNG", "./{}.png"])
    def test_entries_with_a_folder_or_without_the_ending(self, release: Path, form: str) -> None:
        for list_name, names in (("train_val_list.txt", NAMES[:2]), ("test_list.txt", NAMES[2:])):
            write(release / list_name, *(form.format(name[:-4]) for name in names))
        processor, records = read(release)
        assert [record.split for record in records.values()] == ["train", "train", "test"]
        assert processor.warnings == []

    def test_lines_that_name_no_image_are_counted(self, release: Path) -> None:
        odd = ("Image Index", "00099991_001.jpg", "", "0099991_001.png", "00099991_000.png,1", "images/")
        write(release / "test_list.txt", *odd, NAMES[2])
        processor, records = read(release)
        assert processor.warnings == ["test_list.txt: 5 lines are not used: they name no image"]
        assert [record.split for record in records.values()] == ["train", "train", "test"]

    def test_an_image_in_both_is_held_out(self, release: Path) -> None:
        write(release / "train_val_list.txt", *NAMES)
        assert read(release)[1]["00099992_000"].split == "test"

    @pytest.mark.parametrize("table", [True, False])
    def test_an_image_in_neither_is_left_out(self, release: Path, table: bool) -> None:
        if not table:
            (release / "Data_Entry_2017_v2020.csv").unlink()
        write(release / "train_val_list.txt", NAMES[0])
        processor, records = read(release)
        assert [record.split for record in records.values()] == ["train", None, "test"]
        excluded = [record.excluded for record in records.values()]
        assert excluded == [None, "not in train_val_list.txt or test_list.txt", None]
        assert not any("list" in warning for warning in processor.warnings)

    @pytest.mark.parametrize("table", [True, False])
    def test_with_the_training_list_alone_the_others_are_left_out(self, release: Path, table: bool) -> None:
        if not table:
            (release / "Data_Entry_2017_v2020.csv").unlink()
        (release / "test_list.txt").unlink()
        processor, records = read(release)
        assert [record.split for record in records.values()] == ["train", "train", None]
        excluded = [record.excluded for record in records.values()]
        assert excluded == [None, None, "not in train_val_list.txt"]
        assert processor.warnings[0] == (
            "test_list.txt not found: images that train_val_list.txt does not name are left out"
        )

    @pytest.mark.parametrize("table", [True, False])
    def test_with_the_test_list_alone_the_others_are_for_training(self, release: Path, table: bool) -> None:
        if not table:
            (release / "Data_Entry_2017_v2020.csv").unlink()
        (release / "train_val_list.txt").unlink()
        processor, records = read(release)
        assert [record.split for record in records.values()] == [None, None, "test"]
        assert {record.excluded for record in records.values()} == {None}
        assert processor.warnings[:2] == [
            "test_list.txt: names 1 of the 25,596 official test images, and the others count as training "
            "images; download it again",
            "train_val_list.txt not found: images that test_list.txt does not name count as training images",
        ]

    @pytest.mark.parametrize("name", ["train_val_list.txt", "test_list.txt"])
    @pytest.mark.parametrize("text", ["", "\n\n", "<html>404</html>\n"])
    def test_a_list_that_names_no_image_is_refused(self, release: Path, name: str, text: str) -> None:
        (release / name).write_text(text)
        with pytest.raises(SourceError, match=f"{name}: expected names such as 00000001_000.png, found none"):
            read(release)

    @pytest.mark.parametrize("table", [True, False])
    def test_without_both_nothing_is_left_out(self, release: Path, table: bool) -> None:
        for name in ("train_val_list.txt", "test_list.txt"):
            (release / name).unlink()
        if not table:
            (release / "Data_Entry_2017_v2020.csv").unlink()
        processor, records = read(release)
        assert {(record.split, record.excluded) for record in records.values()} == {(None, None)}
        assert processor.warnings[0] == (
            "train_val_list.txt and test_list.txt not found: the official test images cannot be told from "
            "the others; put test_list.txt beside the tables, or name it as CHEXRAY14_TEST_LIST"
        )
        assert len(processor.warnings) == (1 if table else 2)

    def test_a_file_without_a_row_is_out_for_that(self, release: Path) -> None:
        lay(release, "images/00099993_007.png")
        assert read(release)[1]["00099993_007"].excluded == "not in Data_Entry_2017_v2020.csv"


class TestTestListElsewhere:
    """The key CHEXRAY14_TEST_LIST: copies of 224 px have no lists."""

    @pytest.fixture
    def elsewhere(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        path = tmp_path_factory.mktemp("lists") / "held out.txt"
        write(path, NAMES[1])
        return path

    def test_it_comes_before_the_one_beside_the_images(self, release: Path, elsewhere: Path) -> None:
        write(release / "train_val_list.txt", NAMES[0], NAMES[2])
        processor, records = read(release, CHEXRAY14_TEST_LIST=elsewhere)
        assert [record.split for record in records.values()] == ["train", "test", "train"]
        assert str(elsewhere) in processor.tables
        assert "test_list.txt" not in processor.tables
        assert processor.warnings == []

    def test_it_does_without_the_training_list(self, release: Path, elsewhere: Path) -> None:
        for name in ("train_val_list.txt", "test_list.txt"):
            (release / name).unlink()
        processor, records = read(release, CHEXRAY14_TEST_LIST=elsewhere)
        assert [record.split for record in records.values()] == [None, "test", None]
        assert {record.excluded for record in records.values()} == {None}
        assert processor.warnings == [
            "held out.txt: names 1 of the 25,596 official test images, and the others count as training "
            "images; download it again",
            "train_val_list.txt not found: images that test_list.txt does not name count as training images",
        ]

    @pytest.mark.parametrize("text", ["", "patient99001/study1/view1_frontal.jpg\n", '[{"img_id": "x"}]'])
    def test_a_list_of_another_dataset_is_refused(self, release: Path, elsewhere: Path, text: str) -> None:
        elsewhere.write_text(text)
        with pytest.raises(SourceError) as read_with_images:
            read(release, CHEXRAY14_TEST_LIST=elsewhere)
        with pytest.raises(SourceError) as read_alone:
            ChestXray14.splits_without_images({"CHEXRAY14_TEST_LIST": elsewhere}, [])
        assert str(read_with_images.value) == str(read_alone.value)
        assert str(read_alone.value).startswith(
            f"CHEXRAY14_TEST_LIST: {elsewhere}: expected names such as 00000001_000.png, found none; download"
        )

    def test_the_training_list_is_no_test_list(
        self, release: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(chexray14, "_TEST_IMAGES", 2)
        write(elsewhere, *NAMES[:2], NAMES[0])
        assert ChestXray14.splits_without_images({"CHEXRAY14_TEST_LIST": elsewhere}, [])
        write(elsewhere, *NAMES)
        expected = "found 3 images, the official test_list.txt names 2; is it train_val_list.txt?"
        with pytest.raises(SourceError, match=rf"^CHEXRAY14_TEST_LIST: .*: {expected}"):
            ChestXray14.splits_without_images({"CHEXRAY14_TEST_LIST": elsewhere}, [])
        write(release / "test_list.txt", *NAMES)
        with pytest.raises(SourceError, match=rf"test_list.txt: {expected}") as beside:
            read(release)
        assert "CHEXRAY14_TEST_LIST" not in str(beside.value)

    @pytest.mark.parametrize("form", ["{}.png", "images/{}.PNG", "{}"])
    def test_it_tells_the_splits_without_images(self, release: Path, elsewhere: Path, form: str) -> None:
        write(elsewhere, "a line", *(form.format(name[:-4]) for name in NAMES[1:]))
        splits = ChestXray14.splits_without_images({"CHEXRAY14_TEST_LIST": elsewhere}, [])
        assert splits == {"00099991_001": "test", "00099992_000": "test"}
        assert splits.keys() < read(release)[1].keys()

    def test_nothing_tells_them_without_it(self) -> None:
        assert ChestXray14.splits_without_images({}, []) == {}


GOOGLE_HEADER = f"{HEADER_2020},Fracture,Pneumothorax,Airspace opacity,Nodule or mass,Set Id"
GOOGLE_ROWS = (f"{ROWS[0]},NO,NO,YES,NO,val", f"{ROWS[2]},YES,NO,NO,YES,test")


def of_google(**values: int) -> list[Label]:
    return [Label(finding.replace("_", " "), value, "Google") for finding, value in values.items()]


FIRST = of_google(Fracture=0, Pneumothorax=0, Airspace_opacity=1, Nodule_or_mass=0)
LAST = of_google(Fracture=1, Pneumothorax=0, Airspace_opacity=0, Nodule_or_mass=1)


class TestGoogle:
    @pytest.mark.parametrize(
        ("first", "last"),
        [
            ("validation_labels.csv", "test_labels.csv"),
            (
                "four_findings_expert_labels/validation_labels.csv",
                "four_findings_expert_labels/test_labels.csv",
            ),
            (
                "four_findings_expert_labels_validation_labels.csv",
                "Four_Findings_Expert_Labels_test_labels.csv",
            ),
            ("google2019_nih-chest-xray-labels.csv.gz", "google2019_nih-chest-xray-labels.csv.gz"),
        ],
    )
    def test_further_labels_of_the_images(self, release: Path, first: str, last: str) -> None:
        rows = {first: [GOOGLE_ROWS[0]]}
        rows.setdefault(last, []).append(GOOGLE_ROWS[1])
        for name, own in rows.items():
            text = "".join(f"{line}\r\n" for line in (GOOGLE_HEADER, *own)).encode()
            (release / name).parent.mkdir(exist_ok=True)
            (release / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
        processor, records = read(release)
        assert records["00099991_000"].labels == [Label("No Finding", 1, "NIH"), *FIRST]
        assert {label.labeller for label in records["00099991_001"].labels} == {"NIH"}
        assert records["00099992_000"].labels[2:] == LAST
        assert set(rows) < set(processor.tables)
        assert processor.warnings == []

    def test_images_that_say_the_same_share_their_labels(self, release: Path) -> None:
        rows = [row.replace("Effusion|Infiltration", "No Finding") for row in ROWS]
        write(release / "Data_Entry_2017_v2020.csv", HEADER_2020, *rows)
        values = GOOGLE_ROWS[0].removeprefix(ROWS[0])
        write(release / "test_labels.csv", GOOGLE_HEADER, *(f"{row}{values}" for row in ROWS[:2]))
        records = read(release)[1]
        assert records["00099991_000"].labels is records["00099991_001"].labels

    def test_the_joined_table_beside_the_others_changes_nothing(self, release: Path) -> None:
        for name in ("test_labels.csv", "google2019_nih-chest-xray-labels.csv"):
            write(release / name, GOOGLE_HEADER, *GOOGLE_ROWS)
        processor, records = read(release)
        assert records["00099992_000"].labels[2:] == LAST
        assert processor.warnings == []

    def test_files_without_a_row_of_nih_have_them_too(self, release: Path) -> None:
        (release / "Data_Entry_2017_v2020.csv").unlink()
        write(release / "test_labels.csv", GOOGLE_HEADER, *GOOGLE_ROWS)
        assert read(release)[1]["00099992_000"].labels == LAST

    def test_a_table_of_another_release_is_not_used(self, release: Path) -> None:
        write(release / "test_labels.csv", "Image Index,Fracture,Pneumothorax,Other", f"{NAMES[0]},YES,NO,NO")
        processor, records = read(release)
        assert {label.labeller for label in records["00099991_000"].labels} == {"NIH"}
        assert "test_labels.csv" not in processor.tables
        assert processor.warnings == [
            "test_labels.csv is not used: it lacks columns 'Airspace opacity', 'Nodule or mass' of Google's "
            "labels of four findings; is it the table of another release?"
        ]

    def test_what_cannot_be_used_is_told(self, release: Path) -> None:
        odd = (
            f"{ROWS[0]},YES,NO,YES,NO,val",
            GOOGLE_ROWS[1].replace(NAMES[2], "../../etc/passwd"),
            GOOGLE_ROWS[1].replace(NAMES[2], "00088888_000.png"),
            f"{ROWS[1]},HEDGE,NO,,YES,val",
        )
        write(release / "test_labels.csv", GOOGLE_HEADER, GOOGLE_ROWS[0], *odd)
        processor, records = read(release)
        assert records["00099991_000"].labels[1:] == FIRST
        assert records["00099991_001"].labels[2:] == of_google(Pneumothorax=0, Nodule_or_mass=1)
        assert processor.warnings == [
            "test_labels.csv: 1 rows are not used: expected a name such as 00000001_000.png in column "
            "'Image Index'",
            "test_labels.csv: 2 label cells are not used: expected YES or NO, found 'HEDGE', ''",
            "Google's tables: 1 rows contradict an earlier one of their image: the first counts",
            "Google's labels of 1 images are not used: these are not here",
        ]

    def test_a_cut_table_stops_the_run(self, release: Path) -> None:
        (release / "test_labels.csv").write_text(f"{GOOGLE_HEADER}\n{GOOGLE_ROWS[0]}\n{ROWS[2]}")
        with pytest.raises(SourceError, match=r"test_labels\.csv: the last line is cut"):
            read(release)


class TestParts:
    def test_the_twelve_archives_hold_the_images_in_order_of_name(self) -> None:
        names = [f"{number:08d}_000.png" for number in range(112_120)]
        parts = chexray14._parts(names[::-1])
        counts = Counter(parts.values())
        assert counts == {
            "images_001": 4_999,
            **{f"images_{part:03d}": 10_000 for part in range(2, 12)},
            "images_012": 7_121,
        }
        assert parts[names[4_998]] == "images_001"
        assert parts[names[4_999]] == "images_002"

    def test_a_full_table_tells_the_archive_of_an_absent_image(
        self, release: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ChestXray14, "releases", (Release("tiny", 3),))
        monkeypatch.setattr(chexray14, "_FIRST_ARCHIVE", 1)
        monkeypatch.setattr(chexray14, "_ARCHIVE", 1)
        (release / "images" / NAMES[2]).unlink()
        _, records = read(release)
        assert [records[name[:-4]].part for name in NAMES] == ["images_001", "images_002", "images_003"]

    def test_a_selection_of_the_table_tells_nothing_of_archives(self, release: Path) -> None:
        assert {record.part for record in read(release)[1].values()} == {None}


@pytest.fixture(scope="module")
def miniature(made: Made) -> Path:
    return made(ChestXray14, LAYOUTS[0])


class TestMiniatures:
    def test_the_official_one_is_read_without_a_word(self, miniature: Path) -> None:
        processor, records = read(miniature)
        assert processor.warnings == []
        assert len(records) == 14
        assert b"\r\n" in (miniature / "train_val_list.txt").read_bytes()
        patients = {
            split: {record.patient_id for record in records.values() if record.split == split}
            for split in ("train", "test")
        }
        assert patients["train"] == {"99901", "99902", "99903", "99904"}
        assert patients["test"] == {"99905", "99906"}

    @pytest.mark.parametrize("layout", LAYOUTS[1:], ids=lambda layout: layout.name)
    def test_every_layout_says_the_same_of_the_same_images(
        self, miniature: Path, tmp_path: Path, layout: Layout
    ) -> None:
        layout.make(tmp_path / "root")
        processor, records = read(tmp_path / "root")
        assert processor.layout.startswith(layout.name[:3]) or layout.name == "Kaggle sample"
        expected = read(miniature)[1]
        assert records.keys() == expected.keys()
        for identity, record in records.items():
            for part in ("key", "view", "patient_id", "sex", "age", "labels", "excluded"):
                assert getattr(record, part) == getattr(expected[identity], part), (identity, part)
            if layout.name != "Kaggle sample":
                assert record.boxes == expected[identity].boxes

    @pytest.mark.parametrize("layout", [chexpert.LAYOUTS[0], vindrcxr.LAYOUTS[0]])
    def test_another_dataset_is_refused(self, tmp_path: Path, layout: Layout) -> None:
        layout.make(tmp_path / "root")
        with pytest.raises(SourceError, match=r"no image of NIH ChestX-ray14 found.*check the path"):
            ChestXray14(tmp_path / "root")
