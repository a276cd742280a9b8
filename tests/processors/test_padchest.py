"""PadChest in every layout and table form in which users have it."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import shutil
import zipfile
import zlib
from pathlib import Path

import pytest

from composer.demo.layout import Layout
from composer.demo.padchest import HEADER, IMAGES, LAYOUTS, TABLE
from processors.base import Label, Location, Record, Report, SourceError
from processors.padchest import LABELS, PadChest
from tests.processors.releases import lay, path_of, read_release, same_images, tar_of, write

# A warning of pandas about the shape of a table would be shown to every user.
pytestmark = pytest.mark.filterwarnings("error")

COLUMNS = HEADER.split(",")
STUDIES = ("990000000000000000000000000000000000001", "998400000000000000000000000000000000000000002")
NAMES = (f"{STUDIES[0]}_ab12cd.png", f"{STUDIES[0]}_ab12ce.png", f"{STUDIES[1]}_01-002-003.png")
IDENTITIES = tuple(name[:-4] for name in NAMES)
DIRS = ("0", "0", "27")
FULL = "full-size PNG files"
EXPECTED_NAME = "<StudyID>_<suffix>.png with a suffix such as 00-000-000 or six letters and digits"


def row(place: int, /, **cells: str) -> str:
    """Return an invented row of the table, which says of one of the three images what is not given."""
    name = NAMES[place]
    usual = {
        "": str(900_001 + place),
        "ImageID": name,
        "ImageDir": DIRS[place],
        "StudyDate_DICOM": "20150302",
        "StudyID": name.partition("_")[0],
        "PatientID": f"9900000000000000000000000000000000001{place}",
        "PatientBirth": "1950.0",
        "PatientSex_DICOM": "F",
        "Projection": "PA",
        "BitsStored_DICOM": "12",
        "XRayTubeCurrent_DICOM": "None",
        "MethodLabel": "Physician",
        "Labels": "['normal']",
        "Localizations": "[]",
    }
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([{**usual, **cells}.get(column, "") for column in COLUMNS])
    return line.getvalue()


def read(root: Path) -> tuple[PadChest, dict[str, Record]]:
    return read_release(PadChest, root)


def read_row(root: Path, **cells: str) -> tuple[PadChest, Record]:
    """Return what is read of a row with these cells."""
    write(root / TABLE, HEADER, row(0, **cells), row(1), row(2))
    processor, records = read(root)
    return processor, records[IDENTITIES[0]]


def zip_of(archive: Path, *names: str) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            packed.writestr(name, name * 9)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Lay out three images in one folder, with the unpacked table."""
    lay(tmp_path, *(f"images/{name}" for name in NAMES))
    write(tmp_path / TABLE, HEADER, row(0), row(1, Projection="L"), row(2))
    return tmp_path


class TestLayouts:
    @pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])
    def test_every_miniature_says_the_same_of_the_same_images(self, tmp_path: Path, layout: Layout) -> None:
        LAYOUTS[0].make(tmp_path / "first")
        layout.make(tmp_path / "other")
        of_the_form = ("file", "carrier", "part")
        parts = [field.name for field in dataclasses.fields(Record) if field.name not in of_the_form]
        found = same_images(PadChest, tmp_path / "other", tmp_path / "first", parts)
        assert len(found) == len(IMAGES) == 10
        # The resized copies do not come in the numbered archives.
        assert all((record.part is None) == bool(record.carrier) for record in found.values())

    @pytest.mark.parametrize(
        ("folder", "layout"),
        [
            ("images", f"{FULL} in one folder"),
            (".", f"{FULL} in one folder"),
            ("a/b/images", f"{FULL} in one folder"),
            ("images/0", f"{FULL} in a folder per archive"),
            ("54", f"{FULL} in a folder per archive"),
            ("png/27", f"{FULL} in a folder per archive"),
            ("images-224", "224 px PNG files in one folder"),
            ("Images-224/images-224", "224 px PNG files in one folder"),
            ("a/b/images-224", "224 px PNG files in one folder"),
            ("images-224/3", "224 px PNG files in a folder per archive"),
            ("images-512-PC", "512 px PNG files in one folder"),
            ("images-64", "64 px PNG files in one folder"),
            ("images-640", f"{FULL} in one folder"),
        ],
    )
    def test_finds_the_images_wherever_a_release_puts_them(
        self, tmp_path: Path, folder: str, layout: str
    ) -> None:
        lay(tmp_path, *(f"{folder}/{name}" for name in NAMES))
        write(tmp_path / TABLE, HEADER, *map(row, range(3)))
        processor, records = read(tmp_path)
        assert processor.layout == layout
        assert processor.warnings == []
        paths = {(Path(folder) / name).as_posix() for name in NAMES}
        assert {path_of(record) for record in records.values()} == paths
        carrier = layout.partition(" PNG")[0]
        assert {record.carrier for record in records.values()} == {"" if carrier == "full-size" else carrier}

    def test_a_root_that_is_the_resized_folder_itself(self, tmp_path: Path) -> None:
        lay(tmp_path, *(f"images-224/{name}" for name in NAMES))
        assert PadChest(tmp_path / "images-224").layout == "224 px PNG files in one folder"

    def test_an_image_in_two_places_is_taken_from_the_first(self, release: Path) -> None:
        lay(release, f"images/0/{NAMES[0]}", f"png/{NAMES[1]}")
        processor, records = read(release)
        assert path_of(records[IDENTITIES[0]]) == f"images/0/{NAMES[0]}"
        assert path_of(records[IDENTITIES[1]]) == f"images/{NAMES[1]}"
        assert processor.warnings == ["2 files are not used: the same images are here in other folders"]
        assert processor.layout == f"{FULL} in a folder per archive and in one folder"

    @pytest.mark.parametrize(
        ("folders", "used", "others"),
        [
            (("images", "images-224"), "", "224 px"),
            (("images-224", "images-512-PC"), "512 px", "224 px"),
            (("images-64", "images-224"), "224 px", "64 px"),
        ],
    )
    def test_the_largest_copies_are_used(
        self, tmp_path: Path, folders: tuple[str, ...], used: str, others: str
    ) -> None:
        lay(tmp_path, *(f"{folder}/{name}" for folder in folders for name in NAMES[:2]))
        write(tmp_path / TABLE, HEADER, row(0), row(1))
        processor, records = read(tmp_path)
        assert {record.carrier for record in records.values()} == {used}
        assert processor.warnings == [
            f"2 copies of {others} are not used: {used or 'full-size'} images are here"
        ]

    def test_full_size_in_archives_is_preferred_to_copies(self, tmp_path: Path) -> None:
        zip_of(tmp_path / "0.zip", *NAMES)
        lay(tmp_path, *(f"images-224/{name}" for name in NAMES))
        processor = PadChest(tmp_path)
        assert processor.layout == f"{FULL} inside zip archives"
        assert processor.warnings == ["3 copies of 224 px are not used: full-size images are here"]

    def test_other_pictures_are_counted(self, release: Path) -> None:
        lay(release, "images/figure.png", "images/00000001_000.png", f"images/copy of {NAMES[0]}")
        lay(release, f"images/._{NAMES[0]}", f"images/{IDENTITIES[0]}.jpg", f"images/{STUDIES[0]}_ab1.png")
        processor, records = read(release)
        assert processor.warnings == [f"4 PNG files are not used: expected names {EXPECTED_NAME}"]
        assert len(records) == 3

    def test_names_in_capitals(self, tmp_path: Path) -> None:
        lay(tmp_path, *(f"Images/{name.upper()}" for name in NAMES))
        write(tmp_path / TABLE.upper(), HEADER, *map(row, range(3)))
        processor, records = read(tmp_path)
        assert processor.warnings == []
        assert path_of(records[IDENTITIES[0]]) == f"Images/{NAMES[0].upper()}"

    @pytest.mark.parametrize(
        "paths",
        [
            ("images/00000001_000.png", "Data_Entry_2017.csv"),
            ("images/CXR1_1_IM-0001-3001.png",),
            (f"images/{IDENTITIES[0]}.jpg", TABLE),
            (TABLE, f"{TABLE}.zip"),
            (),
        ],
    )
    def test_the_folder_of_another_dataset_is_refused(self, tmp_path: Path, paths: tuple[str, ...]) -> None:
        lay(tmp_path, *paths)
        with pytest.raises(SourceError) as caught:
            PadChest(tmp_path)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path}: no image of PadChest found: expected files <StudyID>_")
        assert message.endswith("; check the path")
        assert ", found " in message

    @pytest.mark.parametrize("archive", ["images-224.tar.gz", "images-224.tgz", "PADCHEST_SJ.zip", "a/x.tar"])
    def test_packed_archives_are_to_be_unpacked(self, tmp_path: Path, archive: str) -> None:
        lay(tmp_path, archive, f"{TABLE}.zip")
        with pytest.raises(SourceError, match=r"unpack the archives first, 1 here$"):
            PadChest(tmp_path)


class TestArchives:
    @pytest.mark.parametrize("folder", ["", "image_zips/", "a/b/"])
    def test_zips_are_read_where_they_lie(self, tmp_path: Path, folder: str) -> None:
        zip_of(tmp_path / f"{folder}0.zip", *NAMES[:2], f"__MACOSX/._{NAMES[0]}", "figure.png")
        zip_of(tmp_path / f"{folder}27.zip", f"27/{NAMES[2]}")
        write(tmp_path / "labels_csv" / TABLE, HEADER, *map(row, range(3)))
        processor, records = read(tmp_path)
        assert processor.layout == f"{FULL} inside zip archives"
        assert processor.tables == [f"labels_csv/{TABLE}"]
        assert processor.warnings == [f"1 PNG files are not used: expected names {EXPECTED_NAME}"]
        assert [path_of(records[identity]) for identity in IDENTITIES] == [
            f"{folder}{number}.zip" for number in DIRS
        ]
        for record in records.values():
            assert record.file is not None
            _, offset, size, zipped = record.file
            assert zipped
            assert offset is not None
            assert size is not None
            packed = (tmp_path / path_of(record)).read_bytes()[offset:]
            start = 30 + int.from_bytes(packed[26:28], "little") + int.from_bytes(packed[28:30], "little")
            assert record.key.encode() in zlib.decompress(packed[start : start + size], -15)

    def test_unpacked_images_are_preferred_and_archives_fill_in(self, release: Path) -> None:
        (release / "images" / NAMES[2]).unlink()
        zip_of(release / "0.zip", *NAMES[:2])
        zip_of(release / "27.zip", NAMES[2])
        processor, records = read(release)
        assert path_of(records[IDENTITIES[0]]) == f"images/{NAMES[0]}"
        assert path_of(records[IDENTITIES[2]]) == "27.zip"
        assert processor.layout == f"{FULL} in one folder and inside zip archives"
        assert processor.warnings == ["2 files are not used: the same images are here in other folders"]

    def test_a_cut_zip_stops_the_run(self, tmp_path: Path) -> None:
        zip_of(tmp_path / "0.zip", *NAMES)
        (tmp_path / "0.zip").write_bytes((tmp_path / "0.zip").read_bytes()[:-30])
        with pytest.raises(SourceError, match=r"0\.zip: not readable as a zip file.*download it again"):
            PadChest(tmp_path)

    @pytest.mark.parametrize(
        ("archive", "size"),
        [("images-224.tar", 224), ("torrent/Images-224.TAR", 224), ("images-512-PC.tar", 512)],
    )
    def test_the_tar_is_read_where_it_lies(self, tmp_path: Path, archive: str, size: int) -> None:
        tar_of(tmp_path / archive, *(f"x/{name}" for name in (*NAMES, f"._{NAMES[0]}")))
        write(tmp_path / TABLE, HEADER, *map(row, range(3)))
        processor, records = read(tmp_path)
        assert processor.layout == f"{size} px PNG files inside a tar archive"
        assert len(records) == 3
        for record in records.values():
            assert record.carrier == f"{size} px"
            assert record.file is not None
            path, offset, length, zipped = record.file
            assert (path, zipped) == (archive, False)
            assert offset is not None
            assert length is not None
            assert (tmp_path / path).read_bytes()[offset : offset + length] == f"x/{record.key}".encode()

    def test_a_compressed_tar_under_the_name_of_a_tar_is_refused(self, tmp_path: Path) -> None:
        tar_of(tmp_path / "images-224.tar", *NAMES)
        whole = (tmp_path / "images-224.tar").read_bytes()
        (tmp_path / "images-224.tar").write_bytes(gzip.compress(whole))
        with pytest.raises(SourceError, match=r"not readable as an uncompressed tar file.*unpack it"):
            PadChest(tmp_path)

    def test_the_tar_is_left_alone_where_images_are_unpacked(self, release: Path) -> None:
        lay(release, "images-224.tar")
        assert PadChest(release).warnings == []


class TestTables:
    @pytest.mark.parametrize(
        ("carrier", "newline"), [("plain", "\n"), ("bom", "\r\n"), ("gzip", "\r\n"), ("zip", "\n")]
    )
    def test_read_alike_in_every_form(self, release: Path, carrier: str, newline: str) -> None:
        _, expected = read(release)
        table = release / TABLE
        rows = table.read_text().splitlines()
        write(table, *rows, newline=newline, encoding="utf-8-sig" if carrier != "plain" else "utf-8")
        packed = table
        if carrier == "gzip":
            packed = release / f"{TABLE}.gz"
            packed.write_bytes(gzip.compress(table.read_bytes()))
        elif carrier == "zip":
            packed = release / f"{TABLE}.zip"
            with zipfile.ZipFile(packed, "w") as archive:
                archive.write(table, TABLE)
        if packed != table:
            table.unlink()
        processor, records = read(release)
        assert processor.warnings == []
        assert processor.tables == [packed.name]
        assert records == expected

    @pytest.mark.parametrize(
        "name",
        [
            "PADCHEST_chest_x_ray_images_labels_160K.csv",
            "SJ_chest_x_ray_images_labels_160K_01.01.18.csv",
            "padchest_CHEST_x_ray_images_labels_160K_01.02.19.CSV",
            f"labels_csv/{TABLE}",
            f"a/b/{TABLE}",
        ],
    )
    def test_other_names_and_places(self, release: Path, name: str) -> None:
        _, expected = read(release)
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        (release / TABLE).rename(release / name)
        processor, records = read(release)
        assert processor.tables == [name]
        assert processor.warnings == []
        assert records == expected

    def test_the_official_table_is_preferred_to_drafts_and_copies(self, release: Path) -> None:
        for name in ("A_chest_x_ray_images_labels_160K.csv", f"labels_csv/{TABLE}"):
            write(release / name, HEADER, row(0, Projection="AP"))
        processor, records = read(release)
        assert processor.tables == [TABLE]
        assert records[IDENTITIES[0]].view == "PA"
        assert processor.warnings == [f"2 more tables are not used: {TABLE} is here"]

    def test_the_unpacked_table_is_preferred_without_a_word(self, release: Path) -> None:
        (release / f"{TABLE}.gz").write_bytes(b"damaged")
        processor, _ = read(release)
        assert processor.tables == [TABLE]
        assert processor.warnings == []

    def test_without_a_table(self, release: Path) -> None:
        (release / TABLE).unlink()
        processor, records = read(release)
        assert processor.warnings == [
            f"{TABLE} not found: images are written without labels, reports, patient, sex and age, and, as "
            "their view is unknown, only with FRONTAL_ONLY: false"
        ]
        assert processor.tables == []
        assert records.keys() == set(IDENTITIES)
        record = records[IDENTITIES[2]]
        assert (record.view, record.excluded, record.labels) == ("unknown", None, [])
        assert (record.key, record.study_id, record.patient_id) == (NAMES[2], STUDIES[1], None)

    @pytest.mark.parametrize("column", ["ImageID", "Projection", "Labels"])
    def test_a_missing_column_is_named(self, release: Path, column: str) -> None:
        text = (release / TABLE).read_text()
        (release / TABLE).write_text(text.replace(f",{column},", ",Renamed,", 1))
        with pytest.raises(SourceError, match=f"{TABLE}: expected column {column!r}, found.*'Renamed'"):
            read(release)

    def test_three_columns_are_enough(self, release: Path) -> None:
        write(release / TABLE, "ImageID,Labels,Projection", f"{NAMES[0]},['goiter'],PA")
        processor, records = read(release)
        record = records[IDENTITIES[0]]
        assert record.labels == [Label("goiter", 1, "PadChest")]
        assert (record.view, record.patient_id, record.study_id) == ("PA", None, STUDIES[0])
        assert (record.age, record.sex, record.report, record.part) == (None, None, None, None)
        assert processor.warnings == []

    def test_further_and_reordered_columns(self, release: Path) -> None:
        _, expected = read(release)
        lines = list(csv.reader((release / TABLE).read_text().splitlines()))
        with (release / TABLE).open("w", newline="") as file:
            csv.writer(file).writerows([[*line[::-1], "extra"] for line in lines])
        processor, records = read(release)
        assert processor.warnings == []
        assert records == expected

    def test_a_row_without_a_file(self, release: Path) -> None:
        for name in NAMES[1:]:
            (release / "images" / name).unlink()
        processor, records = read(release)
        assert processor.warnings == []
        assert records[IDENTITIES[0]].part == "0.zip"
        record = records[IDENTITIES[2]]
        assert (record.file, record.part, record.view, record.excluded) == (None, "27.zip", "PA", None)

    def test_a_file_without_a_row_is_excluded(self, release: Path) -> None:
        write(release / TABLE, HEADER, row(0), row(1))
        record = read(release)[1][IDENTITIES[2]]
        assert record.excluded == f"not in {TABLE}"
        assert (path_of(record), record.view) == (f"images/{NAMES[2]}", "unknown")

    @pytest.mark.parametrize(
        "cell", ["", "nan", "../../etc/passwd", f"../{NAMES[0]}", "/etc/a.png", f"{STUDIES[0]}_ab 12cd.png"]
    )
    def test_a_row_that_names_no_image_is_counted(self, release: Path, cell: str) -> None:
        write(release / TABLE, HEADER, row(0), row(1, ImageID=cell), row(2))
        processor, records = read(release)
        assert processor.warnings == [
            f"{TABLE}: 1 rows are not used: column 'ImageID': expected {EXPECTED_NAME} (row 3)"
        ]
        assert records[f"{TABLE} row 3"].excluded == "unusable row"
        assert records[IDENTITIES[1]].excluded == f"not in {TABLE}"

    def test_a_repeated_row_is_yielded_again(self, release: Path) -> None:
        write(release / TABLE, HEADER, row(0), row(1), row(2), row(0, Projection="AP"))
        records = list(PadChest(release).records())
        assert [record.view for record in records if record.identity == IDENTITIES[0]] == ["PA", "AP"]
        assert len(records) == 4

    @pytest.mark.parametrize("ending", ["", ".PNG"])
    def test_the_ending_may_lack(self, release: Path, ending: str) -> None:
        write(release / TABLE, HEADER, row(0, ImageID=IDENTITIES[0] + ending), row(1), row(2))
        processor, records = read(release)
        assert processor.warnings == []
        assert path_of(records[IDENTITIES[0]]) == f"images/{NAMES[0]}"
        assert records[IDENTITIES[0]].key == NAMES[0]

    def test_the_case_of_a_name_makes_no_other_image(self, release: Path) -> None:
        _, expected = read(release)
        write(release / TABLE, HEADER, row(0, ImageID=NAMES[0].upper()), row(1, Projection="L"), row(2))
        processor, records = read(release)
        assert processor.warnings == []
        assert records == expected


class TestCells:
    def test_a_whole_row(self, release: Path) -> None:
        lines = (
            "900003,{name},27,20110718,{study},99000000000000000000000000000000000022,1938.0,M,,AP_horizontal,"
            "resnet-50.t7,No,CR,ImagingDynamicsCompanyLtd,MONOCHROME2,0,\"['1', '1']\",None,10,5.115000e+02,"
            "1.023000e+03,2100,2400,400,3,None,10,None,9000002, derram pleural izquierd . cardiomegali .,"
            "RNN_model,\"['pleural effusion', ' cardiomegaly']\",\"['loc  pleural', 'loc  left']\","
            "\"[['pleural effusion', 'loc pleural', 'loc left'], [' cardiomegaly']]\","
            "['C0032227' 'C0018800'],['C0032225' 'C0443246']"
        )
        write(release / TABLE, HEADER, row(0), row(1), lines.format(name=NAMES[2], study=STUDIES[1]))
        processor, records = read(release)
        assert processor.warnings == []
        assert records[IDENTITIES[2]] == Record(
            identity=IDENTITIES[2],
            key=NAMES[2],
            file=Location(f"images/{NAMES[2]}"),
            view="AP supine",
            patient_id="99000000000000000000000000000000000022",
            study_id=STUDIES[1],
            sex="M",
            age=73,
            labels=[Label("pleural effusion", 1, "RNN_model"), Label("cardiomegaly", 1, "RNN_model")],
            report=Report("derram pleural izquierd . cardiomegali ."),
            original_bits_stored=10,
            part="27.zip",
            native={
                "ImageDir": "27",
                "StudyDate_DICOM": "20110718",
                "PatientBirth": "1938.0",
                "PatientSex_DICOM": "M",
                "Projection": "AP_horizontal",
                "MethodProjection": "resnet-50.t7",
                "Pediatric": "No",
                "Modality_DICOM": "CR",
                "Manufacturer_DICOM": "ImagingDynamicsCompanyLtd",
                "PhotometricInterpretation_DICOM": "MONOCHROME2",
                "PixelRepresentation_DICOM": "0",
                "PixelAspectRatio_DICOM": "['1', '1']",
                "BitsStored_DICOM": "10",
                "WindowCenter_DICOM": "5.115000e+02",
                "WindowWidth_DICOM": "1.023000e+03",
                "Rows_DICOM": "2100",
                "Columns_DICOM": "2400",
                "XRayTubeCurrent_DICOM": "400",
                "Exposure_DICOM": "3",
                "ExposureTime": "10",
                "ReportID": "9000002",
                "MethodLabel": "RNN_model",
                "Labels": "['pleural effusion', ' cardiomegaly']",
                "Localizations": "['loc  pleural', 'loc  left']",
                "LabelsLocalizationsBySentence": (
                    "[['pleural effusion', 'loc pleural', 'loc left'], [' cardiomegaly']]"
                ),
                "labelCUIS": "['C0032227' 'C0018800']",
                "LocalizationsCUIS": "['C0032225' 'C0443246']",
            },
        )

    @pytest.mark.parametrize(
        ("projection", "position", "view"),
        [
            ("PA", "LATERAL", "PA"),
            ("AP", "", "AP"),
            ("AP_horizontal", "", "AP supine"),
            ("AP Supine", "", "AP supine"),
            ("L", "", "lateral"),
            ("COSTAL", "PA", "other"),
            ("UNK", "PA", "unknown"),
            ("", "POSTEROANTERIOR", "PA"),
            ("", "", "unknown"),
        ],
    )
    def test_views(self, release: Path, projection: str, position: str, view: str) -> None:
        processor, record = read_row(release, Projection=projection, ViewPosition_DICOM=position)
        assert (record.view, record.excluded) == (view, None)
        assert record.native.get("Projection", "") == projection
        assert processor.warnings == []

    @pytest.mark.parametrize("cell", ["EXCLUDE", "exclude"])
    def test_what_the_release_excludes(self, release: Path, cell: str) -> None:
        processor, record = read_row(release, Projection=cell, ViewPosition_DICOM="PA")
        assert (record.view, record.excluded) == ("unknown", "EXCLUDE in column 'Projection'")
        assert processor.warnings == []

    @pytest.mark.parametrize(
        ("cell", "found"),
        [("Oblique", "'Oblique'"), (STUDIES[0], "other texts"), ("mas pulmonar .", "other texts")],
    )
    def test_an_unknown_view_is_said(self, release: Path, cell: str, found: str) -> None:
        processor, record = read_row(release, Projection=cell)
        assert record.view == "unknown"
        assert processor.warnings == [
            f"{TABLE}: 1 cells of column 'Projection' tell no view: expected PA, L, AP, AP_horizontal, "
            f"COSTAL, UNK or EXCLUDE, found {found}"
        ]

    @pytest.mark.parametrize(
        ("cell", "labels"),
        [
            ("['normal']", ["normal"]),
            ("['infiltrates', ' pneumonia']", ["infiltrates", "pneumonia"]),
            ("['exclude', 'unchanged', 'suboptimal study']", ["exclude", "unchanged", "suboptimal study"]),
            ("['nodule', '', ' ', 'nodule ', nan, None]", ["nodule"]),
            ("[nan]", []),
            ("['nodule' 'mass']", ["nodule", "mass"]),
            ("[['nodule'], ['mass']]", ["nodule", "mass"]),
            ("[\"goiter\", 'mass']", ["goiter", "mass"]),
            ("[]", []),
            ("", []),
            ("nan", []),
        ],
    )
    def test_labels(self, release: Path, cell: str, labels: list[str]) -> None:
        processor, record = read_row(release, Labels=cell, MethodLabel="RNN_model")
        assert record.labels == [Label(label, 1, "RNN_model") for label in labels]
        assert processor.warnings == []

    def test_a_label_is_the_whole_text(self, release: Path) -> None:
        _, record = read_row(release, Labels="['pseudonodule', 'subcutaneous emphysema']")
        assert {label.label for label in record.labels} == {"pseudonodule", "subcutaneous emphysema"}

    def test_equal_cells_of_two_labellers(self, release: Path) -> None:
        write(release / TABLE, HEADER, row(0), row(1, MethodLabel="RNN_model"), row(2))
        _, records = read(release)
        assert [records[identity].labels[0].labeller for identity in IDENTITIES] == [
            "Physician",
            "RNN_model",
            "Physician",
        ]
        assert records[IDENTITIES[0]].labels is records[IDENTITIES[2]].labels

    def test_unknown_labels_are_kept_and_said_in_one_line(self, release: Path) -> None:
        long = "siluet cardiac normal sin hallazg de import alguna"
        write(
            release / TABLE,
            HEADER,
            row(0, Labels="['COVID 19', 'Nodule']"),
            row(1, Labels=f"['{STUDIES[0]}', '{long}']"),
            row(2, Labels="['COVID 19', 'Nodule']"),
        )
        processor, records = read(release)
        assert Label("COVID 19", 1, "Physician") in records[IDENTITIES[0]].labels
        assert Label(STUDIES[0], 1, "Physician") in records[IDENTITIES[1]].labels
        assert processor.warnings == [
            f"{TABLE}: 6 cells of column 'Labels' are kept as they are written: expected labels of the "
            "release, found 'Nodule', other texts"
        ]

    def test_a_cell_that_is_no_list_is_counted_and_not_shown(self, release: Path) -> None:
        processor, record = read_row(release, Labels="mas pulmonar 'mass'")
        assert record.labels == []
        assert processor.warnings == [
            f"{TABLE}: 1 cells of column 'Labels' are not used: expected a list such as ['normal'], found "
            "other texts"
        ]

    @pytest.mark.parametrize(
        ("date", "birth", "years"),
        [
            ("20150302", "1950.0", 65),
            ("20150302.0", "1950", 65),
            ("2015-03-02", "1950", 65),
            ("20150302", "2015.0", 0),
            ("20150302", "2016.0", None),
            ("20150302", "1894.0", None),
            ("20150302", "", None),
            ("20150302", "nan", None),
            ("", "1950.0", None),
            ("None", "1950.0", None),
        ],
    )
    def test_ages(self, release: Path, date: str, birth: str, years: int | None) -> None:
        processor, record = read_row(release, StudyDate_DICOM=date, PatientBirth=birth)
        assert record.age == years
        assert processor.warnings == []

    @pytest.mark.parametrize(("cell", "sex"), [("M", "M"), ("F", "F"), ("O", None), ("", None)])
    def test_sex(self, release: Path, cell: str, sex: str | None) -> None:
        assert read_row(release, PatientSex_DICOM=cell)[1].sex == sex

    @pytest.mark.parametrize(
        ("cell", "bits"), [("12", 12), ("10.0", 10), ("", None), ("None", None), ("0", None), ("99", None)]
    )
    def test_bits(self, release: Path, cell: str, bits: int | None) -> None:
        assert read_row(release, BitsStored_DICOM=cell)[1].original_bits_stored == bits

    @pytest.mark.parametrize(
        ("cell", "part"), [("54", "54.zip"), ("3.0", "3.zip"), ("", None), ("nan", None)]
    )
    def test_parts(self, release: Path, cell: str, part: str | None) -> None:
        assert read_row(release, ImageDir=cell)[1].part == part

    @pytest.mark.parametrize("cell", ["", "nan", "NaN", "None"])
    def test_missing_cells_say_nothing(self, release: Path, cell: str) -> None:
        processor, record = read_row(release, Report=cell, PatientID=cell, StudyID=cell, ReportID=cell)
        assert (record.report, record.patient_id, record.study_id) == (None, None, STUDIES[0])
        assert not {"ReportID", "XRayTubeCurrent_DICOM", "Report", "PatientID"} & record.native.keys()
        assert processor.warnings == []

    # The second is what a column of whole numbers holds: fifteen digits, which thousands of studies share.
    @pytest.mark.parametrize("study", ["9.9E+38", "9" * 15 + "0" * 24])
    def test_ids_that_a_spreadsheet_has_rounded_are_not_used(self, release: Path, study: str) -> None:
        processor, record = read_row(release, PatientID="9.9E+37", StudyID=study)
        assert (record.patient_id, record.study_id) == (None, STUDIES[0])
        assert processor.warnings == [
            f"{TABLE}: 1 cells of column 'PatientID' are not used: expected digits only, which spreadsheets "
            "round, found other texts"
        ]

    def test_the_spellings_of_the_readme(self, release: Path) -> None:
        header = HEADER.replace("labelCUIS", "LabelCUIS").replace(",ExposureTime,", ",ExposureTime_DICOM,")
        write(release / TABLE, header, row(0, labelCUIS="['C0024117']", ExposureTime="7"), row(1))
        native = read(release)[1][IDENTITIES[0]].native
        assert (native["LabelCUIS"], native["ExposureTime_DICOM"]) == ("['C0024117']", "7")


class TestKnownBad:
    def test_states(self) -> None:
        absent = [image for image in PadChest.known_bad if image.state == "absent"]
        assert len(absent) == 16
        assert len(PadChest.known_bad) == 16 + 10 + 26 + 5
        assert {image.state for image in PadChest.known_bad} == {"absent", "suspicious"}
        assert all("vilmedic" in image.found_by for image in absent)

    def test_identities_are_as_records_have_them(self, tmp_path: Path) -> None:
        names = [f"{image.identity}.png" for image in PadChest.known_bad]
        lay(tmp_path, *(f"images/{name}" for name in names))
        _, records = read(tmp_path)
        assert records.keys() == {image.identity for image in PadChest.known_bad}


def test_the_names_of_the_release_are_193() -> None:
    assert len(LABELS) == 193
    assert {"COPD signs", "normal", "exclude", "volume loss", "double J stent"} <= LABELS
    assert all(label == label.strip() and "  " not in label for label in LABELS)


def test_the_miniature_has_what_the_release_has(tmp_path: Path) -> None:
    LAYOUTS[0].make(tmp_path)
    processor, records = read(tmp_path)
    assert processor.warnings == []
    assert processor.tables == [f"{TABLE}.gz"]
    assert {record.view for record in records.values()} == {
        "PA",
        "AP",
        "AP supine",
        "lateral",
        "other",
        "unknown",
    }
    assert len({record.patient_id for record in records.values()}) == 6
    assert {record.original_bits_stored for record in records.values()} == {10, 12}
    assert [record.excluded for record in records.values() if record.excluded] == [
        "EXCLUDE in column 'Projection'"
    ]
    assert {label.labeller for record in records.values() for label in record.labels} == {
        "Physician",
        "RNN_model",
    }
    ages = {record.age for record in records.values()}
    assert {None, 5} <= ages
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(SourceError):
        PadChest(tmp_path)
