"""The end of a run: which films of a family are one radiograph, and the folds that follow in every index.

`composer.folds.with_folds` writes into each index what was known at that moment. Here the pairs are found
that were not known, and the indexes that they change are written again.

Every file is whole at any moment, but a run that ends early may leave films of a patient in two folds: those
of pairs that were not found yet, and of indexes that were not written again yet. The next run, of compose or
of index, compares nothing that ``pairs.parquet`` has and ends in the same bytes as an undisturbed one.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from composer.errors import OutputError, UsageError
from composer.folder import DatasetFolder
from composer.folds import (
    COLUMNS,
    Family,
    family_names,
    films_in,
    known_pairs,
    parent_in,
    read_pairs,
)
from composer.overlap.moves import Folds, moves, stored
from composer.overlap.pairs import PAIRS, composed, verified_pairs
from composer.pieces import write_pieces
from composer.records import first_of_each


def unsettled(collection: Path) -> list[str]:
    """Return the datasets whose index differs from what the films and pairs on the disk tell of its folds.

    Raises
    ------
    OutputError
        When an index cannot be read.
    """
    behind = []
    for names in family_names():
        films = {name: found for name in names if (found := _films(collection, names, name)) is not None}
        family = Family(names, films, known_pairs(collection, names))
        behind += [name for name in films if not _in_line(collection / name, family.columns(name))]
    return behind


def settle(
    collection: Path,
    held: Collection[str],
    workers: int,
    *,
    before: Folds,
    check: Callable[[], None],
    progress: bool,
) -> list[str]:
    """Find the pairs of each family, and bring the indexes in line; return what the user should know.

    Costs nothing for datasets of no family, and for a family of which the parent alone is composed: its
    tables tell its patients.

    Parameters
    ----------
    collection
        The folder with a folder for each dataset.
    held
        Names of the datasets whose folders this run holds, the only ones that are written to. Of others that
        would have to change a message tells.
    workers
        How many processes compare pictures.
    before
        As `composer.overlap.moves.folds_before` gave it before this run wrote anything.
    check
        Called before every comparison and write, to raise an error when the run is to end.
    progress
        Whether to show a bar.

    Raises
    ------
    OutputError
        When an index cannot be written.
    """
    messages = []
    for names in family_names():
        if not set(held).isdisjoint(names):
            run = _Settling(collection, names, frozenset(held), workers, before, check, progress)
            messages += run.settle()
    return messages


@dataclass
class _Settling:
    """What it takes to bring one family in line, and what there is to tell."""

    collection: Path
    names: tuple[str, ...]
    held: frozenset[str]
    workers: int
    before: Folds
    check: Callable[[], None]
    progress: bool
    films: dict[str, pa.Table] = field(default_factory=dict)
    pictures: dict[str, pa.Table] = field(default_factory=dict)
    # By the earlier and the later of two datasets, which may be one and the same.
    pairs: dict[tuple[str, str], pa.Table] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    # Datasets that are not held and would have to change.
    behind: set[str] = field(default_factory=set)

    def settle(self) -> list[str]:
        self._read_films()
        if not self.films.keys() <= {self.names[0]}:
            self._read_pictures()
            self._find_pairs()
            family = Family(self.names, self.films, pa.concat_tables(self.pairs.values()))
            columns = {name: family.columns(name) for name in self.films}
            for name, wanted in columns.items():
                self._bring_in_line(name, wanted)
            self._tell_moves(columns)
        self.messages += [
            f"{name}: its index does not know what this run found of its films, so that films of one patient "
            "may be in two folds; run the index command, or compose it again"
            for name in self.names
            if name in self.behind
        ]
        return self.messages

    def _read_films(self) -> None:
        for name in self.names:
            try:
                found = _films(self.collection, self.names, name)
            except OutputError as error:
                self.messages.append(str(error))
            else:
                self.films |= {} if found is None else {name: found}

    def _read_pictures(self) -> None:
        for name in self.films:
            try:
                self.pictures[name] = composed(self.collection / name)
            except UsageError as error:
                self.messages.append(f"{name}: its films are not looked for in other datasets: {error}")

    def _find_pairs(self) -> None:
        """Find the pairs within every child, and with the datasets before it in the family; keep them."""
        kept = {name: read_pairs(self.collection / name, PAIRS) for name in self.films}
        known = pa.concat_tables(kept.values())
        for place, child in enumerate(self.names):
            for other in self.names[: place + 1] if place else ():
                if {other, child} <= self.films.keys():
                    self.pairs[other, child] = self._verified(other, child, _between(known, other, child))
            if child in kept:
                self._keep(child, kept)
        # Pairs with datasets that are not held, which were not known before.
        for name in self.films:
            self._keep(name, kept)
        self._tell_problems()

    def _keep(self, name: str, kept: dict[str, pa.Table]) -> None:
        """Write the pairs that belong into the folder of a dataset, if it is held and has others."""
        own = [pairs for (other, child), pairs in self.pairs.items() if name == self._keeper(other, child)]
        pairs = pa.concat_tables([PAIRS.empty_table(), *own])
        if name in self.held and not pairs.equals(kept[name]):
            self.check()
            path = DatasetFolder(self.collection / name).pairs
            if pairs.num_rows:
                write_pieces(path, pairs)
            else:
                path.unlink(missing_ok=True)
            kept[name] = pairs

    def _keeper(self, other: str, child: str) -> str:
        """Return the dataset whose folder keeps the pairs of two: the later one, unless it is not held."""
        return child if child in self.held or other not in self.held else other

    def _tell_problems(self) -> None:
        for (other, child), pairs in self.pairs.items():
            if count := pairs.num_rows - pairs["problem"].null_count:
                self.messages.append(
                    f"{count:,} pairs of films of {other} and {child} look alike and cannot be compared, for "
                    "their pictures are damaged or gone: they count as one patient's; mend them with the "
                    "verify command (--repair), then run the index command"
                )

    def _verified(self, first: str, second: str, known: pa.Table) -> pa.Table:
        if self.held.isdisjoint((first, second)) or not self.pictures.keys() >= {first, second}:
            return known
        self.check()
        pictures = self.pictures[second]
        if first in (self.names[0], second):
            pictures = pictures.filter(pc.invert(_told_by_map(self.films[second], pictures)))
        one, other = (pictures, None) if first == second else (self.pictures[first], pictures)
        return verified_pairs(one, other, known, self.workers, progress=self.progress, check=self.check)

    def _bring_in_line(self, name: str, columns: Mapping[str, pa.Array]) -> None:
        folder = self.collection / name
        if _in_line(folder, columns):
            return
        if name not in self.held:
            self.behind.add(name)
            return
        self.check()
        path = DatasetFolder(folder).index_parquet
        rows = _as_written(path)
        for column, values in columns.items():
            place = rows.schema.get_field_index(column)
            added = place < 0
            rows = rows.append_column(column, values) if added else rows.set_column(place, column, values)
        write_pieces(path, rows)

    def _tell_moves(self, columns: Mapping[str, Mapping[str, pa.Array]]) -> None:
        after = {name: pa.table({"film": self.films[name]["film"], **columns[name]}) for name in columns}
        for name in self.names:
            if name in self.held and name in after and name in self.before:
                message = moves(name, self.before[name], after)
                self.messages += [] if message is None else [message]


def _films(collection: Path, names: tuple[str, ...], name: str) -> pa.Table | None:
    return films_in(collection / name, parent_in(names, name))


def _between(pairs: pa.Table, first: str, second: str) -> pa.Table:
    """Return the pairs of two datasets, each once, though two folders may have it."""
    sides = pc.and_(pc.equal(pairs["first_dataset"], first), pc.equal(pairs["second_dataset"], second))
    return first_of_each(pairs.filter(sides), "first_identity", "second_identity")


def _told_by_map(films: pa.Table, pictures: pa.Table) -> pa.ChunkedArray:
    """Say of each picture whether a map tells its twin, so that none has to be looked for."""
    mapped = films["film"].filter(pc.is_valid(films["twin"])).combine_chunks()
    return pc.is_in(pc.binary_join_element_wise(pictures["dataset"], pictures["identity"], "/"), mapped)


def _in_line(folder: Path, columns: Mapping[str, pa.Array]) -> bool:
    found = stored(folder, COLUMNS)
    return found is not None and found.equals(pa.table(dict(columns)))


def _as_written(path: Path) -> pa.Table:
    """Return all of an index; reading alone gives elements of lists another name than writing gave them."""
    with pq.ParquetFile(path) as file:
        rows, schema = file.read(), file.metadata.metadata.get(b"ARROW:schema")
    return rows if schema is None else rows.cast(pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema))))
