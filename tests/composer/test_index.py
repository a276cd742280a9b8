"""The index: MaCheX's fields in index.json, everything in index.parquet."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from composer.folder import DatasetFolder, image_name, number_text
from composer.imaging import Facts
from composer.index import write_index
from composer.ledger import FACT_COLUMNS, read_ledger
from composer.records import SCHEMA
from processors.base import Box, Label, Report
from tests.composer.toys import Toy, failed, joined, record, written


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "00/000000.jpg"),
        (9_999, "00/009999.jpg"),
        (54_321, "05/054321.jpg"),
        (10_000, "01/010000.jpg"),
        (999_999, "99/999999.jpg"),
        (1_234_567, "123/1234567.jpg"),
    ],
)
def test_image_names(number: int, name: str) -> None:
    assert image_name(number, "jpg") == name
    assert number_text(number) in name


@pytest.fixture
def folder(tmp_path: Path) -> DatasetFolder:
    folder = DatasetFolder(tmp_path / "toy")
    folder.path.mkdir()
    records = [
        record(
            "a", labels=[Label("Mass", 1, "R1"), Label("Mass", -1, "R2")], split="train", age=51.5, sex="F"
        ),
        record("b", class_label=[1, -1, *[0] * 11], native={"View Position": "PA"}),
        record("c"),
        record("odd", boxes=[Box("Mass", 3, 2, 6, 4, "R1"), Box("Mass", 0, 0, 1, 2)], box_grid=(10, 14)),
    ]
    rows = joined(folder, records, [written("a"), written("b"), failed("c"), written("odd")])
    write_index(folder, rows, read_ledger(folder.ledger), Toy(folder.path), "png")
    return folder


def test_json_has_machex_fields_for_written_images_only(folder: DatasetFolder) -> None:
    index = json.loads(folder.index_json.read_text(encoding="utf-8"))
    assert index == {
        "000000": {"path": f"{folder.path}/00/000000.png", "key": "a.png", "view": "PA", "split": "train"},
        "000001": {
            "path": f"{folder.path}/00/000001.png",
            "key": "b.png",
            "view": "PA",
            "split": None,
            "class_label": [1, -1, *[0] * 11],
        },
        "000003": {"path": f"{folder.path}/00/000003.png", "key": "odd.png", "view": "PA", "split": None},
    }


def test_parquet_has_the_same_rows_and_everything_known(folder: DatasetFolder) -> None:
    a, b, odd = pq.read_table(folder.index_parquet).to_pylist()
    assert (a["id"], a["dataset"], a["path"], a["identity"]) == (0, "toy", "00/000000.png", "a")
    assert a["labels"] == [
        {"label": "Mass", "value": 1, "labeller": "R1"},
        {"label": "Mass", "value": -1, "labeller": "R2"},
    ]
    assert (a["age"], a["sex"], a["class_label"], a["flags"]) == (51.5, "F", None, ["upscaled"])
    assert b["native"] == [("View Position", "PA")]
    box = {"label": "Mass", "x": 1, "y": 2, "width": 6, "height": 4, "labeller": "R1", "outline": None}
    assert odd["boxes"] == [box]
    assert odd["flags"] == ["region_outside", "suspicious", "upscaled"]
    assert (a["boxes"], a["masks"], a["report"]) == ([], [], None)


def test_header_says_what_the_tables_do_not(tmp_path: Path) -> None:
    folder = DatasetFolder(tmp_path)
    told = {"a": ("F", "061Y"), "b": ("F", "061Y"), "c": ("O", "000Y"), "d": (None, None)}
    outcomes = [
        replace(written(identity), facts=Facts(patient_sex=sex, patient_age=age))
        for identity, (sex, age) in told.items()
    ]
    records = [record("a", sex="M", age=40.0), *(record(identity) for identity in "bcd")]
    rows = joined(folder, records, outcomes)
    write_index(folder, rows, read_ledger(folder.ledger), Toy(tmp_path), "jpg")
    rows = pq.read_table(folder.index_parquet).to_pylist()
    assert [(row["sex"], row["age"]) for row in rows] == [("M", 40), ("F", 61), (None, None), (None, None)]


def test_parquet_has_every_record_and_fact_column(folder: DatasetFolder) -> None:
    names = set(pq.read_schema(folder.index_parquet).names)
    state = {
        "box_grid",
        "source_offset",
        "source_size",
        "source_zipped",
        "source_sha256",
        "view_from_header",
        "report_file",
        "original_bits_stored",
        "held_out_by",
        "held_out_twin",
        "held_out_split",
        "part",
        "excluded",
    }
    assert set(SCHEMA.names) - state <= names
    assert {name for name in FACT_COLUMNS.names if not name.endswith("_ms")} - {
        "source_bytes",
        "source_modified",
    } <= names


def test_reports_are_read_where_they_lie(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = DatasetFolder(tmp_path)
    records = [
        record("a", report_file="1"),
        record("b", report_file="1"),
        record("c", report_file="absent"),
        record("d", report=Report("of a table", impression="well")),
        record("e"),
    ]
    rows = joined(folder, records, map(written, "abcde"))
    write_index(folder, rows, read_ledger(folder.ledger), Toy(tmp_path), "jpg")
    rows = pq.read_table(folder.index_parquet).to_pylist()
    assert [(row["report"], row["findings"], row["impression"]) for row in rows] == [
        ("text of 1", "found", None),
        ("text of 1", "found", None),
        ("", None, None),
        ("of a table", None, "well"),
        (None, None, None),
    ]
    assert "toy: 1 reports cannot be read" in caplog.text
    index = json.loads(folder.index_json.read_text())
    assert [entry.get("report") for entry in index.values()] == [row["report"] for row in rows]


def test_header_may_say_more_of_the_view(tmp_path: Path) -> None:
    folder = DatasetFolder(tmp_path)
    told = {"a": "AP", "b": "AP", "c": None, "d": "LL"}
    outcomes = [
        replace(written(identity), facts=Facts(view_position=position)) for identity, position in told.items()
    ]
    records = [
        record("a", view="PA or AP"),
        *(record(name, view="PA or AP", view_from_header=True) for name in "bcd"),
    ]
    rows = joined(folder, records, outcomes)
    write_index(folder, rows, read_ledger(folder.ledger), Toy(tmp_path), "jpg")
    rows = pq.read_table(folder.index_parquet).to_pylist()
    assert [row["view"] for row in rows] == ["PA or AP", "AP", "PA or AP", "lateral"]


def test_index_of_nothing_is_an_empty_object(tmp_path: Path) -> None:
    folder = DatasetFolder(tmp_path)
    rows = joined(folder, [record("a")], [])
    write_index(folder, rows, read_ledger(folder.ledger), Toy(tmp_path), "jpg")
    assert json.loads(folder.index_json.read_text()) == {}
    assert pq.read_table(folder.index_parquet).num_rows == 0
