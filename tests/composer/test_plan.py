"""The plan: numbers for ever, and one decision for every image."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.errors import OutputError
from composer.plan import make_plan, plan_digest, read_plan, recipe_of, write_plan
from composer.records import table_of
from processors.base import VIEWS
from tests.composer.toys import Toy, record, settings

RECIPE = {"size": 1024, "resize": "crop"}
IDENTITIES = st.sets(st.text("abc012_", min_size=1, max_size=4), max_size=30)


def decisions(*records: object, **keys: object) -> dict[str, tuple[str, str | None]]:
    plan = make_plan(table_of(records), settings(**keys), Toy, None)  # type: ignore[arg-type]
    return {row["identity"]: (row["status"], row["rule"]) for row in plan.to_pylist()}


def numbers(identities: set[str], previous: object = None) -> dict[str, int]:
    plan = make_plan(table_of(record(identity) for identity in identities), settings(), Toy, previous)
    return dict(zip(plan["identity"].to_pylist(), plan["number"].to_pylist(), strict=True))


def test_numbers_are_places_in_the_sorted_identities() -> None:
    assert numbers({"b", "a", "c_10", "c_9"}) == {"a": 0, "b": 1, "c_10": 2, "c_9": 3}


@given(IDENTITIES, IDENTITIES)
def test_numbers_never_change_and_never_repeat(first: set[str], second: set[str]) -> None:
    plan = make_plan(table_of(record(identity) for identity in first), settings(), Toy, None)
    before = dict(zip(plan["identity"].to_pylist(), plan["number"].to_pylist(), strict=True))
    after = numbers(second, plan)
    assert all(after[identity] == before[identity] for identity in first & second)
    new = {number for identity, number in after.items() if identity not in first}
    assert new == set(range(len(first), len(first) + len(new)))
    assert [identity for identity in after if identity not in first] == sorted(second - first)


def test_numbers_of_vanished_images_stay_taken(tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    for present in ("abc", "ab", "abd"):
        previous = read_plan(path)
        plan = make_plan(table_of(map(record, present)), settings(), Toy, previous)
        write_plan(path, plan, previous, RECIPE)
    kept = read_plan(path)
    assert kept is not None
    rows = {row["identity"]: (row["number"], row["status"]) for row in kept.to_pylist()}
    assert rows == {"a": (0, "to write"), "b": (1, "to write"), "c": (2, "vanished"), "d": (3, "to write")}


@pytest.mark.parametrize("view", VIEWS)
def test_frontal_only(view: str) -> None:
    frontal = view in ("PA", "AP", "AP supine", "PA or AP")
    found = decisions(record("a", view=view))["a"]
    assert found == (("to write", None) if frontal else ("left out", "view"))
    assert decisions(record("a", view=view), frontal_only=False)["a"] == ("to write", None)


@pytest.mark.parametrize(
    ("chosen", "written"),
    [
        ("train", {"train", None}),
        ("all", {"train", "val", "test", None}),
        (["val", "test"], {"val", "test", None}),
    ],
)
def test_splits(chosen: object, written: set[str | None]) -> None:
    for split in ("train", "val", "test", None):
        found = decisions(record("a", split=split), splits=chosen)["a"]
        assert found == (("to write", None) if split in written else ("left out", "split"))


def test_first_rule_that_applies_counts() -> None:
    found = decisions(
        record("excluded", excluded="EXCLUDE", split="test", view="lateral", file=None),
        record("split", split="test", view="lateral", file=None),
        record("view", view="lateral", file=None),
        record("unreadable", file=None),
        record("missing", file=None),
        record("odd"),
    )
    assert found == {
        "excluded": ("left out", "EXCLUDE"),
        "split": ("left out", "split"),
        "view": ("left out", "view"),
        "unreadable": ("known bad", "register"),
        "missing": ("missing", None),
        "odd": ("to write", None),
    }


def test_plan_of_nothing() -> None:
    assert decisions() == {}


def test_plan_keeps_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    write_plan(path, make_plan(table_of([record("a")]), settings(), Toy, None), None, RECIPE)
    previous = read_plan(path)
    assert previous is not None
    assert recipe_of(previous) == RECIPE


def test_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    assert plan_digest(path) is None
    write_plan(path, make_plan(table_of([record("a")]), settings(), Toy, None), None, RECIPE)
    before = plan_digest(path)
    assert before is not None
    assert plan_digest(path) == before
    write_plan(path, make_plan(table_of([record("b")]), settings(), Toy, None), None, RECIPE)
    assert plan_digest(path) != before


def test_plan_that_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="damaged"):
        plan_digest(tmp_path)


def test_damaged_plan_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    assert read_plan(path) is None
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(OutputError, match=r"plan\.parquet: damaged"):
        read_plan(path)
