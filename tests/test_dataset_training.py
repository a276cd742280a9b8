"""Reading in training: files that are damaged, processes, and chance."""

import copy
import errno
import gc
import os
import pickle
import platform
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, RandomSampler, random_split

import dataset
from dataset import ChestXrayDataset, ImageError, MaCheXDataset, collate
from tests.test_dataset import compose, compose_legacy
from tests.test_dataset_labels import add_columns, compose_labelled

FIELDS = ("img", "key", "dataset", "id")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return a collection of ten pictures, of which the third, fourth and last cannot be read."""
    compose(tmp_path / "brax", range(6))
    compose(tmp_path / "siim", range(4))
    (tmp_path / "brax/00/000002.jpg").unlink()
    (tmp_path / "brax/00/000003.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "siim/00/000003.jpg").write_bytes(b"")
    return tmp_path


def keys(batches: Any) -> list[str]:  # noqa: ANN401 - a loader, or items
    return [key for batch in batches for key in batch["key"]]


# --- Files that are damaged


def test_an_error_names_dataset_id_key_and_file_by_default(damaged: Path) -> None:
    pictures = MaCheXDataset(damaged)
    with pytest.raises(ImageError) as caught:
        pictures[3]
    for part in ("brax", "id 000003", "brax/film 3.png", str(damaged / "brax/00/000003.jpg")):
        assert part in str(caught.value)
    assert pictures.skipped == []


def test_damaged_pictures_are_replaced_by_the_next_and_counted(damaged: Path) -> None:
    pictures = MaCheXDataset(damaged, fields=FIELDS, on_error="skip")
    with (
        pytest.warns(RuntimeWarning, match=r"id 000003"),
        pytest.warns(
            RuntimeWarning, match=r"skipped: dataset brax, id 000002, key brax/film 2\.png: .*No such file"
        ),
    ):
        item = pictures[2]
    assert (item["dataset"], item["id"]) == ("brax", 4)
    assert torch.equal(item["img"], pictures[4]["img"])
    assert pictures.skipped == [2, 3]
    with pytest.warns(RuntimeWarning, match="siim"):
        assert pictures[-1]["key"] == "brax/film 0.png"
    assert pictures.skipped == [2, 3, 9]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_what_workers_skip_is_counted_once_for_all(damaged: Path, start: str) -> None:
    pictures = MaCheXDataset(damaged, fields=FIELDS, on_error="skip")
    loader: DataLoader[Any] = DataLoader(
        pictures, batch_size=3, collate_fn=collate, num_workers=2, multiprocessing_context=start
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(1 if start == "spawn" else 2):
            found = keys(loader)
    expected = [*range(2), 4, 4, 4, 5]
    assert found[:6] == [f"brax/film {number}.png" for number in expected]
    assert found[6:] == [*(f"siim/film {number}.png" for number in range(3)), "brax/film 0.png"]
    assert pictures.skipped == [2, 3, 9]


def test_a_storage_that_is_gone_is_an_error(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", range(3))
    pictures = ChestXrayDataset(folder, on_error="skip")
    (folder / "00").rename(folder / "elsewhere")
    with (
        pytest.warns(RuntimeWarning, match="skipped"),
        pytest.raises(
            ImageError, match=r"3 items in a row cannot be read; is the storage there\? dataset brax"
        ),
    ):
        pictures[1]


def test_a_hundred_in_a_row_are_enough(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", range(102))
    for file in sorted((folder / "00").iterdir())[:100]:
        file.unlink()
    pictures = ChestXrayDataset(folder, on_error="skip", fields=("img", "id"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pictures[1]["id"] == 100
        with pytest.raises(ImageError, match="100 items in a row cannot be read"):
            pictures[0]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EACCES, "Look after the storage and its permissions"), (errno.EIO, "Look after the storage")],
)
def test_a_storage_that_fails_is_not_a_damaged_file(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    fail_to_open(monkeypatch, number)
    with pytest.raises(ImageError, match=remedy) as caught:
        MaCheXDataset(damaged)[0]
    assert "Delete" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_this_process_lacks_is_not_an_error_of_a_file(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    pictures = MaCheXDataset(damaged, on_error="skip")
    fail_to_open(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        pictures[0]
    assert not isinstance(caught.value, ImageError)
    assert pictures.skipped == []


def fail_to_open(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as of open
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(dataset, "open", fail, raising=False)


def test_a_collection_of_the_public_machex_is_not_composed_again(tmp_path: Path) -> None:
    folder = compose_legacy(tmp_path / "mimic", [0])
    (folder / "00/000000.jpg").unlink()
    with pytest.raises(ImageError, match=r"No such file or directory\.$"):
        ChestXrayDataset(folder)[0]


def test_what_pytorch_is_set_to_does_not_matter(damaged: Path) -> None:
    expected = MaCheXDataset(damaged)[0]["img"]
    with torch.inference_mode():
        pictures = MaCheXDataset(damaged, on_error="skip")
    with torch.device("meta"):
        others = MaCheXDataset(damaged, on_error="skip")
        assert torch.equal(others[0]["img"], expected)
    for each in (pictures, others):
        with pytest.warns(RuntimeWarning, match="skipped"):
            each[2]
        assert each.skipped == [2, 3]


def test_a_copy_counts_for_its_own_workers(damaged: Path) -> None:
    pictures = copy.deepcopy(MaCheXDataset(damaged, on_error="skip"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        list(DataLoader(pictures, num_workers=1, multiprocessing_context="fork"))
    assert pictures.skipped == [2, 3, 9]


def test_errors_of_others_are_not_skipped(damaged: Path) -> None:
    def fail(image: Image.Image) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        MaCheXDataset(damaged, fail, on_error="skip")[0]
    with pytest.raises(IndexError):
        MaCheXDataset(damaged, on_error="skip")[10]


def test_a_damaged_picture_is_named_by_an_index_without_keys(damaged: Path) -> None:
    index = damaged / "brax/index.parquet"
    pq.write_table(pq.read_table(index).drop_columns("key"), index)
    with pytest.raises(ImageError, match="dataset brax, id 000002, key None: cannot read"):
        ChestXrayDataset(damaged / "brax")[2]


def test_a_storage_that_is_not_mounted_is_not_composed_again(damaged: Path) -> None:
    pictures = MaCheXDataset(damaged)
    damaged.rename(damaged.with_name("elsewhere"))
    with pytest.raises(ImageError, match=r"The index is not there either: look whether .* mounted\.$"):
        pictures[0]
    with pytest.raises(RuntimeError, match=r"the index of .*brax is not there: look whether its storage"):
        pictures.row(0)


def test_a_damaged_picture_is_named_when_the_index_is_gone(damaged: Path) -> None:
    pictures = MaCheXDataset(damaged)
    for name in ("index.parquet", "index.json"):
        (damaged / "brax" / name).unlink()
    with pytest.raises(ImageError, match="dataset brax, id 000002, key None: cannot read"):
        pictures[2]


# --- Processes


@pytest.mark.parametrize(
    ("workers", "start"), [(0, None), (1, "fork"), (2, "fork"), (1, "spawn"), (2, "spawn")]
)
def test_items_are_equal_under_any_number_of_workers(tmp_path: Path, workers: int, start: str | None) -> None:
    compose_labelled(tmp_path / "padchest", 20)
    compose_labelled(tmp_path / "siim", 5)
    pictures = MaCheXDataset(
        tmp_path,
        np.asarray,
        view=["frontal", "lateral", "unknown"],
        where=lambda table: table["age"].to_numpy() != 3,
        labels="nih",
        size=20,
        fields=("img", "key", "age", "labels"),
    )
    loader: DataLoader[Any] = DataLoader(
        pictures, batch_size=4, collate_fn=list, num_workers=workers, multiprocessing_context=start
    )
    items = [item for batch in loader for item in batch]
    assert len(items) == len(pictures) > 10
    for item, expected in zip(items, pictures, strict=True):
        assert [item["key"], item["age"]] == [expected["key"], expected["age"]]
        assert np.array_equal(item["img"], expected["img"])
        assert torch.equal(item["labels"].nan_to_num(9), expected["labels"].nan_to_num(9))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no mallopt")
@pytest.mark.parametrize("workers", [0, 1])
def test_only_a_worker_keeps_the_memory_that_it_frees(tmp_path: Path, workers: int) -> None:
    compose(tmp_path / "brax", range(2))
    loader: DataLoader[Any] = DataLoader(
        MaCheXDataset(tmp_path, kept_after_freeing),
        collate_fn=list,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    kept, _ = (batch[0]["img"] for batch in loader)
    assert (kept > 20e6) == bool(workers)


def kept_after_freeing(image: Image.Image) -> int:
    """Take 40 MB, free them, and give by how many bytes this process is larger then."""
    process = psutil.Process()
    before = process.memory_info().rss
    pieces = [b"x" * 4_000_000 + bytes([number]) for number in range(10)]
    del pieces
    return process.memory_info().rss - before


@pytest.mark.parametrize("workers", [0, 1])
def test_only_a_worker_leaves_alone_what_it_was_forked_with(tmp_path: Path, workers: int) -> None:
    compose(tmp_path / "brax", range(2))
    loader: DataLoader[Any] = DataLoader(
        MaCheXDataset(tmp_path, lambda image: gc.get_freeze_count()),
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )
    for batch in loader:
        assert (int(batch["img"]) > 10_000) == bool(workers)


def test_a_pickle_has_few_bytes_a_picture(tmp_path: Path) -> None:
    folder = compose_labelled(tmp_path / "mimic", 400)
    table = {"report": pa.array(["No change. " * 50] * 400)}
    add_columns(folder, table)
    small, none = (
        len(pickle.dumps(ChestXrayDataset(folder, where=where)))
        for where in (None, lambda table: [False] * 400)
    )
    assert (small - none) / 400 < 10


# --- Chance


class Jitter:
    """Transforms with chance in them, as they are: from the generator of PyTorch."""

    def __call__(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image)).float() + torch.rand(())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_generator_decides_all(tmp_path: Path, workers: int) -> None:
    compose(tmp_path / "brax", range(12))
    pictures = MaCheXDataset(tmp_path, Jitter(), fields=("img", "key"))
    epochs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        loader: DataLoader[Any] = DataLoader(
            pictures,
            batch_size=5,
            shuffle=True,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
            generator=torch.Generator().manual_seed(seed),
        )
        batches = list(loader)
        epochs.append((keys(batches), torch.cat([batch["img"] for batch in batches])))
    assert epochs[0][0] == epochs[1][0] != epochs[2][0]
    assert torch.equal(epochs[0][1], epochs[1][1])


def test_parts_and_samplers_of_pytorch(tmp_path: Path) -> None:
    compose(tmp_path / "brax", range(12))
    compose_legacy(tmp_path / "mimic", [0, 1])
    pictures = MaCheXDataset(tmp_path)
    first, second = random_split(pictures, [0.5, 0.5], torch.Generator().manual_seed(0))
    assert len(first) == len(second) == 7
    sampler = RandomSampler(pictures, replacement=True, num_samples=20)
    loader: DataLoader[Any] = DataLoader(pictures, batch_size=10, sampler=sampler)
    assert [batch["img"].shape[0] for batch in loader] == [10, 10]
