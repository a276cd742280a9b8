"""Readers written for the public MaCheX read what is composed here."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset

from dataset import ChestXrayDataset, MaCheXDataset, MimicT2IDataset


def to_tensor(image: Image.Image) -> torch.Tensor:
    """Do as torchvision's ToTensor does with an 8-bit picture."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255


class PublicReader(Dataset[dict[str, Any]]):
    """A dataset folder as the public reader sees it: index.json, absolute paths, the picture as it is."""

    def __init__(self, root: str, transforms: Callable[[Image.Image], Any] = to_tensor) -> None:
        with Path(root, "index.json").open() as file:
            self.entries = list(json.load(file).values())
        self.transforms = transforms

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, item: int) -> dict[str, Any]:
        return {"img": self.transforms(Image.open(self.entries[item]["path"]))}


def public_collection(root: Path) -> ConcatDataset[dict[str, Any]]:
    """Open whatever lies in the collection as a dataset folder, as the public reader does."""
    return ConcatDataset([PublicReader(os.path.join(root, name)) for name in os.listdir(root)])  # noqa: PTH118, PTH208


def assert_both_readers_agree(folder: Path) -> None:
    public, ours = PublicReader(str(folder)), ChestXrayDataset(folder)
    assert len(public) == len(ours) > 0
    for item in range(len(public)):
        assert torch.equal(public[item]["img"], ours[item]["img"])


def test_public_reader_opens_everything_in_the_collection(demo: Path) -> None:
    collection = public_collection(demo / "machex_dataset")
    ours = MaCheXDataset(demo / "machex_dataset")
    assert len(collection) == len(ours) > 0
    for place in range(len(collection)):
        item = collection[place]
        assert item["img"].shape == (3, 1024, 1024)
        assert 0 <= item["img"].min() < item["img"].max() <= 1


def test_both_readers_give_the_same_items(demo: Path) -> None:
    for folder in sorted((demo / "machex_dataset").iterdir()):
        assert_both_readers_agree(folder)


def test_captions_of_cheff(demo: Path) -> None:
    folder = demo / "machex_dataset/mimic"
    captioned, public = MimicT2IDataset(demo / "machex_dataset", to_tensor), PublicReader(str(folder))
    reports = [entry["report"] for entry in public.entries]
    assert [item["caption"] for item in captioned] == reports
    assert len({*reports, ""}) > 2
    for place, item in enumerate(captioned):
        assert list(item) == ["img", "caption"]
        assert torch.equal(item["img"], public[place]["img"])


def test_index_fields_of_the_public_machex(demo: Path) -> None:
    for folder in (demo / "machex_dataset").iterdir():
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        for number, entry in index.items():
            assert Path(entry["path"]) == folder / number[:2] / f"{number}.jpg"
            fields = {"path", "key", "view", "split"}
            assert fields <= set(entry) <= {*fields, "class_label", "report"}
            class_label = entry.get("class_label", [0] * 13)
            assert len(class_label) == 13
            assert set(class_label) <= {-1, 0, 1}


def test_entries_of_chexpert(demo: Path) -> None:
    index = json.loads((demo / "machex_dataset/chexpert/index.json").read_text(encoding="utf-8"))
    for entry in index.values():
        assert len(entry["class_label"]) == 13
        assert entry["key"].startswith("train/patient")
        assert entry["key"].endswith("_frontal.jpg")


def test_reader_of_this_project_filters_the_demo(demo: Path) -> None:
    root = demo / "machex_dataset"
    everything = MaCheXDataset(root, fields=("dataset", "view", "split"))
    assert {item["split"] for item in everything} <= {"train", None}
    assert len(MaCheXDataset(root, view="frontal")) == len(everything)
    chosen = MaCheXDataset(
        root, datasets=["chexpert"], view="AP", size=256, channels=1, fields=("img", "labels")
    )
    assert 0 < len(chosen) < len(everything)
    assert chosen[0]["img"].shape == (1, 256, 256)
    assert {"label", "value", "labeller"} == set(chosen[0]["labels"][0])
