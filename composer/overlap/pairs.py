"""Pairs of pictures of one radiograph: proposed by fingerprints, verified on the pictures on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from composer.errors import UsageError
from composer.folder import DatasetFolder
from composer.imaging.fingerprint import RADIUS, SIZE, distance, read_fingerprints
from composer.imaging.similarity import Similarity
from composer.overlap.comparison import Comparison, compare_files
from composer.pool import Lost, Pool
from composer.twins.candidates import near_pairs, near_pairs_between

Numbers = NDArray[np.int64]

_NAMES = ("dataset", "identity", "sha256")
_NAMED = [f"{which}_{name}" for which in ("first", "second") for name in _NAMES]
_MEASURED = pa.schema(
    [
        pa.field("mean_squared_error", pa.float64()),
        pa.field("explained", pa.float64()),
        pa.field("inverted", pa.bool_()),
        pa.field("mirrored", pa.bool_()),
        pa.field("overlap", pa.float64()),
        pa.field("same", pa.bool_()),
        pa.field("problem", pa.string()),
    ]
)
# A row for each pair that was looked at: `bits` is the distance of the fingerprints, the measurements are
# those of `composer.imaging.similarity`, and `same` says whether both show one radiograph. Where a picture
# cannot be read, `problem` says so, `same` is false and the measurements are null.
PAIRS = pa.schema(
    [*(pa.field(name, pa.string()) for name in _NAMED), pa.field("bits", pa.int16()), *_MEASURED]
)

_READ = ("id", "dataset", "path", "identity", "split", "sha256", "fingerprint")
# What an index says besides; one that an older version wrote does not have them.
_LATER = pa.schema(
    [
        pa.field("twin", pa.string()),
        pa.field("twin_by", pa.string()),
        pa.field("patient_cluster", pa.string()),
        pa.field("fold", pa.int8()),
    ]
)
_FINGERPRINT = f"^[0-9a-f]{{{2 * SIZE}}}$"


def composed(folder: Path) -> pa.Table:
    """Return what the index of a dataset says of each picture, as far as it matters here.

    Parameters
    ----------
    folder
        Of the dataset, in the collection.

    Returns
    -------
    pyarrow.Table
        With id, dataset, path, identity, split, sha256, fingerprint, twin, twin_by, patient_cluster and fold
        as in ``index.parquet``, and ``file``, the absolute path of the picture. Twins, clusters and folds
        that an older index lacks are null.

    Raises
    ------
    UsageError
        When the index is missing or damaged, or none of its pictures has a fingerprint.
    """
    path = DatasetFolder(folder).index_parquet
    try:
        rows = _read(path)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UsageError(
            f"{path}: is missing, damaged or cannot be read ({type(error).__name__}); the index command "
            "writes it anew"
        ) from error
    prints = rows["fingerprint"]
    if rows.num_rows and prints.null_count == rows.num_rows:
        raise UsageError(
            f"{folder} was composed by an older version, which took no fingerprints of films: delete its "
            "folders of pictures (00, 01, ...) and run the compose command, which makes them again"
        )
    if pc.any(pc.invert(pc.match_substring_regex(prints, _FINGERPRINT))).as_py():
        raise UsageError(f"{path}: holds fingerprints of another form; the index command writes it anew")
    file = pc.binary_join_element_wise(pa.scalar(str(folder.absolute())), rows["path"], "/")
    return rows.append_column("file", file)


def _read(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        there = set(file.schema_arrow.names)
        rows = file.read([name for name in (*_READ, *_LATER.names) if name in there])
    for field in (*_LATER, pa.field("fingerprint", pa.string())):
        if field.name not in there:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select([*_READ, *_LATER.names])


def verified_pairs(
    first: pa.Table,
    second: pa.Table | None,
    known: pa.Table,
    workers: int,
    *,
    progress: bool,
    check: Callable[[], None] = lambda: None,
) -> pa.Table:
    """Find the pairs of pictures whose fingerprints are near, and compare each pair on its pixels.

    Parameters
    ----------
    first, second
        Pictures, as `composed` gives them: every pair of one of the first and one of the second is looked
        for, or, when ``second`` is None, every pair within the first.
    known
        What an earlier call returned: pairs of the same pictures are not compared again, unless there was
        a problem.
    workers
        How many processes compare, and how many threads search.
    progress
        Whether to show a bar.
    check
        Called before every comparison, to raise an error when the run is to end.

    Returns
    -------
    pyarrow.Table
        Of schema `PAIRS`, in the order of the rows of ``first``, then of ``second``.

    Raises
    ------
    OutputError
        When processes cannot be started here.
    """
    numbers, bits = _candidates(first, second, workers)
    other = first if second is None else second
    sides = first.take(numbers[:, 0]), other.take(numbers[:, 1])
    names = pa.table([side[name] for side in sides for name in _NAMES], names=_NAMED)
    sound = known.filter(pc.is_null(known["problem"]))
    place = pc.index_in(_keys(names), _keys(sound).combine_chunks())
    is_known = pc.is_valid(place).to_numpy()
    to_compare = np.flatnonzero(~is_known)
    tasks = _tasks(sides[0]["file"].take(to_compare), sides[1]["file"].take(to_compare), check)
    compared = _compared(tasks, len(to_compare), workers, progress=progress)
    order = np.argsort(np.concatenate([np.flatnonzero(is_known), to_compare]))
    measured = pa.concat_tables([sound.select(_MEASURED.names).take(place.drop_null()), compared]).take(order)
    return pa.table([*names.columns, pa.array(bits, pa.int16()), *measured.columns], schema=PAIRS)


def _candidates(first: pa.Table, second: pa.Table | None, threads: int) -> tuple[Numbers, Numbers]:
    """Return the numbers of the rows of each pair, and the distance of their fingerprints in bits."""
    prints = others = _prints(first)
    if second is None:
        numbers = near_pairs(prints, RADIUS, threads)
    else:
        others = _prints(second)
        numbers = near_pairs_between(prints, others, RADIUS, threads)
    return numbers, distance(prints[numbers[:, 0]], others[numbers[:, 1]])


def _prints(rows: pa.Table) -> NDArray[np.uint8]:
    """Return fingerprints of shape (rows, 32), zero where there is none: these are near nothing."""
    prints = np.zeros((rows.num_rows, SIZE), np.uint8)
    begin = 0
    # Not a million Python objects at once.
    for batch in rows.select(["fingerprint"]).to_batches(max_chunksize=10_000):
        column = batch.column(0)
        there = begin + np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        prints[there] = read_fingerprints(column.drop_null().to_pylist())
        begin += batch.num_rows
    return prints


def _keys(pairs: pa.Table) -> pa.ChunkedArray:
    """Return a text for each pair that names both images and both pictures."""
    return pc.binary_join_element_wise(*(pairs[name] for name in _NAMED), "\n")


def _tasks(
    first: pa.ChunkedArray, second: pa.ChunkedArray, check: Callable[[], None]
) -> Iterator[Comparison]:
    files = first.combine_chunks(), second.combine_chunks()
    for place in range(len(first)):
        check()
        yield Comparison(place, *(side[place].as_py() for side in files))


def _compared(tasks: Iterator[Comparison], number: int, workers: int, *, progress: bool) -> pa.Table:
    """Return the measurements of each pair, in the order of the tasks."""
    rows: list[dict[str, object]] = [{} for _ in range(number)]
    if rows:
        with (
            Pool(compare_files, workers) as pool,
            tqdm(total=number, desc="comparing pairs", unit="pair", disable=not progress) as bar,
        ):
            for task, answer in pool.map(tasks):
                rows[task.place] = row_of(answer)
                bar.update()
    return pa.Table.from_pylist(rows, _MEASURED)


def row_of(answer: Similarity | str | Lost) -> dict[str, object]:
    """Return the measured columns of `PAIRS` for what became of a comparison."""
    if isinstance(answer, Similarity):
        return {**asdict(answer), "same": answer.same_radiograph}
    text = f"the pictures cannot be compared ({answer.cause})" if isinstance(answer, Lost) else answer
    return {"same": False, "problem": text}
