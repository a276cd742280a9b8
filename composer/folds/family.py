"""What the films of a family of datasets tell of each other: twins, one patient in several datasets, folds.

All of it is a function of the rows of the family and of the pairs that were found in pixels, so that it comes
out the same in whatever order the datasets were composed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from composer.errors import OutputError
from composer.folder import DatasetFolder
from composer.folds.patients import clusters, film_keys, fold_of, own_patients
from processors import families

# The columns of an index that this module gives.
COLUMNS = ("twin", "twin_by", "patient_cluster", "fold")
# How a twin is known: by a map of the release, or by the pixels.
_BY_MAP, _BY_PIXELS = pa.scalar("map"), pa.scalar("pixels")

_TOLD = pa.schema([(name, pa.string()) for name in ("identity", "patient_id", "study_id", "twin", "twin_by")])
_PAIR = pa.schema(
    [
        ("first_dataset", pa.string()),
        ("first_identity", pa.string()),
        ("second_dataset", pa.string()),
        ("second_identity", pa.string()),
        ("mean_squared_error", pa.float64()),
        ("same", pa.bool_()),
        ("problem", pa.string()),
    ]
)


def with_folds(rows: pa.Table, collection: Path, dataset: str) -> dict[str, pa.Array]:
    """Return the columns ``twin``, ``twin_by``, ``patient_cluster`` and ``fold`` for an index to be written.

    What is on the disk of the other datasets of the family counts: their indexes, and the pairs that were
    found before. A file of theirs that cannot be read counts as absent.

    Parameters
    ----------
    rows
        With ``identity``, ``patient_id``, ``study_id`` and ``twin``, as records have them.
    collection
        The folder with a folder for each dataset.
    dataset
        Name of the folder of this one.

    Returns
    -------
    ``twin``, such as ``chex-ray14/00000001_000``, and ``twin_by``, ``map`` or ``pixels``, are text, null
    where no twin is known; ``patient_cluster`` is text and ``fold`` int8, never null.
    """
    names = next((family for family in family_names() if dataset in family), (dataset,))
    films = {}
    for name in names:
        with suppress(OutputError):
            if name != dataset and (found := films_in(collection / name, parent_in(names, name))) is not None:
                films[name] = found
    twin = pc.binary_join_element_wise(names[0], rows["twin"].combine_chunks(), "/")
    of_records = rows.select(["identity", "patient_id", "study_id"]).append_column("twin", twin)
    films[dataset] = _films(of_records, dataset, parent_in(names, dataset))
    return Family(names, films, known_pairs(collection, names)).columns(dataset)


def family_names() -> tuple[tuple[str, ...], ...]:
    """Return the names of the folders of every family, the parent first."""
    return tuple(tuple(processor.folder for processor in family) for family in families())


def parent_in(names: tuple[str, ...], dataset: str) -> str | None:
    """Return the parent of a dataset in a family, None when it is the parent itself."""
    return None if dataset == names[0] else names[0]


def films_in(folder: Path, parent: str | None) -> pa.Table | None:
    """Return the films of the index in a dataset folder as `Family` has them, None when there is none.

    Raises
    ------
    OutputError
        When the index cannot be read.
    """
    path = DatasetFolder(folder).index_parquet
    try:
        with pq.ParquetFile(path) as file:
            # An index of an earlier version tells less.
            here = [name for name in _TOLD.names if name in file.schema_arrow.names]
            rows = file.read(columns=here)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        raise OutputError(
            f"{path}: cannot be read ({error}); write it anew: python machex.py index"
        ) from error
    rows = pa.table(
        {name: rows[name] if name in here else pa.nulls(len(rows)) for name in _TOLD.names}, _TOLD
    )
    mapped = pc.if_else(pc.equal(rows["twin_by"], _BY_MAP), rows["twin"], pa.scalar(None, pa.string()))
    return _films(rows.set_column(3, "twin", mapped), folder.name, parent)


def known_pairs(collection: Path, names: tuple[str, ...]) -> pa.Table:
    """Return the pairs of a family's films that were found before; see `read_pairs`."""
    return pa.concat_tables([read_pairs(collection / name, _PAIR) for name in names])


def read_pairs(folder: Path, schema: pa.Schema) -> pa.Table:
    """Return these columns of the pairs that a dataset folder has.

    There are none where the file is not there, damaged or of another version: they can be found again.
    """
    try:
        with pq.ParquetFile(DatasetFolder(folder).pairs) as file:
            return file.read(columns=schema.names).select(schema.names).cast(schema)
    except (OSError, pa.ArrowException, KeyError):
        return schema.empty_table()


@dataclass(frozen=True)
class Family:
    """The films of datasets that hold the same radiographs, and the pairs that were found in their pixels.

    Parameters
    ----------
    names
        Of the datasets, the parent first.
    films
        By dataset, of those that are composed: ``film`` such as ``siim/1.2.276``, ``patient`` as
        `own_patients` names it, and ``twin``, the film of the parent that a map tells.
    pairs
        Their ``first_dataset``, ``first_identity``, ``second_dataset``, ``second_identity``,
        ``mean_squared_error``, whether they are the ``same`` radiograph, and the ``problem`` of those that
        look alike and could not be compared: they count as one patient until they can.
    """

    names: tuple[str, ...]
    films: Mapping[str, pa.Table]
    pairs: pa.Table

    def columns(self, dataset: str) -> dict[str, pa.Array]:
        """Return `COLUMNS` for the films of one of the datasets, in their order; see `with_folds`."""
        films = self.films[dataset]
        by_map, by_pixels = films["twin"].combine_chunks(), self._shown(films)
        nothing = pa.scalar(None, pa.string())
        how = pc.if_else(pc.is_valid(by_pixels), _BY_PIXELS, nothing)
        cluster = self._clusters(films["patient"].combine_chunks())
        return {
            "twin": pc.coalesce(by_map, by_pixels),
            "twin_by": pc.if_else(pc.is_valid(by_map), _BY_MAP, how),
            "patient_cluster": cluster,
            "fold": fold_of(cluster),
        }

    def _clusters(self, patients: pa.Array) -> pa.Array:
        keys = pa.array(self._joined, pa.string())
        firsts = pa.array(self._joined.values(), pa.string())
        return pc.coalesce(firsts.take(pc.index_in(patients, keys)), patients)

    @functools.cached_property
    def _joined(self) -> dict[str, str]:
        """The clusters of patients whose films are in several datasets, or were found to be the same."""
        films = self._all
        mapped = films.filter(pc.is_valid(films["twin"]))
        # A twin that is not in the collection joins its copies all the same.
        twins = pc.coalesce(self._patients(mapped["twin"]), film_keys(mapped["twin"]))
        joined = self._alike(pc.or_(self.pairs["same"], pc.is_valid(self.pairs["problem"])))
        first = [*mapped["patient"].to_pylist(), *self._patients(joined["first"]).to_pylist()]
        second = [*twins.to_pylist(), *self._patients(joined["second"]).to_pylist()]
        return clusters(pair for pair in zip(first, second, strict=True) if pair[0] != pair[1])

    @functools.cached_property
    def _all(self) -> pa.Table:
        return pa.concat_tables(self.films.values())

    def _alike(self, chosen: pa.ChunkedArray) -> pa.Table:
        """Return the chosen pairs of which both films are there, the nearest first."""
        pairs = self.pairs.filter(chosen)
        pairs = pairs.sort_by([("mean_squared_error", "ascending"), ("first_identity", "ascending")])
        named = pa.table({side: _film(pairs, side) for side in ("first", "second")})
        here = self._all["film"].combine_chunks()
        return named.filter(pc.and_(pc.is_in(named["first"], here), pc.is_in(named["second"], here)))

    def _shown(self, films: pa.Table) -> pa.Array:
        """Return the film of the parent that is nearest in pixels, null where none is the same."""
        same = self._alike(self.pairs["same"])
        pairs = same.filter(pc.starts_with(same["first"], f"{self.names[0]}/"))
        place = pc.index_in(films["film"].combine_chunks(), pairs["second"].combine_chunks())
        return pairs["first"].combine_chunks().take(place)

    def _patients(self, films: pa.ChunkedArray) -> pa.ChunkedArray:
        place = pc.index_in(films, self._all["film"].combine_chunks())
        return self._all["patient"].take(place.combine_chunks())


def _films(rows: pa.Table, dataset: str, parent: str | None) -> pa.Table:
    film = pc.binary_join_element_wise(dataset, rows["identity"].combine_chunks(), "/")
    patient = own_patients(rows, dataset, parent)
    return pa.table({"film": film, "patient": patient, "twin": rows["twin"].combine_chunks()})


def _film(pairs: pa.Table, side: str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(pairs[f"{side}_dataset"], pairs[f"{side}_identity"], "/")
