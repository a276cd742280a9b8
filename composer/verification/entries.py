"""Whether both forms of the index have every written image, and nothing else."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from composer.folder import DatasetFolder, number_text
from composer.verification.expectation import Expectation
from composer.verification.findings import Finding, Kind

_BATCH = 10_000
_COLUMNS = pa.schema([("id", pa.int32()), ("key", pa.string()), ("path", pa.string())])
_FROM_PARQUET = (*_COLUMNS.names, "sha256")


def index_findings(
    folder: DatasetFolder, expected: Expectation, absent: set[int], *, deep: bool
) -> Iterator[Finding]:
    """Compare ``index.json`` and ``index.parquet`` with what the plan and the ledger say.

    Parameters
    ----------
    absent
        Numbers of pictures that are not there: the index need not have them.
    deep
        Read all columns of ``index.parquet``, and not only those that are compared.
    """
    forms = ((folder.index_parquet, partial(_read_parquet, deep=deep)), (folder.index_json, _read_json))
    for path, read in forms:
        name = f"{folder.path.name}/{path.name}"
        if not path.exists():
            yield Finding(Kind.INDEX, name, "is missing")
            continue
        try:
            entries, findings = read(path)
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            yield Finding(Kind.INDEX, name, f"is damaged or cannot be read ({type(error).__name__})")
            continue
        yield from findings
        yield from _differences(name, entries, expected, absent)


def _differences(name: str, entries: pa.Table, expected: Expectation, absent: set[int]) -> Iterator[Finding]:
    for entry in entries["id"].value_counts().to_pylist():
        if entry["counts"] > 1:
            yield Finding(
                Kind.INDEX, name, f"{number_text(entry['values'])} is in it {entry['counts']} times"
            )
    numbers = expected.written["number"].combine_chunks()
    place = pc.index_in(entries["id"], numbers).combine_chunks()
    unknown = entries["id"].filter(pc.is_null(place))
    # Of those that are to be written the ledger has lost the line.
    is_planned = pc.is_in(unknown, expected.planned.combine_chunks())
    for number, remake in zip(unknown.to_pylist(), is_planned.to_pylist(), strict=True):
        text = f"{number_text(number)} is in it, but not in the ledger as written"
        yield Finding(Kind.INDEX, name, text, (number,) if remake else ())
    known, images = entries.filter(pc.is_valid(place)), expected.written.take(place.drop_null())
    for column in entries.column_names[1:]:
        # A null differs from everything.
        same = pc.equal(known[column], images[column]).fill_null(fill_value=False)
        for number in known["id"].filter(pc.invert(same)).to_pylist():
            yield Finding(Kind.INDEX, name, f"{number_text(number)} has another {column} than the image")
    for number in np.setdiff1d(numbers.to_numpy(), entries["id"].to_numpy()).tolist():
        if number not in absent:
            yield Finding(Kind.INDEX, name, f"{number_text(number)} is not in it")


def _read_parquet(path: Path, *, deep: bool) -> tuple[pa.Table, list[Finding]]:
    with pq.ParquetFile(path) as file:
        columns = None if deep else list(_FROM_PARQUET)
        batches = [batch.select(_FROM_PARQUET) for batch in file.iter_batches(_BATCH, columns=columns)]
        schema = pa.schema([file.schema_arrow.field(name) for name in _FROM_PARQUET])
    return pa.Table.from_batches(batches, schema), []


def _read_json(path: Path) -> tuple[pa.Table, list[Finding]]:
    """Return the entries of ``index.json``, and what is wrong with the file, which has a line for each."""
    name = f"{path.parent.name}/{path.name}"
    batches, findings, places = [], [], Counter[str]()
    with path.open("rb") as file:
        lines = _entries(file)
        while batch := list(itertools.islice(lines, _BATCH)):
            findings += [
                Finding(Kind.INDEX, name, f"line {line:,} is damaged")
                for line, entry in batch
                if entry is None
            ]
            entries = [entry for _, entry in batch if entry is not None]
            places.update(_place(entry["path"]) for entry in entries)
            for entry in entries:
                entry["path"] = entry["path"].removeprefix(_place(entry["path"]) + "/")
            batches.append(pa.RecordBatch.from_pylist(entries, _COLUMNS))
    return pa.Table.from_batches(batches, _COLUMNS), [*findings, *_elsewhere(name, path.parent, places)]


def _entries(file: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield place and content of each entry's line, None for a line that is damaged."""
    lines = itertools.chain(enumerate(file, start=1), [(0, b"")])
    place = 0
    for (place, line), (_, following) in itertools.pairwise(lines):
        if place == 1 or not following:
            # A brace on a line of its own begins the file, another ends it.
            if line != (b"{\n" if place == 1 and following else b"}\n"):
                yield place, None
        else:
            yield place, _entry(line, b"\n" if following == b"}\n" else b",\n")
    if not place:
        yield 1, None


def _entry(line: bytes, ending: bytes) -> dict[str, Any] | None:
    try:
        ((number, entry),) = json.loads(b"{%b}" % line.removesuffix(ending)).items()
        sound = line.endswith(ending) and isinstance(entry["key"], str) and isinstance(entry["path"], str)
        return {"id": int(number), "key": entry["key"], "path": entry["path"]} if sound else None
    except (ValueError, KeyError, TypeError):
        return None


def _place(path: str) -> str:
    """Return the dataset folder to which an absolute path leads."""
    return path.rsplit("/", 2)[0]


def _elsewhere(name: str, folder: Path, places: Counter[str]) -> Iterator[Finding]:
    """Say where the paths lead, unless that is to ``folder``: all of them to one place after a move."""
    kind = Kind.NOTE if len(places) == 1 else Kind.INDEX
    for place, count in places.items():
        if place != str(folder):
            text = f"{count:,} paths lead to {place}; `machex.py index` writes them anew after a move"
            yield Finding(kind, name, text)
