"""Labels in the common vocabulary, as tensors to train on."""

import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from composer.labels import TERM_COLUMNS
from composer.labels.vocabulary import vocabulary
from dataset import ChestXrayDataset, MaCheXDataset
from tests.test_dataset import SCHEMA, as_pandas, compose, compose_legacy, index_rows

TERMS = [term.id for term in vocabulary().terms]
# Every term has each in turn, and no two neighbours the same.
STATES = (1, 0, -1, None)
NAN = float("nan")

PRESETS = {
    "torchxrayvision": "Atelectasis, Consolidation, Infiltration, Pneumothorax, Edema, Emphysema, Fibrosis, "
    "Effusion, Pneumonia, Pleural_Thickening, Cardiomegaly, Nodule, Mass, Hernia, Lung Lesion, Fracture, "
    "Lung Opacity, Enlarged Cardiomediastinum",
    "chexpert": "No Finding, Enlarged Cardiomediastinum, Cardiomegaly, Lung Opacity, Lung Lesion, Edema, "
    "Consolidation, Pneumonia, Atelectasis, Pneumothorax, Pleural Effusion, Pleural Other, Fracture, "
    "Support Devices",
    "nih": "Atelectasis, Cardiomegaly, Effusion, Infiltration, Mass, Nodule, Pneumonia, Pneumothorax, "
    "Consolidation, Edema, Emphysema, Fibrosis, Pleural_Thickening, Hernia",
}


def add_columns(folder: Path, columns: dict[str, pa.Array]) -> Path:
    table = pq.read_table(folder / "index.parquet")
    for name, values in columns.items():
        table = table.append_column(name, values)
    pq.write_table(table, folder / "index.parquet", row_group_size=max(10, len(table) // 4))
    return folder


def label_columns(rows: int, terms: list[str] = TERMS) -> dict[str, pa.Array]:
    columns = {
        f"label_{term}": pa.array((STATES * (rows // 4 + 2))[place % 4 :][:rows], pa.int8())
        for place, term in enumerate(terms)
    }
    columns["label_kind"] = pa.array(["nlp"] * rows)
    columns["label_conflicts"] = pa.array([["edema"]] * rows, pa.list_(pa.string()))
    return columns


def compose_labelled(folder: Path, rows: int = 42) -> Path:
    return add_columns(compose(folder, range(rows)), label_columns(rows))


def expected_labels(frame: pd.DataFrame, terms: list[str]) -> NDArray[np.float32]:
    values: NDArray[np.float32] = frame[[f"label_{term}" for term in terms]].to_numpy(np.float32)
    return values


def labels_of(pictures: ChestXrayDataset | MaCheXDataset) -> NDArray[np.float32]:
    return np.stack([item["labels"].numpy() for item in pictures])


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders with labels; for tests that change nothing in them."""
    root = tmp_path_factory.mktemp("labelled")
    compose_labelled(root / "padchest")
    compose_labelled(root / "brax", 7)
    return root


@pytest.fixture(scope="module")
def folder(collection: Path) -> Path:
    return collection / "padchest"


# --- The tensor


def test_an_item_is_the_picture_and_a_tensor_of_labels(folder: Path) -> None:
    pictures = ChestXrayDataset(folder, labels=["atelectasis", "edema"])
    item = pictures[0]
    assert list(item) == ["img", "labels"]
    assert item["img"].shape == (3, 48, 48)
    assert (item["labels"].dtype, tuple(item["labels"].shape)) == (torch.float32, (2,))
    before = item["labels"].clone()
    item["labels"] += 1  # its own memory: the next epoch reads the same
    assert_array_equal(pictures[0]["labels"], before)


@pytest.mark.parametrize(
    ("uncertain", "values"),
    [
        ("keep", [1, 0, -1, NAN]),
        ("ignore", [1, 0, NAN, NAN]),
        ("zeros", [1, 0, 0, NAN]),
        ("ones", [1, 0, 1, NAN]),
    ],
)
def test_uncertain_labels_follow_the_policy_and_unknown_ones_stay_unknown(
    folder: Path, uncertain: str, values: list[float]
) -> None:
    first = TERMS[0]
    pictures = ChestXrayDataset(folder, labels=[first], uncertain=uncertain, fields="labels")
    assert [pictures.row(i)[f"label_{first}"] for i in range(4)] == [1, 0, -1, None]
    assert_array_equal([pictures[i]["labels"].item() for i in range(4)], values)


def test_uncertain_labels_are_kept_by_default(folder: Path) -> None:
    assert_array_equal(
        labels_of(ChestXrayDataset(folder, labels="nih")),
        labels_of(ChestXrayDataset(folder, labels="nih", uncertain="keep")),
    )
    assert (labels_of(ChestXrayDataset(folder, labels="nih")) == -1).any()


@given(terms=st.lists(st.sampled_from(TERMS), min_size=1, unique=True))
def test_terms_may_be_any_in_any_order(folder: Path, terms: list[str]) -> None:
    pictures = ChestXrayDataset(folder, labels=terms, fields="labels")
    assert pictures.label_names == tuple(terms)
    assert_array_equal(labels_of(pictures), expected_labels(as_pandas(folder), terms))


def test_labels_of_a_collection_are_those_of_its_folders(collection: Path) -> None:
    pictures = MaCheXDataset(collection, labels="chexpert")
    parts = [ChestXrayDataset(collection / name, labels="chexpert") for name in ("brax", "padchest")]
    assert_array_equal(labels_of(pictures), np.concatenate([labels_of(part) for part in parts]))
    assert_array_equal(pictures[-1]["labels"], pictures[len(pictures) - 1]["labels"])


def test_filtered_items_have_their_own_labels(folder: Path) -> None:
    frame = as_pandas(folder)
    chosen = frame[(frame["split"] == "test") & frame["view"].isin(["lateral", "AP"])]
    pictures = ChestXrayDataset(
        folder, split="test", view=["lateral", "AP"], labels="nih", fields=("labels", "id")
    )
    assert [item["id"] for item in pictures] == chosen["id"].tolist() != []
    assert_array_equal(labels_of(pictures), expected_labels(chosen, list(pictures.label_names)))


# --- Presets


@pytest.mark.parametrize(("preset", "count"), [("torchxrayvision", 18), ("chexpert", 14), ("nih", 14)])
def test_presets_have_the_order_of_the_others(folder: Path, preset: str, count: int) -> None:
    # What NIH and CheXpert call a term, as the table of the composer has it.
    terms = {
        row.label: row.term
        for row in vocabulary().rows
        if row.source in ("nih", "chexpert14") and row.relation == "="
    }
    names = PRESETS[preset].split(", ")
    pictures = ChestXrayDataset(folder, labels=preset)
    assert pictures.label_names == tuple(terms[name] for name in names)
    assert len(set(pictures.label_names)) == count
    assert set(pictures.label_names) <= set(TERMS)
    listed = ChestXrayDataset(folder, labels=list(pictures.label_names))
    assert_array_equal(labels_of(pictures), labels_of(listed))


# --- Beside the fields


def test_without_labels_the_field_is_what_the_release_says(folder: Path) -> None:
    pictures = ChestXrayDataset(folder, fields=("labels",))
    assert pictures.label_names == ()
    assert list(pictures) == [{"labels": row["labels"]} for row in index_rows("padchest", range(42), "jpg")]


def test_labels_come_in_addition_to_the_fields(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)  # without "img" no file is opened
    added = ChestXrayDataset(folder, fields=("key", "label_edema", "label_kind"), labels="nih")
    assert list(added[1]) == ["key", "label_edema", "label_kind", "labels"]
    for item, edema in zip(added, STATES[TERMS.index("edema") % 4 :], strict=False):
        assert (item["label_edema"], item["label_kind"]) == (edema, "nlp")
        value = item["labels"][added.label_names.index("edema")]
        assert value.isnan() if edema is None else value == edema
    named = ChestXrayDataset(folder, fields=("labels", "key"), labels="nih")
    assert list(named[1]) == ["labels", "key"]
    assert isinstance(named[1]["labels"], torch.Tensor)


def test_row_gives_what_the_release_says(folder: Path) -> None:
    row = ChestXrayDataset(folder, labels="nih").row(2)
    assert row["labels"] == index_rows("padchest", range(3), "jpg")[2]["labels"]
    assert set(TERM_COLUMNS) < set(row)


def test_an_index_may_lack_the_labels_of_the_release(tmp_path: Path) -> None:
    folder = compose_labelled(tmp_path / "brax", 4)
    table = pq.read_table(folder / "index.parquet").drop_columns("labels")
    pq.write_table(table, folder / "index.parquet")
    assert ChestXrayDataset(folder, labels=["mass"])[0]["labels"].shape == (1,)


# --- Training


@pytest.mark.parametrize("workers", [0, 2])
def test_items_make_batches(folder: Path, workers: int) -> None:
    pictures = ChestXrayDataset(folder, labels="torchxrayvision", uncertain="ignore")
    loader: DataLoader[Any] = DataLoader(pictures, batch_size=20, num_workers=workers)
    batches = list(loader)
    assert batches[0]["img"].shape == (20, 3, 48, 48)
    assert batches[0]["labels"].dtype == torch.float32
    assert_array_equal(torch.cat([batch["labels"] for batch in batches]), labels_of(pictures))


def test_unknown_labels_are_masked_out_of_a_loss(folder: Path) -> None:
    pictures = ChestXrayDataset(folder, labels="nih", uncertain="ignore")
    labels = next(iter(DataLoader(pictures, batch_size=8)))["labels"]
    logits = torch.linspace(-2, 2, labels.numel()).reshape(labels.shape).requires_grad_()
    known = ~torch.isnan(labels)
    loss = binary_cross_entropy_with_logits(logits[known], labels[known])
    (gradient,) = torch.autograd.grad(loss, logits)
    chances = torch.sigmoid(logits).detach().numpy()
    truth = labels.numpy()
    by_hand = -np.nanmean(truth * np.log(chances) + (1 - truth) * np.log(1 - chances))
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)
    assert 0 < known.sum() < known.numel()
    assert torch.equal(gradient != 0, known)


# --- Many processes, many rows


def test_a_pickled_dataset_keeps_its_labels(collection: Path) -> None:
    pictures = MaCheXDataset(collection, split="train", labels="chexpert", uncertain="ones")
    again = pickle.loads(pickle.dumps(pictures))  # noqa: S301 - our own
    assert again.label_names == pictures.label_names
    assert_array_equal(labels_of(again), labels_of(pictures))
    assert again.row(1) == pictures.row(1)


def test_labels_are_a_byte_each(tmp_path: Path) -> None:
    rows = 20_000
    pq.write_table(
        pa.Table.from_pylist(index_rows("mimic", range(rows), "jpg"), schema=SCHEMA),
        tmp_path / "index.parquet",
    )
    add_columns(tmp_path, label_columns(rows))
    tracemalloc.start()
    try:
        pictures = ChestXrayDataset(tmp_path, labels="nih")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pictures) == rows
    assert held < rows * 14 + 200_000
    travels = pickle.dumps(pictures)
    assert len(travels) < len(pickle.dumps(ChestXrayDataset(tmp_path))) + rows * 14 + 10_000
    assert b"present" not in travels  # of the labels of the release


# --- What can be wrong


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"labels": ["edema", "pnuemonia"]},
            r"unknown \['pnuemonia'\] in .*padchest; did you mean pneumonia\?",
        ),
        ({"labels": ["Lung Opacity", "Nodul"]}, r"did you mean lung_opacity, nodule\?"),
        ({"labels": ["label_mass"]}, r"did you mean mass\?"),
        ({"labels": "CheXprt"}, r"did you mean chexpert\?"),
        (
            {"labels": ["xyz"]},
            r"unknown \['xyz'\] in \S*padchest; allowed .* atelectasis, cardiomegaly, .*nih$",
        ),
        ({"labels": ["nih"]}, r"unknown \['nih'\] in \S*padchest; .*instead of a list torchxrayvision or"),
        ({"labels": ["kind"]}, r"unknown \['kind'\]"),
        ({"labels": [None]}, r"unknown \[None\]"),
        ({"labels": []}, r"labels: \[\]; allowed .*torchxrayvision or chexpert or nih"),
        ({"labels": ["mass", "edema", "mass"]}, r"labels: .*each once"),
        ({"labels": "nih", "uncertain": "zero"}, "uncertain='zero': allowed are keep, ignore, zeros, ones"),
        ({"labels": "nih", "uncertain": None}, "uncertain=None: allowed"),
        ({"uncertain": "ignore"}, "uncertain='ignore' without labels"),
        ({"fields": ("labels",), "uncertain": "zeros"}, "uncertain='zeros' without labels"),
    ],
)
def test_labels_out_of_range_are_refused(collection: Path, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaCheXDataset(collection, datasets="padchest", **choice)


def test_one_term_may_be_given_as_a_string(folder: Path) -> None:
    assert ChestXrayDataset(folder, labels="mass").label_names == ("mass",)


@pytest.mark.parametrize("make", [compose, compose_legacy])
def test_an_index_without_terms_says_what_to_do(tmp_path: Path, make: Any) -> None:  # noqa: ANN401 - either
    compose_labelled(tmp_path / "brax", 4)
    make(tmp_path / "mimic", [0, 1])
    with pytest.raises(ValueError, match=r"mimic cannot give labels: .*label_\*.*`python machex\.py index`"):
        MaCheXDataset(tmp_path, labels="nih")
    assert len(MaCheXDataset(tmp_path, datasets="brax", labels="nih")) == 4


def test_an_index_that_lacks_a_term_is_named(tmp_path: Path) -> None:
    compose_labelled(tmp_path / "brax", 4)
    add_columns(compose(tmp_path / "siim", [0]), label_columns(1, ["pneumothorax"]))
    with pytest.raises(ValueError, match=r"unknown \['edema'\] in \S*siim; allowed .* pneumothorax, or"):
        MaCheXDataset(tmp_path, labels=["pneumothorax", "edema"])
    assert len(MaCheXDataset(tmp_path, labels=["pneumothorax"])) == 5


def test_empty_datasets_need_no_labels(tmp_path: Path) -> None:
    compose_labelled(tmp_path / "brax", 3)
    compose(tmp_path / "chexpert", [])
    compose_legacy(tmp_path / "mimic", [])
    assert labels_of(MaCheXDataset(tmp_path, labels="nih")).shape == (3, 14)
