"""Chest X-rays for training, read from a collection that MaCheX composed.

This file stands alone: it needs PyTorch, NumPy, Pillow and PyArrow and nothing else of the project, so it
can be copied into a training repository. It also reads collections made by the public MaCheX, which have an
``index.json`` and no ``index.parquet``.

Examples
--------
>>> from dataset import MaCheXDataset
>>> pictures = MaCheXDataset("machex_dataset")
>>> pictures[0]["img"].shape
torch.Size([3, 1024, 1024])
"""

import bisect
import itertools
import json
import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.utils.data import Dataset

__all__ = ["ChestXrayDataset", "ImageError", "MaCheXDataset"]

# "PA or AP" is a frontal film of which the release says no more.
_FRONTAL = ("PA", "AP", "AP supine", "PA or AP")
# Choices of a filter, each with the values of the index that it lets through; None is a null. A null split
# means that the release has no official one, a null view that nobody knows it.
_SPLITS: dict[str, list[str | None]] = {"train": ["train", None], "val": ["val"], "test": ["test"]}
_VIEWS: dict[str, list[str | None]] = {
    "frontal": list(_FRONTAL),
    **{name: [name] for name in (*_FRONTAL, "lateral", "decubitus", "oblique", "other")},
    "unknown": ["unknown", None],
}

# What Pillow raises for damaged files; a missing or unreadable one is an OSError.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)


class ImageError(OSError):
    """A picture of the collection is missing or damaged; the message names dataset, id, key and file."""


class _Pictures(Dataset[dict[str, Any]]):
    """The pictures of some dataset folders, one after the other."""

    def __init__(
        self,
        root: Path,
        folders: Sequence[Path],
        transforms: Callable[[Image.Image], Any] | None,
        split: str | Sequence[str] | None,
        view: str | Sequence[str] | None,
        size: int | None,
        channels: int,
        fields: Sequence[str],
    ) -> None:
        if channels not in (1, 3):
            raise ValueError(f"channels={channels!r}: allowed are 1 and 3")
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ValueError(f"size={size!r}: allowed are None and whole numbers from 1")
        self.root, self.transforms, self.size, self.channels = root, transforms, size, channels
        self.fields = _names(fields)
        choices = {"split": (split, _SPLITS), "view": (view, _VIEWS)}
        keep = {
            name: _allowed_values(name, value, table)
            for name, (value, table) in choices.items()
            if value is not None
        }
        self._indexes = [_Index(folder, self.fields, keep) for folder in folders]
        self._ends = list(itertools.accumulate(len(index) for index in self._indexes))
        columns = sorted({"img"}.union(*(index.columns for index in self._indexes)))
        _check_names("fields", self.fields, columns)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, item: SupportsIndex) -> dict[str, Any]:
        index, place = self._locate(item)
        return {
            name: self._image(index, place) if name == "img" else index.value(place, name)
            for name in self.fields
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[item] for item in range(len(self)))

    def row(self, item: SupportsIndex) -> dict[str, Any]:
        """Give everything the index knows of one item.

        The first call reads the columns of the index that were not needed until then.

        Parameters
        ----------
        item : int
            Number of the item, counted as for ``dataset[item]``; negative numbers count from the end.

        Returns
        -------
        dict
            Column names and values as plain Python objects, ``path`` relative to the dataset folder; and
            ``file``, the absolute path of the picture.

        Raises
        ------
        IndexError
            There is no such item.
        RuntimeError
            The index was written anew since this object was made.

        Examples
        --------
        >>> MaCheXDataset("machex_dataset", datasets=["chexpert"]).row(0)["key"]
        'train/patient99001/study1/view1_frontal.jpg'
        """
        index, place = self._locate(item)
        return index.row(place)

    def __repr__(self) -> str:
        counts = ", ".join(f"{index.folder.name} {len(index):,}" for index in self._indexes)
        return f"{type(self).__name__}({str(self.root)!r}, {len(self):,} images: {counts})"

    def _locate(self, item: SupportsIndex) -> tuple["_Index", int]:
        number = operator.index(item)
        if not -len(self) <= number < len(self):
            raise IndexError(f"item {number} of {self!r}")
        number %= len(self)
        part = bisect.bisect_right(self._ends, number)
        index = self._indexes[part]
        return index, number - self._ends[part] + len(index)

    def _image(self, index: "_Index", place: int) -> Any:  # noqa: ANN401 - a tensor, or whatever transforms gives
        # What this project composes is grey in every format; the public MaCheX may have kept colours.
        mode = "RGB" if self.channels == 3 and index.may_have_colour else "L"
        file = index.file(place)
        try:
            picture = _decode(file, mode, self.size)
        except _DAMAGE as error:
            key, reason = index.value(place, "key"), getattr(error, "strerror", None) or error
            remedy = (
                "Compose again" if isinstance(error, FileNotFoundError) else "Delete it and compose again"
            )
            raise ImageError(
                f"dataset {index.folder.name}, id {file.stem}, key {key}: cannot read {file}: {reason}. "
                f"{remedy}: `python machex.py -c config.yml` writes what is not there."
            ) from error
        if self.transforms is None:
            return _to_tensor(picture, self.channels)
        return self.transforms(_to_8_bit(picture).convert("RGB" if self.channels == 3 else "L"))


class ChestXrayDataset(_Pictures):
    """One dataset folder of a collection.

    Parameters
    ----------
    root : path
        The dataset folder, the one with ``index.parquet`` or ``index.json``.
    transforms, split, view, size, channels, fields
        As for `MaCheXDataset`. Every field must be a column of this index.

    Raises
    ------
    FileNotFoundError
        The folder has no index.
    ValueError
        An argument is not among the allowed ones, or the index cannot be read or filtered.

    Examples
    --------
    >>> frontal = ChestXrayDataset("machex_dataset/chexpert", view="frontal", fields=("img", "class_label"))
    >>> frontal[0]["class_label"]
    [0, 1, 1, 0, 0, 0, 0, 0, -1, 1, 0, 0, 1]
    """

    def __init__(
        self,
        root: str | PathLike[str],
        transforms: Callable[[Image.Image], Any] | None = None,
        *,
        split: str | Sequence[str] | None = None,
        view: str | Sequence[str] | None = None,
        size: int | None = None,
        channels: int = 3,
        fields: Sequence[str] = ("img",),
    ) -> None:
        folder = Path(root).absolute()
        if not _has_index(folder):
            raise FileNotFoundError(_no_index(folder, _dataset_folders(folder)))
        super().__init__(folder, [folder], transforms, split, view, size, channels, fields)


class MaCheXDataset(_Pictures):
    """A whole collection: the pictures of its dataset folders, in the sorted order of their names.

    An item is a dict. By default it is ``{"img": tensor}``, a new contiguous float32 tensor of shape
    (3, 1024, 1024), or whatever size the collection was composed with, and values in [0, 1].

    Parameters
    ----------
    root : path
        The folder with the dataset folders. A collection may be moved: pictures are found from here.
    transforms : callable, optional
        Gets the picture as a loaded PIL image of ``size``, of mode RGB (of mode L if ``channels`` is 1) and
        8 bit (16-bit pictures are rounded); what it returns becomes ``item["img"]``.
    datasets : list of str, optional
        Names of the dataset folders to read; default all.
    split : str or list of str, optional
        Of ``"train"``, ``"val"``, ``"test"``; default all pictures. ``"train"`` is what is not officially
        held out: also the pictures of releases without official splits.
    view : str or list of str, optional
        Of ``"PA"``, ``"AP"``, ``"AP supine"``, ``"PA or AP"``, ``"lateral"``, ``"decubitus"``,
        ``"oblique"``, ``"other"``, ``"unknown"``, and ``"frontal"``, which is the first four; default all.
    size : int, optional
        Long side of the picture in pixels, aspect kept; default as stored. JPEG files are decoded at a lower
        resolution where that is enough, which is several times as fast.
    channels : int, default 3
        3 (equal channels, but for collections in colour made by the public MaCheX) or 1.
    fields : list of str, default ("img",)
        What an item consists of: ``"img"`` and any columns of the index, as plain Python objects; None where
        the index of a dataset lacks the column. Without ``"img"`` no file is opened. Values such as None and
        lists of labels need a ``collate_fn`` in a ``DataLoader``.

    Raises
    ------
    FileNotFoundError
        There is no dataset folder with an index.
    ValueError
        An argument is not among the allowed ones, or an index cannot be read or filtered: the public MaCheX
        recorded neither split nor view.
    ImageError
        By ``dataset[i]``: the file is missing or damaged.
    IndexError
        By ``dataset[i]``: there is no such item.

    Examples
    --------
    >>> pictures = MaCheXDataset(
    ...     "machex_dataset",
    ...     datasets=["chexpert", "vindrcxr"],
    ...     split="train",
    ...     view="frontal",
    ...     size=256,
    ...     channels=1,
    ...     fields=("img", "labels", "key"),
    ... )
    >>> pictures[0]["img"].shape
    torch.Size([1, 256, 256])
    """

    def __init__(
        self,
        root: str | PathLike[str],
        transforms: Callable[[Image.Image], Any] | None = None,
        *,
        datasets: Sequence[str] | None = None,
        split: str | Sequence[str] | None = None,
        view: str | Sequence[str] | None = None,
        size: int | None = None,
        channels: int = 3,
        fields: Sequence[str] = ("img",),
    ) -> None:
        collection = Path(root).absolute()
        folders = _dataset_folders(collection)
        if not folders:
            raise FileNotFoundError(_no_collection(collection))
        if datasets is not None:
            wanted = _names(datasets)
            _check_names("datasets", wanted, [folder.name for folder in folders])
            folders = [folder for folder in folders if folder.name in wanted]
        super().__init__(collection, folders, transforms, split, view, size, channels, fields)


class _Index:
    """The chosen rows of one index, as Arrow columns: forked workers share them without copying."""

    def __init__(self, folder: Path, fields: Sequence[str], keep: dict[str, list[str | None]]) -> None:
        self.folder, self._keep = folder, keep
        self.may_have_colour = not (folder / "index.parquet").is_file()
        self._table, self.columns = self._read({"path", "key", *fields})
        self._whole: pa.Table | None = None

    def __len__(self) -> int:
        rows: int = self._table.num_rows
        return rows

    def __getstate__(self) -> dict[str, Any]:
        # The chosen rows travel, not only the file's name: a worker must not see another index than the
        # process that numbers the items. What row() has read can be read again.
        return {**self.__dict__, "_whole": None}

    def file(self, place: int) -> Path:
        return self.folder / str(self.value(place, "path"))

    def value(self, place: int, column: str) -> Any:  # noqa: ANN401 - as the column is
        return self._table[column][place].as_py() if column in self.columns else None

    def row(self, place: int) -> dict[str, Any]:
        if self._whole is None:
            whole, _ = self._read(None)
            if not whole["path"].equals(self._table["path"]):
                raise RuntimeError(f"the index of {self.folder} has changed: make the dataset object anew")
            self._whole = whole
        row: dict[str, Any] = self._whole.slice(place, 1).to_pylist()[0]
        return {**row, "file": str(self.file(place))}

    def _read(self, wanted: set[str] | None) -> tuple[pa.Table, list[str]]:
        """Read the wanted columns (None: all) of the chosen rows, and the names of all columns."""
        if self.may_have_colour:
            table, columns = _read_json(self.folder / "index.json")
        else:
            needed = None if wanted is None else wanted | set(self._keep)
            table, columns = _read_parquet(self.folder / "index.parquet", needed)
        if "dataset" not in columns:
            columns = [*columns, "dataset"]
            table = table.append_column("dataset", pa.array([self.folder.name] * len(table), pa.string()))
        table = self._filter(table)
        if wanted is not None:
            table = table.select([name for name in table.column_names if name in wanted])
        return table, columns

    def _filter(self, table: pa.Table) -> pa.Table:
        for column, values in self._keep.items():
            if len(table) and column not in table.column_names:
                raise ValueError(
                    f"{self.folder} cannot be filtered by {column}: its index has no such column, as those "
                    f"of the public MaCheX. Leave {column} out, or compose this dataset anew."
                )
            if len(table):
                allowed = pc.is_in(table[column].cast(pa.string()), value_set=pa.array(values, pa.string()))
                table = table.filter(allowed)
        return table


def _read_parquet(path: Path, wanted: set[str] | None) -> tuple[pa.Table, list[str]]:
    try:
        with pq.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            chosen = [name for name in columns if wanted is None or name in wanted]
            return file.read(columns=chosen), columns
    except (OSError, pa.ArrowException) as error:
        raise ValueError(_bad_index(path, error)) from error


def _read_json(path: Path) -> tuple[pa.Table, list[str]]:
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
        names = dict.fromkeys(itertools.chain.from_iterable(entries.values()))
        columns = {name: pa.array([entry.get(name) for entry in entries.values()]) for name in names}
        columns["id"] = pa.array([int(number) for number in entries], pa.int32())
        columns["path"] = pa.array(
            [_relative_path(number, entry["path"]) for number, entry in entries.items()], pa.string()
        )
        columns.setdefault("key", pa.nulls(len(entries), pa.string()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise ValueError(_bad_index(path, error)) from error
    return pa.table(columns), list(columns)


def _relative_path(number: str, path: str) -> str:
    # The path is absolute and of the day of composing; only its extension is still true after a move.
    return f"{int(number) // 10_000:02d}/{number}.{path.rpartition('.')[2]}"


def _decode(file: Path, mode: str, side: int | None) -> Image.Image:
    """Read a picture, of mode L or RGB or, if it has 16 bits, F with values to 65535."""
    with Image.open(file, formats=("JPEG", "PNG")) as image:
        target = image.size if side is None else _fit(image.size, side)
        image.draft(mode, target)  # JPEG only: leaves chroma out, and the detail that is not needed
        image.load()
        picture: Image.Image = image
    if picture.mode.startswith("I"):  # Pillow clips 16 bits to 8 where it converts them itself
        picture = Image.fromarray(np.asarray(picture, dtype=np.float32))
    elif picture.mode != mode:
        picture = picture.convert(mode)
    return picture if picture.size == target else picture.resize(target, Image.Resampling.LANCZOS)


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    width, height = (max(1, round(length * side / max(size))) for length in size)
    return width, height


def _to_tensor(picture: Image.Image, channels: int) -> torch.Tensor:
    values = torch.from_numpy(np.array(picture))
    values = values.permute(2, 0, 1).contiguous() if values.ndim == 3 else values[None]
    values = values.to(torch.float32).div_(65535 if picture.mode == "F" else 255)
    # Lanczos overshoots at edges; in 8 bits Pillow has clipped it already.
    return values.clamp_(0, 1).expand(channels, -1, -1).contiguous()


def _to_8_bit(picture: Image.Image) -> Image.Image:
    if picture.mode != "F":
        return picture
    values = np.asarray(picture) / np.float32(257)
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def _names(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _check_names(argument: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    unknown = [name for name in names if name not in allowed]
    if unknown or not names:
        raise ValueError(f"{argument}: unknown {unknown}; allowed are one or more of {', '.join(allowed)}")


def _allowed_values(
    argument: str, choice: str | Sequence[str], choices: dict[str, list[str | None]]
) -> list[str | None]:
    names = _names(choice)
    _check_names(argument, names, list(choices))
    return list(dict.fromkeys(value for name in names for value in choices[name]))


def _has_index(folder: Path) -> bool:
    return (folder / "index.parquet").is_file() or (folder / "index.json").is_file()


def _dataset_folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if _has_index(folder)) if root.is_dir() else []


def _bad_index(path: Path, error: Exception) -> str:
    return f"{path} cannot be read as an index: {error!r}. `python machex.py index` writes it anew."


def _no_index(folder: Path, inside: Sequence[Path]) -> str:
    if inside:
        names = ", ".join(path.name for path in inside)
        return f"{folder} is a collection: read it with MaCheXDataset, or give one of its folders: {names}"
    return (
        f"{folder} has no index.parquet or index.json: it is no dataset folder of a collection. "
        "`python machex.py -c config.yml` composes one."
    )


def _no_collection(root: Path) -> str:
    if _has_index(root):
        return f"{root} is one dataset folder: read it with ChestXrayDataset, or give {root.parent}"
    return (
        f"{root} has no folder with an index.parquet or index.json: expected MACHEX_PATH of the "
        "configuration. `python machex.py -c config.yml` composes a collection there."
    )
