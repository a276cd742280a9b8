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
import difflib
import itertools
import json
import math
import operator
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
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

# Terms of the common vocabulary in the order in which others have them: `default_pathologies` of
# TorchXRayVision, the columns of CheXpert's tables, and the paper on ChestX-ray14.
_PRESETS = {
    "torchxrayvision": (
        "atelectasis", "consolidation", "infiltration", "pneumothorax", "edema", "emphysema", "fibrosis",
        "effusion", "pneumonia", "pleural_thickening", "cardiomegaly", "nodule", "mass", "hernia",
        "lung_lesion", "fracture", "lung_opacity", "enlarged_cardiomediastinum",
    ),
    "chexpert": (
        "no_finding", "enlarged_cardiomediastinum", "cardiomegaly", "lung_opacity", "lung_lesion", "edema",
        "consolidation", "pneumonia", "atelectasis", "pneumothorax", "effusion", "pleural_other", "fracture",
        "support_devices",
    ),
    "nih": (
        "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia",
        "pneumothorax", "consolidation", "edema", "emphysema", "fibrosis", "pleural_thickening", "hernia",
    ),
}  # fmt: skip
# So begin the columns of the index that are terms, and two others.
_TERM_PREFIX, _NO_TERMS = "label_", ("label_kind", "label_conflicts")
# Stands for null among the values of terms, which are 1, 0 and -1.
_UNKNOWN = 2
_UNCERTAIN = {"keep": -1.0, "ignore": math.nan, "zeros": 0.0, "ones": 1.0}
# For an index that lacks a column.
_REMEDY = "`python machex.py index` writes it anew; what the public MaCheX made must be composed anew."

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
        folds: int | Iterable[int] | None,
        size: int | None,
        channels: int,
        fields: Sequence[str],
        labels: str | Sequence[str] | None,
        uncertain: str,
    ) -> None:
        if channels not in (1, 3):
            raise ValueError(f"channels={channels!r}: allowed are 1 and 3")
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ValueError(f"size={size!r}: allowed are None and whole numbers from 1")
        self.root, self.transforms, self.size, self.channels = root, transforms, size, channels
        self.label_names = () if labels is None else _terms(labels)
        self._states = _states(uncertain, has_labels=labels is not None)
        self.fields = _names(fields)
        if self.label_names and "labels" not in self.fields:
            self.fields.append("labels")
        # What is made for an item; the rest are columns of the index.
        made = {"img", "labels"} if self.label_names else {"img"}
        stored = [name for name in self.fields if name not in made]
        keep = _kept_values(split, view, folds)
        self._indexes = [_Index(folder, stored, keep, self.label_names) for folder in folders]
        self._ends = list(itertools.accumulate(len(index) for index in self._indexes))
        columns = sorted(made.union(*(index.columns for index in self._indexes)))
        _check_names("fields", self.fields, columns)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, item: SupportsIndex) -> dict[str, Any]:
        index, place = self._locate(item)
        return {name: self._value(index, place, name) for name in self.fields}

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

    def _value(self, index: "_Index", place: int, name: str) -> Any:  # noqa: ANN401 - as the field is
        if name == "img":
            return self._image(index, place)
        if name == "labels" and self.label_names:
            return torch.from_numpy(self._states[index.labels[place]])
        return index.value(place, name)

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
    transforms, split, view, folds, size, channels, fields, labels, uncertain
        As for `MaCheXDataset`. Every field must be a column of this index.

    Attributes
    ----------
    label_names : tuple of str
        As for `MaCheXDataset`.

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
        folds: int | Iterable[int] | None = None,
        size: int | None = None,
        channels: int = 3,
        fields: Sequence[str] = ("img",),
        labels: str | Sequence[str] | None = None,
        uncertain: str = "keep",
    ) -> None:
        folder = Path(root).absolute()
        if not _has_index(folder):
            raise FileNotFoundError(_no_index(folder, _dataset_folders(folder)))
        super().__init__(
            folder, [folder], transforms, split, view, folds, size, channels, fields, labels, uncertain
        )


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
    folds : int or iterable of int, optional
        Of the ten folds 0 to 9 of the index, such as ``range(9)``; default all pictures.
    size : int, optional
        Long side of the picture in pixels, aspect kept; default as stored. JPEG files are decoded at a lower
        resolution where that is enough, which is several times as fast.
    channels : int, default 3
        3 (equal channels, but for collections in colour made by the public MaCheX) or 1.
    fields : list of str, default ("img",)
        What an item consists of: ``"img"`` and any columns of the index, as plain Python objects; None where
        the index of a dataset lacks the column. Without ``"img"`` no file is opened. Values such as None and
        lists of labels need a ``collate_fn`` in a ``DataLoader``.
    labels : str or list of str, optional
        Terms of the common vocabulary, such as ``["pneumonia", "effusion"]``, or those of another project in
        its order: ``"torchxrayvision"`` (18), ``"chexpert"`` (14, no finding among them), ``"nih"`` (14).
        An item then has, in addition to ``fields``, ``item["labels"]``: a new float32 tensor of shape (number
        of terms,) with 1 present, 0 absent and NaN unknown. Without this argument the field ``"labels"`` is
        what the release says, a list of {label, value, labeller}, which `row` gives in any case.
    uncertain : str, default "keep"
        What uncertain labels become: ``"keep"`` -1, ``"ignore"`` NaN, ``"zeros"`` 0, ``"ones"`` 1. Unknown
        ones are NaN under each. Losses take a target of -1 without complaint: keep it only to treat it.

    Attributes
    ----------
    label_names : tuple of str
        The terms of ``item["labels"]`` in order; empty without ``labels``.

    Raises
    ------
    FileNotFoundError
        There is no dataset folder with an index.
    ValueError
        An argument is not among the allowed ones, or an index cannot be read, or lacks what is asked for: the
        public MaCheX recorded no splits, views, folds and terms.
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

    With labels to train on:

    >>> training = MaCheXDataset("machex_dataset", labels=["pneumonia", "effusion"], uncertain="ignore")
    >>> training.label_names
    ('pneumonia', 'effusion')
    >>> training[0]["labels"].shape
    torch.Size([2])
    """

    def __init__(
        self,
        root: str | PathLike[str],
        transforms: Callable[[Image.Image], Any] | None = None,
        *,
        datasets: Sequence[str] | None = None,
        split: str | Sequence[str] | None = None,
        view: str | Sequence[str] | None = None,
        folds: int | Iterable[int] | None = None,
        size: int | None = None,
        channels: int = 3,
        fields: Sequence[str] = ("img",),
        labels: str | Sequence[str] | None = None,
        uncertain: str = "keep",
    ) -> None:
        collection = Path(root).absolute()
        folders = _dataset_folders(collection)
        if not folders:
            raise FileNotFoundError(_no_collection(collection))
        if datasets is not None:
            wanted = _names(datasets)
            _check_names("datasets", wanted, [folder.name for folder in folders])
            folders = [folder for folder in folders if folder.name in wanted]
        super().__init__(
            collection, folders, transforms, split, view, folds, size, channels, fields, labels, uncertain
        )


class _Index:
    """The chosen rows of one index, as Arrow columns: forked workers share them without copying.

    So they do ``labels``, the values of the terms: int8 of shape (rows, terms), null as `_UNKNOWN`.
    """

    def __init__(
        self,
        folder: Path,
        fields: Sequence[str],
        keep: dict[str, list[str | None]],
        terms: Sequence[str],
    ) -> None:
        self.folder, self._keep = folder, keep
        self.may_have_colour = not (folder / "index.parquet").is_file()
        held, of_terms = {"path", "key", *fields}, [f"{_TERM_PREFIX}{term}" for term in terms]
        table, self.columns = self._read(held.union(of_terms))
        if terms and len(table):
            _check_terms(folder, terms, self.columns)
        self.labels = _label_values(table, of_terms)
        self._table = table.select([name for name in table.column_names if name in held])
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
                    f"{self.folder} cannot be filtered by {column}: its index has no such column. {_REMEDY}"
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


def _label_values(table: pa.Table, columns: Sequence[str]) -> NDArray[np.int8]:
    values = np.full((len(table), len(columns)), _UNKNOWN, np.int8)
    if len(table):
        for place, column in enumerate(columns):
            values[:, place] = pc.fill_null(table[column], _UNKNOWN).to_numpy()
    return values


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


def _kept_values(
    split: str | Sequence[str] | None, view: str | Sequence[str] | None, folds: int | Iterable[int] | None
) -> dict[str, list[str | None]]:
    """Give the values that are let through, as text, by column of the index."""
    keep: dict[str, list[str | None]] = {}
    if split is not None:
        keep["split"] = _allowed_values("split", split, _SPLITS)
    if view is not None:
        keep["view"] = _allowed_values("view", view, _VIEWS)
    if folds is not None:
        keep["fold"] = [str(fold) for fold in _fold_numbers(folds)]
    return keep


def _fold_numbers(folds: int | Iterable[int]) -> list[int]:
    numbers = list(folds) if isinstance(folds, Iterable) else [folds]
    are_folds = all(
        isinstance(each, int | np.integer) and not isinstance(each, bool) and 0 <= each <= 9
        for each in numbers
    )
    if not numbers or not are_folds or len(set(numbers)) < len(numbers):
        raise ValueError(f"folds: {numbers}; allowed are one or more of 0 to 9, each once, as in range(9)")
    return numbers


def _terms(labels: str | Sequence[str]) -> tuple[str, ...]:
    terms = _PRESETS.get(labels, (labels,)) if isinstance(labels, str) else tuple(labels)
    if not terms or len(set(terms)) < len(terms):
        raise ValueError(
            f"labels: {list(terms)}; allowed are one or more terms, each once, or {' or '.join(_PRESETS)}"
        )
    return terms


def _check_terms(folder: Path, terms: Sequence[str], columns: Sequence[str]) -> None:
    of_labels = [name for name in columns if name.startswith(_TERM_PREFIX) and name not in _NO_TERMS]
    known = [name.removeprefix(_TERM_PREFIX) for name in of_labels]
    if not known:
        raise ValueError(f"{folder} cannot give labels: its index has no columns {_TERM_PREFIX}*. {_REMEDY}")
    unknown = [term for term in terms if term not in known]
    if unknown:
        raise ValueError(
            f"labels: unknown {unknown} in {folder}{_suggestion(unknown, known)}; allowed are one or more of "
            f"{', '.join(known)}, or instead of a list {' or '.join(_PRESETS)}"
        )


def _suggestion(unknown: Sequence[str], known: Sequence[str]) -> str:
    allowed = [*known, *(_PRESETS.keys() - unknown)]
    words = [str(name).lower().removeprefix(_TERM_PREFIX) for name in unknown]
    near = [difflib.get_close_matches(word, allowed, n=1) for word in words]
    names = ", ".join(itertools.chain.from_iterable(near))
    return f"; did you mean {names}?" if names else ""


def _states(uncertain: str, *, has_labels: bool) -> NDArray[np.float32]:
    """Give an item's values for 0, 1, `_UNKNOWN`, and -1, which is the last."""
    if uncertain not in _UNCERTAIN:
        raise ValueError(f"uncertain={uncertain!r}: allowed are {', '.join(_UNCERTAIN)}")
    if uncertain != "keep" and not has_labels:
        raise ValueError(f"uncertain={uncertain!r} without labels: give them too, as in labels='chexpert'")
    return np.array([0, 1, math.nan, _UNCERTAIN[uncertain]], np.float32)


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
