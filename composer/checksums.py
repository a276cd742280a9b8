"""The published checksums of the files that are to be read."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from composer.status import Status
from processors.base import CHECKSUM_LIST, ChecksumList, Processor, find_checksum_list, folders_above

# A root may be a folder inside the release.
_LEVELS_ABOVE = 2
_NOTHING = pa.scalar(None, pa.string())


def add_checksums(plan: pa.Table, processor: Processor) -> tuple[pa.Table, list[str]]:
    """Return the plan with the ``source_sha256`` of each image to write, and warnings of those without.

    Raises
    ------
    SourceError
        When there is a list that cannot be read.
    """
    planned = pc.equal(plan["status"], Status.TO_WRITE)
    is_file = pc.is_null(plan["source_offset"])
    files = pc.if_else(pc.and_(planned, is_file), plan["source"], _NOTHING)
    warnings = []
    if members := pc.sum(pc.and_not(planned, is_file)).as_py():
        warnings.append(
            f"{members:,} images are not compared with checksums: they lie in archives, and {CHECKSUM_LIST} "
            "names whole files"
        )
    if files.null_count == len(files):
        return plan, warnings
    path = find_checksum_list(_places(processor.root, files))
    if path is None:
        warnings.append(
            f"{len(files) - files.null_count:,} images are not compared with checksums: no {CHECKSUM_LIST} "
            f"in {processor.root}, in the {_LEVELS_ABOVE} folders above, or below on the way to the images; "
            "fetch it, if the release has one"
        )
        return plan, warnings
    digests, more = _look_up(ChecksumList(path), processor.root, files)
    column = plan.schema.get_field_index("source_sha256")
    return plan.set_column(column, plan.schema.field(column), digests), [*warnings, *more]


def _places(root: Path, files: pa.ChunkedArray) -> list[Path]:
    """Return where a list may lie, the nearest first: the folder that holds all files, and those above."""
    first, last = pc.min_max(files).as_py().values()
    common = os.path.commonpath([os.path.dirname(first), os.path.dirname(last)])  # noqa: PTH120
    return [*folders_above(root / common, root), *root.parents[:_LEVELS_ABOVE]]


def _look_up(listed: ChecksumList, root: Path, files: pa.ChunkedArray) -> tuple[pa.Array, list[str]]:
    above = f"{listed.path.parent}/"
    paths = [file and f"{root}/{file}".removeprefix(above) for file in files.to_pylist()]
    digest_of = dict.fromkeys(paths)
    for path, digest in listed:
        if path in digest_of:
            digest_of[path] = digest
    digests = pa.array(map(digest_of.get, paths), pa.string())
    warnings = listed.warnings
    if absent := digests.null_count - files.null_count:
        warnings.append(
            f"{absent:,} images are not compared with checksums: {listed.path} does not name their files; "
            "fetch the list again"
        )
    return digests, warnings
