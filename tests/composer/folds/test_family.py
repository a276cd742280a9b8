"""What an index is given of the other datasets of its family at the moment at which it is written."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from composer.folds import COLUMNS, Family, family_names, films_in, fold_of, with_folds
from processors import families
from tests.composer.overlap.worlds import NIH, SIIM, Film, World, nih, rsna, siim

_TEXTS = ("identity", "patient_id", "study_id", "twin")


def records(*films: Film) -> pa.Table:
    return pa.table({name: pa.array([getattr(f, name) for f in films], pa.string()) for name in _TEXTS})


def cells(columns: dict[str, pa.Array], name: str) -> list[object]:
    found: list[object] = columns[name].to_pylist()
    return found


def test_families_are_those_of_the_processors() -> None:
    assert ("chex-ray14", "rsna", "siim") in family_names()
    assert [len(names) for names in family_names()] == [len(family) for family in families()]


def test_dataset_of_no_family_stands_alone() -> None:
    columns = with_folds(records(Film(1, "a", patient_id="7"), Film(2, "b/c")), Path("absent"), "openi")
    assert tuple(columns) == COLUMNS
    assert cells(columns, "twin") == cells(columns, "twin_by") == [None, None]
    assert cells(columns, "patient_cluster") == ["openi/patient/7", "openi/film/b/c"]
    assert columns["fold"].equals(fold_of(columns["patient_cluster"]))
    assert [column.type for column in columns.values()] == [*[pa.string()] * 3, pa.int8()]


def test_index_of_nothing_has_the_columns() -> None:
    columns = with_folds(records(), Path("absent"), SIIM)
    assert [(len(column), column.type) for column in columns.values()] == [
        *[(0, pa.string())] * 3,
        (0, pa.int8()),
    ]


def test_twin_of_a_map_bears_the_name_of_its_dataset(tmp_path: Path) -> None:
    columns = with_folds(records(rsna(1, 7), rsna(2)), tmp_path, "rsna")
    assert cells(columns, "twin") == ["chex-ray14/n1", None]
    assert cells(columns, "twin_by") == ["map", None]
    assert cells(columns, "patient_cluster") == ["chex-ray14/patient/7", "rsna/film/r2"]


def test_patient_of_a_twin_is_found_in_the_parent(tmp_path: Path) -> None:
    # A folder's name may look like a column of a partitioned table.
    world = World(tmp_path / "run=3")
    world.write(NIH, [nih(1, 7)])
    told = records(
        Film(1, "s1", study_id="a", twin="n1"), Film(2, "s2", study_id="a"), Film(3, "s3", twin="n3")
    )
    clusters = cells(with_folds(told, world.collection, SIIM), "patient_cluster")
    assert clusters == ["chex-ray14/patient/7", "chex-ray14/patient/7", "chex-ray14/film/n3"]


@pytest.mark.parametrize("name", ["index.parquet", "pairs.parquet"])
def test_damaged_file_of_another_dataset_counts_as_absent(tmp_path: Path, name: str) -> None:
    world = World(tmp_path)
    world.write(SIIM, [siim(1)])
    (tmp_path / SIIM / name).write_bytes(b"PAR1 PAR1")
    clusters = cells(with_folds(records(nih(1, 7)), tmp_path, NIH), "patient_cluster")
    assert clusters == ["chex-ray14/patient/7"]


def test_index_of_an_earlier_version_tells_what_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"identity": ["a", "b"], "study_id": ["s", None]}), tmp_path / "index.parquet")
    found = films_in(tmp_path, None)
    name = tmp_path.name
    assert found is not None
    assert found.to_pylist() == [
        {"film": f"{name}/a", "patient": f"{name}/study/s", "twin": None},
        {"film": f"{name}/b", "patient": f"{name}/film/b", "twin": None},
    ]
    assert films_in(tmp_path / "absent", None) is None


def pairs(*found: tuple[str, str, str, str, float | None, bool]) -> pa.Table:
    names = (
        "first_dataset",
        "first_identity",
        "second_dataset",
        "second_identity",
        "mean_squared_error",
        "same",
    )
    rows = pa.table(dict(zip(names, map(list, zip(*found, strict=True)), strict=True)))
    return rows.append_column("problem", pa.nulls(len(found), pa.string()))


def films(dataset: str, *identities: str) -> pa.Table:
    names = pa.array([f"{dataset}/{identity}" for identity in identities])
    keys = pa.array([f"{dataset}/film/{identity}" for identity in identities])
    return pa.table({"film": names, "patient": keys, "twin": pa.nulls(len(names), pa.string())})


def test_twin_is_the_film_of_the_parent_that_is_nearest() -> None:
    found = pairs(
        ("a", "b", "c", "x", 3.0, True),
        ("a", "far", "c", "x", 9.0, True),
        ("a", "a", "c", "x", 3.0, True),
        ("a", "other", "c", "x", 0.5, False),
        ("a", "gone", "c", "x", 0.1, True),
        ("sibling", "s", "c", "x", 0.2, True),
    )
    family = Family(
        ("a", "sibling", "c"),
        {
            "a": films("a", "a", "b", "far", "other"),
            "sibling": films("sibling", "s"),
            "c": films("c", "x", "y"),
        },
        found,
    )
    assert cells(family.columns("c"), "twin") == ["a/a", None]
    assert cells(family.columns("c"), "patient_cluster") == ["a/film/a", "c/film/y"]
    # Whoever is the same as one of several is the same as all.
    together = ["a/film/a", "a/film/a", "a/film/a", "a/film/other"]
    assert cells(family.columns("a"), "patient_cluster") == together
    assert cells(family.columns("sibling"), "patient_cluster") == ["a/film/a"]
