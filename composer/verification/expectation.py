"""What a dataset folder should hold, by its plan and its ledger alone: the sources may be gone."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from composer.errors import OutputError
from composer.folder import DatasetFolder, image_name
from composer.guard import uncompared
from composer.imaging import Recipe
from composer.imaging.recipe import digest_of
from composer.ledger import SCHEMA, count_damaged, read_ledger
from composer.plan import read_plan, recipe_of
from composer.status import Status
from composer.verification.findings import Finding, Kind

_FROM_LEDGER = ("file", "bytes", "sha256", "source_bytes", "source_modified")


@dataclass(frozen=True)
class Expectation:
    """What should be there.

    Parameters
    ----------
    extension
        Of the pictures.
    planned
        ``number`` of every image that is to be written, rising.
    written
        Of those that are written, by the ledger: ``number``, ``key``, ``path`` relative to the folder,
        ``file`` relative to the root of the source, ``bytes`` and ``sha256`` of the picture,
        ``source_bytes`` and ``source_modified``.
    without_line
        Numbers of those of which the ledger says nothing at all.
    damaged_lines
        How many lines of the ledger are damaged.
    """

    extension: str
    planned: pa.ChunkedArray
    written: pa.Table
    without_line: set[int]
    damaged_lines: int


def expect(folder: DatasetFolder) -> Expectation | Finding:
    """Return what a dataset folder should hold, or what is wrong with its plan.

    An image counts as written as `composer.results.join` has it, but for its carrier: which of several forms
    of its pixels the source has now, the source alone knows.

    Raises
    ------
    OutputError
        When the ledger cannot be read.
    """
    name = f"{folder.path.name}/{folder.plan.name}"
    try:
        plan = read_plan(folder.plan)
    except OutputError as error:
        return Finding(Kind.PLAN, name, str(error).removeprefix(f"{folder.plan}: "))
    if plan is None:
        text = "is lost, and with it the numbers of the images; restore it, or choose another MACHEX_PATH"
        return Finding(Kind.PLAN, name, text)
    if any(pc.count_distinct(plan[column]).as_py() < plan.num_rows for column in ("number", "identity")):
        text = "gives two images one number; restore it, or choose another MACHEX_PATH"
        return Finding(Kind.PLAN, name, text)
    damaged = count_damaged(folder.ledger)
    # A line that is damaged in any column does not count at the next run.
    compared = ("guard", "fingerprint") if folder.held_out.exists() else ()
    needed = ("identity", "number", "status", "recipe", *_FROM_LEDGER, *compared)
    ledger = read_ledger(folder.ledger, SCHEMA.names if damaged else needed)
    if compared:
        ledger = ledger.filter(pc.invert(uncompared(ledger, folder.held_out)))
    planned = plan.filter(pc.equal(plan["status"], Status.TO_WRITE)).sort_by("number")
    place = pc.index_in(planned["identity"], ledger["identity"].combine_chunks()).combine_chunks()
    recipe = recipe_of(plan)
    extension = Recipe(image_format=recipe.get("image_format", "jpg")).extension
    written = _written(planned, ledger.take(place), digest_of(recipe), extension)
    without_line = planned["number"].filter(pc.is_null(place)).to_pylist()
    return Expectation(extension, planned["number"], written, set(without_line), damaged)


def _written(planned: pa.Table, lines: pa.Table, digest: str, extension: str) -> pa.Table:
    counts = pc.and_(pc.equal(lines["status"], Status.WRITTEN), pc.equal(lines["recipe"], digest))
    counts = pc.and_(counts, pc.equal(lines["number"], planned["number"]))
    # With either of them gone the line is damaged, although it is JSON.
    counts = pc.and_(counts, pc.and_(pc.is_valid(lines["bytes"]), pc.is_valid(lines["sha256"])))
    images, lines = planned.filter(counts), lines.filter(counts)
    paths = [image_name(number, extension) for number in images["number"].to_pylist()]
    columns = {"number": images["number"], "key": images["key"], "path": pa.array(paths, pa.string())}
    return pa.table({**columns, **{name: lines[name] for name in _FROM_LEDGER}})
