"""The films that a dataset is compared with, as the last run recorded them; and which lines still count."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from composer.imaging.fingerprint import RADIUS, read_fingerprints
from composer.json_lines import read_blocks
from composer.records import SOURCE_COLUMNS, source_of
from composer.status import Status
from composer.twins.candidates import near_pairs_between
from composer.twins.held_out import HeldOutFile, HeldOutFilm
from processors.base import Split


def takes_all(splits: Collection[str]) -> bool:
    """Return whether these are all splits that there are."""
    return set(splits) == set(get_args(Split))


# What a line of the ledger must tell for it to be known whether it still counts.
FOR_THE_GUARD = ("twin", "twin_split", "guard", "fingerprint")


@dataclass(frozen=True)
class HeldOutSource:
    """Films that a dataset holds out: rows with ``identity``, ``split`` and where each lies below a root."""

    dataset: str
    root: Path
    rows: pa.Table

    def films(self) -> Iterable[HeldOutFilm]:
        """Yield them, without fingerprints."""
        for row in self.rows.select(["identity", "split", *SOURCE_COLUMNS]).to_pylist():
            source = source_of(self.root, row)
            yield HeldOutFilm(self.dataset, row["identity"], row["split"], row["source"], source, None)


@dataclass(frozen=True)
class Guard:
    """What guards a dataset against films that its relatives hold out.

    Parameters
    ----------
    selected
        The splits that are composed; what is in another one is held out.
    sources
        Held-out films of which no table tells what their copies are: these are found by comparison.
    at_hand
        The datasets that hold the same films of which it is known what they hold out.
    held_out
        All that they hold out, such as ``chex-ray14/00000013_005``.
    """

    selected: tuple[str, ...]
    sources: tuple[HeldOutSource, ...] = ()
    at_hand: tuple[str, ...] = ()
    held_out: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))

    @property
    def is_off(self) -> bool:
        """Whether nothing is held out, because all splits are composed."""
        return takes_all(self.selected)

    @property
    def datasets(self) -> pa.Array:
        """The datasets at hand."""
        return pa.array(self.at_hand, pa.string())

    @property
    def compares(self) -> int:
        """With how many films every film of the dataset is compared."""
        return sum(each.rows.num_rows for each in self.sources)

    def __str__(self) -> str:
        """Say what is compared, for people."""
        counts = " and ".join(
            f"{each.rows.num_rows:,} that {each.dataset} holds out" for each in self.sources
        )
        return f"every film is compared with {counts}"


def read_films(path: Path) -> list[HeldOutFilm]:
    """Return the films that a run recorded, with their fingerprints; damaged lines are left out.

    Raises
    ------
    OutputError
        When the file is there but cannot be read.
    """
    films = []
    for block in read_blocks(path):
        for line in bytes(block).splitlines():
            try:
                films.append(HeldOutFilm.of_line(line))
            except (ValueError, KeyError, TypeError):
                # It is computed again.
                continue
    return films


def file_of(path: Path, films: Iterable[HeldOutFilm]) -> HeldOutFile:
    """Return what a worker is to be told of the file with these films."""
    told = sorted(f"{film.name} {film.fingerprint}" for film in films)
    return HeldOutFile(os.fspath(path), hashlib.sha256("\n".join(told).encode()).hexdigest()[:16])


def lines_that_count(lines: pa.Table, path: Path, guard: Guard) -> pa.ChunkedArray:
    """Say which lines of the ledger the guard leaves as they are; the images of the others are to be done.

    A film that was left out may be written when tables alone said that it is a copy, for they have been asked
    again; and when its twin is held out no longer. A film that was written and looks like a held-out one with
    which it was not compared is to be compared.

    Parameters
    ----------
    lines
        With ``status`` and `FOR_THE_GUARD`.
    path
        Where the last run recorded the held-out films.
    """
    is_left_out = pc.equal(lines["status"], Status.LEFT_OUT)
    may_be_written = pc.and_(is_left_out, pc.or_(pc.is_null(lines["guard"]), _is_free(lines, guard)))
    return pc.invert(pc.or_(may_be_written, uncompared(lines, path)))


def _is_free(lines: pa.Table, guard: Guard) -> pa.ChunkedArray:
    """Say whose twin is held out no longer: by its dataset, or by its split where that is not at hand."""
    selected = pc.or_(guard.is_off, pc.is_in(lines["twin_split"], pa.array(guard.selected)))
    told = pc.is_in(pc.list_element(pc.split_pattern(lines["twin"], "/", max_splits=1), 0), guard.datasets)
    free = pc.and_(told, pc.invert(pc.is_in(lines["twin"], guard.held_out)))
    return pc.or_(selected, pc.fill_null(free, fill_value=False))


def uncompared(lines: pa.Table, path: Path) -> pa.Array:
    """Say which lines write an image that looks like a held-out film and was not compared with it.

    Parameters
    ----------
    lines
        With ``status``, ``guard`` and ``fingerprint``.
    path
        Where the last run recorded the held-out films.
    """
    uncompared = np.zeros(lines.num_rows, np.bool_)
    films = read_films(path)
    prints = [film.fingerprint for film in films if film.fingerprint is not None]
    if not prints:
        return pa.array(uncompared)
    digest = file_of(path, films).digest
    current = pc.fill_null(pc.equal(lines["guard"], digest), fill_value=False)
    written = pc.and_(pc.equal(lines["status"], Status.WRITTEN), pc.invert(current))
    # A film without a fingerprint is blank, or was written by an earlier version.
    is_told = pc.is_valid(lines["fingerprint"])
    uncompared[pc.and_(written, pc.invert(is_told)).to_numpy()] = True
    rows = np.flatnonzero(pc.and_(written, is_told).to_numpy())
    if rows.size:
        own = read_fingerprints(lines["fingerprint"].take(rows).to_pylist())
        pairs = near_pairs_between(own, read_fingerprints(prints), RADIUS, threads=1)
        uncompared[rows[pairs[:, 0]]] = True
    return pa.array(uncompared)
