"""What an item is made of: kinds of numbers, decoders, boxes, masks, and batches of them."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco
from torch.utils.data import DataLoader, Dataset, default_collate

import dataset
from dataset import ChestXrayDataset, ImageError, MaCheXDataset, collate
from tests.test_dataset import compose, compose_legacy, grey
from tests.test_dataset_labels import add_columns

BOX = pa.struct(
    {
        "label": pa.string(),
        **dict.fromkeys(("x", "y", "width", "height"), pa.float64()),
        "labeller": pa.string(),
        "outline": pa.list_(pa.float64()),
    }
)
MASK = pa.struct(
    {
        "label": pa.string(),
        "rows": pa.int32(),
        "columns": pa.int32(),
        "runs": pa.string(),
        "labeller": pa.string(),
    }
)
SHAPE = (96, 64)
_opened: list[str] | None = None


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


# There is no way to take a hook off again.
sys.addaudithook(_listen)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """List the files that this process opens."""
    global _opened
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def drawn(seed: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """Draw a blob of its own for every seed."""
    rows, columns = np.indices(shape)
    top, left = np.random.default_rng(seed).integers(0, 40, 2)
    inside = (rows >= top) & (rows < top + 30) & (columns >= left) & (columns < left + 20 + rows // 9)
    return np.where(inside, np.uint8(1), np.uint8(0))


def runs_of(mask: NDArray[np.uint8]) -> str:
    counts = coco.encode(np.asfortranarray(mask))["counts"]
    return counts if isinstance(counts, str) else counts.decode()


def box(
    x: float, y: float, width: float, height: float, outline: list[float] | None = None
) -> dict[str, Any]:
    return {
        "label": "nodule", "x": x, "y": y, "width": width, "height": height, "labeller": "R1",
        "outline": outline,
    }  # fmt: skip


BOXES = [[], [box(8, 6, 32, 24), box(0, 0, 64, 96, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])], None]


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures with boxes and masks; for tests that change nothing in them."""
    folder = compose(tmp_path_factory.mktemp("regions") / "siim", range(3), shape=SHAPE)
    masks = [
        [
            {
                "label": "pneumothorax",
                "rows": 96,
                "columns": 64,
                "runs": runs_of(drawn(seed)),
                "labeller": None,
            }
            for seed in range(count)
        ]
        for count in (0, 1, 2)
    ]
    columns = {
        "rows": pa.array([96] * 3, pa.int64()),
        "columns": pa.array([64] * 3, pa.int64()),
        "boxes": pa.array(BOXES, pa.list_(BOX)),
        "masks": pa.array(masks, pa.list_(MASK)),
    }
    return add_columns(folder, columns)


# --- Kinds of numbers


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, "uint8"])
def test_whole_numbers_are_those_of_the_picture(
    tmp_path: Path,
    extension: str,
    channels: int,
    dtype: Any,  # noqa: ANN401 - a name too
) -> None:
    folder = compose(tmp_path / "brax", [3], extension=extension)
    img = ChestXrayDataset(folder, channels=channels, dtype=dtype)[0]["img"]
    assert (img.dtype, tuple(img.shape)) == (torch.uint8, (channels, 48, 48))
    assert img.is_contiguous()
    exact = ChestXrayDataset(folder, channels=channels, dtype="float32")[0]["img"]
    assert torch.equal(img.float() / 255, exact)
    img += 1  # its own memory
    assert torch.equal(ChestXrayDataset(folder, channels=channels)[0]["img"], exact)


def test_whole_numbers_of_16_bits_are_rounded(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0], extension="png")
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(folder / "00/000000.png")
    img = ChestXrayDataset(folder, dtype=torch.uint8)[0]["img"]
    assert img.shape == (3, 64, 64)
    assert np.array_equal(img[2].numpy(), np.round(values / 257))


def test_whole_numbers_keep_colours(tmp_path: Path) -> None:
    folder = compose_legacy(tmp_path / "openi", [0])
    values = np.stack([grey(1), grey(2).T, 255 - grey(3)], axis=-1)
    Image.fromarray(values).save(folder / "00/000000.jpg", quality=95, subsampling=0)
    with Image.open(folder / "00/000000.jpg") as image:
        expected = np.asarray(image).transpose(2, 0, 1)
    img = ChestXrayDataset(folder, dtype=torch.uint8)[0]["img"]
    assert np.array_equal(img.numpy(), expected)
    assert img.is_contiguous()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"dtype": torch.float16}, r"dtype=torch\.float16: allowed are torch\.float32 and torch\.uint8"),
        ({"dtype": "int8"}, "dtype='int8': allowed"),
        ({"dtype": "uint8", "transforms": np.asarray}, "dtype='uint8' with transforms"),
        ({"dtype": ["uint8"]}, r"dtype=\['uint8'\]: allowed"),
        ({"on_error": "ignore"}, "on_error='ignore': allowed are raise and skip"),
        ({"channels": True}, "channels=True: allowed are 1 and 3"),
        ({"channels": 3.0}, r"channels=3\.0: allowed are 1 and 3"),
        ({"size": True}, "size=True: allowed are None and whole numbers from 1"),
        ({"size": 2.5}, r"size=2\.5: allowed"),
        ({"uncertain": ["ones"]}, r"uncertain=\['ones'\]: allowed"),
        ({"fields": ()}, "fields: none given; allowed are one or more of age"),
        ({"view": []}, "view: none given; allowed are one or more of PA|frontal"),
    ],
)
def test_choices_that_are_not_there_are_refused(regions: Path, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChestXrayDataset(regions, **choice)


# --- Decoders


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options", [{}, {"channels": 1}, {"size": 50}, {"size": 64, "channels": 1}, {"size": 300}]
)
@pytest.mark.parametrize("make", [compose, compose_legacy])
def test_pictures_are_the_same_without_the_fast_decoder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    options: dict[str, Any],
    make: Any,  # noqa: ANN401 - either
) -> None:
    folder = make(tmp_path / "brax", [0, 1])
    Image.fromarray(grey(0, (250, 131))).convert(mode).save(folder / "00/000000.jpg", quality=95)
    fast = [item["img"] for item in ChestXrayDataset(folder, **options)]
    monkeypatch.setattr(dataset, "simplejpeg", None)
    slow = [item["img"] for item in ChestXrayDataset(folder, **options)]
    assert all(map(torch.equal, fast, slow))


@pytest.mark.parametrize("shape", [(130, 32), (32, 130), (1, 90), (257, 255)])
@pytest.mark.parametrize("size", [1, 16, 40, 64, 65, 129])
def test_long_pictures_are_the_same_without_the_fast_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], size: int
) -> None:
    folder = compose(tmp_path / "brax", [0])
    Image.fromarray(grey(0, shape)).save(folder / "00/000000.jpg", quality=95)
    fast = ChestXrayDataset(folder, size=size)[0]["img"]
    monkeypatch.setattr(dataset, "simplejpeg", None)
    assert torch.equal(fast, ChestXrayDataset(folder, size=size)[0]["img"])
    assert max(fast.shape[1:]) == size


def test_whole_numbers_of_numpy_are_whole_numbers(regions: Path) -> None:
    pictures = ChestXrayDataset(regions, size=np.int64(48), channels=np.int8(1), fields=("img", "img"))  # type: ignore[arg-type]
    assert pictures[0]["img"].shape == (1, 48, 32)


def test_chroma_of_unusual_size_is_left_to_pillow(tmp_path: Path) -> None:
    folder = compose_legacy(tmp_path / "brax", [0])
    file = folder / "00/000000.jpg"
    Image.fromarray(grey(0)).convert("RGB").save(file, quality=95, subsampling="4:2:0")
    data = bytearray(file.read_bytes())
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == 0x22  # sampling of luma; the second component follows three bytes later
    data[frame + 14] = 0x21
    file.write_bytes(data)
    with Image.open(file) as image:
        image.load()  # whatever the picture is now, it can be read
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(ChestXrayDataset(folder, dtype="uint8")[0]["img"].numpy(), expected)


def test_pictures_of_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = compose(tmp_path / "brax", [0])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 48 // 3)
    with pytest.raises(ImageError, match="decompression bomb"):
        ChestXrayDataset(folder)[0]


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_rare_kinds_of_jpeg_are_left_to_pillow(tmp_path: Path, mode: str) -> None:
    folder = compose_legacy(tmp_path / "brax", [0])
    file = folder / "00/000000.jpg"
    picture = Image.fromarray(grey(0)).convert(mode)
    picture.save(file, quality=95, keep_rgb=mode == "RGB")
    with Image.open(file) as image:
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(ChestXrayDataset(folder, dtype="uint8")[0]["img"].numpy(), expected)


def test_what_is_damaged_within_is_noticed(tmp_path: Path) -> None:
    pytest.importorskip("simplejpeg")
    folder = compose(tmp_path / "siim", [7], shape=(256, 256))
    file = folder / "00/000007.jpg"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff\x00\x12\xff\xd9" * 8
    file.write_bytes(data)
    with pytest.raises(ImageError, match=r"siim/film 7\.png"):
        ChestXrayDataset(folder)[0]


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize(
    "options", [{}, {"size": 20, "transforms": np.asarray}, {"fields": ("img", "key", "age")}]
)
def test_an_item_opens_one_file_once(tmp_path: Path, extension: str, options: dict[str, Any]) -> None:
    folder = compose(tmp_path / "brax", [0, 1], extension=extension)
    pictures = ChestXrayDataset(folder, **options)
    pictures[0]
    with opened_files() as opened:
        pictures[1]
    assert opened == [str(folder / f"00/000001.{extension}")]


# --- Boxes and masks


def test_boxes_are_those_of_the_index(regions: Path) -> None:
    assert [item["boxes"] for item in ChestXrayDataset(regions, fields="boxes")] == BOXES


def test_boxes_follow_the_size(regions: Path) -> None:
    pictures = ChestXrayDataset(regions, size=48, fields=("img", "boxes"))
    item = pictures[1]
    assert item["img"].shape == (3, 48, 32)
    assert item["boxes"] == [box(4, 3, 16, 12), box(0, 0, 32, 48, [0.5, 1.0, 1.5, 2.0, 2.5, 3.0])]
    assert pictures[0]["boxes"] == []
    assert pictures[2]["boxes"] is None
    assert pictures.row(1)["boxes"] == BOXES[1]
    # Rounded to whole pixels, 13 x 9 have a scale for each direction.
    (_, scaled) = ChestXrayDataset(regions, size=13, fields="boxes")[1]["boxes"]
    assert scaled["outline"] == [
        at * scale for at, scale in zip(range(1, 7), (9 / 64, 13 / 96) * 3, strict=True)
    ]
    assert (scaled["width"], scaled["height"]) == (9, 13)


def test_a_mask_is_all_masks_in_one(regions: Path) -> None:
    pictures = ChestXrayDataset(regions, fields="mask")
    masks = [item["mask"] for item in pictures]
    for mask, expected in zip(masks, [drawn(0) * 0, drawn(0), drawn(0) | drawn(1)], strict=True):
        assert (mask.dtype, tuple(mask.shape)) == (torch.bool, (1, *SHAPE))
        assert np.array_equal(mask[0].numpy(), expected.astype(bool))
    masks[1] |= True  # its own memory
    assert not torch.equal(pictures[1]["mask"], masks[1])


@pytest.mark.parametrize("size", [48, 100, 13])
def test_a_mask_lies_on_its_picture(regions: Path, size: int) -> None:
    item = ChestXrayDataset(regions, size=size, fields=("img", "mask"))[1]
    assert item["mask"].shape[1:] == item["img"].shape[1:]
    nearest = Image.fromarray(drawn(0)).resize(tuple(item["img"].shape[:0:-1]), Image.Resampling.NEAREST)
    assert np.array_equal(item["mask"][0].numpy(), np.asarray(nearest).astype(bool))


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 999), share=st.floats(0, 1)
)
def test_runs_are_read_as_their_writer_reads_them(shape: tuple[int, int], seed: int, share: float) -> None:
    mask = (np.random.default_rng(seed).random(shape) < share).astype(np.uint8)
    if seed % 2:
        mask = np.repeat(mask, 70, axis=0)  # runs of several digits
    assert np.array_equal(dataset._drawn(runs_of(mask), *mask.shape), mask.astype(bool))


def test_regions_need_the_sizes_of_the_pictures(tmp_path: Path) -> None:
    folder = add_columns(compose(tmp_path / "siim", [0]), {"boxes": pa.array([BOXES[1]], pa.list_(BOX))})
    assert ChestXrayDataset(folder, fields="boxes")[0]["boxes"] == BOXES[1]
    with pytest.raises(ValueError, match=r"siim cannot give boxes .*no sizes\. `python machex\.py index`"):
        ChestXrayDataset(folder, fields="boxes", size=20)


@pytest.mark.parametrize("change", [{"runs": "zz"}, {"rows": None}])
def test_a_mask_that_does_not_fit_is_named(regions: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = compose(tmp_path / "siim", [0], shape=SHAPE)
    mask = {"label": "x", "rows": 96, "columns": 64, "runs": runs_of(drawn(0)), "labeller": None, **change}
    sizes = {"rows": pa.array([96], pa.int64()), "columns": pa.array([64], pa.int64())}
    add_columns(folder, {**sizes, "masks": pa.array([[mask]], pa.list_(MASK))})
    with pytest.raises(ValueError, match=r"dataset siim, id 000000, key .*: masks of the index: .*index"):
        ChestXrayDataset(folder, fields="mask", on_error="skip")[0]


def test_masks_where_one_dataset_has_none(regions: Path, tmp_path: Path) -> None:
    compose_legacy(tmp_path / "mimic", [0])
    with pytest.raises(ValueError, match=r"fields: unknown \['mask'\]"):
        MaCheXDataset(tmp_path, fields="mask")
    (tmp_path / "siim").symlink_to(regions)
    masks = [item["mask"] for item in MaCheXDataset(tmp_path, fields="mask")]
    assert masks[0] is None
    assert [mask is None for mask in masks[1:]] == [False] * 3


def test_masks_of_the_demo(demo: Path) -> None:
    pictures = MaCheXDataset(demo / "machex_dataset", datasets="siim", fields=("img", "mask"), size=256)
    shares = [item["mask"].float().mean().item() for item in pictures]
    assert [share > 0 for share in shares] == [
        bool(masks) for masks in pictures.columns("masks")["masks"].to_pylist()
    ]
    assert max(shares) < 0.5


# --- Batches


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_of_everything(regions: Path, workers: int) -> None:
    fields = ("img", "mask", "boxes", "report", "patient_id", "age", "key")
    folder = regions
    pictures = ChestXrayDataset(folder, fields=tuple(name for name in fields if name != "report"))
    loader: DataLoader[Any] = DataLoader(
        pictures,
        batch_size=2,
        collate_fn=collate,
        num_workers=workers,
        **({"multiprocessing_context": "fork"} if workers else {}),  # type: ignore[arg-type]  # options of mixed types
    )
    first, last = loader
    assert (first["img"].shape, first["mask"].shape) == ((2, 3, *SHAPE), (2, 1, *SHAPE))
    assert first["boxes"] == BOXES[:2]
    assert first["patient_id"] == [None, "p0"]
    assert first["age"] == [0.0, 1.0]
    assert last["img"].shape == (1, 3, *SHAPE)
    assert last["boxes"] == [None]


TENSORS = {
    "float32": torch.rand(3, 5, 7),
    "uint8": torch.arange(12, dtype=torch.uint8).view(1, 3, 4),
    "bool": torch.tensor([[True, False]]),
    "int64": torch.tensor(7),
    "bfloat16": torch.rand(3).bfloat16(),
    "complex64": torch.rand(2, dtype=torch.complex64),
    "turned": torch.rand(4, 6).T,
    "expanded": torch.rand(1, 4, 4).expand(3, -1, -1),
    "with gaps": torch.arange(20.0)[::3],
    "one for all": torch.tensor(3.0).expand(4),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
@pytest.mark.parametrize("most", [None, 3])
def test_stacked_in_shared_memory_as_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tensor: torch.Tensor, most: int | None
) -> None:
    write = os.pwrite
    # The system may write less than it is given.
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: write(file, data[:most], place))
    tensors = [tensor, tensor, torch.zeros_like(tensor)]
    batch = dataset._stacked_in_shared_memory(tensors)
    expected = torch.stack(tensors)
    assert torch.equal(batch, expected)
    assert (batch.dtype, batch.stride()) == (expected.dtype, expected.contiguous().stride())
    assert batch.is_shared()  # type: ignore[no-untyped-call]  # of PyTorch
    batch[0] = 0  # writable


def test_shared_memory_that_is_full_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> int:  # noqa: ANN401 - as of pwrite
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(
        OSError, match=r"No space left on device: no room for a batch of 16 bytes .*--shm-size"
    ):
        dataset._stacked_in_shared_memory([torch.zeros(2)] * 2)


class Named(torch.Tensor):
    """A tensor that is more than its values."""


class WithKinds(Dataset[dict[str, Any]]):
    """Items of one tensor."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __len__(self) -> int:
        return 3

    def __getitem__(self, item: int) -> dict[str, Any]:
        return {"img": self._tensor}


@pytest.mark.parametrize("sharing", ["file_descriptor", "file_system"])
@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(0, 4),
        torch.rand(2, 3),
        torch.rand(2, 3).as_subclass(Named),
        torch.rand(2, 3, requires_grad=True),
        torch.rand(2, 3).to_sparse(),
        torch.nested.nested_tensor([torch.rand(2), torch.rand(3)], layout=torch.jagged),
        torch.rand(2, device="meta"),
    ],
    ids=["empty", "plain", "subclass", "gradients", "sparse", "nested", "meta"],
)
def test_batches_of_a_worker_are_those_of_the_loader(sharing: str, tensor: torch.Tensor) -> None:
    loader: DataLoader[Any] = DataLoader(
        WithKinds(tensor), batch_size=3, collate_fn=both_outcomes, num_workers=1,
        multiprocessing_context="fork", worker_init_fn=partial(share_by, sharing),
    )  # fmt: skip
    ((expected, found, has_written),) = loader
    assert found == expected
    is_plain = type(tensor) is torch.Tensor and str(expected).startswith("batch of Tensor on cpu")
    assert has_written == (sharing == "file_descriptor" and is_plain and tensor.numel() > 0)


def both_outcomes(items: list[dict[str, Any]]) -> tuple[str, str, bool]:
    """Tell what comes of the loader's function and of ours, and whether ours wrote a file."""
    with pytest.MonkeyPatch.context() as patch:
        written = watch_writes(patch)
        return outcome(default_collate, items), outcome(collate, items), bool(written)


def outcome(function: Callable[[Any], Any], items: list[dict[str, Any]]) -> str:
    try:
        batch = function(items)["img"]
    except (RuntimeError, NotImplementedError) as error:
        return str(error)
    return f"batch of {type(batch).__name__} on {batch.device}: {batch.stride()} {batch}"


def watch_writes(patch: pytest.MonkeyPatch) -> list[int]:
    """List the places that are written, from now on, in this process."""
    write, places = os.pwrite, []

    def watched(descriptor: int, data: memoryview, place: int) -> int:
        places.append(place)
        return write(descriptor, data, place)

    patch.setattr(os, "pwrite", watched)
    return places


def share_by(strategy: str, worker: int) -> None:
    torch.multiprocessing.set_sharing_strategy(strategy)  # type: ignore[no-untyped-call]  # of PyTorch


def test_a_worker_writes_its_batches_as_a_file(regions: Path) -> None:
    pictures = ChestXrayDataset(regions)
    loader: DataLoader[Any] = DataLoader(
        pictures, batch_size=3, collate_fn=say_whether_written, num_workers=1, multiprocessing_context="fork"
    )
    assert list(loader) == [True]


def say_whether_written(items: list[dict[str, Any]]) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        places = watch_writes(patch)
        collate(items)
    return places == [0, *(number * items[0]["img"].nbytes for number in (1, 2))]


def test_pictures_of_several_shapes_are_a_list(tmp_path: Path) -> None:
    folder = compose(tmp_path / "brax", [0, 1])
    Image.fromarray(grey(1, (20, 30))).save(folder / "00/000001.jpg")
    batch = collate(list(ChestXrayDataset(folder)))
    assert [picture.shape for picture in batch["img"]] == [(3, 48, 48), (3, 20, 30)]
