"""The VOI transform."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from composer.imaging import Facts
from composer.imaging.voi import Scale, Window, choose_voi
from tests.composer.imaging.support import lut_sequence

finite = st.floats(-70_000, 70_000)


@given(
    center=finite,
    width=st.floats(1, 70_000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    values=st.lists(finite, min_size=2, max_size=30),
)
def test_window_rises_from_black_to_white(
    center: float, width: float, function: str, values: list[float]
) -> None:
    y = Window(center, width, function)(np.sort(np.array(values)))
    assert y.min() >= 0
    assert y.max() <= 1
    assert (np.diff(y) >= 0).all()


def test_exact_levels_of_the_functions() -> None:
    value = np.array([1500.0])
    assert Window(2048, 2000)(value)[0] == pytest.approx(0.226113, abs=1e-6)
    assert Window(2048, 2000, "SIGMOID")(value)[0] == pytest.approx(0.250490, abs=1e-6)
    assert Window(2048, 2000, "LINEAR_EXACT")(value)[0] == pytest.approx(0.226)


def test_empty_scale_is_black() -> None:
    assert Scale(5, 5)(np.array([4.0, 5.0, 6.0])).tolist() == [0, 0, 0]


def _choose(facts: Facts, index: int = 0, **elements: object) -> object:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return choose_voi(dataset, signed=False, little_endian=True, facts=facts, index=index)


def test_table_goes_before_window() -> None:
    facts = Facts()
    _choose(facts, VOILUTSequence=lut_sequence([0, 4095], 0, 12), WindowCenter=5, WindowWidth=5)
    assert (facts.voi_kind, facts.window_center) == ("lut", None)


def test_invalid_table_gives_way_to_the_window() -> None:
    facts = Facts()
    assert _choose(
        facts, VOILUTSequence=lut_sequence([0, 0], 0, 12), WindowCenter=5, WindowWidth=5
    ) == Window(5, 5)
    assert facts.flags == ["voi_invalid"]


def test_nothing_chosen_without_elements() -> None:
    facts = Facts()
    assert _choose(facts) is None
    assert (facts.voi_kind, facts.flags) == ("none", [])


@pytest.mark.parametrize(
    ("function", "width", "valid"),
    [("LINEAR", 0.5, False), ("LINEAR", 1, True), ("SIGMOID", 0.5, True), ("LINEAR_EXACT", 0, False)],
)
def test_width_must_suit_the_function(function: str, width: float, valid: bool) -> None:
    facts = Facts()
    chosen = _choose(facts, WindowCenter=5, WindowWidth=width, VOILUTFunction=function)
    assert (chosen is not None) == valid
    assert facts.flags == ([] if valid else ["voi_invalid"])


def test_next_window_follows_an_invalid_one() -> None:
    facts = Facts()
    assert _choose(facts, WindowCenter=[5, 6], WindowWidth=[0, 7]) == Window(6, 7)
    assert (facts.voi_index, facts.flags) == (1, ["voi_invalid"])


def test_unknown_function_is_linear() -> None:
    facts = Facts()
    assert _choose(facts, WindowCenter=5, WindowWidth=7, VOILUTFunction="CURVED") == Window(5, 7)
    assert facts.flags == ["voi_unknown_function"]


def test_width_without_centre_is_invalid() -> None:
    facts = Facts()
    assert _choose(facts, WindowWidth=7) is None
    assert facts.flags == ["voi_invalid"]


def test_table_that_stops_one_bit_early_is_left_alone() -> None:
    facts = Facts()
    transform = _choose(facts, VOILUTSequence=lut_sequence([0, 2047], 0, 12))
    assert callable(transform)
    assert transform(np.array([1.0]))[0] == pytest.approx(2047 / 4095)
    assert facts.flags == ["lut_depth_suspect"]
