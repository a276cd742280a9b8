"""Folds across a family: no patient is parted, in whatever order the datasets come, and however runs end."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.folds import fold_of
from composer.overlap.moves import folds_before
from composer.overlap.pairs import PAIRS
from composer.overlap.settle import unsettled
from tests.composer.overlap.made import made_up, write_dataset
from tests.composer.overlap.worlds import (
    COMMAND,
    FAMILY,
    NIH,
    RSNA,
    SIIM,
    Film,
    World,
    nih,
    rsna,
    siim,
    state,
)

Films = dict[str, list[Film]]

# Radiographs 1 and 2 are of patient 1, 3 of 2, 4 of 3.
FILMS: Films = {
    NIH: [nih(1, 1), nih(2, 1), nih(3, 2), nih(4, 3)],
    RSNA: [rsna(2, 1), rsna(3), rsna(9)],
    SIIM: [siim(2), siim(4, "a"), siim(5, "a"), siim(9), siim(8)],
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path / "out")
    monkeypatch.setattr(COMMAND, found.verified_pairs)
    return found


def test_films_in_one_collection(world: World) -> None:
    assert world.run(FILMS) == []
    rows = world.rows()
    assert {name: (row["twin"], row["twin_by"]) for name, row in rows.items() if row["twin"]} == {
        "r2": ("chex-ray14/n2", "map"),
        "r3": ("chex-ray14/n3", "pixels"),
        "s2": ("chex-ray14/n2", "pixels"),
        "s4": ("chex-ray14/n4", "pixels"),
    }
    assert world.clusters() == {
        "n1": "chex-ray14/patient/1",
        "n2": "chex-ray14/patient/1",
        "n3": "chex-ray14/patient/2",
        "n4": "chex-ray14/patient/3",
        "r2": "chex-ray14/patient/1",
        "r3": "chex-ray14/patient/2",
        "r9": "rsna/film/r9",
        "s2": "chex-ray14/patient/1",
        "s4": "chex-ray14/patient/3",
        "s5": "chex-ray14/patient/3",
        "s8": "siim/film/s8",
        "s9": "rsna/film/r9",
    }
    for row in rows.values():
        assert [row["fold"]] == fold_of(pa.array([row["patient_cluster"]])).to_pylist()
    assert unsettled(world.collection) == []


def test_pictures_themselves_show_the_twin(tmp_path: Path) -> None:
    """Not with the stand-in, but as it is: a copy of other grey levels, in an index without folds yet."""
    mine, other = made_up(1), made_up(2)
    ids = {"patient_id": ["7", "8"], "study_id": pa.nulls(2, pa.string())}
    write_dataset(tmp_path / NIH, {"a": mine, "b": other}, **ids)
    copies = {"x": made_up(3), "y": 255 - mine}
    write_dataset(tmp_path / SIIM, copies, **ids | {"patient_id": pa.nulls(2, pa.string())})
    world = World(tmp_path)
    assert world.settle(FAMILY) == []
    assert world.rows()["y"]["twin"] == "chex-ray14/a"
    assert world.clusters() == {
        "a": "chex-ray14/patient/7",
        "b": "chex-ray14/patient/8",
        "x": "siim/film/x",
        "y": "chex-ray14/patient/7",
    }


def test_twins_that_a_map_tells_are_not_looked_for(world: World) -> None:
    world.run(FILMS)
    assert ("n2", "r2") not in world.compared
    assert ("n3", "r3") in world.compared


def test_second_run_compares_and_writes_nothing(world: World) -> None:
    world.run(FILMS)
    before = {path: path.stat().st_mtime_ns for path in world.collection.rglob("*.parquet")}
    world.compared.clear()
    assert world.settle(FILMS) == []
    assert world.compared == []
    assert {path: path.stat().st_mtime_ns for path in world.collection.rglob("*.parquet")} == before


def test_index_written_anew_has_the_bytes_of_the_settled_one(world: World) -> None:
    world.run(FILMS)
    settled = state(world.collection)
    for name, films in FILMS.items():
        world.write(name, films)
    assert state(world.collection) == settled


def test_metadata_and_other_columns_are_kept(world: World) -> None:
    world.run({NIH: FILMS[NIH]})
    world.write(SIIM, FILMS[SIIM])
    path = world.collection / SIIM / "index.parquet"
    before = pq.ParquetFile(path).read()
    world.settle(FAMILY)
    after = pq.ParquetFile(path).read()
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.column_names == before.column_names
    ours = ["twin", "twin_by", "patient_cluster", "fold"]
    assert after.drop_columns(ours).equals(before.drop_columns(ours))
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_two_copies_of_a_film_that_is_not_there_are_one_patient(world: World) -> None:
    """One by a map with a patient, the other by a map without: the film itself joins them."""
    other = Film(2, "s2", twin="n2")
    world.run({RSNA: [rsna(2, 1)], SIIM: [other]})
    assert world.clusters() == {"r2": "chex-ray14/patient/1", "s2": "chex-ray14/patient/1"}
    assert world.rows(SIIM)["s2"]["twin"] == "chex-ray14/n2"


def test_copies_without_the_parent_are_one_patient(world: World) -> None:
    world.run({RSNA: [rsna(9), rsna(7)], SIIM: [siim(9), siim(6)]})
    clusters = world.clusters()
    assert clusters["r9"] == clusters["s9"]
    assert len(set(clusters.values())) == 3


def test_patients_that_new_films_join_move_and_are_told(world: World) -> None:
    patients = range(1, 30)
    world.run({NIH: [nih(patient, patient) for patient in patients]})
    before = folds_before(world.collection)[NIH]["fold"].to_pylist()
    # All in one study: whoever is right, nobody may be parted.
    (message,) = world.run({SIIM: [siim(patient, "a") for patient in patients]})
    assert "bring" not in message
    assert f"{NIH}: its index does not know" in message

    (told,) = world.run({NIH: [nih(patient, patient) for patient in patients]})
    assert set(world.clusters().values()) == {"chex-ray14/patient/1"}
    moved = sum(fold != before[0] for fold in before)
    assert moved
    expected = (
        f"{moved} films of 1 patients of {NIH} move to another fold, because films of {SIIM} join patients"
    )
    assert told == expected


def test_films_of_a_child_move_to_the_patients_of_the_parent(world: World) -> None:
    films = [siim(number) for number in range(1, 40)]
    world.run({SIIM: films})
    before = folds_before(world.collection)[SIIM]["fold"].to_pylist()
    (told,) = world.run({NIH: [nih(number, number) for number in range(1, 40)], SIIM: films})
    rows = world.rows(SIIM)
    moved = sum(rows[film.identity]["fold"] != fold for film, fold in zip(films, before, strict=True))
    assert told.startswith(f"{moved} films of {moved} patients of {SIIM} move")


def test_films_that_part_again_are_told(world: World) -> None:
    films = {
        NIH: [nih(number, number) for number in range(1, 30)],
        SIIM: [siim(n, "a") for n in range(1, 30)],
    }
    world.run(films)
    (told, *_) = world.run(films | {SIIM: [siim(99)]})
    assert told.endswith("because their patients are told otherwise now")
    assert len(set(world.clusters().values())) == 30


def test_gone_pictures_leave_the_pairs(world: World) -> None:
    world.run(FILMS)
    assert pq.read_table(world.collection / SIIM / "pairs.parquet").num_rows == 4
    world.run({SIIM: [siim(9)]})
    (pair,) = pq.read_table(world.collection / SIIM / "pairs.parquet").to_pylist()
    assert (pair["first_identity"], pair["second_identity"]) == ("r9", "s9")


@pytest.mark.parametrize("name", ["index.parquet", "pairs.parquet"])
def test_folder_that_is_not_held_is_not_written_to_but_told(world: World, name: str) -> None:
    world.run({SIIM: FILMS[SIIM]})
    before = state(world.collection / SIIM, [name])
    (message,) = world.run({NIH: FILMS[NIH]})
    assert state(world.collection / SIIM, [name]) == before
    assert f"{SIIM}: its index does not know what this run found" in message
    assert "run the index command" in message
    assert world.settle([SIIM]) == []
    assert unsettled(world.collection) == []


def test_what_a_run_over_the_parent_finds_is_not_lost(world: World) -> None:
    world.run({RSNA: [rsna(3), rsna(9)]})
    (message,) = world.run({NIH: FILMS[NIH]})
    assert f"{RSNA}: its index does not know" in message
    # Nor forgotten by a run over yet another dataset.
    assert any(f"{RSNA}: its index does not know" in each for each in world.run({SIIM: [siim(9)]}))
    assert unsettled(world.collection) == [RSNA]
    world.compared.clear()
    world.settle(FAMILY)
    assert world.compared == []
    assert unsettled(world.collection) == []
    assert world.clusters()["r3"] == "chex-ray14/patient/2"
    # One folder has each pair in the end.
    assert {path.parent.name for path in world.collection.rglob("pairs.parquet")} <= {RSNA, SIIM}


def test_films_that_a_dataset_has_twice_are_one_patient(world: World) -> None:
    world.run({SIIM: [siim(5), Film(5, "again"), siim(6)]})
    assert world.clusters() == {"s5": "siim/film/again", "again": "siim/film/again", "s6": "siim/film/s6"}
    assert unsettled(world.collection) == []


def test_pairs_that_cannot_be_compared_are_told_and_count_as_one_patient(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*arguments: Any, **options: Any) -> pa.Table:  # noqa: ANN401
        pairs = world.verified_pairs(*arguments, **options)
        problem = pa.array(["cannot be read"] * pairs.num_rows, pa.string())
        pairs = pairs.set_column(pairs.schema.get_field_index("problem"), "problem", problem)
        same = pa.array([False] * pairs.num_rows)
        return pairs.set_column(pairs.schema.get_field_index("same"), "same", same).cast(PAIRS)

    monkeypatch.setattr(COMMAND, damaged)
    (message,) = world.run({NIH: [nih(1, 1)], SIIM: [siim(1), siim(2)]})
    assert message.startswith("1 pairs of films of chex-ray14 and siim look alike and cannot be compared")
    rows = world.rows()
    assert rows["s1"]["patient_cluster"] == "chex-ray14/patient/1"
    # That it is a twin is not known.
    assert rows["s1"]["twin"] is None
    monkeypatch.setattr(COMMAND, world.verified_pairs)
    assert world.settle(FAMILY) == []
    assert world.rows()["s1"]["twin"] == "chex-ray14/n1"


def test_pairs_that_join_nobody_else_ask_for_nothing(world: World) -> None:
    """RSNA's map tells the patient already, so that nothing changes for SIIM by what is found."""
    world.run({NIH: FILMS[NIH], SIIM: [siim(2)]})
    assert world.run({RSNA: [rsna(2, 1)]}) == []
    assert ("r2", "s2") in world.compared
    assert unsettled(world.collection) == []


def test_single_member_and_other_datasets_are_left_alone(world: World) -> None:
    world.run({NIH: FILMS[NIH]})
    world.write("openi", [Film(1, "a", patient_id="7")])
    before = state(world.collection)
    assert world.settle([NIH, "openi"]) == []
    assert state(world.collection) == before
    assert world.compared == []
    assert set(folds_before(world.collection)) == {NIH}


def test_index_of_an_older_version_gets_the_columns(world: World) -> None:
    world.run(FILMS)
    expected = world.rows()
    path = world.collection / NIH / "index.parquet"
    older = pq.ParquetFile(path).read().drop_columns(["twin", "twin_by", "patient_cluster", "fold"])
    pq.write_table(older, path)
    assert unsettled(world.collection) == [NIH]
    (message,) = world.settle([SIIM])
    assert message.startswith(f"{NIH}: its index does not know")
    assert world.settle([NIH]) == []
    assert world.rows() == expected


def test_damaged_index_of_another_run_stops_nothing(world: World) -> None:
    world.run(FILMS)
    path = world.collection / RSNA / "index.parquet"
    path.write_bytes(path.read_bytes()[:100])
    messages = world.run({NIH: FILMS[NIH], SIIM: FILMS[SIIM]})
    assert [message.startswith(f"{path}: cannot be read") for message in messages] == [True, False]
    # Its copy of a film of SIIM is not known for the moment.
    assert "of siim move to another fold, because their patients" in messages[1]
    assert world.rows(SIIM)["s2"]["twin"] == "chex-ray14/n2"


def test_damaged_pairs_are_found_again(world: World) -> None:
    world.run(FILMS)
    settled = state(world.collection)
    (world.collection / SIIM / "pairs.parquet").write_bytes(b"PAR1")
    assert world.run(FILMS) == []
    assert state(world.collection) == settled


def test_dataset_without_fingerprints_keeps_its_map(world: World) -> None:
    world.run(FILMS)
    path = world.collection / RSNA / "index.parquet"
    rows = pq.ParquetFile(path).read()
    place = rows.schema.get_field_index("fingerprint")
    pq.write_table(rows.set_column(place, "fingerprint", pa.nulls(rows.num_rows, pa.string())), path)
    (message,) = world.settle(FAMILY)
    assert message.startswith(f"{RSNA}: its films are not looked for in other datasets: ")
    assert world.clusters()["r2"] == "chex-ray14/patient/1"


class StopError(Exception):
    """The end of a run, at whatever moment."""


def stopping(after: int) -> Callable[[], None]:
    """Return a check that raises at the call of this number."""
    calls = iter(range(after))

    def check() -> None:
        if next(calls, None) is None:
            raise StopError

    return check


def pairs_on_disk(collection: Path) -> set[tuple[str, str]]:
    tables = [pq.ParquetFile(path).read() for path in collection.glob("*/pairs.parquet")]
    return {(row["first_identity"], row["second_identity"]) for each in tables for row in each.to_pylist()}


# Three searches, two files of pairs and two indexes, in the order of the datasets.
@pytest.mark.parametrize("calls", range(9))
def test_stopped_run_is_made_good_by_the_next(world: World, calls: int) -> None:
    world.run({NIH: FILMS[NIH]})
    with pytest.raises(StopError):
        world.run(FILMS, check=stopping(calls))
    assert not [*world.collection.rglob("*.part")]
    kept = pairs_on_disk(world.collection)
    assert bool(kept) == (calls > 2)
    world.compared.clear()
    world.run(FILMS)
    assert kept.isdisjoint(world.compared)
    assert unsettled(world.collection) == []
    settled = state(world.collection)
    shutil.rmtree(world.collection)
    world.run(FILMS)
    assert state(world.collection) == settled


def test_stopped_between_two_indexes_is_noticed(world: World) -> None:
    world.run({NIH: FILMS[NIH]})
    for name in (RSNA, SIIM):
        world.write(name, FILMS[name])
    with pytest.raises(StopError):
        world.settle(FAMILY, check=stopping(8))
    assert unsettled(world.collection) == [SIIM]


PATIENTS = {radiograph: radiograph // 3 for radiograph in range(12)}


@st.composite
def collections(draw: st.DrawFn) -> Films:
    some = st.lists(st.sampled_from(sorted(PATIENTS)), unique=True, max_size=8)
    return {
        NIH: [nih(each, PATIENTS[each]) for each in draw(some)],
        RSNA: [rsna(each, draw(st.sampled_from([PATIENTS[each], None]))) for each in draw(some)],
        # A study is of one patient.
        SIIM: [siim(each, draw(st.sampled_from([f"a{PATIENTS[each]}", None]))) for each in draw(some)],
    }


RUNS = st.lists(st.lists(st.sampled_from(FAMILY), unique=True, min_size=1), max_size=4)


@settings(max_examples=25, deadline=None)
@given(collections(), RUNS, st.integers(0, 5))
def test_no_patient_is_parted_in_whatever_order_data_come(
    tmp_path_factory: pytest.TempPathFactory, films: Films, runs: list[list[str]], fewer: int
) -> None:
    world, alone = World(tmp_path_factory.mktemp("orders")), World(tmp_path_factory.mktemp("once"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(COMMAND, world.verified_pairs)
        for names in runs:
            # As when a download is not complete yet.
            world.run({name: films[name][: len(films[name]) - fewer] for name in names})
        world.run(films)
        alone.run(films)
        assert world.settle(FAMILY) == []
    assert state(world.collection) == state(alone.collection)

    rows = world.rows()
    radiographs = {film.identity: film.radiograph for each in films.values() for film in each}
    clusters: defaultdict[tuple[str, object], set[object]] = defaultdict(set)
    folds, truth = defaultdict(set), defaultdict(set)
    for identity, row in rows.items():
        folds[row["patient_cluster"]].add(row["fold"])
        clusters["radiograph", radiographs[identity]].add(row["patient_cluster"])
        for kind in ("patient_id", "study_id"):
            if row[kind] is not None:
                clusters[kind, row[kind]].add(row["patient_cluster"])
    assert all(len(each) == 1 for each in (*folds.values(), *clusters.values()))
    # Nobody is joined without a reason.
    for identity, row in rows.items():
        truth[row["patient_cluster"]].add(PATIENTS[radiographs[identity]])
    assert all(len(each) == 1 for each in truth.values())


@settings(max_examples=15, deadline=None)
@given(collections(), RUNS)
def test_index_is_right_as_soon_as_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, films: Films, runs: list[list[str]]
) -> None:
    """When all pairs are known, no index parts a patient from the moment on at which it is written."""
    world = World(tmp_path_factory.mktemp("known"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(COMMAND, world.verified_pairs)
        world.run(films)
    for names in runs:
        for name in names:
            world.write(name, films[name])
            assert unsettled(world.collection) == []
