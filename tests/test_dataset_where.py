"""Filters of every kind and together, and the index as a table."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dataset import ChestXrayDataset, MaCheXDataset
from processors import base as processors
from tests.test_dataset import as_pandas, compose, compose_legacy
from tests.test_dataset_labels import add_columns, label_columns

NAMES = ("brax", "padchest", "vindrcxr")
SPLITS: dict[str, set[str | None]] = {"train": {"train", None}, "val": {"val"}, "test": {"test"}}
VIEWS: dict[str, set[str | None]] = {
    "frontal": set(processors.FRONTAL_VIEWS),
    **{name: {name} for name in processors.VIEWS if name != "unknown"},
    "unknown": {"unknown", None},
}
# A condition as an expression and in pandas; comparisons with null are false in both.
CONDITIONS: dict[str, tuple[Any, Callable[[pd.DataFrame], Any]]] = {
    "age": (pc.field("age") >= 13, lambda frame: frame["age"] >= 13),
    "patient": (pc.field("patient_id") == "p3", lambda frame: frame["patient_id"] == "p3"),
    "edema": (pc.field("label_edema") == 1, lambda frame: frame["label_edema"] == 1),
    "both": (
        (pc.field("label_mass") != 0) & pc.field("patient_id").is_valid(),
        lambda frame: frame["label_mass"].notna() & (frame["label_mass"] != 0) & frame["patient_id"].notna(),
    ),
    "none": (pc.field("id") < 0, lambda frame: frame["id"] < 0),
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three folders with labels and folds; for tests that change nothing in them."""
    root = tmp_path_factory.mktemp("where")
    for name, rows in zip(NAMES, (7, 90, 40), strict=True):
        folds = pa.array([row * 7 % 10 for row in range(rows)], pa.int8())
        add_columns(compose(root / name, range(rows)), {"fold": folds, **label_columns(rows)})
    return root


@cache
def frame_of(root: Path) -> pd.DataFrame:
    frame = pd.concat([as_pandas(root / name) for name in NAMES], ignore_index=True)
    return frame.assign(
        split=frame["split"].replace({np.nan: None}), view=frame["view"].replace({np.nan: None})
    )


def some(names: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - whatever can be sampled
    return st.none() | st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)


@given(
    datasets=some(NAMES),
    split=some(list(SPLITS)),
    view=some(list(VIEWS)),
    folds=some(range(10)),
    condition=st.none() | st.sampled_from(list(CONDITIONS)),
    kind=st.sampled_from(["expression", "table", "pandas"]),
)
def test_any_filters_together_agree_with_pandas(
    collection: Path,
    datasets: list[str] | None,
    split: list[str] | None,
    view: list[str] | None,
    folds: list[int] | None,
    condition: str | None,
    kind: str,
) -> None:
    frame = frame_of(collection)
    kept = pd.Series(data=True, index=frame.index)
    if datasets is not None:
        kept &= frame["dataset"].isin(datasets)
    if split is not None:
        kept &= frame["split"].isin({value for name in split for value in SPLITS[name]})
    if view is not None:
        kept &= frame["view"].isin({value for name in view for value in VIEWS[name]})
    if folds is not None:
        kept &= frame["fold"].isin(folds)
    where: Any = None
    if condition is not None:
        expression, in_pandas = CONDITIONS[condition]
        kept &= in_pandas(frame)
        where = {
            "expression": expression,
            "table": lambda table: [
                bool(found)
                for found in in_pandas(
                    table.select(["id", "age", "patient_id", "label_edema", "label_mass"]).to_pandas()
                )
            ],
            "pandas": lambda table: in_pandas(table.to_pandas()),
        }[kind]
    pictures = MaCheXDataset(
        collection,
        datasets=datasets,
        split=split,
        view=view,
        folds=folds,
        where=where,
        fields=("dataset", "id", "age"),
    )
    expected = frame.loc[kept, ["dataset", "id", "age"]]
    assert [tuple(item.values()) for item in pictures] == list(expected.itertuples(index=False, name=None))
    assert len(pictures) == len(expected)
    assert pictures.columns("id")["id"].to_pylist() == expected["id"].tolist()
    for number in range(0, len(pictures), 9):
        row = pictures.row(number)
        assert (row["dataset"], row["id"]) == tuple(expected.iloc[number, :2])


def test_chosen_items_have_their_own_labels_and_pictures(collection: Path) -> None:
    for where in (pc.field("age") >= 20, lambda table: pc.greater_equal(table["age"], 20)):
        pictures = MaCheXDataset(collection, where=where, labels=["edema"], fields=("img", "path", "dataset"))
        everything = MaCheXDataset(collection, labels=["edema"], fields=("img", "path", "dataset", "age"))
        expected = [item for item in everything if item["age"] >= 20]
        assert 0 < len(pictures) == len(expected)
        for item, other in zip(pictures, expected, strict=True):
            assert item["path"] == other["path"]
            assert torch.equal(item["img"], other["img"])
            assert torch.equal(item["labels"].nan_to_num(9), other["labels"].nan_to_num(9))


def test_a_function_sees_the_whole_collection_as_the_other_arguments_choose_it(collection: Path) -> None:
    seen = []

    def first_of_each_patient(table: pa.Table) -> Any:  # noqa: ANN401 - of pandas
        seen.append(table)
        return ~table.to_pandas().duplicated("patient_id")

    pictures = MaCheXDataset(collection, view="frontal", where=first_of_each_patient, fields=("patient_id",))
    patients = [item["patient_id"] for item in pictures]
    assert len(set(patients)) == len(patients) > 3
    (table,) = seen
    assert table.equals(MaCheXDataset(collection, view="frontal").table)


def youngest_of_each_patient(table: pa.Table) -> Any:  # noqa: ANN401 - of pandas
    """Choose in another order than that of the rows."""
    return ~table.to_pandas().sort_values("age", ascending=False).duplicated("patient_id")


def test_a_series_is_told_by_its_index_and_not_by_its_order(collection: Path) -> None:
    pictures = MaCheXDataset(collection, where=youngest_of_each_patient)
    frame = frame_of(collection)
    expected = frame.sort_values("age", ascending=False).drop_duplicates("patient_id").sort_index()
    assert pictures.columns(["dataset", "id"]).to_pylist() == expected[["dataset", "id"]].to_dict("records")
    assert len(set(pictures.columns("id")["id"].to_pylist())) > 3


@pytest.mark.parametrize(
    "convert", [list, np.asarray, pa.array, torch.tensor, lambda kept: pa.chunked_array([kept[:1], kept[1:]])]
)
def test_true_and_false_come_in_many_kinds(collection: Path, convert: Any) -> None:  # noqa: ANN401
    kept = [number % 3 == 0 for number in range(7)]
    pictures = MaCheXDataset(collection, datasets="brax", where=lambda table: convert(kept))
    assert pictures.columns("id")["id"].to_pylist() == [0, 3, 6]


def test_null_is_false(collection: Path) -> None:
    assert len(MaCheXDataset(collection, where=lambda table: [None] * len(table))) == 0
    assert len(MaCheXDataset(collection, where=pc.scalar(None))) == 0
    assert len(MaCheXDataset(collection, datasets="brax", where=lambda table: [True] + [None] * 6)) == 1


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (pc.field("agee") > 3, "brax cannot be filtered by it: .*agee"),
        (pc.field("age") + 1, "expected true or false for each"),
        (lambda table: [True], "expected true or false for each of 137 rows, got 1"),
        (lambda table: table["age"], "expected true or false for each of 137 rows"),
        (lambda table: None, "expected true or false for each of 137 rows, got NoneType"),
        (lambda table: table.to_pandas()[["age"]] > 3, "got DataFrame"),
        (lambda table: np.ones((137, 1), bool), "got ndarray: only handle 1-dimensional arrays"),
        (
            lambda table: table.to_pandas().set_index("key")["age"] > 3,
            r"got Series: 137 with an index other than that of table\.to_pandas\(\)",
        ),
        (lambda table: (table.to_pandas()["age"] > 3)[:5], "got Series: 5 with an index other"),
        (lambda table: pd.Series([True] * 2, index=[0, "a"]), "got Series: '<' not supported"),
        (pc.field("key") == 3, "brax cannot be filtered by it: .*Its columns are .*age"),
        ("age > 3", r"where='age > 3': allowed are a pyarrow expression and a function"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(collection: Path, where: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=message):
        MaCheXDataset(collection, where=where)


def test_conditions_of_a_legacy_collection(tmp_path: Path) -> None:
    folder = compose_legacy(tmp_path / "mimic", labelled=True)
    assert len(ChestXrayDataset(folder, where=pc.field("id") > 0)) == 2
    assert len(ChestXrayDataset(folder, where=lambda table: pc.equal(table["report"], "No change."))) == 3
    with pytest.raises(ValueError, match=r"mimic cannot be filtered by it: .*Its columns are path, key"):
        ChestXrayDataset(folder, where=pc.field("age") > 0)
    (folder / "index.json").write_text("{}")
    assert len(ChestXrayDataset(folder, where=pc.field("age") > 0)) == 0


# --- The table


def test_the_table_is_the_rows_of_the_items(collection: Path) -> None:
    pictures = MaCheXDataset(collection, split="train")
    rows = [pictures.row(number) for number in range(len(pictures))]
    assert [{**row, "file": rows[at]["file"]} for at, row in enumerate(pictures.table.to_pylist())] == rows
    assert pictures.columns(["age", "key"]).to_pylist() == [
        {name: row[name] for name in ("age", "key")} for row in rows
    ]
    with pytest.raises(ValueError, match=r"columns: unknown \['agee'\]; .*age"):
        pictures.columns("agee")


def test_the_table_of_all_kinds_of_collections(tmp_path: Path) -> None:
    labels = pa.array([[1] * 13] * 2, pa.list_(pa.int8()))
    add_columns(compose(tmp_path / "chexpert", range(2)), {"class_label": labels})
    compose_legacy(tmp_path / "mimic", labelled=True)
    compose(tmp_path / "siim", [])
    table = MaCheXDataset(tmp_path).table
    assert table["class_label"].to_pylist() == [[1] * 13] * 2 + [[0] * 12 + [1]] * 3
    assert table["report"].to_pylist() == [None, None, *["No change."] * 3]
    assert table["dataset"].to_pylist() == ["chexpert"] * 2 + ["mimic"] * 3


def test_the_table_notices_that_the_index_was_written_anew(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0, 1, 2])
    pictures = ChestXrayDataset(folder)
    table = pq.read_table(folder / "index.parquet")
    # Of the same rows in another order: the pictures of the items are no longer those of the index.
    pq.write_table(table.take([2, 1, 0]), folder / "index.parquet")
    assert_changed(pictures)


@pytest.mark.parametrize("same", ["size", "time"])
def test_either_size_or_time_of_an_index_tells_it_from_another(tmp_path: Path, same: str) -> None:
    folder = compose(tmp_path / "brax", [0, 1, 2])
    index = folder / "index.parquet"
    pictures, before = ChestXrayDataset(folder), index.stat()
    if same == "size":
        os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    else:
        pq.write_table(pq.read_table(index).slice(1), index)
        os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_changed(pictures)


def assert_changed(pictures: ChestXrayDataset) -> None:
    for call in (lambda: pictures.table, lambda: pictures.columns("key"), lambda: pictures.row(0)):
        with pytest.raises(RuntimeError, match="has changed: make the dataset object anew"):
            call()


def test_repr_counts_datasets_views_and_splits(collection: Path) -> None:
    frame = frame_of(collection).fillna({"split": "none", "view": "none"})
    first, views, splits = repr(MaCheXDataset(collection)).splitlines()
    assert first.endswith("137 images: brax 7, padchest 90, vindrcxr 40)")
    for line, column in ((views, "view"), (splits, "split")):
        name, _, counts = line.strip().partition(": ")
        found = dict(part.rsplit(" ", 1) for part in counts.split(", "))
        assert (name, found) == (column, {key: str(n) for key, n in frame[column].value_counts().items()})
    chosen = frame[frame["split"].eq("val") & frame["view"].eq("AP")]
    line = repr(MaCheXDataset(collection, split="val", view="AP")).splitlines()[1]
    assert line == f"  view: AP {len(chosen)}"
    by_function = MaCheXDataset(
        collection,
        where=lambda table: pc.and_(pc.equal(table["split"], "val"), pc.equal(table["view"], "AP")),
    )
    assert repr(by_function).splitlines()[1:] == [line, f"  split: val {len(chosen)}"]
