"""Folds: parts of a collection to train and to validate on."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataset import ChestXrayDataset, MaCheXDataset
from tests.test_dataset import as_pandas, compose, compose_legacy
from tests.test_dataset_labels import add_columns, expected_labels, label_columns, labels_of


def compose_folds(folder: Path, rows: int = 42) -> Path:
    folds = pa.array([row * 7 % 10 for row in range(rows)], pa.int8())
    return add_columns(compose(folder, range(rows)), {"fold": folds, **label_columns(rows)})


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders with folds; for tests that change nothing in them."""
    root = tmp_path_factory.mktemp("folds")
    compose_folds(root / "padchest")
    compose_folds(root / "brax", 12)
    return root


@pytest.fixture(scope="module")
def folder(collection: Path) -> Path:
    return collection / "padchest"


def numbers(pictures: ChestXrayDataset | MaCheXDataset) -> list[tuple[str, int]]:
    return [(row["dataset"], row["id"]) for row in map(pictures.row, range(len(pictures)))]


@pytest.mark.parametrize(
    ("folds", "kept"),
    [
        (3, {3}),
        (0, {0}),
        ([9], {9}),
        (range(9), set(range(9))),
        ({8, 1}, {1, 8}),
        ((fold for fold in (7, 2)), {2, 7}),
        (np.int64(4), {4}),
        (np.arange(5), {0, 1, 2, 3, 4}),
    ],
)
def test_folds_agree_with_pandas(folder: Path, folds: Any, kept: set[int]) -> None:  # noqa: ANN401 - many types
    frame = as_pandas(folder)
    items = list(ChestXrayDataset(folder, folds=folds, fields=("id", "fold")))
    assert {item["fold"] for item in items} == kept
    assert [item["id"] for item in items] == frame.loc[frame["fold"].isin(kept), "id"].tolist()


def test_folds_part_a_collection(collection: Path) -> None:
    parts = [numbers(MaCheXDataset(collection, folds=folds)) for folds in (range(9), 9)]
    assert sorted([*parts[0], *parts[1]]) == numbers(MaCheXDataset(collection))
    assert all(parts)


def test_folds_combine_with_other_filters_and_labels(folder: Path) -> None:
    frame = as_pandas(folder)
    chosen = frame[frame["fold"].lt(6) & frame["split"].isin(["val", "test"]) & frame["view"].eq("PA")]
    pictures = ChestXrayDataset(
        folder, folds=range(6), split=["val", "test"], view="PA", labels="nih", fields=("id", "labels")
    )
    assert [item["id"] for item in pictures] == chosen["id"].tolist() != []
    expected = expected_labels(chosen, list(pictures.label_names))
    np.testing.assert_array_equal(labels_of(pictures), expected)


def test_a_pickled_dataset_keeps_its_folds(collection: Path) -> None:
    pictures = MaCheXDataset(collection, folds=(fold for fold in (2, 5)))
    again = pickle.loads(pickle.dumps(pictures))  # noqa: S301 - our own
    assert numbers(again) == numbers(pictures) != []


@pytest.mark.parametrize(
    "folds",
    [10, -1, range(11), [], (), [3, 3], True, [0, True], np.bool_(True), "9", ["9"], 9.0, [None], [[1]]],
    ids=repr,
)
def test_folds_out_of_range_are_refused(folder: Path, folds: Any) -> None:  # noqa: ANN401 - many types
    with pytest.raises(ValueError, match=r"^folds: \[.*\]; allowed are one or more of 0 to 9, each once"):
        ChestXrayDataset(folder, folds=folds)


@pytest.mark.parametrize("make", [compose, compose_legacy])
def test_an_index_without_folds_says_what_to_do(tmp_path: Path, make: Any) -> None:  # noqa: ANN401 - either
    compose_folds(tmp_path / "brax")
    make(tmp_path / "mimic", [0, 1])
    message = (
        r"mimic cannot be filtered by fold: .* no such column\. `python machex\.py index` writes it anew"
    )
    with pytest.raises(ValueError, match=message):
        MaCheXDataset(tmp_path, folds=range(9))
    assert len(MaCheXDataset(tmp_path, datasets="brax", folds=range(10))) == 42
    assert len(MaCheXDataset(tmp_path)) == 44


def test_empty_datasets_need_no_folds(tmp_path: Path) -> None:
    compose_folds(tmp_path / "brax", 10)
    compose(tmp_path / "chexpert", [])
    compose_legacy(tmp_path / "mimic", [])
    assert len(MaCheXDataset(tmp_path, folds=range(9))) == 9
