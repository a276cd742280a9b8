"""Open-i in every layout and table form in which it is published or kept."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pydicom
import pytest
from PIL import Image

from composer.demo.openi import LAYOUTS
from processors.base import FRONTAL_VIEWS, UNUSABLE, Label, Record, Report, SourceError
from processors.openi import OpenI
from tests.processors.releases import Made, lay, path_of, read_release, write

pytestmark = pytest.mark.filterwarnings("error")

FIRST, FIRST_LATERAL = "CXR9901_IM-9901-1001", "CXR9901_IM-9901-2001"
TAGGED_PA = "CXR9902_IM-9902-4001"
UNTAGGED = "CXR9902_IM-9902-3002"
ALONE = "CXR9903_IM-9903-9999-9999"
LEADING_LATERAL = "CXR9904_IM-9904-10012"
NOT_OF_KAGGLE = "CXR9906_IM-9906-2001"
OFFICIAL, TORCHXRAYVISION, DICOM, KAGGLE, R2GEN = range(5)
PROJECTIONS = "uid,filename,projection"
REPORTS = "uid,MeSH,Problems,image,indication,comparison,findings,impression"
NO_VIEW = "no table tells the view of any image, so that with FRONTAL_ONLY all are left out"


@pytest.fixture(scope="module")
def miniatures(made: Made) -> list[Path]:
    return [made(OpenI, layout) for layout in LAYOUTS]


@pytest.fixture
def official(miniatures: list[Path], tmp_path: Path) -> Path:
    """Return the official miniature, which a test may rearrange."""
    return copy_of(miniatures, OFFICIAL, tmp_path)


@pytest.fixture
def kaggle(miniatures: list[Path], tmp_path: Path) -> Path:
    return copy_of(miniatures, KAGGLE, tmp_path)


@pytest.fixture
def kaggle_reports(miniatures: list[Path]) -> str:
    return (miniatures[KAGGLE] / "indiana_reports.csv").read_text("utf-8").rstrip("\n")


def copy_of(miniatures: list[Path], layout: int, tmp_path: Path) -> Path:
    return Path(shutil.copytree(miniatures[layout], tmp_path / "sources" / "openi"))


def read(root: Path) -> tuple[OpenI, dict[str, Record]]:
    return read_release(OpenI, root)


def xml(number: int, *images: str, head: str = "", body: str = "") -> str:
    parents = "".join(f'<parentImage id="{image}"/>' for image in images)
    return f'{head}<eCitation><uId id="CXR{number}"/>{body}{parents}</eCitation>'


def views(records: dict[str, Record]) -> dict[str, str]:
    return {identity: record.view for identity, record in records.items()}


def evidence(record: Record) -> str | None:
    return record.native.get("view evidence")


class TestMiniatures:
    def test_the_official_release(self, miniatures: list[Path]) -> None:
        processor, records = read(miniatures[OFFICIAL])
        assert processor.warnings == []
        assert processor.layout == "official PNG files, 6 reports in XML"
        assert processor.tables == ["indiana_projections.csv"]
        assert len(records) == 10
        for identity, record in records.items():
            assert path_of(record) == f"NLMCXR_png/{identity}.png"
            assert record.key == f"{identity}.png"
            assert (record.carrier, record.part, record.excluded) == ("", "NLMCXR_png", None)
            assert (record.split, record.sex, record.age) == (None, None, None)
            with Image.open(miniatures[OFFICIAL] / path_of(record)) as picture:
                assert (picture.mode, picture.format) == ("RGB", "PNG")

    def test_an_image_has_the_report_and_the_terms_of_its_exam(self, miniatures: list[Path]) -> None:
        records = read(miniatures[OFFICIAL])[1]
        record = records[TAGGED_PA]
        assert (record.patient_id, record.study_id) == ("9902", "9902")
        assert record.report == Report(
            "COMPARISON: XXXX\nINDICATION: Dyspnea & chest pain\n"
            "FINDINGS: Heart mildly enlarged, aorta tortuous.\nIMPRESSION: Mild cardiomegaly.",
            findings="Heart mildly enlarged, aorta tortuous.",
            impression="Mild cardiomegaly.",
        )
        assert record.labels == [
            Label("Cardiomegaly/mild", 1, "MeSH major"),
            Label("Aorta/tortuous", 1, "MeSH major"),
            Label("Cardiomegaly", 1, "MeSH automatic"),
            Label("aorta, tortuous", 1, "MeSH automatic"),
            Label("cardiomegaly", 1, "MeSH automatic"),
        ]
        assert record.labels is records[UNTAGGED].labels
        assert record.native == {
            "figureId": "F2",
            "caption": "Chest, 2 views, frontal and lateral",
            "projection": "Lateral",
            "view evidence": "indiana_projections.csv",
        }

    def test_empty_sections_trailing_blanks_and_repeated_terms(self, miniatures: list[Path]) -> None:
        records = read(miniatures[OFFICIAL])[1]
        assert records[ALONE].report == Report(
            "INDICATION: Preop\nIMPRESSION: Motion blurs both lungs.", None, "Motion blurs both lungs."
        )
        assert records[ALONE].labels == [Label("Technical Quality of Image Unsatisfactory", 1, "MeSH major")]
        assert records[ALONE].native["caption"] == "PA chest XXXX, XXXX"
        assert records[LEADING_LATERAL].report == Report(
            "COMPARISON: 9/XXXX\nFINDINGS: Film of a visitor from Köln.",
            "Film of a visitor from Köln.",
            None,
        )
        assert [label.label for label in records[NOT_OF_KAGGLE].labels] == [
            "Catheters, Indwelling/right",
            "Opacity/lung/base/left",
            "Opacity",
        ]

    @pytest.mark.parametrize(
        ("layout", "carrier", "key"),
        [
            (TORCHXRAYVISION, "", f"{FIRST}.png"),
            (DICOM, "dicom", "9901_IM-9901-1001.dcm"),
            (KAGGLE, "Kaggle", "9901_IM-9901-1001.dcm.png"),
        ],
    )
    def test_other_forms_hold_the_same_images(
        self, miniatures: list[Path], layout: int, carrier: str, key: str
    ) -> None:
        expected = read(miniatures[OFFICIAL])[1]
        processor, records = read(miniatures[layout])
        assert processor.warnings == []
        absent = {NOT_OF_KAGGLE} if layout == KAGGLE else set()
        assert records.keys() == expected.keys() - absent
        assert records[FIRST].key == key
        for identity, record in records.items():
            assert record.carrier == carrier
            assert (record.patient_id, record.report) == (
                expected[identity].patient_id,
                expected[identity].report,
            )
            manual = [label for label in expected[identity].labels if label.labeller == "MeSH major"]
            assert record.labels == (manual if layout == KAGGLE else expected[identity].labels)

    def test_kaggle(self, miniatures: list[Path]) -> None:
        processor, records = read(miniatures[KAGGLE])
        assert processor.layout == "PNG files of Kaggle, no reports in XML"
        assert sorted(processor.tables) == ["indiana_projections.csv", "indiana_reports.csv"]
        record = records[TAGGED_PA]
        assert path_of(record) == "images/images_normalized/9902_IM-9902-4001.dcm.png"
        assert (record.view, record.part) == ("lateral", "images_normalized")
        assert record.native == {
            "image": "Chest, 2 views, frontal and lateral",
            "Problems": "Cardiomegaly;Aorta",
            "projection": "Lateral",
            "view evidence": "indiana_projections.csv",
        }

    def test_r2gen(self, miniatures: list[Path]) -> None:
        processor, records = read(miniatures[R2GEN])
        assert processor.layout == "PNG files of R2Gen, no reports in XML"
        assert processor.tables == ["iu_xray/annotation.json"]
        record = records["CXR9902_IM-9902/1"]
        assert path_of(record) == "iu_xray/images/CXR9902_IM-9902/1.png"
        assert (record.key, record.carrier) == ("CXR9902_IM-9902/1.png", "R2Gen")
        assert (record.patient_id, record.study_id, record.view) == ("9902", "9902", "unknown")
        assert record.report == Report("Heart mildly enlarged, aorta tortuous. Mild cardiomegaly.")
        assert (record.split, record.labels) == (None, [])
        assert record.native == {"id": "CXR9902_IM-9902", "split": "train"}
        assert records["CXR9906_IM-9906/0"].report is None
        assert Counter(each.native["split"] for each in records.values()) == {
            "train": 4,
            "val": 2,
            "test": 2,
        }
        [warning] = processor.warnings
        assert NO_VIEW in warning
        assert "R2Gen's images have lost the ids" in warning

    def test_dicom_files_are_of_both_polarities(self, miniatures: list[Path]) -> None:
        files = [pydicom.dcmread(path) for path in sorted(miniatures[DICOM].rglob("*.dcm"))]
        assert {file.PhotometricInterpretation for file in files} == {"MONOCHROME1", "MONOCHROME2"}
        assert {file.BitsStored for file in files} == {10, 12, 14, 15}


class TestViews:
    def test_projections_come_first(self, miniatures: list[Path]) -> None:
        records = read(miniatures[OFFICIAL])[1]
        assert {identity for identity, view in views(records).items() if view == "lateral"} == {
            FIRST_LATERAL,
            TAGGED_PA,
            LEADING_LATERAL,
        }
        assert views(records)[FIRST] == "PA or AP"
        assert (views(records)[NOT_OF_KAGGLE], evidence(records[NOT_OF_KAGGLE])) == ("unknown", None)

    def test_tables_of_torchxrayvision(self, miniatures: list[Path]) -> None:
        processor, records = read(miniatures[TORCHXRAYVISION])
        assert sorted(processor.tables) == ["nlmcxr_dicom_metadata.csv.gz", "nlmcxr_tsne_pa.csv.gz"]
        told = {identity: (record.view, evidence(record)) for identity, record in records.items()}
        assert told == {
            FIRST: ("PA or AP", "frontal tag"),
            FIRST_LATERAL: ("lateral", "lateral tag"),
            "CXR9902_IM-9902-3001": ("PA or AP", "frontal tag"),
            # Lateral, but tagged PA: nothing knows better.
            TAGGED_PA: ("PA or AP", "frontal tag"),
            UNTAGGED: ("PA or AP", "t-SNE"),
            ALONE: ("PA or AP", "t-SNE"),
            LEADING_LATERAL: ("lateral", "DICOM header"),
            "CXR9904_IM-9904-1001-2002": ("PA or AP", "t-SNE"),
            "CXR9906_IM-9906-10012002": ("PA or AP", "frontal tag"),
            NOT_OF_KAGGLE: ("lateral", "lateral tag"),
        }
        assert records[LEADING_LATERAL].native["Patient Orientation"] == "['P', 'F']"
        assert records[FIRST].native["View Position"] == "PA"
        assert not any(record.view_from_header for record in records.values())

    @pytest.mark.parametrize(
        ("projection", "position", "tsne", "expected"),
        [
            ("Frontal", "LL", "L", ("PA or AP", "indiana_projections.csv")),
            ("lateral", "PA", "PA", ("lateral", "indiana_projections.csv")),
            ("", "LARGE LATERAL", "PA", ("lateral", "lateral tag")),
            ("", "RL", "", ("lateral", "lateral tag")),
            ("", "PA", "L", ("lateral", "t-SNE")),
            ("", "AP", "", ("PA or AP", "frontal tag")),
            ("", "LAO", "", ("oblique", "DICOM header")),
            ("", "", "", ("unknown", None)),
        ],
    )
    def test_the_best_evidence_decides(
        self, tmp_path: Path, projection: str, position: str, tsne: str, expected: tuple[str, str | None]
    ) -> None:
        lay(tmp_path, "CXR7_IM-2263-1001.png", "CXR8_IM-2333-1001.png")
        if projection:
            write(tmp_path / "indiana_projections.csv", PROJECTIONS, f"7,7_IM-2263-1001.dcm.png,{projection}")
        write(
            tmp_path / "nlmcxr_dicom_metadata.csv",
            "imageid,View Position",
            f"CXR7_IM-2263-1001,{position}",
            "CXR8_IM-2333-1001,",
        )
        if tsne:
            write(tmp_path / "nlmcxr_tsne_pa.csv", "imageid,tsne-view", f"CXR7_IM-2263-1001,{tsne}")
        record = read(tmp_path)[1]["CXR7_IM-2263-1001"]
        assert (record.view, evidence(record)) == expected

    def test_dicom_headers_are_asked_where_no_table_tells(self, miniatures: list[Path]) -> None:
        processor, records = read(miniatures[DICOM])
        assert processor.tables == []
        assert {(record.view, record.view_from_header) for record in records.values()} == {("unknown", True)}

    def test_dicom_headers_are_not_asked_where_a_table_tells(
        self, miniatures: list[Path], tmp_path: Path
    ) -> None:
        root = copy_of(miniatures, DICOM, tmp_path)
        shutil.copy(miniatures[OFFICIAL] / "indiana_projections.csv", root)
        records = read(root)[1]
        asked = {identity for identity, record in records.items() if record.view_from_header}
        assert asked == {NOT_OF_KAGGLE}
        assert records[TAGGED_PA].view == "lateral"

    @pytest.mark.parametrize(
        ("position", "orientation", "expected"),
        [
            ("LL", None, "lateral"),
            ("LARGE LATERAL", "L\\F", "lateral"),
            ("PA", "P\\F", "PA or AP"),
            ("AP", None, "PA or AP"),
            ("", "A\\F", "lateral"),
            (None, "R\\F", "PA or AP"),
            (None, None, None),
        ],
    )
    def test_frontal_tags_of_headers_are_weak(
        self, miniatures: list[Path], position: str | None, orientation: str | None, expected: str | None
    ) -> None:
        assert OpenI(miniatures[DICOM]).view_in_header(position, orientation) == expected

    def test_without_any_table_of_views(self, official: Path) -> None:
        (official / "indiana_projections.csv").unlink()
        processor, records = read(official)
        [warning] = processor.warnings
        assert warning.startswith(NO_VIEW)
        assert "indiana_projections.csv of Kaggle" in warning
        assert set(views(records).values()) == {"unknown"}
        assert all(record.report and not record.excluded for record in records.values())

    def test_without_anything(self, official: Path) -> None:
        processor, records = read(official / "NLMCXR_png")
        [warning] = processor.warnings
        assert "no report was found" in warning
        assert NO_VIEW in warning
        assert processor.layout == "official PNG files, no reports in XML"
        assert len(records) == 10
        for record in records.values():
            assert (record.view, record.labels, record.report) == ("unknown", [], None)
            assert record.excluded is None
            assert record.patient_id is not None
        assert not set(views(records).values()) & set(FRONTAL_VIEWS)

    def test_an_unknown_projection_is_counted(self, official: Path) -> None:
        table = official / "indiana_projections.csv"
        table.write_text(table.read_text().replace("Frontal", "Oblique"))
        processor, records = read(official)
        assert processor.warnings == [
            "indiana_projections.csv: 6 cells of column 'projection' tell no view: expected Frontal or "
            "Lateral, found 'Oblique'"
        ]
        assert (records[FIRST].view, records[FIRST].native["projection"]) == ("unknown", "Oblique")

    def test_no_warning_shows_a_cell_that_may_be_an_id(self, official: Path) -> None:
        table = official / "indiana_projections.csv"
        rows = (f"9901,{number}_IM-0001-1001.dcm.png,patient {number}" for number in range(70, 90))
        write(table, "uid,filename,projection", *rows)
        assert read(official)[0].warnings[0].endswith("expected Frontal or Lateral, found other texts")


class TestNames:
    def test_report_1_is_the_same_in_every_form(self, tmp_path: Path) -> None:
        for form, path in (
            ("a", "CXR1_1_IM-0001-3001.png"),
            ("b", "1/1_IM-0001-3001.dcm"),
            ("c", "images/images_normalized/1_IM-0001-3001.dcm.png"),
        ):
            root = tmp_path / form
            lay(root, path)
            write(root / "indiana_projections.csv", PROJECTIONS, "1,1_IM-0001-3001.dcm.png,Frontal")
            write(root / "1.xml", xml(1, "CXR1_1_IM-0001-3001"))
            # The id that TorchXRayVision's table has.
            write(
                root / "nlmcxr_dicom_metadata.csv",
                "imageid,View Position",
                "CXR1_IM-0001-3001,LL",
                newline="\r\n",
            )
            [record] = read(root)[1].values()
            assert record.identity == "CXR1_1_IM-0001-3001"
            assert (record.patient_id, record.view, path_of(record)) == ("1", "PA or AP", path)
            assert record.native["View Position"] == "LL"
        lay(tmp_path / "d", "CXR1_1_IM-0001/0.png")
        [record] = read(tmp_path / "d")[1].values()
        assert (record.identity, record.patient_id) == ("CXR1_1_IM-0001/0", "1")

    def test_names_that_tables_promise(self, tmp_path: Path) -> None:
        promised = ("CXR1_1_IM-0001-3001", "CXR20_IM-0653-1001")
        for ending, form, keys in (
            ("CXR3_IM-1384-1001.png", "a", [f"{name}.png" for name in promised]),
            ("3/3_IM-1384-1001.dcm", "b", ["1_IM-0001-3001.dcm", "20_IM-0653-1001.dcm"]),
        ):
            lay(tmp_path / form, ending)
            write(tmp_path / form / "ecgen-radiology/1.xml", xml(1, promised[0]))
            write(tmp_path / form / "ecgen-radiology/20.xml", xml(20, promised[1]))
            records = read(tmp_path / form)[1]
            assert [records[name].key for name in promised] == keys
            assert [records[name].file for name in promised] == [None, None]
            assert records["CXR3_IM-1384-1001"].excluded is None

    def test_letter_case_of_files_and_tables(self, official: Path) -> None:
        (official / "indiana_projections.csv").rename(official / "Indiana_Projections.CSV")
        for path in (official / "NLMCXR_png").glob("CXR*.png"):
            path.rename(path.with_name(path.name.lower().replace(".png", ".PNG")))
        processor, records = read(official)
        assert processor.warnings == []
        assert len(records) == 10
        assert path_of(records[FIRST]) == "NLMCXR_png/cxr9901_im-9901-1001.PNG"

    def test_roots_too_high_or_low(self, official: Path, miniatures: list[Path]) -> None:
        assert len(read(official.parent)[1]) == 10
        assert len(read(official.parent.parent)[1]) == 10
        for folder in ("iu_xray", "iu_xray/images"):
            assert read(miniatures[R2GEN] / folder)[1].keys() == read(miniatures[R2GEN])[1].keys()
        [warning] = read(miniatures[R2GEN] / "iu_xray/images")[0].warnings
        assert "no report was found" in warning
        assert len(read(miniatures[KAGGLE] / "images/images_normalized")[1]) == 9

    def test_flat_dicom_files(self, miniatures: list[Path], tmp_path: Path) -> None:
        for path in miniatures[DICOM].rglob("*.dcm"):
            shutil.copy(path, tmp_path)
        assert read(tmp_path)[1].keys() == read(miniatures[DICOM])[1].keys()

    def test_files_of_other_names_are_counted(self, official: Path) -> None:
        lay(official, "NLMCXR_png/CXR9901_IM-9901.png", "logo.png", "NLMCXR_png/9901_IM-9901-1001.png")
        lay(official, "NLMCXR_png/._CXR9902_IM-9902-3001.png", "__MACOSX/CXR1_1_IM-0001-3001.png")
        processor, records = read(official)
        assert len(records) == 10
        assert processor.warnings == [
            "3 PNG and DICOM files are not used: their names are none of the release"
        ]

    def test_an_image_in_two_places(self, official: Path) -> None:
        lay(official, f"again/deeper/{FIRST}.png", f"ZZ/{FIRST_LATERAL}.png")
        processor, records = read(official)
        assert processor.warnings == ["2 files are not used: the same images are here in other folders"]
        assert path_of(records[FIRST]) == f"NLMCXR_png/{FIRST}.png"

    def test_two_forms_below_one_root(self, official: Path, miniatures: list[Path]) -> None:
        shutil.copytree(miniatures[DICOM] / "NLMCXR_dcm", official / "NLMCXR_dcm")
        shutil.copytree(miniatures[KAGGLE] / "images", official / "images")
        processor, records = read(official)
        assert {record.carrier for record in records.values()} == {""}
        assert sorted(processor.warnings) == [
            "10 official DICOM files are not used: official PNG files are here too; to use the others name "
            "their folder as OPENI_ROOT",
            "9 PNG files of Kaggle are not used: official PNG files are here too; to use the others name "
            "their folder as OPENI_ROOT",
        ]


class TestReports:
    def test_an_image_that_the_report_of_its_exam_does_not_name(self, official: Path) -> None:
        lay(official, "NLMCXR_png/CXR9901_IM-9901-7001.png")
        processor, records = read(official)
        assert processor.warnings == []
        assert records["CXR9901_IM-9901-7001"].excluded == "not in ecgen-radiology"

    def test_kaggle_has_the_reports_that_are_absent(self, official: Path, kaggle_reports: str) -> None:
        (official / "ecgen-radiology/9901.xml").unlink()
        (official / "indiana_reports.csv").write_text(kaggle_reports, encoding="utf-8")
        processor, records = read(official)
        assert (processor.warnings, records[FIRST].excluded) == ([], None)
        assert records[FIRST].report is not None

    def test_images_without_file_and_files_without_report(self, official: Path) -> None:
        for number in (9901, 9904):
            (official / f"ecgen-radiology/{number}.xml").unlink()
        for identity in (FIRST, ALONE):
            (official / f"NLMCXR_png/{identity}.png").unlink()
        processor, records = read(official)
        assert processor.warnings == [
            "ecgen-radiology: 4 images get no report, as the XML files of their exams are absent; unpack "
            "NLMCXR_reports.tgz again"
        ]
        assert len(records) == 10
        assert {record.excluded for record in records.values()} == {None}
        without = {identity for identity, record in records.items() if record.report is None}
        assert without == {FIRST, FIRST_LATERAL, LEADING_LATERAL, "CXR9904_IM-9904-1001-2002"}
        assert (records[FIRST].file, records[FIRST].view) == (None, "PA or AP")
        assert (records[ALONE].file, records[ALONE].part) == (None, "NLMCXR_png")
        assert (records[ALONE].key, records[ALONE].view) == (f"{ALONE}.png", "PA or AP")

    @pytest.mark.parametrize(
        "text",
        [
            "<eCitation><uId",
            '<?xml version="1.0" encoding="x-unknown"?><eCitation/>',
            "",
            "<html/>",
            "\ud800",
            xml(9901, FIRST, head='<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'),
        ],
    )
    def test_a_damaged_report_is_counted(self, official: Path, text: str) -> None:
        path = official / "ecgen-radiology/9901.xml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        processor, records = read(official)
        [warning] = processor.warnings
        assert warning.startswith("ecgen-radiology: 1 XML files are not used: expected well-formed XML")
        assert len(records) == 10
        assert (records[FIRST].report, records[FIRST].labels, records[FIRST].excluded) == (None, [], None)
        assert records[FIRST].view == "PA or AP"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "latin-1"])
    def test_entities_are_never_expanded(self, official: Path, encoding: str) -> None:
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 8))
        head = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY e0 "aaaaaaaa">{entities}]>'
        body = '<AbstractText Label="FINDINGS">&e0;&e7;</AbstractText>'
        path = official / "ecgen-radiology/9901.xml"
        path.write_bytes(xml(9901, FIRST, head=head, body=body).encode(encoding))
        processor, records = read(official)
        assert len(processor.warnings) == 1
        assert (records[FIRST].report, "figureId" in records[FIRST].native) == (None, False)

    def test_xml_with_byte_order_mark_and_crlf(self, official: Path) -> None:
        expected = read(official)[1]
        for path in (official / "ecgen-radiology").glob("*.xml"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
        processor, records = read(official)
        assert processor.warnings == []
        assert records == expected

    def test_images_that_the_xml_does_not_name_well(self, official: Path) -> None:
        write(official / "ecgen-radiology/77.xml", xml(77, "", "../../etc/passwd", "CXR77_IM-2314-1001"))
        processor, records = read(official)
        assert processor.warnings == [
            "ecgen-radiology: 2 rows are not used: a parentImage has no id such as CXR<n>_IM-...; images are "
            "counted by report (rows 1, 2)"
        ]
        assert len(records) == 13
        assert [record.excluded for record in records.values()].count(UNUSABLE) == 2
        assert records["CXR77_IM-2314-1001"].file is None

    def test_an_image_that_the_xml_names_twice_is_yielded_twice(self, official: Path) -> None:
        write(official / "ecgen-radiology/77.xml", xml(77, FIRST))
        identities = Counter(record.identity for record in OpenI(official).records())
        assert identities[FIRST] == 2

    def test_xml_that_is_there_twice(self, official: Path) -> None:
        expected = read(official)[1]
        shutil.copytree(official / "ecgen-radiology", official / "a/copy/of/ecgen-radiology")
        write(official / "a/copy/of/ecgen-radiology/9901.xml", xml(9901, FIRST))
        processor, records = read(official)
        assert records == expected
        assert processor.layout == "official PNG files, 6 reports in XML"

    def test_no_text_at_all_is_no_report(self, tmp_path: Path) -> None:
        lay(tmp_path, "CXR3_IM-1384-1001.png")
        write(
            tmp_path / "3.xml",
            xml(3, "CXR3_IM-1384-1001", body='<AbstractText Label="FINDINGS"> </AbstractText>'),
        )
        [record] = read(tmp_path)[1].values()
        assert (record.report, record.labels) == (None, [])

    def test_kaggles_reports_stand_in_for_the_xml(self, official: Path, kaggle_reports: str) -> None:
        write(official / "indiana_reports.csv", kaggle_reports)
        expected = read(official)[1]
        (official / "ecgen-radiology/9901.xml").write_text("cut")
        records = read(official)[1]
        assert records[FIRST].report == expected[FIRST].report
        assert records[FIRST].labels == [Label("normal", 1, "MeSH major")]
        # What both hold comes from the XML.
        assert records[UNTAGGED].labels == expected[UNTAGGED].labels
        assert "Problems" not in records[UNTAGGED].native
        shutil.rmtree(official / "ecgen-radiology")
        processor, records = read(official)
        assert processor.warnings == []
        assert len(records) == 10
        assert records[NOT_OF_KAGGLE].report == Report("INDICATION: XXXX line")
        assert not any(record.excluded for record in records.values())

    def test_packed_reports_are_told(self, official: Path) -> None:
        shutil.rmtree(official / "ecgen-radiology")
        lay(official, "NLMCXR_reports.tgz")
        processor, records = read(official)
        [warning] = processor.warnings
        assert "NLMCXR_reports.tgz, unpacked" in warning
        # Kaggle's table leaves one out, but is no list of the official images.
        assert len(records) == 10
        assert not any(record.excluded for record in records.values())


class TestKaggle:
    def test_rows_without_file_and_files_without_row(self, kaggle: Path) -> None:
        images = kaggle / "images/images_normalized"
        (images / "9901_IM-9901-1001.dcm.png").unlink()
        lay(kaggle, "images/images_normalized/9999_IM-9999-1001.dcm.png")
        processor, records = read(kaggle)
        assert processor.warnings == []
        assert (records[FIRST].file, records[FIRST].key) == (None, "9901_IM-9901-1001.dcm.png")
        assert records[FIRST].part == "images_normalized"
        assert records["CXR9999_IM-9999-1001"].excluded == "not in indiana_projections.csv"
        assert [each.excluded for each in records.values()].count(None) == 9

    def test_tables_in_every_carrier(self, kaggle: Path) -> None:
        expected = read(kaggle)[1]
        for name in ("indiana_projections.csv", "indiana_reports.csv"):
            table = kaggle / name
            text = table.read_text("utf-8")
            table.write_text(text, "utf-8-sig", newline="\r\n")
            processor, records = read(kaggle)
            assert (processor.warnings, records) == ([], expected)
            packed = kaggle / f"{name.capitalize()}.gz"
            packed.write_bytes(gzip.compress(table.read_bytes()))
            table.unlink()
            assert read(kaggle)[1] == expected
            packed.unlink()
            with zipfile.ZipFile(kaggle / f"{name}.zip", "w") as archive:
                archive.writestr(name, text)
            assert read(kaggle)[1] == expected

    def test_rows_that_name_no_image(self, kaggle: Path) -> None:
        table = kaggle / "indiana_projections.csv"
        rows = table.read_text().splitlines()
        odd = [
            "1,../../etc/passwd,Frontal",
            "1,,Frontal",
            "1,/etc/1_IM-0001-3001.dcm.png,Frontal",
            "1,x.png,Frontal",
        ]
        write(table, *rows, *odd)
        processor, records = read(kaggle)
        assert processor.warnings == [
            "indiana_projections.csv: 2 rows are not used: column 'filename' leads out of the root "
            "(rows 11, 13)",
            "indiana_projections.csv: 2 rows are not used: column 'filename' names no image such as "
            "<n>_IM-....dcm.png (rows 12, 14)",
        ]
        assert len(records) == 13
        assert [record.excluded for record in records.values()].count(UNUSABLE) == 4

    def test_a_path_before_the_name_and_another_ending(self, kaggle: Path) -> None:
        table = kaggle / "indiana_projections.csv"
        expected = read(kaggle)[1]
        text = table.read_text()
        for name in (r"images\images_normalized\9901_IM-9901-1001.dcm.png", "9901_IM-9901-1001"):
            table.write_text(text.replace("9901_IM-9901-1001.dcm.png", name))
            processor, records = read(kaggle)
            assert (processor.warnings, records) == ([], expected)

    def test_a_repeated_row_is_yielded_again(self, kaggle: Path) -> None:
        table = kaggle / "indiana_projections.csv"
        table.write_text(table.read_text() + "9901,9901_IM-9901-1001.dcm.png,Lateral\n")
        found = [record for record in OpenI(kaggle).records() if record.identity == FIRST]
        assert [record.view for record in found] == ["PA or AP", "PA or AP"]

    def test_rows_of_reports_without_number_or_twice(self, kaggle: Path) -> None:
        table = kaggle / "indiana_reports.csv"
        expected = read(kaggle)[1]
        with table.open("a", encoding="utf-8") as file:
            file.write(",normal,normal,,,,,\n9901 ?,normal,normal,,,,,\n9901,other,other,,,,,\n")
            file.write(f"{'9' * 5000},normal,normal,,,,,x\n")
        processor, records = read(kaggle)
        assert processor.warnings == [
            "indiana_reports.csv: 3 rows are not used: expected a report's number in uid"
        ]
        assert records == expected

    def test_without_the_table_of_images(self, kaggle: Path, official_xml: Path) -> None:
        (kaggle / "indiana_projections.csv").unlink()
        processor, records = read(kaggle)
        [warning] = processor.warnings
        assert warning.startswith(NO_VIEW)
        assert (len(records), {record.excluded for record in records.values()}) == (9, {None})
        # The XML names an image that Kaggle does not have.
        shutil.copytree(official_xml, kaggle / "ecgen-radiology")
        lay(kaggle, "images/images_normalized/9901_IM-9999-1001.dcm.png")
        records = read(kaggle)[1]
        assert len(records) == 10
        assert NOT_OF_KAGGLE not in records
        assert records["CXR9901_IM-9999-1001"].excluded == "not in ecgen-radiology"

    def test_without_the_table_of_reports(self, kaggle: Path) -> None:
        (kaggle / "indiana_reports.csv").unlink()
        processor, records = read(kaggle)
        [warning] = processor.warnings
        assert warning.startswith("no report was found, so that there are no labels either")
        assert (records[FIRST].labels, records[FIRST].report) == ([], None)
        assert records[FIRST].view == "PA or AP"

    def test_the_xml_may_lie_beside(self, kaggle: Path, official_xml: Path) -> None:
        shutil.copytree(official_xml, kaggle / "ecgen-radiology")
        processor, records = read(kaggle)
        assert processor.warnings == []
        assert len(records) == 9
        assert {label.labeller for label in records[TAGGED_PA].labels} == {"MeSH major", "MeSH automatic"}
        assert records[TAGGED_PA].native["figureId"] == "F2"

    @pytest.mark.parametrize("table", ["indiana_reports.csv", "indiana_projections.csv"])
    def test_a_table_without_the_columns(self, kaggle: Path, table: str) -> None:
        write(kaggle / table, "uid,filename,text", "1,2,3")
        with pytest.raises(SourceError, match=f"{table}: expected column"):
            list(OpenI(kaggle).records())

    def test_odd_ids_in_tables_of_torchxrayvision_are_counted(self, kaggle: Path) -> None:
        write(kaggle / "nlmcxr_tsne_pa.csv", "imageid,tsne-view", "x,PA", f"{FIRST},L", f"{FIRST},PA")
        processor, records = read(kaggle)
        assert processor.warnings == [
            "nlmcxr_tsne_pa.csv: 1 rows are not used: expected CXR<n>_IM-... in imageid"
        ]
        assert (records[FIRST].view, records[FIRST].native["tsne-view"]) == ("PA or AP", "L")

    def test_odd_views_in_tables_of_torchxrayvision_are_counted(self, official: Path) -> None:
        write(official / "nlmcxr_tsne_pa.csv", "imageid,tsne-view", f"{FIRST},XX", f"{ALONE},")
        write(official / "nlmcxr_dicom_metadata.csv", "imageid,View Position", f"{FIRST},XX", f"{ALONE},")
        assert read(official)[0].warnings == [
            "nlmcxr_dicom_metadata.csv: 1 cells of column 'View Position' tell no view: expected PA, AP, LL "
            "or a blank, found 'XX'",
            "nlmcxr_tsne_pa.csv: 1 cells of column 'tsne-view' tell no view: expected PA or L, found 'XX'",
        ]

    @pytest.fixture
    def official_xml(self, miniatures: list[Path]) -> Path:
        return miniatures[OFFICIAL] / "ecgen-radiology"


class TestR2Gen:
    @pytest.fixture
    def r2gen(self, miniatures: list[Path], tmp_path: Path) -> Path:
        return copy_of(miniatures, R2GEN, tmp_path) / "iu_xray"

    def test_rows_without_file_and_files_without_row(self, r2gen: Path) -> None:
        (r2gen / "images/CXR9901_IM-9901/0.png").unlink()
        lay(r2gen, "images/CXR2888_IM-1290-0001/1.png")
        records = read(r2gen)[1]
        gone = records["CXR9901_IM-9901/0"]
        assert (gone.file, gone.key, gone.part) == (None, "CXR9901_IM-9901/0.png", "images")
        other = records["CXR2888_IM-1290-0001/1"]
        assert (other.excluded, other.patient_id) == ("not in annotation.json", "2888")

    def test_without_annotation(self, r2gen: Path) -> None:
        (r2gen / "annotation.json").unlink()
        processor, records = read(r2gen)
        [warning] = processor.warnings
        assert "no report was found" in warning
        assert NO_VIEW in warning
        assert {(record.excluded, record.report) for record in records.values()} == {(None, None)}

    def test_an_image_that_the_list_names_twice_is_yielded_twice(self, r2gen: Path) -> None:
        path = r2gen / "annotation.json"
        splits = json.loads(path.read_text())
        splits["test"].append(splits["train"][0])
        path.write_text(json.dumps(splits))
        found = [record for record in OpenI(r2gen).records() if record.identity == "CXR9901_IM-9901/0"]
        assert [record.native["split"] for record in found] == ["train", "train"]

    def test_reports_in_xml_come_first(self, r2gen: Path, miniatures: list[Path]) -> None:
        shutil.copytree(miniatures[OFFICIAL] / "ecgen-radiology", r2gen / "ecgen-radiology")
        shutil.copy(miniatures[OFFICIAL] / "indiana_projections.csv", r2gen)
        records = read(r2gen)[1]
        assert len(records) == 8
        record = records["CXR9901_IM-9901/0"]
        assert record.report is not None
        assert record.report.impression == "No acute disease."
        assert record.labels == [Label("normal", 1, "MeSH major")]
        assert (record.native["split"], record.view) == ("train", "unknown")

    def test_entries_that_name_no_image(self, r2gen: Path) -> None:
        entries: list[Any] = [
            {"id": "x", "report": "y", "image_path": ["../../CXR9901_IM-9901/0.png", "a.png", 3]},
            {"id": "x", "image_path": []},
            {"id": "x", "image_path": "CXR9901_IM-9901/0.png"},
            "text",
            {"image_path": ["CXR9901_IM-9901/1.png"], "report": "\ud800 clear"},
        ]
        (r2gen / "annotation.json").write_text(json.dumps({"train": entries}))
        processor, records = read(r2gen)
        assert sorted(processor.warnings)[:2] == [
            "annotation.json: 1 rows are not used: column 'image_path' leads out of the root; images are "
            "counted in file order (row 1)",
            "annotation.json: 5 rows are not used: column 'image_path' names no image such as "
            "CXR<n>_IM-.../<k>.png; images are counted in file order (rows 2, 3, 4, 5, 6)",
        ]
        kept = [record for record in records.values() if not record.excluded]
        assert [record.identity for record in kept] == ["CXR9901_IM-9901/1"]
        assert (kept[0].report, kept[0].native) == (Report("? clear"), {"id": "", "split": "train"})

    @pytest.mark.parametrize("text", ['{"train": [', "[]", '{"train": {}}', "[" * 100_000, "\udcff"])
    def test_another_or_a_cut_list(self, r2gen: Path, text: str) -> None:
        (r2gen / "annotation.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(
            SourceError, match=r"annotation\.json: (not readable as JSON|expected an? (object|JSON dict))"
        ):
            list(OpenI(r2gen).records())


class TestRefusal:
    def test_archives_are_to_be_unpacked(self, tmp_path: Path) -> None:
        lay(tmp_path, "NLMCXR_png.tgz", "NLMCXR_reports.tgz", "indiana_reports.csv.zip")
        with pytest.raises(SourceError, match=r"unpack the archives first, 2 here"):
            OpenI(tmp_path)

    @pytest.mark.parametrize(
        "path",
        [
            "images/00000001_000.png",
            "p10/p10000032/s50414267/02aa804e-bde0afdd-112c0b34-7bc16630-4e384014.dcm",
            "ecgen-radiology/1.xml",
            "images/CXR2384_IM-0942/first.png",
            "images/p10/p10000032/0.png",
            "1.dcm",
        ],
    )
    def test_other_datasets_are_refused(self, tmp_path: Path, path: str) -> None:
        lay(tmp_path, path)
        with pytest.raises(SourceError, match=r"expected files such as CXR<n>_IM-.*check the path"):
            OpenI(tmp_path)

    def test_two_images_of_no_chest_are_known(self) -> None:
        assert {(bad.identity, bad.state) for bad in OpenI.known_bad} == {
            ("CXR2427_IM-0969-4001", "suspicious"),
            ("CXR2427_IM-0969-5001", "suspicious"),
        }
