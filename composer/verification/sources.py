"""Whether the sources of the written images are as they were when these were made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from composer.threads import in_threads
from composer.verification.findings import Finding, Kind

# Files that one thread looks at in turn.
_BATCH = 500
_STATE = ["file", "source_bytes", "source_modified"]


def source_findings(dataset: str, root: Path, written: pa.Table, *, progress: bool) -> Iterator[Finding]:
    """Compare size and time of modification of every source file with the ledger; each is looked at once.

    Parameters
    ----------
    root
        Of the source.
    written
        As `composer.verification.expectation.Expectation` has it. An image of whose source the ledger has no
        size is passed over.
    """
    files = (
        written.filter(pc.is_valid(written["source_bytes"]))
        .group_by(_STATE, use_threads=False)
        .aggregate([("number", "list"), ("path", "first")])
    )

    def look(batch: pa.RecordBatch) -> list[Finding]:
        return [found for row in batch.to_pylist() for found in _compare(dataset, root, row)]

    batches = files.to_batches(max_chunksize=_BATCH)
    with tqdm(total=files.num_rows, desc=f"{dataset}, sources", unit="file", disable=not progress) as bar:
        for batch, found in zip(batches, in_threads(look, batches), strict=True):
            bar.update(batch.num_rows)
            yield from found


def _compare(dataset: str, root: Path, row: dict[str, Any]) -> Iterator[Finding]:
    difference = _difference(f"{root}/{row['file']}", row["source_bytes"], row["source_modified"])
    if difference is not None:
        kind, text = difference
        numbers = tuple(row["number_list"])
        shared = f" ({len(numbers):,} pictures are made of it)" if len(numbers) > 1 else ""
        yield Finding(kind, f"{dataset}/{row['path_first']}", text + shared, numbers)


def _difference(path: str, size: int, modified: int) -> tuple[Kind, str] | None:
    try:
        state = os.stat(path)  # noqa: PTH116 - as many as there are images
    except (FileNotFoundError, NotADirectoryError):
        return Kind.SOURCE_GONE, "its source is no longer there"
    except OSError as error:
        return Kind.SOURCE_GONE, f"its source cannot be looked at ({os.strerror(error.errno or 0)})"
    if state.st_size != size:
        return Kind.SOURCE_CHANGED, f"its source has {state.st_size:,} bytes, noted were {size:,}"
    if state.st_mtime_ns != modified:
        return Kind.SOURCE_CHANGED, "its source has been modified since, to the same size"
    return None
