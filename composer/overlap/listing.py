"""What is known of the pairs that were found: the rows of ``overlap.csv``, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from composer.accounts import aligned
from composer.folds import clusters

# Errors on both sides of what `composer.imaging.similarity` takes for one radiograph, half and twice as much:
# pairs between them are for a person to judge.
_DOUBTFUL = (5.0, 20.0)
_OF_A_FILM = ("dataset", "identity", "path", "patient_cluster", "split", "fold")


def listed(pairs: pa.Table, films: pa.Table) -> pa.Table:
    """Return the pairs of one radiograph, the doubtful ones, and those that could not be compared.

    Parameters
    ----------
    pairs
        Of schema `composer.overlap.pairs.PAIRS`.
    films
        Those of the pairs and others, as `composer.overlap.pairs.composed` gives them.

    Returns
    -------
    pyarrow.Table
        The columns of ``overlap.csv``, which docs/overlap.md explains, sorted by the names of the films.
    """
    near = pc.less(pairs["mean_squared_error"], _DOUBTFUL[1]).fill_null(fill_value=True)
    pairs = pairs.filter(pc.or_(pairs["same"], near))
    pairs = pairs.sort_by(
        [(f"{which}_{name}", "ascending") for which in ("first", "second") for name in _OF_A_FILM[:2]]
    )
    keys = film_keys(films["dataset"], films["identity"]).combine_chunks()
    columns = {"pair": pa.array(np.arange(1, pairs.num_rows + 1))}
    sides = []
    for which in ("first", "second"):
        named = film_keys(pairs[f"{which}_dataset"], pairs[f"{which}_identity"])
        sides.append(films.take(pc.index_in(named, keys).combine_chunks()))
        columns |= {f"{which}_{name}": sides[-1][name] for name in _OF_A_FILM}
    return pa.table(
        {
            **columns,
            "distance": pairs["bits"],
            "error": pc.round(pairs["mean_squared_error"], 3),
            "inverted": pairs["inverted"],
            "mirrored": pairs["mirrored"],
            "same": pairs["same"],
            "told_by_map": pc.equal(_original(sides[0]), _original(sides[1])),
            "cluster": _cluster_numbers(pairs),
            "problem": pairs["problem"],
        }
    )


def film_keys(datasets: pa.ChunkedArray, identities: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a key for each film, as `composer.folds.clusters` joins them."""
    return pc.binary_join_element_wise(datasets, "film", identities, "/")


def _original(films: pa.Table) -> pa.ChunkedArray:
    """Return the film that a map of the release names, else the film itself."""
    by_map = pc.if_else(pc.equal(films["twin_by"], "map"), films["twin"], pa.scalar(None, pa.string()))
    return pc.coalesce(by_map, pc.binary_join_element_wise(films["dataset"], films["identity"], "/"))


def _cluster_numbers(pairs: pa.Table) -> pa.Array:
    """Return a number for each group of films that pairs of one radiograph connect, null for other pairs."""
    found = _groups(pairs)
    number = {first: place for place, first in enumerate(sorted(set(found.values())), start=1)}
    keys = film_keys(pairs["first_dataset"], pairs["first_identity"]).to_pylist()
    return pa.array(
        [
            number[found[key]] if same else None
            for key, same in zip(keys, pairs["same"].to_pylist(), strict=True)
        ],
        pa.int32(),
    )


def _groups(pairs: pa.Table) -> dict[str, str]:
    same = pairs.filter(pairs["same"])
    sides = (
        film_keys(same[f"{which}_dataset"], same[f"{which}_identity"]).to_pylist()
        for which in ("first", "second")
    )
    return clusters(zip(*sides, strict=True))


def overview(rows: pa.Table) -> str:
    """Return a table with a line for each two datasets that share radiographs, and what follows from them."""
    if not rows.num_rows:
        return "no radiograph was found twice"
    columns = {
        "pairs": rows["same"],
        "by a map": pc.and_(rows["same"], rows["told_by_map"]),
        "new": pc.and_not(rows["same"], rows["told_by_map"]),
        **{
            f"other {name}": pc.and_(rows["same"], _differs(rows, column))
            for name, column in (("patient", "patient_cluster"), ("split", "split"), ("fold", "fold"))
        },
        "doubtful": _is_doubtful(rows),
        "unreadable": pc.is_valid(rows["problem"]),
    }
    names = zip(rows["first_dataset"].to_pylist(), rows["second_dataset"].to_pylist(), strict=True)
    places = [f"{one}, {other}" if one != other else f"{one}, twice" for one, other in names]
    counts = pa.table({"datasets": places, **columns}).group_by("datasets", use_threads=False)
    counts = counts.aggregate([(name, "sum") for name in columns]).sort_by("datasets")
    lines = [["datasets", *columns]]
    lines += [
        [row["datasets"], *(f"{row[f'{name}_sum']:,}" for name in columns)] for row in counts.to_pylist()
    ]
    return "\n".join([aligned(lines), *_consequences(rows)])


def _differs(rows: pa.Table, column: str) -> pa.ChunkedArray:
    """Say where both films have a value of a column, and not the same one."""
    return pc.not_equal(rows[f"first_{column}"], rows[f"second_{column}"]).fill_null(fill_value=False)


def _is_doubtful(rows: pa.Table) -> pa.ChunkedArray:
    low, high = _DOUBTFUL
    between = pc.and_(pc.greater(rows["error"], low), pc.less(rows["error"], high))
    return between.fill_null(fill_value=False)


def _consequences(rows: pa.Table) -> Iterator[str]:
    """Yield what the pairs come to: how many films are one, and patients that are one and were two."""
    films = Counter(_groups(rows).values())
    if films:
        yield (
            f"{films.total():,} films show {len(films):,} radiographs; the most of one are "
            f"{max(films.values()):,}"
        )
    apart = rows.filter(pc.and_(rows["same"], _differs(rows, "patient_cluster")))
    patients = clusters(
        zip(*(apart[f"{which}_patient_cluster"].to_pylist() for which in ("first", "second")), strict=True)
    )
    if patients:
        yield f"{len(patients):,} patients of the index are {len(set(patients.values())):,} by these films"


def worth_a_look(rows: pa.Table, number: int) -> NDArray[np.int64]:
    """Return the numbers of so many rows: half of them those nearest to the threshold, then a spread."""
    error = rows["error"].to_numpy()
    compared = np.flatnonzero(~np.isnan(error))
    # The least error that is listed is 0.
    ratio = np.maximum(error[compared], 1e-3) / np.sqrt(np.prod(_DOUBTFUL))
    by_doubt = compared[np.argsort(np.abs(np.log(ratio)), kind="stable")]
    first, rest = by_doubt[: number // 2], np.sort(by_doubt[number // 2 :])
    spread = np.linspace(0, len(rest) - 1, min(len(rest), number - len(first))).astype(np.int64)
    return np.concatenate([first, rest[spread]])
