"""Rows that name no image are left out, not lost."""

from __future__ import annotations

from processors.base import UNUSABLE, UnusableRows

BLANK = "column 'Path' is blank"
OUT = "column 'Path' leads out of the root"


def test_a_row_is_a_record_that_is_left_out() -> None:
    record = UnusableRows("train.csv").record(7, BLANK)
    assert (record.identity, record.key) == ("train.csv row 7", "train.csv row 7")
    assert (record.file, record.view, record.excluded) == (None, "unknown", UNUSABLE)
    assert (record.labels, record.boxes, record.part, record.split) == ([], [], None, None)


def test_all_are_left_out_by_one_rule_and_told_apart() -> None:
    train, test = UnusableRows("train.csv"), UnusableRows("test.csv")
    records = [train.record(2, BLANK), train.record(3, OUT), test.record(2, BLANK)]
    assert len({record.identity for record in records}) == 3
    assert {record.excluded for record in records} == {UNUSABLE}


def test_no_row_no_warning() -> None:
    assert UnusableRows("train.csv").warnings == []


def test_one_row_is_named() -> None:
    rows = UnusableRows("train.csv")
    rows.record(2, BLANK)
    assert rows.warnings == ["train.csv: 1 rows are not used: column 'Path' is blank (row 2)"]


def test_the_first_five_rows_are_named() -> None:
    rows = UnusableRows("train.csv")
    for row in range(2, 7):
        rows.record(row, BLANK)
    assert rows.warnings == [f"train.csv: 5 rows are not used: {BLANK} (rows 2, 3, 4, 5, 6)"]
    rows.record(9, BLANK)
    assert rows.warnings == [f"train.csv: 6 rows are not used: {BLANK} (rows 2, 3, 4, 5, 6, ...)"]


def test_thousands_are_grouped_and_row_numbers_are_not() -> None:
    rows = UnusableRows("train.csv")
    for row in range(1_500, 2_600):
        rows.record(row, OUT)
    assert rows.warnings == [
        f"train.csv: 1,100 rows are not used: {OUT} (rows 1500, 1501, 1502, 1503, 1504, ...)"
    ]


def test_each_reason_has_a_line_in_the_order_of_the_table() -> None:
    rows = UnusableRows("train.csv")
    for row, reason in ((2, OUT), (3, BLANK), (4, OUT)):
        rows.record(row, reason)
    assert rows.warnings == [
        f"train.csv: 2 rows are not used: {OUT} (rows 2, 4)",
        f"train.csv: 1 rows are not used: {BLANK} (row 3)",
    ]


def test_the_warnings_grow_with_the_rows() -> None:
    rows = UnusableRows("train.csv")
    rows.record(2, BLANK)
    before = rows.warnings
    rows.record(3, BLANK)
    assert before != rows.warnings
    assert len(rows.warnings) == 1
