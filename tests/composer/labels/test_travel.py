"""How a value travels, and how several become one."""

import pytest

from composer.labels.travel import Value, merge, travel, vote


@pytest.mark.parametrize(
    ("relation", "of_1", "of_0", "of_uncertain"),
    [("=", 1, 0, -1), ("<", 1, None, -1), (">", None, 0, None), ("~", None, None, None)],
)
def test_relations(relation: str, of_1: Value, of_0: Value, of_uncertain: Value) -> None:
    assert [travel(relation, value) for value in (1, 0, -1, None)] == [of_1, of_0, of_uncertain, None]


@pytest.mark.parametrize("says", [0, -1])
def test_narrower_label_may_say_absent_or_uncertain(says: int) -> None:
    assert [travel("<", value, says) for value in (1, 0, -1)] == [says, None, -1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, -1, 1], 1), ([0, -1, None], -1), ([None, 0], 0), ([None], None), ([], None)],
)
def test_several_values(values: list[Value], expected: Value) -> None:
    assert merge(values) == merge(values[::-1]) == expected


@pytest.mark.parametrize(
    ("votes", "expected"),
    [([1, 1, 1], 1), ([1, 1, 0], 1), ([1, 0, 0], -1), ([0, 0, 0], 0), ([1, None, None], -1), ([], None)],
)
def test_votes(votes: list[Value], expected: Value) -> None:
    assert vote(votes) == vote(votes[::-1]) == expected
