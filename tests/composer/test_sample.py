"""A few images that stand for all."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from composer.plan import make_plan
from composer.records import table_of
from composer.sample import spread
from tests.composer import toys
from tests.composer.toys import Toy, record


def plan_of(kinds: dict[tuple[str, str], int]) -> pa.Table:
    """Return a plan with so many images of each carrier and view."""
    records = [
        record(f"{carrier}{view}{number:04d}", carrier=carrier, view=view)
        for (carrier, view), count in kinds.items()
        for number in range(count)
    ]
    return make_plan(table_of(records), toys.settings(frontal_only=True), Toy, None)


def test_every_kind_has_its_share_and_small_ones_are_whole() -> None:
    plan = plan_of({("", "PA"): 1000, ("", "AP"): 1000, ("small", "PA"): 2, ("", "lateral"): 50})
    rows, weights = spread(plan, 12)
    chosen = plan.take(rows)
    kinds = list(zip(chosen["carrier"].to_pylist(), chosen["view"].to_pylist(), strict=True))
    assert {kind: kinds.count(kind) for kind in kinds} == {("", "PA"): 5, ("", "AP"): 5, ("small", "PA"): 2}
    assert weights.sum() == 2002
    assert chosen["identity"].to_pylist()[0] == "AP0000"


def test_rows_lie_apart() -> None:
    rows, _ = spread(plan_of({("", "PA"): 1000}), 5)
    assert rows.tolist() == [0, 250, 500, 749, 999]


@given(
    st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from(["PA", "AP"])), st.integers(0, 9)),
    st.integers(0, 20),
)
def test_sample_is_as_large_as_it_can_be_and_stands_for_all(
    kinds: dict[tuple[str, str], int], count: int
) -> None:
    plan = plan_of(kinds)
    rows, weights = spread(plan, count)
    assert len(rows) == len(set(rows.tolist())) == min(count, plan.num_rows)
    assert np.all(np.diff(rows) > 0)
    if count >= len(kinds):
        assert round(weights.sum()) == plan.num_rows
