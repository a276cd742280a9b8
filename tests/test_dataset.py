"""Reading a collection for training, on small collections that are written here."""

import ast
import builtins
import inspect
import json
import pickle
import shutil
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import dataset
from dataset import ChestXrayDataset, ImageError, MaCheXDataset
from processors import base as processors

VIEWS: list[str | None] = [*processors.VIEWS, None]
SPLITS: list[str | None] = [*get_args(processors.Split), None]
# Every view with every split, and a second folder of pictures.
NUMBERS = [*range(40), 10_000, 12_345]

FIELD = pa.struct([("label", pa.string()), ("value", pa.string()), ("labeller", pa.string())])
COLUMNS: dict[str, pa.DataType] = {
    "id": pa.int32(),
    "dataset": pa.string(),
    "identity": pa.string(),
    "key": pa.string(),
    "path": pa.string(),
    "view": pa.string(),
    "split": pa.string(),
    "patient_id": pa.string(),
    "age": pa.float32(),
    "labels": pa.list_(FIELD),
}
SCHEMA = pa.schema(COLUMNS)


def grey(number: int, shape: tuple[int, int] = (48, 48)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Make a film of its own for every number: a ramp with grain."""
    ramp = np.add.outer(np.linspace(0, 120, shape[0]), np.linspace(0, 120, shape[1]))
    grain = np.random.default_rng(number).integers(0, 16, shape)
    return (ramp + grain).astype(np.uint8)


def index_rows(name: str, numbers: Sequence[int], extension: str) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "dataset": name,
            "identity": f"{name}-{number}",
            "key": f"{name}/film {number}.png",
            "path": f"{number // 10_000:02d}/{number:06d}.{extension}",
            "view": VIEWS[place % len(VIEWS)],
            "split": SPLITS[(place + place // len(VIEWS)) % len(SPLITS)],
            "patient_id": None if place % 5 == 0 else f"p{place // 2}",
            "age": float(place),
            "labels": [{"label": "edema", "value": "present", "labeller": name}] * (place % 3),
        }
        for place, number in enumerate(numbers)
    ]


def write_pictures(folder: Path, rows: list[dict[str, Any]], shape: tuple[int, int], mode: str) -> None:
    for row in rows:
        file = folder / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey(row["id"], shape)).convert(mode).save(file, quality=95)


def compose(
    folder: Path,
    numbers: Sequence[int] = NUMBERS,
    *,
    shape: tuple[int, int] = (48, 48),
    mode: str = "RGB",
    extension: str = "jpg",
    extra: dict[str, list[Any]] | None = None,
) -> Path:
    """Write a dataset folder as this project does."""
    folder.mkdir(parents=True)
    rows = index_rows(folder.name, numbers, extension)
    write_pictures(folder, rows, shape, mode)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for name, values in (extra or {}).items():
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, folder / "index.parquet", row_group_size=10)
    entries = {
        f"{row['id']:06d}": {
            "path": str(folder / row["path"]),
            **{name: row[name] for name in ("key", "view", "split")},
        }
        for row in rows
    }
    (folder / "index.json").write_text(json.dumps(entries))
    return folder


def compose_legacy(folder: Path, numbers: Sequence[int] = (0, 1, 10_002), *, labelled: bool = False) -> Path:
    """Write a dataset folder as the public MaCheX does, on a machine that is no more."""
    folder.mkdir(parents=True)
    rows = index_rows(folder.name, numbers, "jpg")
    write_pictures(folder, rows, (48, 48), "RGB")
    more = {"class_label": [0] * 12 + [1], "report": "No change."} if labelled else {}
    entries = {
        f"{row['id']:06d}": {"path": f"/gone/{folder.name}/{row['path']}", "key": row["key"], **more}
        for row in rows
    }
    (folder / "index.json").write_text(json.dumps(entries))
    return folder


def legacy_items(folder: Path) -> list[dict[str, torch.Tensor]]:
    """Read as programs for the public MaCheX do: index.json, its paths, RGB, channels first, value / 255."""
    items = []
    for entry in json.loads((folder / "index.json").read_text()).values():
        with Image.open(entry["path"]) as image:
            values = np.asarray(image.convert("RGB"))
        items.append(
            {"img": torch.from_numpy(values.transpose(2, 0, 1).astype(np.float32) / np.float32(255))}
        )
    return items


def as_pandas(folder: Path) -> pd.DataFrame:
    frame: pd.DataFrame = pq.read_table(folder / "index.parquet").to_pandas()
    return frame


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    rest = {name: value for name, value in left.items() if name != "img"}
    return torch.equal(left["img"], right["img"]) and rest == {n: v for n, v in right.items() if n != "img"}


def ids(pictures: ChestXrayDataset | MaCheXDataset) -> list[tuple[str, int]]:
    return [(item["dataset"], item["id"]) for item in pictures]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of this project and one of the public MaCheX; for tests that change nothing in it."""
    root = tmp_path_factory.mktemp("collection")
    compose(root / "padchest")
    compose(root / "brax", range(7), extra={"class_label": [[1] * 13] * 7})
    compose_legacy(root / "mimic", labelled=True)
    return root


@pytest.fixture(scope="module")
def folder(collection: Path) -> Path:
    return collection / "padchest"


# --- The default item


def test_default_item_is_a_float_tensor_of_three_channels(tmp_path: Path) -> None:
    item = MaCheXDataset(compose(tmp_path / "c" / "brax", [3], shape=(1024, 1024)).parent)[0]
    assert list(item) == ["img"]
    img = item["img"]
    assert (img.dtype, tuple(img.shape)) == (torch.float32, (3, 1024, 1024))
    assert img.is_contiguous()
    assert 0 <= img.min() < 0.1
    assert 0.9 < img.max() <= 1
    img[0] += 1  # its own memory, not one plane seen three times
    assert torch.equal(img[1], img[2])
    assert not torch.equal(img[0], img[1])


@pytest.mark.parametrize(("mode", "extension"), [("RGB", "jpg"), ("L", "jpg"), ("RGB", "png"), ("L", "png")])
def test_items_are_those_of_the_legacy_reader_bit_for_bit(tmp_path: Path, mode: str, extension: str) -> None:
    folder = compose(tmp_path / "brax", mode=mode, extension=extension)
    expected = legacy_items(folder)
    pictures = ChestXrayDataset(folder)
    assert len(pictures) == len(expected) == len(NUMBERS)
    assert all(map(same, pictures, expected))


def test_every_grey_level_is_its_255th_part(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0], extension="png", mode="L")
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(levels).save(folder / "00/000000.png")
    img = ChestXrayDataset(folder, channels=1)[0]["img"]
    assert np.array_equal(img[0].numpy(), levels.astype(np.float32) / np.float32(255))


def test_a_legacy_collection_in_colour_keeps_its_colours(tmp_path: Path) -> None:
    folder = compose_legacy(tmp_path / "openi", [0])
    values = np.stack([grey(1), grey(2).T, 255 - grey(3)], axis=-1)
    Image.fromarray(values).save(folder / "00/000000.jpg", quality=95, subsampling=0)
    with Image.open(folder / "00/000000.jpg") as image:
        expected = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    assert np.array_equal(ChestXrayDataset(folder)[0]["img"].numpy(), expected)


# --- Transforms, size, channels


@pytest.mark.parametrize("place", ["mimic", "padchest"])
def test_transforms_get_a_loaded_rgb_picture_and_give_the_item(collection: Path, place: str) -> None:
    def keep(image: Image.Image) -> Image.Image:
        return image

    pictures = MaCheXDataset(collection, keep, datasets=[place])
    image = pictures[0]["img"]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (48, 48))
    plain = MaCheXDataset(collection, datasets=[place])[0]["img"]
    assert np.array_equal(np.asarray(image).transpose(2, 0, 1), (plain * 255).round().numpy())
    one = MaCheXDataset(collection, keep, datasets=[place], channels=1, size=20)[0]["img"]
    assert (one.mode, one.size) == ("L", (20, 20))


def test_an_error_of_the_transforms_is_theirs(folder: Path) -> None:
    def fail(image: Image.Image) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        ChestXrayDataset(folder, fail)[0]


def test_one_channel_is_each_of_the_three(folder: Path) -> None:
    one, three = (ChestXrayDataset(folder, channels=channels)[5]["img"] for channels in (1, 3))
    assert one.shape == (1, 48, 48)
    assert one.is_contiguous()
    assert torch.equal(one.expand(3, -1, -1), three)


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((256, 256), 64, (64, 64)),
        ((256, 256), 50, (50, 50)),
        ((256, 256), 300, (300, 300)),
        ((256, 128), 64, (64, 32)),
        ((100, 256), 64, (25, 64)),
    ],
)
def test_size_is_the_long_side(
    tmp_path: Path, extension: str, shape: tuple[int, int], size: int, expected: tuple[int, int]
) -> None:
    folder = compose(tmp_path / "brax", [0], shape=shape, extension=extension)
    img = ChestXrayDataset(folder, size=size)[0]["img"]
    assert tuple(img.shape) == (3, *expected)
    width_and_height = (expected[1], expected[0])
    reference = Image.fromarray(grey(0, shape)).resize(width_and_height, Image.Resampling.LANCZOS)
    assert np.abs(img[0].numpy() * 255 - np.asarray(reference, np.float32)).mean() < 2


def test_a_small_size_is_decoded_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = compose(tmp_path / "brax", [0], shape=(256, 256))
    decoded = []
    resize = Image.Image.resize

    def spy(image: Image.Image, *args: Any) -> Image.Image:  # noqa: ANN401
        decoded.append(image.size)
        return resize(image, *args)

    monkeypatch.setattr(Image.Image, "resize", spy)
    assert [ChestXrayDataset(folder, size=size)[0]["img"].shape[1] for size in (256, 100, 128, 60, 64)]
    assert decoded == [(128, 128), (64, 64)]  # 256, 128 and 64 need no resizing at all


def test_16_bit_pictures_keep_their_levels(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0], extension="png")
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(folder / "00/000000.png")
    img = ChestXrayDataset(folder)[0]["img"]
    assert torch.equal(img[0], img[2])
    assert np.array_equal(img[0].numpy(), values.astype(np.float32) / np.float32(65535))
    small = ChestXrayDataset(folder, size=32, channels=1)[0]["img"]
    assert small.shape == (1, 32, 32)
    assert np.abs(small[0].numpy() - values.reshape(32, 2, 32, 2).mean((1, 3)) / 65535).mean() < 1e-3
    seen = ChestXrayDataset(folder, transforms=np.asarray)[0]["img"]
    assert seen.shape == (64, 64, 3)
    assert np.array_equal(seen[..., 0], np.round(values / 257))


def test_16_bit_pictures_stay_in_range_at_edges(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0], extension="png")
    values = np.kron(np.indices((8, 8)).sum(0) % 2, np.full((7, 7), 65535)).astype(np.uint16)
    Image.fromarray(values).save(folder / "00/000000.png")
    img = ChestXrayDataset(folder, size=20)[0]["img"]
    assert (img.min(), img.max()) == (0, 1)
    seen = ChestXrayDataset(folder, transforms=np.asarray, size=20)[0]["img"]
    assert np.abs(seen[..., 0] / 255 - img[0].numpy()).max() <= 0.5 / 255 + 1e-6


def test_a_picture_is_opened_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    really_open = builtins.open

    def spy(file: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        opened.append(Path(file))
        return really_open(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", spy)
    pictures = ChestXrayDataset(folder, fields=("img", "key", "labels"))
    assert not opened
    assert pictures[1]["img"].shape == (3, 48, 48)
    assert opened == [folder / "00/000001.jpg"]
    ChestXrayDataset(folder, fields=("key",))[1]
    assert len(opened) == 1


# --- Collections


def test_a_collection_is_its_folders_in_sorted_order(collection: Path) -> None:
    pictures = MaCheXDataset(collection, fields=("dataset", "id"))
    expected = [("brax", n) for n in range(7)] + [("mimic", n) for n in (0, 1, 10_002)]
    expected += [("padchest", n) for n in NUMBERS]
    assert ids(pictures) == expected
    assert len(pictures) == len(expected)
    first, *_ = repr(pictures).splitlines()
    assert first == f"MaCheXDataset('{collection}', 52 images: brax 7, mimic 3, padchest 42)"


def test_pictures_of_a_collection_are_those_of_its_folders(collection: Path) -> None:
    parts = [ChestXrayDataset(collection / name) for name in ("brax", "mimic", "padchest")]
    assert all(map(same, MaCheXDataset(collection), [item for part in parts for item in part]))


def test_datasets_chooses_folders(collection: Path) -> None:
    pictures = MaCheXDataset(collection, datasets=["padchest", "brax"], fields=("dataset", "id"))
    assert ids(pictures) == [("brax", n) for n in range(7)] + [("padchest", n) for n in NUMBERS]
    assert len(MaCheXDataset(collection, datasets="mimic")) == 3
    with pytest.raises(ValueError, match=r"datasets: unknown \['chexpert'\]; .*brax, mimic, padchest"):
        MaCheXDataset(collection, datasets=["brax", "chexpert"])


def test_items_are_counted_from_both_ends(collection: Path) -> None:
    pictures = MaCheXDataset(collection, fields=("dataset", "id"))
    everything = list(pictures)
    assert [pictures[i - len(pictures)] for i in range(len(pictures))] == everything
    assert pictures[np.int64(8)] == pictures[torch.tensor(8)] == everything[8]
    for beyond in (len(pictures), -len(pictures) - 1):
        with pytest.raises(IndexError):
            pictures[beyond]
        with pytest.raises(IndexError):
            pictures.row(beyond)


def test_a_moved_collection_reads_as_before(tmp_path: Path) -> None:
    before = tmp_path / "before"
    compose(before / "brax", [0, 10_000])
    compose(before / "siim", [4])
    (before / "siim" / "index.parquet").unlink()
    expected = list(MaCheXDataset(before))
    before.rename(tmp_path / "after")
    pictures = MaCheXDataset(tmp_path / "after")
    assert len(pictures) == len(expected) == 3
    assert all(map(same, pictures, expected))


def test_pictures_beyond_a_million_are_found(tmp_path: Path) -> None:
    for pictures in (compose(tmp_path / "mimic", [1_234_567]), compose_legacy(tmp_path / "old", [1_234_567])):
        assert (pictures / "123" / "1234567.jpg").is_file()
        assert ChestXrayDataset(pictures)[0]["img"].shape == (3, 48, 48)


def test_relative_roots_survive_a_change_of_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    pictures = ChestXrayDataset("padchest")
    monkeypatch.chdir("/")
    assert pictures[0]["img"].shape == (3, 48, 48)


def test_empty_datasets_are_no_trouble(tmp_path: Path) -> None:
    compose(tmp_path / "brax", [])
    compose(tmp_path / "chexpert", [1])
    (tmp_path / "mimic").mkdir()
    (tmp_path / "mimic" / "index.json").write_text("{}")
    choices: list[dict[str, Any]] = [{}, {"split": "val", "view": "frontal"}]
    for choice in choices:
        assert len(ChestXrayDataset(tmp_path / "brax", **choice)) == 0
        assert len(ChestXrayDataset(tmp_path / "mimic", **choice)) == 0
    with pytest.raises(IndexError):
        ChestXrayDataset(tmp_path / "mimic")[0]
    pictures = MaCheXDataset(tmp_path, fields=("dataset", "id"))
    assert ids(pictures) == [("chexpert", 1)]
    assert repr(pictures).splitlines()[0].endswith("1 images: brax 0, chexpert 1, mimic 0)")


def test_files_beside_the_dataset_folders_do_not_matter(tmp_path: Path) -> None:
    compose(tmp_path / "brax", [0])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "logs").mkdir()
    assert len(MaCheXDataset(tmp_path)) == 1


# --- Filters


@pytest.mark.parametrize(
    ("split", "kept"),
    [
        ("train", {"train", None}),
        ("val", {"val"}),
        (["test"], {"test"}),
        (("val", "test"), {"val", "test"}),
        (["train", "test"], {"train", None, "test"}),
    ],
)
@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (None, set(VIEWS)),
        ("frontal", set(processors.FRONTAL_VIEWS)),
        ("AP", {"AP"}),
        ("unknown", {"unknown", None}),
        (["lateral", "frontal"], {"PA", "AP", "AP supine", "PA or AP", "lateral"}),
        (["PA", "other", "decubitus", "oblique"], {"PA", "other", "decubitus", "oblique"}),
    ],
)
def test_filters_agree_with_pandas(
    folder: Path,
    split: str | Sequence[str],
    kept: set[str | None],
    view: str | Sequence[str] | None,
    shown: set[str | None],
) -> None:
    frame = as_pandas(folder)
    wanted = [
        row["id"]
        for row in frame.replace({np.nan: None}).to_dict("records")
        if row["split"] in kept and row["view"] in shown
    ]
    pictures = ChestXrayDataset(folder, split=split, view=view, fields=("id", "age"))
    assert [item["id"] for item in pictures] == wanted
    assert 0 < len(wanted) < len(frame)
    assert [item["age"] for item in pictures] == frame.set_index("id").loc[wanted, "age"].tolist()


def test_filtered_items_have_their_own_pictures(folder: Path) -> None:
    pictures = ChestXrayDataset(folder, split="test", view=["lateral", "unknown"], fields=("img", "path"))
    for item in pictures:
        with Image.open(folder / item["path"]) as image:
            assert np.array_equal((item["img"][0] * 255).round().numpy(), np.asarray(image)[..., 0])


@pytest.mark.parametrize("choice", [{"split": "train"}, {"view": "frontal"}])
def test_what_the_public_machex_did_not_record_cannot_be_chosen(
    collection: Path, choice: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=rf"mimic cannot be filtered by {next(iter(choice))}"):
        MaCheXDataset(collection, **choice)
    assert len(MaCheXDataset(collection, datasets=["brax", "padchest"], **choice)) > 0


def test_index_json_alone_can_be_filtered(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax")
    choice: dict[str, Any] = {
        "split": "train",
        "view": ["frontal", "unknown"],
        "fields": ("id", "view", "key"),
    }
    expected = list(ChestXrayDataset(folder, **choice))
    (folder / "index.parquet").unlink()
    assert list(ChestXrayDataset(folder, **choice)) == expected


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"split": "valid"}, r"split: unknown \['valid'\]; .*train, val, test$"),
        ({"split": []}, r"split: .*train, val, test$"),
        ({"split": ["train", None]}, r"split: unknown \[None\]"),
        ({"view": ["PA", "pa"]}, r"view: unknown \['pa'\]; .*frontal, PA, AP, AP supine, .*unknown$"),
        ({"fields": ("img", "lables")}, r"fields: unknown \['lables'\]; .*age, .*img, key, labels"),
        ({"fields": ()}, "fields: "),
        ({"channels": 4}, "channels=4: allowed are 1 and 3"),
        ({"size": 0}, "size=0: "),
        ({"size": 2.5}, "size=2.5: "),
    ],
)
def test_arguments_out_of_range_are_refused(collection: Path, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaCheXDataset(collection, datasets=["brax", "padchest"], **choice)


# --- Fields and rows


def test_fields_are_plain_python_objects(folder: Path) -> None:
    fields = ("labels", "key", "dataset", "view", "patient_id", "age", "id")
    items = list(ChestXrayDataset(folder, fields=fields))
    rows = index_rows("padchest", NUMBERS, "jpg")
    assert items == [{name: row[name] for name in fields} for row in rows]
    assert list(items[0]) == list(fields)


def test_a_column_that_one_dataset_lacks_is_none_there(collection: Path) -> None:
    pictures = MaCheXDataset(collection, fields=("dataset", "class_label", "report", "view"))
    items = {item["dataset"]: item for item in pictures}
    assert items["brax"] == {"dataset": "brax", "class_label": [1] * 13, "report": None, "view": "oblique"}
    assert items["padchest"]["class_label"] is None
    assert items["mimic"] == {
        "dataset": "mimic",
        "class_label": [0] * 12 + [1],
        "report": "No change.",
        "view": None,
    }


def test_a_column_that_no_dataset_has_is_an_error(collection: Path) -> None:
    with pytest.raises(ValueError, match=r"fields: unknown \['boxes'\]; .*class_label, .*report"):
        MaCheXDataset(collection, fields=("img", "boxes"))
    with pytest.raises(ValueError, match=r"fields: unknown \['class_label'\]"):
        ChestXrayDataset(collection / "padchest", fields=("class_label",))


def test_a_single_field_may_be_given_as_a_string(folder: Path) -> None:
    assert ChestXrayDataset(folder, fields="key")[1] == {"key": "padchest/film 1.png"}


def test_row_is_the_whole_row_of_the_index(folder: Path) -> None:
    pictures = ChestXrayDataset(folder, split="val", fields=("key",))
    rows = [row for row in index_rows("padchest", NUMBERS, "jpg") if row["split"] == "val"]
    assert len(pictures) == len(rows)
    for i, row in enumerate(rows):
        assert pictures.row(i) == {**row, "file": str(folder / row["path"])}
    assert pictures.row(-1)["id"] == rows[-1]["id"]


def test_row_of_a_collection_names_dataset_and_file(collection: Path) -> None:
    assert MaCheXDataset(collection).row(9) == {
        "id": 10_002,
        "dataset": "mimic",
        "key": "mimic/film 10002.png",
        "path": "01/010002.jpg",
        "file": str(collection / "mimic/01/010002.jpg"),
        "class_label": [0] * 12 + [1],
        "report": "No change.",
    }


def test_row_notices_that_the_index_was_written_anew(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0, 1, 2])
    pictures = ChestXrayDataset(folder)
    table = pq.read_table(folder / "index.parquet")
    pq.write_table(table.slice(1), folder / "index.parquet")
    with pytest.raises(RuntimeError, match="has changed"):
        pictures.row(0)


# --- What can be wrong with a collection


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0, 10_000])
    (folder / "01/010000.jpg").unlink()
    with pytest.raises(ImageError) as caught:
        MaCheXDataset(tmp_path)[1]
    for part in ("brax", "id 010000", "brax/film 10000.png", str(folder / "01/010000.jpg"), "No such file"):
        assert part in str(caught.value)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize("left", [0, 10, 100, 0.6])
@pytest.mark.parametrize("options", [{}, {"size": 8}, {"channels": 1}, {"transforms": np.asarray}])
def test_a_damaged_picture_is_named(
    tmp_path: Path, extension: str, left: float, options: dict[str, Any]
) -> None:
    folder = compose(tmp_path / "siim", [7], extension=extension)
    file = folder / f"00/000007.{extension}"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(left * len(whole)) if left < 1 else int(left)])
    with pytest.raises(ImageError) as caught:
        ChestXrayDataset(folder, **options)[0]
    for part in ("siim", "id 000007", "siim/film 7.png", str(file), "compose again"):
        assert part in str(caught.value)


def test_other_formats_under_the_name_of_a_picture_are_refused(tmp_path: Path) -> None:
    folder = compose(tmp_path / "siim", [7])
    Image.fromarray(grey(7)).save(folder / "00/000007.jpg", format="BMP")
    with pytest.raises(
        ImageError, match=r"expected a JPEG or PNG file .*, found [\d,]+ bytes that begin with b'BM"
    ):
        ChestXrayDataset(folder)[0]


@pytest.mark.parametrize("kind", [ChestXrayDataset, MaCheXDataset])
@pytest.mark.parametrize("place", ["", "absent"])
def test_a_folder_without_index_says_what_was_expected(
    tmp_path: Path, kind: type[ChestXrayDataset] | type[MaCheXDataset], place: str
) -> None:
    with pytest.raises(FileNotFoundError, match=r"(?s)index\.parquet or index\.json.*python machex\.py -c"):
        kind(tmp_path / place)


def test_a_folder_of_the_other_kind_is_recognised(collection: Path, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"MaCheXDataset, .*brax, mimic, padchest"):
        ChestXrayDataset(collection)
    with pytest.raises(FileNotFoundError, match=rf"ChestXrayDataset, or give {collection}$"):
        MaCheXDataset(folder)


@pytest.mark.parametrize(
    "text", ["", '{"000000": {"pa', "[1, 2]", '{"000000": {"key": "a"}}', '{"x": {"path": "a"}}']
)
@pytest.mark.parametrize("name", ["index.json", "index.parquet"])
def test_a_damaged_index_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as an index: .*python machex\.py index"):
        ChestXrayDataset(tmp_path)


# --- Many processes, many rows

FIELDS = ("img", "key", "labels", "class_label")


def test_a_pickled_dataset_is_the_same_dataset(collection: Path) -> None:
    pictures = MaCheXDataset(collection, fields=FIELDS)
    expected = list(pictures)
    size = len(pickle.dumps(pictures))
    pictures.row(0)
    assert len(pickle.dumps(pictures)) == size  # what row() reads stays here
    again = pickle.loads(pickle.dumps(pictures))  # noqa: S301 - our own
    assert repr(again) == repr(pictures)
    assert all(map(same, again, expected))
    assert again.row(8) == pictures.row(8)


def test_what_fields_consist_of_is_read_where_a_pickle_arrives(tmp_path: Path) -> None:
    folder = compose(tmp_path / "openi", range(3), extra={"report": ["No change."] * 3})
    pictures = ChestXrayDataset(folder, fields=("img", "report"))
    travels = pickle.dumps(pictures)
    assert b"No change." not in travels
    again, hidden = pickle.loads(travels), tmp_path / "hidden"  # noqa: S301 - our own
    (folder / "index.parquet").rename(hidden)
    assert pictures[2]["report"] == "No change."
    with pytest.raises(RuntimeError, match="has changed"):  # to index.json, which has no reports here
        again[2]
    hidden.rename(folder / "index.parquet")
    assert again[2]["report"] == "No change."
    shutil.rmtree(folder)
    compose(folder, range(1, 4), extra={"report": ["Another."] * 3})
    with pytest.raises(RuntimeError, match="has changed"):
        pickle.loads(travels)[2]  # noqa: S301 - our own


def test_what_fields_consist_of_travels_with_an_index_of_json(tmp_path: Path) -> None:
    folder = compose_legacy(tmp_path / "mimic", labelled=True)
    travels = pickle.dumps(ChestXrayDataset(folder, fields=("img", "report")))
    (folder / "index.json").unlink()
    assert pickle.loads(travels)[0]["report"] == "No change."  # noqa: S301 - our own


def test_a_pickled_dataset_keeps_its_filters(folder: Path) -> None:
    pictures = ChestXrayDataset(folder, split="val", view="frontal", size=16, channels=1)
    again = pickle.loads(pickle.dumps(pictures))  # noqa: S301 - our own
    assert len(again) == len(pictures)
    assert all(map(same, again, pictures))
    assert [again.row(i) for i in range(len(again))] == [pictures.row(i) for i in range(len(pictures))]


@pytest.mark.parametrize("start", [None, "fork", "spawn"])
def test_loader_workers_give_the_same_items(collection: Path, start: str | None) -> None:
    pictures = MaCheXDataset(collection, fields=FIELDS)
    workers = {} if start is None else {"num_workers": 2, "multiprocessing_context": start}
    loader: DataLoader[Any] = DataLoader(pictures, batch_size=10, collate_fn=list, **workers)  # type: ignore[arg-type]  # options of mixed types
    items = [item for batch in loader for item in batch]
    assert len(items) == len(pictures)
    assert all(map(same, items, pictures))


def test_default_items_make_batches(collection: Path) -> None:
    batch = next(iter(DataLoader(MaCheXDataset(collection), batch_size=4)))
    assert batch["img"].shape == (4, 3, 48, 48)


def test_a_worker_names_the_damaged_picture(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0])
    (folder / "00/000000.jpg").write_bytes(b"")
    batches = iter(DataLoader(ChestXrayDataset(folder), num_workers=1, multiprocessing_context="fork"))
    message = "no error"
    try:
        next(batches)
    except ImageError as error:
        # Let go at once: PyTorch waits 5 s for workers whose loader goes by garbage collection.
        message = str(error.with_traceback(None))
    assert "brax/film 0.png" in message


def test_rows_are_no_python_objects(tmp_path: Path) -> None:
    rows = index_rows("mimic", range(20_000), "jpg")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "index.parquet")
    tracemalloc.start()
    try:
        pictures = ChestXrayDataset(tmp_path, view="frontal", fields=("img", "labels", "key"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pictures) > 6_000
    assert held < 200_000


# --- The file itself


def test_dataset_py_stands_alone() -> None:
    tree = ast.parse(inspect.getsource(dataset))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules |= {str(node.module) for node in froms}
    assert not any(node.level for node in froms)
    packages = {module.partition(".")[0] for module in modules}
    assert packages - sys.stdlib_module_names <= {"torch", "numpy", "PIL", "pyarrow", "simplejpeg"}


def test_cut_files_are_never_tolerated() -> None:
    assert "LOAD_TRUNCATED_IMAGES" not in inspect.getsource(dataset)


def test_the_public_names() -> None:
    assert issubclass(ImageError, OSError)
    names = ["ChestXrayDataset", "ImageError", "MaCheXDataset", "MimicT2IDataset", "collate"]
    assert sorted(dataset.__all__) == names
    for name in dataset.__all__:
        assert getattr(dataset, name).__doc__
    common = ["root", "transforms", "split", "view", "folds", "where", "size", "channels", "fields"]
    common += ["labels", "uncertain", "dtype", "on_error"]
    for kind, names in ((ChestXrayDataset, common), (MaCheXDataset, [*common[:2], "datasets", *common[2:]])):
        parameters = inspect.signature(kind).parameters
        assert list(parameters) == names
        assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in names[2:])
