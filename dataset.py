"""Chest X-rays for training, read from a collection that MaCheX composed.

This file stands alone: it needs PyTorch, NumPy, Pillow and PyArrow and nothing else of the project, so it
can be copied into a training repository. With simplejpeg beside them it reads JPEG faster, and notices more
damage. It also reads collections made by the public MaCheX, which have an ``index.json`` and no
``index.parquet``.

Examples
--------
>>> from dataset import MaCheXDataset
>>> pictures = MaCheXDataset("machex_dataset")
>>> pictures[0]["img"].shape
torch.Size([3, 1024, 1024])
"""

import bisect
import contextlib
import ctypes
import difflib
import errno
import functools
import gc
import io
import itertools
import json
import math
import operator
import os
import struct
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Dataset, default_collate, get_worker_info

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

__all__ = ["ChestXrayDataset", "ImageError", "MaCheXDataset", "MimicT2IDataset", "collate"]

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
_WRITES_THE_REST = "`python machex.py -c config.yml` writes what is not there."
# For an index that lacks a column.
_REMEDY = "`python machex.py index` writes it anew; what the public MaCheX made must be composed anew."

# Columns that `repr` counts.
_COUNTED, _NULL = ("view", "split"), "none"

# Columns with the size of a picture as it is stored.
_SIZES = ("columns", "rows")

_NUMPY_DTYPES: dict[torch.dtype, type[np.generic]] = {torch.float32: np.float32, torch.uint8: np.uint8}
_DTYPES: dict[Any, torch.dtype] = {each: each for each in _NUMPY_DTYPES} | {
    "float32": torch.float32,
    "uint8": torch.uint8,
}
# So many pictures in a row are not damaged: their storage is gone.
_MOST_SKIPPED = 100

# What Pillow and simplejpeg raise for damaged files; a missing or unreadable one is an OSError.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)
# Errors of the system that say nothing about a file: this process has too much open, or no memory.
_NOT_OF_THE_FILE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

# Parameters of mallopt(3), and their values in bytes.
_TRIM_THRESHOLD, _KEPT_MEMORY = -1, 512 << 20
_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD = -3, 32 << 20

_Where: TypeAlias = pc.Expression | Callable[[pa.Table], Any]


class ImageError(OSError):
    """A picture of the collection is missing or damaged; the message names dataset, id, key and file."""


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make a batch of items of any fields, as ``collate_fn`` of a ``DataLoader``.

    Parameters
    ----------
    items : list of dict
        Items of one dataset object, at least one.

    Returns
    -------
    dict
        For each field one stacked tensor where all items have tensors of one shape and dtype (``img``,
        ``mask``, labels with ``labels=``), as the loader's own function gives; else the list of the items'
        values: boxes, reports, keys, numbers, None, and pictures of several shapes.

    Raises
    ------
    OSError
        In a worker: there is no room for the batch in shared memory, which containers have little of.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> from dataset import collate
    >>> found = MaCheXDataset("machex_dataset", datasets=["objcxr"], size=256, fields=("img", "boxes"))
    >>> batch = next(iter(DataLoader(found, batch_size=4, collate_fn=collate)))
    >>> batch["img"].shape, len(batch["boxes"])
    (torch.Size([4, 3, 256, 256]), 4)
    """
    return {name: _batch([item[name] for item in items]) for name in items[0]}


class _Pictures(Dataset[dict[str, Any]]):
    """The pictures of some dataset folders, one after the other."""

    def __init__(self, root: Path, folders: Sequence[Path], which: "_Which", form: "_Form") -> None:
        self.root, self._form = root, form
        self.transforms, self.label_names = form.transforms, form.terms
        self._indexes = [_Index(folder, form.stored, which, form.terms) for folder in folders]
        self._number()
        columns = {name for index in self._indexes for name in index.columns}
        _check_names("fields", form.fields, sorted(columns | _made(columns, form.terms)))
        for index in self._indexes if form.needs_sizes else ():
            _check_sizes(index.folder, index.columns)
        if which.callable is not None:
            self._choose(which.callable)
        # A byte for each item, seen by all workers: each counts for all, and none is counted twice. Of NumPy,
        # which no default device of PyTorch moves elsewhere.
        with torch.inference_mode(mode=False):
            self._skipped = torch.from_numpy(np.zeros(len(self) if form.skips else 0, np.uint8))
        self._share()

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, item: SupportsIndex) -> dict[str, Any]:
        if get_worker_info() is not None:
            _prepare_worker()
        number = self._checked(item)
        return self._readable(number) if self._form.skips else self._item(number)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[item] for item in range(len(self)))

    def row(self, item: SupportsIndex) -> dict[str, Any]:
        """Give everything the index knows of one item.

        The first call reads all columns of the part of the index (50,000 rows) where the item is, and keeps
        them: a tenth of a second once, then a tenth of a millisecond. For training use ``fields``.

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
        index, place = self._locate(self._checked(item))
        return index.row(place)

    @property
    def table(self) -> pa.Table:
        """All that the index knows of the items, a row for each in their order, as an Arrow table.

        It is read anew each time and takes gigabytes for millions of rows with labels and reports;
        `columns` reads a part of it. Columns that the index of a dataset lacks are null there.
        """
        return self._table(None)

    def columns(self, names: str | Sequence[str]) -> pa.Table:
        """Read some columns of `table`, and nothing else.

        Parameters
        ----------
        names : str or list of str
            Columns of the index, whether they are ``fields`` or not.

        Returns
        -------
        pyarrow.Table
            A row for each item, in their order.

        Raises
        ------
        ValueError
            No dataset has such a column.
        RuntimeError
            As by `row`.

        Examples
        --------
        >>> MaCheXDataset("machex_dataset", datasets=["siim"]).columns("sex")["sex"].to_pylist()
        ['F', 'F', 'M', 'F', 'M', 'F']
        """
        wanted = _names(names)
        _check_names("columns", wanted, sorted({name for index in self._indexes for name in index.columns}))
        return self._table(wanted)

    @property
    def skipped(self) -> list[int]:
        """Numbers of the items that could not be read, by any worker, since this object was made.

        Empty unless ``on_error`` is ``"skip"``.
        """
        numbers: list[int] = torch.nonzero(self._skipped)[:, 0].tolist()
        return numbers

    def __repr__(self) -> str:
        datasets = Counter({index.folder.name: len(index) for index in self._indexes})
        views, splits = Counter[str](), Counter[str]()
        for index in self._indexes:
            views.update(index.views.counts())
            splits.update(index.splits.counts())
        lines = [f"{type(self).__name__}({str(self.root)!r}, {len(self):,} images: {_counted(datasets)})"]
        for name, found in (("view", views), ("split", splits)):
            if found.keys() - {_NULL}:
                lines.append(f"  {name}: {_counted(found)}")
        return "\n".join(lines)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._share()

    def _share(self) -> None:
        if len(self._skipped):
            self._skipped.share_memory_()  # type: ignore[no-untyped-call]  # of PyTorch

    def _number(self) -> None:
        self._ends = list(itertools.accumulate(len(index) for index in self._indexes))

    def _choose(self, where: Callable[[pa.Table], Any]) -> None:
        kept = _mask_of(where(self.table), len(self))
        for index, part in zip(self._indexes, np.split(kept, self._ends[:-1]), strict=True):
            index.choose(part)
        self._number()

    def _table(self, wanted: Sequence[str] | None) -> pa.Table:
        tables = [index.table(wanted) for index in self._indexes]
        # Each has its own rules of labels in its metadata.
        tables = [table.replace_schema_metadata() for table in tables]
        whole = pa.concat_tables(tables, promote_options="permissive")
        return whole if wanted is None else whole.select(wanted)

    def _checked(self, item: SupportsIndex) -> int:
        number = operator.index(item)
        if not -len(self) <= number < len(self):
            raise IndexError(f"item {number} of {len(self):,} in {self.root}")
        return number % len(self)

    def _locate(self, number: int) -> tuple["_Index", int]:
        part = bisect.bisect_right(self._ends, number)
        index = self._indexes[part]
        return index, number - self._ends[part] + len(index)

    def _item(self, number: int) -> dict[str, Any]:
        index, place = self._locate(number)
        return {name: self._value(index, place, name) for name in self._form.fields}

    def _readable(self, number: int) -> dict[str, Any]:
        """Give the item, or the next one that can be read, the first after the last."""
        for further in range(min(len(self), _MOST_SKIPPED)):
            candidate = (number + further) % len(self)
            try:
                return self._item(candidate)
            except ImageError as error:
                self._skipped[candidate] = 1
                warnings.warn(f"skipped: {error}", RuntimeWarning, stacklevel=3)
                last = error
        raise ImageError(f"{further + 1} items in a row cannot be read; is the storage there? {last}")

    def _value(self, index: "_Index", place: int, name: str) -> Any:  # noqa: ANN401 - as the field is
        if name == "img":
            return self._image(index, place)
        if name == "labels" and self.label_names:
            return torch.from_numpy(self._form.states[index.labels[place]])
        if name in ("boxes", "mask"):
            return self._drawing(index, place, name)
        return index.value(place, name)

    def _drawing(self, index: "_Index", place: int, name: str) -> Any:  # noqa: ANN401 - a list or a tensor
        resized, column = (_resized_boxes, name) if name == "boxes" else (_resized_mask, "masks")
        try:
            return resized(index.value(place, column), index.size(place), self._form.size)
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"{index.describe(place)}: {column} of the index: {error}. {_REMEDY}") from error

    def _image(self, index: "_Index", place: int) -> Any:  # noqa: ANN401 - a tensor, or whatever transforms gives
        # What this project composes is grey in every format; the public MaCheX may have kept colours.
        mode = "RGB" if self._form.channels == 3 and index.may_have_colour else "L"
        file = index.file(place)
        try:
            # The one time that a file is opened: on network storage that is what takes longest.
            with open(file, "rb", buffering=0) as opened:  # noqa: PTH123 - a Path for each item takes as long
                data = opened.readall()
            values = _decode(data, mode, self._form.size)
        except _DAMAGE as error:
            if getattr(error, "errno", None) in _NOT_OF_THE_FILE:
                raise
            raise ImageError(index.complaint(place, error)) from error
        if self.transforms is None:
            return _to_tensor(values, self._form.channels, self._form.dtype)
        return self.transforms(_to_picture(values, "RGB" if self._form.channels == 3 else "L"))


class ChestXrayDataset(_Pictures):
    """One dataset folder of a collection.

    Parameters
    ----------
    root : path
        The dataset folder, the one with ``index.parquet`` or ``index.json``.
    transforms, split, view, folds, where, size, channels, fields, labels, uncertain, dtype, on_error
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
        where: _Where | None = None,
        size: int | None = None,
        channels: int = 3,
        fields: Sequence[str] = ("img",),
        labels: str | Sequence[str] | None = None,
        uncertain: str = "keep",
        dtype: torch.dtype | str = torch.float32,
        on_error: str = "raise",
    ) -> None:
        folder = _absolute(root)
        if not _has_index(folder):
            raise FileNotFoundError(_no_index(folder, _dataset_folders(folder)))
        which = _Which(split, view, folds, where)
        form = _Form(transforms, size, channels, fields, labels, uncertain, dtype, on_error)
        super().__init__(folder, [folder], which, form)


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
    where : pyarrow.compute.Expression or callable, optional
        Which of these rows to take: an expression over columns of the index, such as
        ``pc.field("age") >= 18``, which reads no other; or a function that gets `table` of what the other
        arguments choose, all columns of it, and returns true or false for each row: an array of NumPy, Arrow
        or PyTorch, a list, or a series of pandas with the index of ``table.to_pandas()``. Null is false.
    size : int, optional
        Long side of the picture in pixels, aspect kept; default as stored. JPEG files are decoded at a half,
        a quarter or an eighth of their size where that is enough, and then resized with antialiasing.
    channels : int, default 3
        3 (equal channels, but for collections in colour made by the public MaCheX) or 1.
    fields : list of str, default ("img",)
        What an item consists of: ``"img"``, ``"mask"`` and any columns of the index, as plain Python objects;
        None where the index of a dataset lacks the column. Without ``"img"`` no file is opened. Values such
        as None and lists need a ``collate_fn`` in a ``DataLoader``, such as `collate`. ``"boxes"`` are in
        pixels of the item's picture before ``transforms``, so they follow ``size``. ``"mask"`` is all
        ``masks`` in one: a new bool tensor of shape (1, rows, columns) of that picture. It is empty, too,
        where a release draws no masks at all.
    labels : str or list of str, optional
        Terms of the common vocabulary, such as ``["pneumonia", "effusion"]``, or those of another project in
        its order: ``"torchxrayvision"`` (18), ``"chexpert"`` (14, no finding among them), ``"nih"`` (14).
        An item then has, in addition to ``fields``, ``item["labels"]``: a new float32 tensor of shape (number
        of terms,) with 1 present, 0 absent and NaN unknown. Without this argument the field ``"labels"`` is
        what the release says, a list of {label, value, labeller}, which `row` gives in any case.
    uncertain : str, default "keep"
        What uncertain labels become: ``"keep"`` -1, ``"ignore"`` NaN, ``"zeros"`` 0, ``"ones"`` 1. Unknown
        ones are NaN under each. Losses take a target of -1 without complaint: keep it only to treat it.
    dtype : torch.dtype or str, default torch.float32
        Of ``item["img"]`` without ``transforms``: float32 in [0, 1], or uint8 in 0 to 255, a quarter of the
        memory that workers hand over (16-bit pictures are rounded to 8).
    on_error : str, default "raise"
        What to do about a missing or damaged file: ``"raise"`` an `ImageError`; or ``"skip"``: give the next
        item that can be read, warn, and have the number in `skipped`. After a hundred in a row it raises.

    Attributes
    ----------
    label_names : tuple of str
        The terms of ``item["labels"]`` in order; empty without ``labels``.
    skipped : list of int
        Numbers of the items that could not be read, in whichever process, with ``on_error="skip"``.
    table : pyarrow.Table
        All that the index knows of the items; `columns` reads a part.

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
    RuntimeError
        By ``dataset[i]`` in a worker that was started by spawn, of ``fields``, and by `row`, `table` and
        `columns`: the index was written anew since this object was made.

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
        where: _Where | None = None,
        size: int | None = None,
        channels: int = 3,
        fields: Sequence[str] = ("img",),
        labels: str | Sequence[str] | None = None,
        uncertain: str = "keep",
        dtype: torch.dtype | str = torch.float32,
        on_error: str = "raise",
    ) -> None:
        collection = _absolute(root)
        folders = _dataset_folders(collection)
        if not folders:
            raise FileNotFoundError(_no_collection(collection))
        if datasets is not None:
            wanted = _names(datasets)
            _check_names("datasets", wanted, [folder.name for folder in folders])
            folders = [folder for folder in folders if folder.name in wanted]
        which = _Which(split, view, folds, where)
        form = _Form(transforms, size, channels, fields, labels, uncertain, dtype, on_error)
        super().__init__(collection, folders, which, form)


class MimicT2IDataset(ChestXrayDataset):
    """The films of MIMIC-CXR-JPG with their reports, under the name and in the form of cheff.

    An item is ``{"img": ..., "caption": text}``: the picture as everywhere, and the report as the public
    MaCheX cut it, empty where there is none. cheff's training script asks for this class beside
    `MaCheXDataset`; ``ChestXrayDataset(folder, fields=("img", "report"))`` gives the same and takes filters.

    Parameters
    ----------
    root : path
        The collection.
    transforms : callable, optional
        As for `MaCheXDataset`.

    Raises
    ------
    FileNotFoundError
        The collection has no folder ``mimic`` with an index.

    Examples
    --------
    >>> MimicT2IDataset("machex_dataset")[0]["caption"]
    'Nothing was invented for this film.'
    """

    def __init__(
        self, root: str | PathLike[str], transforms: Callable[[Image.Image], Any] | None = None
    ) -> None:
        super().__init__(Path(root) / "mimic", transforms, fields=("img", "report"))

    def __getitem__(self, item: SupportsIndex) -> dict[str, Any]:
        """Give picture and caption of an item."""
        found = super().__getitem__(item)
        return {"img": found["img"], "caption": found["report"] or ""}


# --- Which rows, and what an item is made of


class _Which:
    """Which rows of an index are chosen.

    Attributes
    ----------
    keep
        The values that are let through, as text, by column of the index.
    expression, callable
        ``where``, as one or the other.
    """

    def __init__(
        self,
        split: str | Sequence[str] | None,
        view: str | Sequence[str] | None,
        folds: int | Iterable[int] | None,
        where: _Where | None,
    ) -> None:
        self.keep = _kept_values(split, view, folds)
        self.expression = where if isinstance(where, pc.Expression) else None
        self.callable = where if self.expression is None else None
        if self.callable is not None and not callable(self.callable):
            raise ValueError(f"where={where!r}: allowed are a pyarrow expression and a function of the table")

    def rows_of(self, table: pa.Table, folder: Path) -> NDArray[np.bool_]:
        """Tell which rows `keep` lets through."""
        kept = np.ones(len(table), bool)
        for column, values in self.keep.items():
            if len(table) and column not in table.column_names:
                raise ValueError(
                    f"{folder} cannot be filtered by {column}: its index has no such column. {_REMEDY}"
                )
            if len(table):
                allowed = pc.is_in(table[column].cast(pa.string()), value_set=pa.array(values, pa.string()))
                kept &= allowed.to_numpy()
        return kept


class _Form:
    """What an item is made of, and how."""

    def __init__(
        self,
        transforms: Callable[[Image.Image], Any] | None,
        size: int | None,
        channels: int,
        fields: Sequence[str],
        labels: str | Sequence[str] | None,
        uncertain: str,
        dtype: torch.dtype | str,
        on_error: str,
    ) -> None:
        if not _is_whole(channels) or channels not in (1, 3):
            raise ValueError(f"channels={channels!r}: allowed are 1 and 3")
        if size is not None and (not _is_whole(size) or size < 1):
            raise ValueError(f"size={size!r}: allowed are None and whole numbers from 1")
        if not isinstance(dtype, str | torch.dtype) or dtype not in _DTYPES:
            raise ValueError(f"dtype={dtype!r}: allowed are torch.float32 and torch.uint8, and their names")
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error={on_error!r}: allowed are raise and skip")
        self.transforms, self.channels = transforms, int(channels)
        self.size = None if size is None else int(size)
        self.dtype, self.skips = _DTYPES[dtype], on_error == "skip"
        if transforms is not None and self.dtype != torch.float32:
            raise ValueError(f"dtype={dtype!r} with transforms: what they return becomes the item, as it is")
        self.terms = () if labels is None else _terms(labels)
        self.states = _states(uncertain, has_labels=labels is not None)
        self.fields = list(dict.fromkeys(_names(fields)))
        if self.terms and "labels" not in self.fields:
            self.fields.append("labels")

    @property
    def needs_sizes(self) -> bool:
        """Whether items need the size of the picture as it is stored."""
        return "mask" in self.fields or ("boxes" in self.fields and self.size is not None)

    @property
    def stored(self) -> set[str]:
        """Columns of the index that items need."""
        names = set(self.fields) - {"img", "mask"}
        if self.terms:
            names.discard("labels")
        if "mask" in self.fields:
            names.add("masks")
        if self.needs_sizes:
            names.update(_SIZES)
        return names


def _made(columns: set[str], terms: Sequence[str]) -> set[str]:
    """Give the fields that are no columns of an index, or not as they are there."""
    return {"img", *(["labels"] if terms else []), *(["mask"] if "masks" in columns else [])}


# --- The index


class _Coded:
    """A column of few different texts: a byte for each row."""

    def __init__(self, texts: pa.ChunkedArray) -> None:
        coded = texts.cast(pa.string()).combine_chunks().dictionary_encode("encode")
        self.values: list[str | None] = coded.dictionary.to_pylist()
        self.codes = coded.indices.to_numpy().astype(np.min_scalar_type(len(self.values)))

    def __getitem__(self, place: int) -> str | None:
        value: str | None = self.values[self.codes[place]]
        return value

    def choose(self, kept: NDArray[np.bool_]) -> None:
        self.codes = self.codes[kept]

    def counts(self) -> dict[str, int]:
        counts = np.bincount(self.codes, minlength=len(self.values)).tolist()
        return {value or _NULL: count for value, count in zip(self.values, counts, strict=True) if count}


class _Index:
    """The chosen rows of one index, as arrays: forked workers share them without copying.

    A row is its number, a byte each for extension, view and split, and the columns that items need. Among
    them ``labels``, the values of the terms: int8 of shape (rows, terms), null as `_UNKNOWN`.
    """

    def __init__(self, folder: Path, stored: Iterable[str], which: _Which, terms: Sequence[str]) -> None:
        self.folder = folder
        self._stamp = _stamp(folder)
        # Joined once: a Path for each item takes as long as reading a small file.
        self._place = str(folder / "_")[:-1]
        self.may_have_colour = not (folder / "index.parquet").is_file()
        file = _opened_index(folder)
        self.columns = file.columns
        # To read it from index.json again, for the message about a damaged file, takes seconds.
        held = {*stored, "key"} if self.may_have_colour else set(stored)
        of_terms = [f"{_TERM_PREFIX}{term}" for term in terms]
        for name in ("id", "path"):
            if name not in self.columns:
                raise ValueError(f"the index of {folder} has no column {name}. {_REMEDY}")
        table = _read(file, {"id", "path", *_COUNTED, *held, *of_terms}, which, folder)
        if terms and len(table):
            _check_terms(folder, terms, self.columns)
        self.ids = table["id"].to_numpy().astype(np.int32)
        # What is left of 00/000000.jpg.
        self._extensions = _Coded(pc.ascii_ltrim(table["path"].cast(pa.string()), characters="0123456789/"))
        self.views, self.splits = (_Coded(_column(table, name)) for name in _COUNTED)
        self.labels = _label_values(table, of_terms)
        self._held: dict[str, pa.Array] | None = _arrays(table, held.intersection(self.columns))
        self._names_held = tuple(self._held)
        self._check_unchanged()
        self._whole: _Whole | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getstate__(self) -> dict[str, Any]:
        # The chosen rows travel, not only the file's name: a worker must not see another index than the
        # process that numbers the items. What they consist of can be read again, but from index.json slowly.
        held = self._held if self.may_have_colour else None
        return {**self.__dict__, "_held": held, "_whole": None}

    def choose(self, kept: NDArray[np.bool_]) -> None:
        """Let go of all other rows."""
        self.ids, self.labels = self.ids[kept], self.labels[kept]
        for coded in (self._extensions, self.views, self.splits):
            coded.choose(kept)
        self._held = {name: values.filter(pa.array(kept)) for name, values in self._columns_held().items()}

    def file(self, place: int) -> str:
        number = int(self.ids[place])
        return f"{self._place}{number // 10_000:02d}/{number:06d}{self._extensions[place]}"

    def value(self, place: int, column: str) -> Any:  # noqa: ANN401 - as the column is
        held = self._columns_held()
        return held[column][place].as_py() if column in held else None

    def _columns_held(self) -> dict[str, pa.Array]:
        if self._held is None:
            self._held = _arrays(self.table(self._names_held), self._names_held)
            pa.default_memory_pool().release_unused()
        return self._held

    def size(self, place: int) -> tuple[int, int]:
        """Give width and height of the picture as it is stored."""
        width, height = (self.value(place, name) for name in _SIZES)
        return width, height

    def row(self, place: int) -> dict[str, Any]:
        if self._whole is None:
            self._check_unchanged()
            self._whole = _Whole(self.folder, self.ids)
        return {**self._whole.row(place), "file": self.file(place)}

    def table(self, wanted: Sequence[str] | None) -> pa.Table:
        """Read these columns (None: all) of the chosen rows, and ``id`` with them."""
        self._check_unchanged()
        pieces = [
            piece.filter(pa.array(np.isin(piece["id"].to_numpy(), self.ids)))
            for piece in _opened_index(self.folder).pieces(None if wanted is None else {"id", *wanted})
        ]
        self._check_unchanged()
        return pa.concat_tables(pieces)

    def _check_unchanged(self) -> None:
        stamp = _stamp(self.folder)
        if stamp is None:
            raise RuntimeError(
                f"the index of {self.folder} is not there: look whether its storage is mounted"
            )
        if stamp != self._stamp:
            raise RuntimeError(f"the index of {self.folder} has changed: make the dataset object anew")

    def complaint(self, place: int, error: Exception) -> str:
        """Say of a picture that cannot be read which it is, why, and what to do."""
        reason = getattr(error, "strerror", None) or error
        if not _has_index(self.folder):
            remedy = " The index is not there either: look whether the storage is mounted."
        elif isinstance(error, FileNotFoundError):
            remedy = "" if self.may_have_colour else f" Compose again: {_WRITES_THE_REST}"
        elif getattr(error, "errno", None):
            remedy = " Look after the storage and its permissions."
        else:
            remedy = "" if self.may_have_colour else f" Delete it and compose again: {_WRITES_THE_REST}"
        return f"{self.describe(place)}: cannot read {self.file(place)}: {reason}.{remedy}"

    def describe(self, place: int) -> str:
        """Name a picture in a message."""
        key = None
        with contextlib.suppress(ValueError, RuntimeError):  # of an index that is gone or another by now
            if "key" in self._columns_held():
                key = self.value(place, "key")
            elif "key" in self.columns:
                key = self.table(["key"])["key"][place].as_py()
        return f"dataset {self.folder.name}, id {self.ids[place]:06d}, key {key}"


class _Whole:
    """All columns of an index, of which a row group is read when a row of it is asked for, and kept."""

    def __init__(self, folder: Path, ids: NDArray[np.int32]) -> None:
        self._file = _opened_index(folder)
        numbers = np.concatenate([piece["id"].to_numpy() for piece in self._file.pieces({"id"})])
        order = np.argsort(numbers, kind="stable")
        found = np.searchsorted(numbers, ids, sorter=order)
        self._places = order[found].astype(np.int32)
        self._groups: dict[int, dict[str, pa.Array | None]] = {}

    def row(self, place: int) -> dict[str, Any]:
        number = int(self._places[place])
        group = bisect.bisect_right(self._file.ends, number)
        if group not in self._groups:
            (piece,) = self._file.pieces(None, group)
            # Half of the columns are null for a whole dataset, and need not be asked for each row.
            self._groups[group] = {
                name: None if values.null_count == len(values) else values.combine_chunks()
                for name, values in zip(piece.column_names, piece.columns, strict=True)
            }
        columns = self._groups[group]
        number -= self._file.ends[group - 1] if group else 0
        return {name: None if values is None else values[number].as_py() for name, values in columns.items()}


def _read(file: "_ParquetIndex | _JsonIndex", wanted: set[str], which: _Which, folder: Path) -> pa.Table:
    """Read the wanted columns of the chosen rows."""
    kept = None if which.expression is None else file.rows_of(which.expression)
    pieces, first = [], 0
    for piece in file.pieces(wanted | set(which.keep)):
        chosen = which.rows_of(piece, folder)
        if kept is not None:
            chosen &= kept[first : first + len(piece)]
        first += len(piece)
        present = [name for name in piece.column_names if name in wanted]
        pieces.append(piece.select(present).filter(pa.array(chosen)))
    table = pa.concat_tables(pieces)
    # Arrow keeps what it has freed for further reading, some 100 MB of a million rows.
    pa.default_memory_pool().release_unused()
    return table


class _ParquetIndex:
    """The file ``index.parquet`` of a dataset folder, which is read row group by row group."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / "index.parquet"
        with self._opened() as file:
            self.columns: list[str] = file.schema_arrow.names
            groups = [file.metadata.row_group(each).num_rows for each in range(file.num_row_groups)]
        # Number of the row after the last one of each row group.
        self.ends = list(itertools.accumulate(groups))

    def pieces(self, wanted: set[str] | None, group: int | None = None) -> Iterator[pa.Table]:
        """Read the wanted columns (None: all) of all row groups, or of one; at least one table."""
        names = [name for name in self.columns if wanted is None or name in wanted]
        with self._opened() as file:
            if not self.ends:
                yield file.read(columns=names)
            for each in range(len(self.ends)) if group is None else [group]:
                yield file.read_row_group(each, columns=names)

    def rows_of(self, expression: pc.Expression) -> NDArray[np.bool_]:
        """Tell for each row whether the expression is true of it."""
        return _rows_of(expression, pyarrow.dataset.dataset(self._path, format="parquet"), self._folder)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self._path) as file:
                yield file
        except (OSError, pa.ArrowException) as error:
            raise ValueError(_bad_index(self._path, error)) from error


class _JsonIndex:
    """The file ``index.json`` of a dataset folder, which can only be read whole."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._table = folder, _read_json(folder)
        self.columns: list[str] = self._table.column_names
        self.ends = [len(self._table)]

    def pieces(self, wanted: set[str] | None, group: int | None = None) -> Iterator[pa.Table]:
        yield self._table.select([name for name in self.columns if wanted is None or name in wanted])

    def rows_of(self, expression: pc.Expression) -> NDArray[np.bool_]:
        return _rows_of(expression, pyarrow.dataset.dataset(self._table), self._folder)


def _stamp(folder: Path) -> tuple[str, int, int] | None:
    """Give what tells an index from one that was written later; None if there is none."""
    for name in ("index.parquet", "index.json"):
        with contextlib.suppress(FileNotFoundError):
            status = (folder / name).stat()
            return name, status.st_size, status.st_mtime_ns
    return None


def _opened_index(folder: Path) -> _ParquetIndex | _JsonIndex:
    return _ParquetIndex(folder) if (folder / "index.parquet").is_file() else _JsonIndex(folder)


def _read_json(folder: Path) -> pa.Table:
    path = folder / "index.json"
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
        names = dict.fromkeys(itertools.chain.from_iterable(entries.values()))
        columns = {name: pa.array([entry.get(name) for entry in entries.values()]) for name in names}
        columns["id"] = pa.array([int(number) for number in entries], pa.int32())
        columns["path"] = pa.array(
            [_relative_path(number, entry["path"]) for number, entry in entries.items()], pa.string()
        )
        columns.setdefault("key", pa.nulls(len(entries), pa.string()))
        columns.setdefault("dataset", pa.array([folder.name] * len(entries), pa.string()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise ValueError(_bad_index(path, error)) from error
    return pa.table(columns)


def _relative_path(number: str, path: str) -> str:
    # The path is absolute and of the day of composing; only its extension is still true after a move.
    return f"{int(number) // 10_000:02d}/{int(number):06d}.{path.rpartition('.')[2]}"


def _rows_of(expression: pc.Expression, rows: Any, folder: Path) -> NDArray[np.bool_]:  # noqa: ANN401 - no types
    if not rows.count_rows():
        return np.zeros(0, bool)
    try:
        # As a column: a filter would not tell which rows it lets through.
        found = rows.to_table(columns={"kept": expression})["kept"]
    except (pa.ArrowException, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"where={expression}: {folder} cannot be filtered by it: {str(error).splitlines()[0]}. "
            f"Its columns are {', '.join(rows.schema.names)}"
        ) from error
    return _mask_of(found, len(found))


def _mask_of(found: Any, rows: int) -> NDArray[np.bool_]:  # noqa: ANN401 - whatever `where` returns
    """Give what `where` found, null as false, as an array of so many rows."""
    expected = f"where: expected true or false for each of {rows:,} rows, got"
    try:
        if hasattr(found, "sort_index"):  # of pandas, where a row is known by its index and not by its place
            found = found.sort_index()
            if not np.array_equal(found.index, np.arange(rows)):
                raise ValueError(f"{len(found):,} with an index other than that of table.to_pandas()")
        if not isinstance(found, pa.Array | pa.ChunkedArray):
            found = pa.array(
                np.asarray(found) if isinstance(found, torch.Tensor) else found, from_pandas=True
            )
        kept: NDArray[np.bool_] = np.asarray(pc.fill_null(found.cast(pa.bool_(), safe=True), False))
    except (pa.ArrowException, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{expected} {type(found).__name__}: {str(error)[:200]}") from error
    if len(kept) != rows or not (pa.types.is_boolean(found.type) or pa.types.is_null(found.type) or not rows):
        raise ValueError(f"{expected} {len(kept):,} {found.type}")
    return kept


def _arrays(table: pa.Table, names: Iterable[str]) -> dict[str, pa.Array]:
    return {name: table[name].combine_chunks() for name in names}


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    present = name in table.column_names
    return table[name] if present else pa.chunked_array([pa.nulls(len(table), pa.string())])


def _label_values(table: pa.Table, columns: Sequence[str]) -> NDArray[np.int8]:
    values = np.full((len(table), len(columns)), _UNKNOWN, np.int8)
    if len(table):
        for place, column in enumerate(columns):
            values[:, place] = pc.fill_null(table[column], _UNKNOWN).to_numpy()
    return values


# --- The picture


def _decode(data: bytes, mode: str, side: int | None) -> NDArray[Any]:
    """Decode a file into a picture with that long side.

    Returns uint8 of shape (rows, columns) or, where it has colours and the mode is RGB, (rows, columns, 3);
    or, if the picture has 16 bits, float32 of shape (rows, columns) with values to 65535. It is writable.
    """
    values = None
    if simplejpeg is not None and data.startswith(b"\xff\xd8\xff"):
        values = _decode_jpeg(data, mode, side)
    return _decode_with_pillow(data, mode, side) if values is None else values


def _decode_jpeg(data: bytes, mode: str, side: int | None) -> NDArray[np.uint8] | None:
    """Decode with simplejpeg, to the same values as Pillow; None for what Pillow should look at."""
    try:
        rows, columns, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # also for sound ones whose chroma has an unusual size
        return None
    if colours not in ("Gray", "YCbCr") or rows * columns > (Image.MAX_IMAGE_PIXELS or math.inf):
        return None
    target = (columns, rows) if side is None else _fit((columns, rows), side)
    # The scales of Pillow; for eighths between them libjpeg-turbo has no fast code.
    enough = min(columns // target[0], rows // target[1])
    scale = next(each for each in (8, 4, 2, 1) if each <= max(enough, 1))
    values: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data,
        "RGB" if mode == "RGB" and colours == "YCbCr" else "GRAY",
        min_height=-(-rows // scale),
        min_width=-(-columns // scale),
        strict=True,  # else what is cut off or damaged comes as grey
    )
    values = values[..., 0] if values.shape[2] == 1 else values
    if values.shape[1::-1] == target:
        return values
    return np.array(Image.fromarray(values).resize(target, Image.Resampling.LANCZOS))


def _decode_with_pillow(data: bytes, mode: str, side: int | None) -> NDArray[Any]:
    try:
        opened = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    except UnidentifiedImageError as error:
        found = f"{len(data):,} bytes that begin with {data[:8]!r}"
        raise ValueError(f"expected a JPEG or PNG file with a whole header, found {found}") from error
    with opened as image:
        target = image.size if side is None else _fit(image.size, side)
        image.draft(mode, target)  # JPEG only: leaves chroma out, and the detail that is not needed
        image.load()
        picture: Image.Image = image
    if picture.mode.startswith("I"):  # Pillow clips 16 bits to 8 where it converts them itself
        picture = Image.fromarray(np.asarray(picture, dtype=np.float32))
    elif picture.mode != mode:
        picture = picture.convert(mode)
    return np.array(picture if picture.size == target else picture.resize(target, Image.Resampling.LANCZOS))


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    width, height = (max(1, round(length * side / max(size))) for length in size)
    return width, height


def _to_tensor(values: NDArray[Any], channels: int, dtype: torch.dtype) -> torch.Tensor:
    if dtype == torch.uint8:
        values = _to_8_bit(values)
    planes = torch.from_numpy(values)
    planes = planes.permute(2, 0, 1) if planes.ndim == 3 else planes[None]
    if dtype == torch.uint8 and channels == len(planes):
        return planes.contiguous()
    # Of NumPy, which asks for large pages: a fresh page costs more than what is written to it.
    memory = np.empty((channels, *planes.shape[1:]), _NUMPY_DTYPES[dtype])
    tensor = torch.from_numpy(memory)
    filled = tensor[: len(planes)]
    filled.copy_(planes)
    if dtype == torch.float32:
        filled.div_(65535 if values.dtype == np.float32 else 255)
        if values.dtype == np.float32:  # Lanczos overshoots at edges; in 8 bits Pillow has clipped it already
            filled.clamp_(0, 1)
    tensor[len(planes) :] = filled[:1]
    return tensor


def _to_picture(values: NDArray[Any], mode: str) -> Image.Image:
    picture = Image.fromarray(_to_8_bit(values))
    if mode == "RGB" and picture.mode == "L":
        return Image.merge(mode, (picture, picture, picture))  # faster than convert
    return picture.convert(mode)


def _to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    return (values / np.float32(257)).round().clip(0, 255).astype(np.uint8)


# --- Boxes and masks


def _resized_boxes(
    boxes: list[dict[str, Any]] | None, stored: tuple[int, int], side: int | None
) -> list[dict[str, Any]] | None:
    """Bring boxes to the pixels of a picture with that long side."""
    if not boxes or side is None:
        return boxes
    width, height = (new / old for new, old in zip(_fit(stored, side), stored, strict=True))
    return [
        {
            **box,
            "x": box["x"] * width,
            "y": box["y"] * height,
            "width": box["width"] * width,
            "height": box["height"] * height,
            "outline": None
            if box["outline"] is None
            else [at * scale for at, scale in zip(box["outline"], itertools.cycle((width, height)))],
        }
        for box in boxes
    ]


def _resized_mask(
    masks: list[dict[str, Any]] | None, stored: tuple[int, int], side: int | None
) -> torch.Tensor | None:
    """Draw all masks into one of shape (1, rows, columns), for a picture with that long side."""
    if masks is None:
        return None
    columns, rows = stored if side is None else _fit(stored, side)
    drawn = np.zeros((rows, columns), bool)
    for mask in masks:
        drawn |= _nearest(_drawn(mask["runs"], mask["rows"], mask["columns"]), rows, columns)
    return torch.from_numpy(drawn)[None]


def _drawn(runs: str, rows: int, columns: int) -> NDArray[np.bool_]:
    lengths = _run_lengths(runs)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(columns, rows).T


def _run_lengths(runs: str) -> list[int]:
    """Decode the run-length string of COCO: lengths of absence and presence in turn, down the columns.

    Each is a number of digits of 5 bits, the lowest first, in characters from "0"; 32 is added to all but the
    last, whose 16 is the sign. From the fourth on it is the difference from the last but one.
    """
    lengths: list[int] = []
    value = shift = 0
    for digit in runs.encode():
        value |= (digit - 48 & 31) << shift
        shift += 5
        if digit - 48 & 32:
            continue
        if digit - 48 & 16:
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = shift = 0
    return lengths


def _nearest(values: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.bool_]:
    down, across = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip((rows, columns), values.shape, strict=True)
    )
    chosen: NDArray[np.bool_] = values[down[:, None], across]
    return chosen


def _batch(values: list[Any]) -> Any:  # noqa: ANN401 - a tensor or a list
    if not all(isinstance(value, torch.Tensor) for value in values):
        return values
    are_dense = all(value.layout is torch.strided and not value.is_nested for value in values)
    if are_dense and len({(value.shape, value.dtype) for value in values}) > 1:
        return values
    if are_dense and all(map(_is_plain, values)) and get_worker_info() is not None and _shares_files():
        return _stacked_in_shared_memory(values)
    return default_collate(values)


def _is_plain(tensor: torch.Tensor) -> bool:
    """Tell whether its values are all there is to a tensor, and lie in memory."""
    return type(tensor) is torch.Tensor and tensor.is_cpu and not tensor.requires_grad


def _shares_files() -> bool:
    strategy: str = torch.multiprocessing.get_sharing_strategy()  # type: ignore[no-untyped-call]  # of PyTorch
    return strategy == "file_descriptor"


def _stacked_in_shared_memory(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors of one shape where the loader's process finds them, as its own function does, but faster.

    The memory is written as the file that it is: to write to where it is mapped, a worker would wait for each
    page of it, and get the page filled with zeros first.
    """
    first = tensors[0]
    size = first.nbytes * len(tensors)
    storage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]  # of PyTorch
    descriptor, _ = storage._share_fd_cpu_()
    try:
        _write(descriptor, (tensor.contiguous().flatten().view(torch.uint8) for tensor in tensors))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        room = f"no room for a batch of {size:,} bytes in shared memory, which is /dev/shm"
        remedy = "make smaller batches, or give a container more, as with --shm-size"
        raise OSError(error.errno, f"{error.strerror}: {room}: {remedy}") from error
    batch = torch.empty(0, dtype=first.dtype, device="cpu").set_(storage)
    return batch.view(len(tensors), *first.shape)


def _write(descriptor: int, pieces: Iterable[torch.Tensor]) -> None:
    place = 0
    for piece in pieces:
        data = memoryview(piece.numpy())  # type: ignore[arg-type]  # NumPy's is a buffer, if not for mypy
        while data:  # the system may write less than it is given
            written = os.pwrite(descriptor, data, place)
            data, place = data[written:], place + written


# --- Memory of a loader's workers


@functools.cache
def _prepare_worker() -> None:
    """Have this process, a loader's worker, leave alone what it was forked with, and keep what it frees.

    What was there before the fork costs no memory until a worker writes to it, and the collector of Python
    writes to each object that it looks at. The C library hands large pieces back to the system at once, and
    fresh pages for the next batch cost more than what is written to them.
    """
    gc.freeze()
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # of a C library other than that of GNU
            adjust = ctypes.CDLL(None).mallopt
            adjust(_TRIM_THRESHOLD, _KEPT_MEMORY)
            adjust(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)


# --- Arguments


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _names(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _check_sizes(folder: Path, columns: Sequence[str]) -> None:
    if {"boxes", "masks"} & set(columns) and not set(_SIZES) <= set(columns):
        raise ValueError(
            f"{folder} cannot give boxes or masks of this size: its index has no sizes. {_REMEDY}"
        )


def _check_names(argument: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    unknown = [name for name in names if name not in allowed]
    if unknown or not names:
        found = f"unknown {unknown}" if unknown else "none given"
        raise ValueError(f"{argument}: {found}; allowed are one or more of {', '.join(allowed)}")


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
    are_folds = all(_is_whole(each) and 0 <= each <= 9 for each in numbers)
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
    if not isinstance(uncertain, str) or uncertain not in _UNCERTAIN:
        raise ValueError(f"uncertain={uncertain!r}: allowed are {', '.join(_UNCERTAIN)}")
    if uncertain != "keep" and not has_labels:
        raise ValueError(f"uncertain={uncertain!r} without labels: give them too, as in labels='chexpert'")
    return np.array([0, 1, math.nan, _UNCERTAIN[uncertain]], np.float32)


# --- Places and messages


def _absolute(root: str | PathLike[str]) -> Path:
    # Not resolve: a link may point elsewhere when the collection has moved.
    return Path(os.path.abspath(root))  # noqa: PTH100 - leaves no dots, as Path.absolute does


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


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
