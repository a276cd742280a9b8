"""What pairs come to: told by a map or new, clusters, patients, splits; and which of them to look at."""

import itertools
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from composer.overlap.listing import listed, overview, worth_a_look
from composer.overlap.pairs import PAIRS
from tests.composer.overlap.made import NIH, OPENI, RSNA, SIIM
from tests.conftest import REPOSITORY

Row = dict[str, Any]


def film(dataset: str, identity: str, **values: object) -> Row:
    defaults = {"split": None, "fold": None, "twin": None, "twin_by": None}
    patient = f"{dataset}/film/{identity}"
    return {
        **{"dataset": dataset, "identity": identity, "path": "00/000000.jpg", "patient_cluster": patient},
        **defaults,
        **values,
    }


def pair(first: Row, second: Row, error: float | None = 1.0, **values: object) -> Row:
    names = {
        f"{which}_{name}": side[name]
        for which, side in (("first", first), ("second", second))
        for name in ("dataset", "identity")
    }
    same = error is not None and error < 10
    return {**names, "bits": 3, "mean_squared_error": error, "same": same, **values}


def rows_of(*pairs: Row, films: list[Row]) -> pa.Table:
    schema = pa.schema([(name, pa.int8() if name == "fold" else pa.string()) for name in film(NIH, "none")])
    return listed(pa.Table.from_pylist(list(pairs), PAIRS), pa.Table.from_pylist(films, schema))


def test_pairs_of_one_radiograph_doubtful_ones_and_problems_are_listed() -> None:
    films = [film(NIH, name) for name in "abc"]
    a, b, c = films
    rows = rows_of(
        pair(b, c, None, problem="the first picture cannot be read"),
        pair(a, c, 15.0),
        pair(a, b, 3.0),
        films=films,
    )
    assert rows["pair"].to_pylist() == [1, 2, 3]
    assert rows["second_identity"].to_pylist() == ["b", "c", "c"]
    assert rows["cluster"].to_pylist() == [1, None, None]
    assert not rows_of(pair(a, b, 20.0), films=films).num_rows


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (film(NIH, "1"), film(RSNA, "a", twin=f"{NIH}/1", twin_by="map"), True),
        (film(NIH, "1"), film(RSNA, "a", twin=f"{NIH}/2", twin_by="map"), False),
        (film(NIH, "1"), film(RSNA, "a", twin=f"{NIH}/1", twin_by="pixels"), False),
        (film(NIH, "1"), film(RSNA, "a"), False),
        (
            film(RSNA, "a", twin=f"{NIH}/1", twin_by="map"),
            film(SIIM, "b", twin=f"{NIH}/1", twin_by="map"),
            True,
        ),
        (
            film(RSNA, "a", twin=f"{NIH}/1", twin_by="map"),
            film(SIIM, "b", twin=f"{NIH}/1", twin_by="pixels"),
            False,
        ),
    ],
)
def test_told_by_a_map(first: Row, second: Row, told: bool) -> None:
    assert rows_of(pair(first, second), films=[second, first])["told_by_map"].to_pylist() == [told]


def test_clusters_do_not_depend_on_the_order_of_pairs() -> None:
    films = [film(NIH, name) for name in "abcdefg"]
    a, b, c, d, e, f, g = films
    pairs = [pair(a, b), pair(b, e), pair(c, d), pair(f, g, 12.0)]
    for order in itertools.permutations(pairs):
        assert rows_of(*order, films=films)["cluster"].to_pylist() == [1, 1, 2, None]


def test_overview() -> None:
    nih = [film(NIH, name, split="train", fold=1, patient_cluster=f"{NIH}/patient/{name}") for name in "abc"]
    a, b, c = nih
    twin = film(
        RSNA, "x", split="train", fold=1, patient_cluster=a["patient_cluster"], twin=f"{NIH}/a", twin_by="map"
    )
    new = film(RSNA, "y", split="test", fold=2)
    unknown = film(RSNA, "z", patient_cluster=None)
    pairs = [
        pair(a, b),
        pair(a, twin),
        pair(b, new),
        pair(c, unknown),
        pair(c, new, 12.0),
        pair(c, twin, None, problem="x"),
    ]
    lines = overview(rows_of(*pairs, films=[*nih, twin, new, unknown])).splitlines()
    cells = [line.rsplit(maxsplit=8) for line in lines[1:3]]
    assert lines[0].split()[:2] == ["datasets", "pairs"]
    # Pairs, by a map, new, other patient, split, fold, doubtful, unreadable.
    assert cells[0] == [f"{NIH}, {RSNA}", "3", "1", "2", "1", "1", "1", "1", "1"]
    assert cells[1] == [f"{NIH}, twice", "1", "0", "1", "1", "0", "0", "0", "0"]
    assert lines[3:] == [
        "6 films show 2 radiographs; the most of one are 4",
        "3 patients of the index are 1 by these films",
    ]


def test_without_pairs() -> None:
    assert overview(rows_of(films=[film(NIH, "a")])) == "no radiograph was found twice"
    assert worth_a_look(rows_of(films=[film(NIH, "a")]), 100).tolist() == []


def test_doubtful_pairs_are_looked_at_first_then_a_spread() -> None:
    films = [film(OPENI, f"{number:03}") for number in range(201)]
    errors = [0.0, 11.0, *np.linspace(0.1, 2, 197), 9.5, None]
    pairs = [pair(films[place], films[place + 1], error) for place, error in enumerate(errors[:-1])]
    rows = rows_of(*pairs, pair(films[0], films[200], None, problem="gone"), films=films)
    chosen = worth_a_look(rows, 20)
    found = rows["error"].take(chosen).to_pylist()
    assert found[:2] == [9.5, 11.0]
    assert len(set(chosen.tolist())) == 20
    # Of the nearer ones every part.
    assert min(found) == 0
    assert np.diff(chosen[10:]).max() < 40
    assert None not in found
    assert len(worth_a_look(rows, 1000)) == 200


def test_columns_that_the_page_explains_are_those_of_the_table() -> None:
    page = (REPOSITORY / "docs/overlap.md").read_text(encoding="utf-8")
    table = page[page.index("| column | meaning |") :]
    explained = [
        name
        for line in re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", line)
    ]
    assert explained == rows_of(films=[film(NIH, "a")]).column_names
