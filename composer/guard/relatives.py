"""Which films of a dataset another one holds out: by tables, or to be found by comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from composer.guard.films import Guard, HeldOutSource, takes_all
from composer.records import SOURCE_COLUMNS
from composer.settings import Settings
from processors import all_processors, families
from processors.base import Processor, Split

# What the guard looks at in records.
_COLUMNS = pa.schema([(name, pa.string()) for name in ("identity", "twin", "split", "excluded", "source")])


@dataclass(frozen=True)
class Relative:
    """A dataset that holds the same films.

    Parameters
    ----------
    processor
        What it is.
    root
        Where it lies; None when only its `Processor.further_files` are at hand.
    records
        What the guard looks at of its records, and of images that official lists name and that are not here.
    """

    processor: type[Processor]
    root: Path | None
    records: pa.Table

    @classmethod
    def of_records(cls, processor: Processor, records: pa.Table) -> Relative:
        """Return a dataset of which all records were read; their identities are unique."""
        listed = _listed(processor.official_splits())
        absent = listed.filter(pc.invert(pc.is_in(listed["identity"], records["identity"].combine_chunks())))
        seen = records.select([*_COLUMNS.names, *SOURCE_COLUMNS[1:]])
        return cls(
            type(processor), processor.root, pa.concat_tables([seen, absent], promote_options="default")
        )

    @classmethod
    def of_files(cls, processor: type[Processor], settings: Settings) -> tuple[Relative | None, list[str]]:
        """Return what the further files of a dataset that is not composed tell, and what to know of them.

        None when there are no such files.
        """
        warnings: list[str] = []
        splits = processor.splits_without_images(settings.files(processor), warnings)
        return (cls(processor, None, _listed(splits)) if splits else None), warnings

    @property
    def tells_splits(self) -> bool:
        """Whether it is known at all which of its films are held out."""
        return bool(self.records["split"].null_count < self.records.num_rows)

    def held_out(self, selected: Sequence[str]) -> pa.Table:
        """Return the records of validation and test films that these splits do not select.

        None when these are all splits. Nobody holds a training film out.
        """
        if takes_all(selected):
            return self.records.slice(0, 0)
        split, excluded = self.records["split"], self.records["excluded"]
        other = pc.and_(pc.is_valid(split), pc.invert(pc.is_in(split, pa.array([*selected, "train"]))))
        if self.processor.parent is None and self.tells_splits:
            # A list for training that does not name them leaves them out, for they may be test films.
            other = pc.or_(other, pc.and_(pc.is_null(split), pc.is_valid(excluded)))
        return self.records.filter(other)


def _listed(splits: Mapping[str, Split]) -> pa.Table:
    """Return a row for every image of a list, without a file."""
    columns = {"identity": list(splits), "split": list(splits.values())}
    rows = [pa.array(columns.get(name, [None] * len(splits)), pa.string()) for name in _COLUMNS.names]
    return pa.table(rows, _COLUMNS)


def with_leaks(
    records: pa.Table, processor: type[Processor], relatives: Sequence[Relative], selected: Sequence[str]
) -> pa.Table:
    """Fill in what tables tell of films that relatives hold out.

    Returns
    -------
    The records with ``held_out_by``, ``held_out_twin`` and ``held_out_split``: the dataset, its film as
    dataset and identity, and the split in which it has it. All are null where no table says so.
    """
    films = _films(records, processor)
    by, twin, split = (pa.nulls(records.num_rows, pa.string()) for _ in range(3))
    for relative in relatives:
        held_out = relative.held_out(selected)
        theirs = _films(held_out, relative.processor)
        named = held_out.filter(pc.is_valid(theirs))
        place = pc.index_in(films, theirs.drop_null().combine_chunks()).combine_chunks()
        folder = pc.if_else(pc.is_valid(place), relative.processor.folder, pa.scalar(None, pa.string()))
        name = pc.binary_join_element_wise(folder, named["identity"].take(place), "/")
        split = pc.if_else(pc.is_valid(by), split, named["split"].take(place))
        by, twin = pc.coalesce(by, folder), pc.coalesce(twin, name)
    for name, column in (("held_out_by", by), ("held_out_twin", twin), ("held_out_split", split)):
        records = records.set_column(records.schema.get_field_index(name), name, column)
    return records


def _films(records: pa.Table, processor: type[Processor]) -> pa.ChunkedArray:
    """Return what is the same for all copies of a film: its identity in the parent; null where unknown."""
    return records["identity" if processor.parent is None else "twin"]


def guard_of(
    records: pa.Table, processor: type[Processor], relatives: Sequence[Relative], settings: Settings
) -> tuple[Guard | None, list[str]]:
    """Return what the films of a dataset are to be compared with, and what leaves them unguarded.

    There is no guard where no other dataset, at hand or not, holds the same films.

    Parameters
    ----------
    records
        As `with_leaks` returns them.
    relatives
        Those at hand.
    """
    selected = settings.splits
    if not any(processor in family for family in families()):
        return None, []
    if takes_all(selected):
        off = (
            "the leak guard is off, because SPLITS takes everything: copies of films that are held out are in"
        )
        return Guard(selected), [off] if processor.parent or relatives else []
    chosen = pc.or_(pc.is_null(records["split"]), pc.is_in(records["split"], pa.array(selected)))
    chosen = pc.and_(chosen, pc.and_(pc.is_null(records["excluded"]), pc.is_null(records["held_out_by"])))
    films = _films(records.filter(chosen), processor)
    sources, warnings, names = [], [], []
    for relative in relatives:
        held_out = relative.held_out(selected)
        names += [f"{relative.processor.folder}/{identity}" for identity in held_out["identity"].to_pylist()]
        if not films.null_count:
            # Tables tell the copies of the others.
            held_out = held_out.filter(pc.is_null(_films(held_out, relative.processor)))
        here = held_out.filter(pc.is_valid(held_out["source"]))
        if relative.root is not None and here.num_rows:
            sources.append(HeldOutSource(relative.processor.folder, relative.root, here))
        if len(films) and relative.root is not None and here.num_rows < held_out.num_rows:
            warnings.append(
                f"UNGUARDED AGAINST LEAKS, in part: {held_out.num_rows - here.num_rows:,} of "
                f"{held_out.num_rows:,} films that {relative.processor.name} holds out are not here: their "
                "copies cannot be found and may be in; download them"
            )
    at_hand = tuple(relative.processor.folder for relative in relatives)
    guard = Guard(selected, tuple(sources), at_hand, pa.array(names, pa.string()))
    if processor.parent and len(films):
        parent = next((each for each in relatives if each.processor.folder == processor.parent), None)
        if not _is_guarded(films, parent):
            warnings.append(
                f"UNGUARDED AGAINST LEAKS: {len(films):,} films are copies of films of another release, "
                "which holds some of them out for tests; which ones is not known. "
                f"{_remedy(processor, parent, settings)}"
            )
    return guard, warnings


def _is_guarded(films: pa.ChunkedArray, parent: Relative | None) -> bool:
    """Return whether tables, or the films themselves, can tell which copies a parent holds out."""
    if parent is None or not parent.tells_splits:
        return False
    return parent.root is not None or not films.null_count


def _remedy(processor: type[Processor], parent: Relative | None, settings: Settings) -> str:
    release = next(each for each in all_processors() if each.folder == processor.parent)
    lists = [f"{key} to its {name}" for key, name in release.further_files.items()]
    maps = [f"{key} to {name}" for key, name in processor.further_files.items()]
    lacks_lists = parent is None or not parent.tells_splits
    ways = []
    if parent is not None and parent.root is not None and lacks_lists:
        ways.append(" and ".join(lists) or f"{release.config_key} to a copy with its official lists")
    else:
        ways.append(
            f"{release.config_key} to a folder with the held-out films and official lists of {release.name}"
        )
        if maps:
            ways.append(" and ".join([*maps, *(lists if lacks_lists else [])]))
    return f"Set {', or '.join(ways)}. SPLITS: all says that you accept it"
