"""The observations of the CheXpert family: reading cells, labels and MaCheX's vector."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.base import Label, Table
from processors.base.chexpert_labels import (
    FINDINGS,
    NO_FINDING,
    OBSERVATIONS,
    Statements,
    Values,
    class_label,
    labels,
    read_values,
)

UNMENTIONED: Values = (None,) * 14


def values_of(**mentioned: int) -> Values:
    """Return the values of one row; observations are given with underscores for blanks."""
    return tuple(mentioned.get(observation.replace(" ", "_")) for observation in OBSERVATIONS)


def table_of(path: Path, columns: tuple[str, ...], *rows: dict[str, str]) -> Table:
    lines = [",".join(columns), *(",".join(row.get(column, "") for column in columns) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return Table(path, columns=OBSERVATIONS)


def test_the_vector_has_the_order_that_trained_models_expect() -> None:
    assert FINDINGS == (
        "Enlarged Cardiomediastinum",
        "Cardiomegaly",
        "Lung Opacity",
        "Lung Lesion",
        "Edema",
        "Consolidation",
        "Pneumonia",
        "Atelectasis",
        "Pneumothorax",
        "Pleural Effusion",
        "Pleural Other",
        "Fracture",
        "Support Devices",
    )
    assert (NO_FINDING, *FINDINGS) == OBSERVATIONS


@pytest.mark.parametrize(
    ("cell", "value"), [("1.0", 1), ("1", 1), ("0.0", 0), ("0", 0), ("-1.0", -1), ("-1", -1), ("", None)]
)
def test_reads_whole_numbers_in_both_spellings(tmp_path: Path, cell: str, value: int | None) -> None:
    warnings: list[str] = []
    table = table_of(tmp_path / "train.csv", ("Path", *OBSERVATIONS), {"Path": "x", "Edema": cell})
    (values,) = read_values(table, warnings)
    assert values[OBSERVATIONS.index("Edema")] == value
    assert warnings == []


def test_reads_columns_by_name(tmp_path: Path) -> None:
    columns = tuple(reversed(OBSERVATIONS))
    table = table_of(tmp_path / "bc1.csv", columns, {"Lung Lesion": "1", "Lung Opacity": "0"})
    assert list(read_values(table, [])) == [values_of(Lung_Lesion=1, Lung_Opacity=0)]


def test_equal_rows_share_one_tuple(tmp_path: Path) -> None:
    row = {"Edema": "1.0", "Fracture": "-1.0"}
    first, second = read_values(table_of(tmp_path / "train.csv", OBSERVATIONS, row, row), [])
    assert first is second


def test_other_cells_are_not_mentioned_and_said(tmp_path: Path) -> None:
    warnings: list[str] = []
    rows = ({"Edema": "yes", "Fracture": "1.0"}, {"Edema": "yes"}, {"Edema": "2.0", "Fracture": "0.0"})
    values = list(read_values(table_of(tmp_path / "train.csv", OBSERVATIONS, *rows), warnings))
    assert values == [values_of(Fracture=1), UNMENTIONED, values_of(Fracture=0)]
    assert warnings == [
        "train.csv: 3 label cells are not used: expected 1, 0, -1 or a blank, found 'yes', '2.0'"
    ]


def test_labels_leave_out_what_is_not_mentioned() -> None:
    values = values_of(No_Finding=1, Pneumothorax=0, Support_Devices=-1)
    assert labels(values, "CheXbert") == [
        Label("No Finding", 1, "CheXbert"),
        Label("Pneumothorax", 0, "CheXbert"),
        Label("Support Devices", -1, "CheXbert"),
    ]
    assert labels(UNMENTIONED, "CheXbert") == []


def test_the_vector_is_that_of_machex() -> None:
    values = values_of(No_Finding=1, Enlarged_Cardiomediastinum=1, Cardiomegaly=0, Lung_Opacity=-1)
    assert class_label(values) == [1, -1, 0, *[0] * 10]
    assert class_label(values_of(Support_Devices=1)) == [*[0] * 12, 1]


class TestStatements:
    def test_are_those_of_all_tables_in_their_order(self) -> None:
        names = ["No disease", *OBSERVATIONS[1:]]
        statements = Statements(
            [
                ("one", {"a": values_of(Edema=1), "b": UNMENTIONED}, OBSERVATIONS),
                ("other", {"a": values_of(No_Finding=-1), "c": values_of(Edema=0)}, names),
            ]
        )
        assert statements.labels("a") == [Label("Edema", 1, "one"), Label("No disease", -1, "other")]
        assert statements.labels("b") == []
        assert statements.labels("c") == [Label("Edema", 0, "other")]
        assert statements.labels("nobody") == []

    def test_equal_ones_are_one_list(self) -> None:
        statements = Statements([("one", {"a": values_of(Edema=1), "b": values_of(Edema=1)}, OBSERVATIONS)])
        assert statements.labels("a") is statements.labels("b")
        assert class_label(values_of(Edema=1)) is class_label(values_of(Edema=1))
