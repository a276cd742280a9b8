"""Patients, clusters of them, and folds: laws that hold for any patients, in any order."""

import hashlib
import random
import re
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.folds import FOLDS, clusters, fold_of, own_patients
from tests.conftest import REPOSITORY

KEYS = st.builds(
    "{}/{}/{}".format, st.sampled_from("ab"), st.sampled_from(["patient", "study", "film"]), st.integers(0, 9)
)
PAIRS = st.lists(st.tuples(KEYS, KEYS), max_size=30)


def joined(pairs: list[tuple[str, str]]) -> list[set[str]]:
    """Return the clusters, found in the plainest way."""
    groups: list[set[str]] = []
    for pair in pairs:
        apart = [group for group in groups if group.isdisjoint(pair)]
        groups = [*apart, set(pair).union(*(group for group in groups if not group.isdisjoint(pair)))]
    return groups


@given(PAIRS)
def test_clusters_are_what_pairs_connect(pairs: list[tuple[str, str]]) -> None:
    found = clusters(pairs)
    members: dict[str, set[str]] = {}
    for key, first in found.items():
        members.setdefault(first, set()).add(key)
    assert sorted(map(sorted, members.values())) == sorted(map(sorted, joined(pairs)))


@given(PAIRS, st.randoms(use_true_random=False))
def test_order_makes_no_difference(pairs: list[tuple[str, str]], chance: random.Random) -> None:
    shuffled = [pair if chance.random() < 0.5 else pair[::-1] for pair in pairs]
    chance.shuffle(shuffled)
    assert clusters(shuffled) == clusters(pairs)


@given(PAIRS)
def test_a_cluster_is_named_after_a_patient_where_it_has_one(pairs: list[tuple[str, str]]) -> None:
    ranks = {"patient": 0, "study": 1, "film": 2}
    for key, first in clusters(pairs).items():
        assert (ranks[first.split("/")[1]], first) <= (ranks[key.split("/")[1]], key)


def test_a_long_chain_is_one_cluster() -> None:
    links = [(f"a/film/{number:05}", f"a/film/{number + 1:05}") for number in range(20_000)]
    assert set(clusters(reversed(links)).values()) == {"a/film/00000"}


def test_nothing_joins_nothing() -> None:
    assert clusters([]) == {}


def rows(*films: tuple[str, str | None, str | None, str | None]) -> pa.Table:
    columns = ("identity", "patient_id", "study_id", "twin")
    cells = zip(*films, strict=True) if films else [()] * 4
    return pa.table({name: pa.array(cell, pa.string()) for name, cell in zip(columns, cells, strict=True)})


@pytest.mark.parametrize(
    ("film", "key"),
    [
        (("f", "7", "s", "nih/t"), "nih/patient/7"),
        (("f", None, "s", "nih/t"), "rsna/study/s"),
        (("f", None, None, "nih/a/b"), "nih/film/a/b"),
        (("f/g", None, None, None), "rsna/film/f/g"),
    ],
)
def test_own_patient_is_what_says_most(
    film: tuple[str, str | None, str | None, str | None], key: str
) -> None:
    assert own_patients(rows(film), "rsna", "nih").to_pylist() == [key]


def test_patient_ids_without_a_parent_are_the_dataset_s_own() -> None:
    assert own_patients(rows(("f", "7", None, None)), "nih", None).to_pylist() == ["nih/patient/7"]


def test_a_study_has_the_patient_that_another_of_its_films_tells() -> None:
    films = rows(
        ("a", None, "s", None), ("b", "7", "s", None), ("c", "8", "t", None), ("d", None, None, None)
    )
    keys = own_patients(films, "x", None).to_pylist()
    assert keys == ["x/patient/7", "x/patient/7", "x/patient/8", "x/film/d"]


def test_no_rows_have_no_patients() -> None:
    keys = own_patients(rows(), "x", None)
    assert (len(keys), fold_of(keys).type) == (0, pa.int8())


@given(st.lists(st.tuples(st.none() | st.sampled_from("12"), st.none() | st.sampled_from("st")), max_size=8))
def test_patients_depend_on_no_order_of_rows(told: list[tuple[str | None, str | None]]) -> None:
    films = [(str(number), patient, study, None) for number, (patient, study) in enumerate(told)]
    keys = own_patients(rows(*films), "x", None).to_pylist()
    assert own_patients(rows(*films[::-1]), "x", None).to_pylist() == keys[::-1]
    assert None not in keys


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_fold_is_the_documented_arithmetic_on_the_text_alone(patients: list[str]) -> None:
    expected = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 10 for text in patients]
    assert fold_of(pa.array(patients, pa.string())).to_pylist() == expected


def test_folds_are_these_for_ever() -> None:
    patients = [
        "chex-ray14/patient/1",
        "chex-ray14/patient/13",
        "mimic/patient/10000032",
        "siim/film/1.2.276",
    ]
    assert fold_of(pa.array(patients)).to_pylist() == [1, 1, 4, 2]


def test_folds_are_of_about_equal_size() -> None:
    """Of 20,000 patients with up to 20 films each, as invented as those of any fold."""
    chance = random.Random(3)
    films = pa.array(
        [f"x/patient/{number}" for number in range(20_000) for _ in range(chance.randint(1, 20))]
    )
    sizes = Counter(fold_of(films).to_pylist())
    assert sizes.keys() == set(range(FOLDS))
    assert max(sizes.values()) < 1.1 * len(films) / FOLDS
    assert min(sizes.values()) > 0.9 * len(films) / FOLDS


def test_recipe_of_the_documents_gives_the_folds() -> None:
    page = (REPOSITORY / "docs/folds.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```python\n(import hashlib.*?)```", page, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(recipe, "folds.md", "exec"), names)  # noqa: S102 - it is our own page
    patients = [f"x/patient/{number}" for number in range(50)]
    assert fold_of(pa.array(patients)).to_pylist() == [names["fold"](patient) for patient in patients]
