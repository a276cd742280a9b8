"""Which number every image has, and what is to be done with it: decided before the first image is touched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from composer.errors import OutputError
from composer.settings import Settings
from composer.status import Status
from composer.storage import atomic_write
from composer.twins.held_out import held_out_by as held_out_by_rule
from processors.base import FRONTAL_VIEWS, Processor

_COLUMNS = ("number", "identity", "key", "source", "status", "rule")
_RECIPE = b"machex.recipe"


def make_plan(
    records: pa.Table, settings: Settings, processor: type[Processor], previous: pa.Table | None
) -> pa.Table:
    """Add ``number`` (int32), ``status`` and ``rule`` (strings) and ``suspicious`` (bool) to the records.

    The rows come in the order of the numbers. ``suspicious`` is what the register of known bad images says.

    An image has the number that the previous plan gave it. Others are numbered in the order of their
    identities, after the highest number so far, so that a partial download or another selection changes no
    number.

    Parameters
    ----------
    records
        Of the schema `composer.records.SCHEMA`, identities unique.
    previous
        The plan of an earlier run into the same folder, None at the first run.
    """
    order = pc.sort_indices(records, sort_keys=[("identity", "ascending")])
    numbers = _numbers(records["identity"].take(order), previous)
    by_number = np.argsort(numbers)
    # Once, whichever way: a release as a whole is not to be in the memory more often than need be.
    records = _sharing_nulls(records.take(order.take(by_number)))
    status, rule = _decide(records, settings, processor)
    return (
        records.append_column("number", pa.array(numbers[by_number], pa.int32()))
        .append_column("status", pa.array(status, pa.string()))
        .append_column("rule", pa.array(rule, pa.string()))
        .append_column("suspicious", pc.is_in(records["identity"], _register(processor, "suspicious")))
    )


def _sharing_nulls(records: pa.Table) -> pa.Table:
    """Let columns of one type that tell nothing be one: no release fills all, and each takes 4 or 8 MB."""
    empty: dict[pa.DataType, pa.Array] = {}
    for place, field in enumerate(records.schema):
        if records.num_rows and records[field.name].null_count == records.num_rows:
            if field.type not in empty:
                empty[field.type] = pa.nulls(records.num_rows, field.type)
            records = records.set_column(place, field, empty[field.type])
    return records


def _numbers(identities: pa.ChunkedArray, previous: pa.Table | None) -> NDArray[np.int64]:
    numbers = np.full(len(identities), -1, dtype=np.int64)
    first_free = 0
    if previous is not None and previous.num_rows:
        place = pc.index_in(identities, value_set=previous["identity"].combine_chunks())
        earlier = previous["number"].to_numpy()
        numbers[pc.is_valid(place).to_numpy()] = earlier[place.drop_null().to_numpy()]
        first_free = int(earlier.max()) + 1
    new = numbers < 0
    numbers[new] = np.arange(first_free, first_free + np.count_nonzero(new))
    return numbers


def _decide(
    records: pa.Table, settings: Settings, processor: type[Processor]
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Return status and rule of every record; the first line that applies counts."""
    unusable = _register(processor, "unreadable", "absent")
    lines: list[tuple[pa.ChunkedArray, Status, NDArray[np.object_] | str | None]] = [
        (pc.is_valid(records["excluded"]), Status.LEFT_OUT, records["excluded"].to_numpy()),
        (_held_out(records["split"], settings), Status.LEFT_OUT, "split"),
        (pc.is_valid(records["held_out_by"]), Status.LEFT_OUT, _rules(records["held_out_by"])),
        (_other_view(records["view"], settings), Status.LEFT_OUT, "view"),
        (pc.is_in(records["identity"], unusable), Status.KNOWN_BAD, "register"),
        (pc.is_null(records["source"]), Status.MISSING, None),
    ]
    status = np.full(records.num_rows, Status.TO_WRITE, dtype=object)
    rule = np.full(records.num_rows, None, dtype=object)
    for applies, decision, reason in reversed(lines):
        mask = applies.to_numpy()
        status[mask] = decision
        rule[mask] = reason[mask] if isinstance(reason, np.ndarray) else reason
    return status, rule


def _rules(held_out_by: pa.ChunkedArray) -> NDArray[np.object_]:
    return np.array([name and held_out_by_rule(name) for name in held_out_by.to_pylist()], dtype=object)


def _register(processor: type[Processor], *states: str) -> pa.Array:
    return pa.array([known.identity for known in processor.known_bad if known.state in states], pa.string())


def _held_out(splits: pa.ChunkedArray, settings: Settings) -> pa.ChunkedArray:
    chosen = pc.is_in(splits, pa.array(settings.splits))
    return pc.and_(pc.is_valid(splits), pc.invert(chosen))


def _other_view(views: pa.ChunkedArray, settings: Settings) -> pa.ChunkedArray:
    # Where the header that tells the view cannot be read, conversion is to say why.
    frontal = pc.or_(pc.is_null(views), pc.is_in(views, pa.array(FRONTAL_VIEWS)))
    return pc.and_(pc.invert(frontal), settings.frontal_only)


def read_plan(path: Path) -> pa.Table | None:
    """Return the plan of an earlier run, None when there was none.

    Raises
    ------
    OutputError
        When the file is there but damaged: without it the numbers of the images are lost.
    """
    if not path.exists():
        return None
    try:
        plan = pq.read_table(path)
        json.loads(plan.schema.metadata[_RECIPE])
        return plan.select(_COLUMNS).replace_schema_metadata({_RECIPE: plan.schema.metadata[_RECIPE]})
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> OutputError:
    return OutputError(f"{path}: damaged ({error}); restore it, or choose another MACHEX_PATH")


def plan_digest(path: Path) -> str | None:
    """Return the SHA-256 of the plan of an earlier run, None when there was none.

    Raises
    ------
    OutputError
        When the file is there but cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _damaged(path, error) from error


def write_plan(path: Path, plan: pa.Table, previous: pa.Table | None, recipe: dict[str, Any]) -> None:
    """Keep the plan for the next run, with the numbers of the images that vanished from the source."""
    kept = plan.select(_COLUMNS)
    if previous is not None:
        gone = previous.filter(vanished(plan, previous))
        status = pa.array([Status.VANISHED] * gone.num_rows, pa.string())
        gone = gone.set_column(gone.schema.get_field_index("status"), "status", status)
        kept = pa.concat_tables([kept, gone.cast(kept.schema)])
    with atomic_write(path, durable=True) as file:
        pq.write_table(kept.replace_schema_metadata({_RECIPE: json.dumps(recipe).encode()}), file)


def vanished(plan: pa.Table, previous: pa.Table) -> pa.ChunkedArray:
    """Say of each row of the previous plan whether the source no longer has its image."""
    return pc.invert(pc.is_in(previous["identity"], plan["identity"].combine_chunks()))


def recipe_of(previous: pa.Table) -> dict[str, Any]:
    """Return the recipe that was planned with, as `composer.imaging.Recipe.as_dict` gave it."""
    recipe: dict[str, Any] = json.loads(previous.schema.metadata[_RECIPE])
    return recipe
