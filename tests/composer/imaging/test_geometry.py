"""From the size of the source to the size of the picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from composer.imaging import Facts
from composer.imaging.geometry import plan_layout, reshape
from composer.imaging.picture import Grey, Levels
from composer.imaging.recipe import Recipe, Resize

side = st.integers(1, 5000)


def steps(rows: int, columns: int) -> Levels:
    """Return random levels that 16 bits hold exactly."""
    values = np.random.default_rng(1).integers(0, 65536, (rows, columns))
    return (values / np.float32(65535)).astype(np.float32)


def reshaped(
    levels: Levels, size: int, resize: Resize, facts: Facts | None = None, aspect: float = 1.0
) -> Levels:
    """Return the picture of 16 bits as levels."""
    recipe = Recipe(size=size, resize=resize, image_format="png16")
    pixels = reshape(Grey.of_levels(levels), aspect, recipe, facts or Facts())
    assert pixels.dtype == np.uint16
    return (pixels / np.float32(65535)).astype(np.float32)


@pytest.mark.parametrize(
    ("resize", "shape", "scaled", "box"),
    [
        ("crop", (64, 64), (64, 80), [8.0, 0.0, 72.0, 64.0]),
        ("pad", (64, 64), (51, 64), [0.0, 0.0, 80.0, 64.0]),
        ("fit", (51, 64), (51, 64), [0.0, 0.0, 80.0, 64.0]),
        ("stretch", (64, 64), (64, 64), [0.0, 0.0, 80.0, 64.0]),
    ],
)
def test_four_ways(resize: Resize, shape: tuple[int, int], scaled: tuple[int, int], box: list[float]) -> None:
    facts = Facts()
    levels = reshaped(np.ones((64, 80), dtype=np.float32), 64, resize, facts)
    assert levels.shape == shape == (facts.rows, facts.columns)
    assert (facts.scale_row, facts.scale_column) == (scaled[0] / 64, scaled[1] / 80)
    assert facts.crop_box == box
    assert facts.pad_box == ([0, 6, 64, 57] if resize == "pad" else None)
    assert levels.mean() == pytest.approx(51 / 64 if resize == "pad" else 1)
    assert facts.flags == []


def test_same_size_is_not_touched() -> None:
    levels = steps(64, 64)
    for resize in ("crop", "pad", "fit", "stretch"):
        np.testing.assert_array_equal(reshaped(levels, 64, resize), levels)


def test_crop_without_scaling_only_cuts() -> None:
    levels = steps(64, 90)
    np.testing.assert_array_equal(reshaped(levels, 64, "crop"), levels[:, 13:77])


def test_crop_is_the_middle_of_the_whole_resampled() -> None:
    levels = np.random.default_rng(1).random((90, 130), dtype=np.float32)
    whole = Image.fromarray(levels).resize((46, 32), Image.Resampling.LANCZOS)
    expected = np.asarray(whole)[:, 7:39].clip(0, 1)
    np.testing.assert_allclose(reshaped(levels, 32, "crop"), expected, atol=2e-5)


def test_overshoot_is_clipped() -> None:
    edge = np.zeros((64, 64), dtype=np.float32)
    edge[:, 32:] = 1
    levels = reshaped(edge, 100, "crop")
    assert (levels.min(), levels.max()) == (0, 1)


def test_only_fit_never_enlarges() -> None:
    for resize in ("crop", "pad", "stretch"):
        facts = Facts()
        assert reshaped(np.ones((30, 40), np.float32), 64, resize, facts).shape == (64, 64)
        assert facts.flags == ["upscaled"]
    facts = Facts()
    assert reshaped(np.ones((30, 40), np.float32), 64, "fit", facts).shape == (30, 40)
    assert facts.flags == []


@pytest.mark.parametrize(
    ("aspect", "shape", "flags"),
    [
        (2.0, (80, 50), ["pixel_aspect"]),
        (0.5, (40, 100), ["pixel_aspect"]),
        (1.004, (40, 50), []),
        (1.006, (40, 50), ["pixel_aspect"]),
    ],
)
def test_coarser_axis_grows(aspect: float, shape: tuple[int, int], flags: list[str]) -> None:
    facts = Facts()
    assert reshaped(np.ones((40, 50), np.float32), 100, "fit", facts, aspect).shape == shape
    assert facts.flags == flags


@given(rows=side, columns=side, aspect=st.floats(0.5, 2), size=st.integers(1, 2048))
def test_crop_lies_in_the_source_and_keeps_the_aspect(
    rows: int, columns: int, aspect: float, size: int
) -> None:
    layout = plan_layout(rows, columns, aspect, size, "crop")
    left, top, right, bottom = layout.native_box(rows, columns)
    assert 0 <= left < right <= columns
    assert 0 <= top < bottom <= rows
    assert (layout.rows, layout.columns) == (size, size)
    assert min(layout.scaled_rows, layout.scaled_columns) == size
    # One axis is rounded down to a whole pixel, so its scale is off by less than one in its length.
    ratio = (layout.scaled_rows / (rows * aspect)) / (layout.scaled_columns / columns)
    assert ratio == pytest.approx(1, abs=1.01 / size)


@given(rows=side, columns=side, size=st.integers(1, 2048))
def test_pad_holds_the_whole_source_in_the_middle(rows: int, columns: int, size: int) -> None:
    layout = plan_layout(rows, columns, 1.0, size, "pad")
    assert layout.native_box(rows, columns) == (0, 0, columns, rows)
    assert max(layout.scaled_rows, layout.scaled_columns) == size
    right = size - layout.left - layout.scaled_columns
    bottom = size - layout.top - layout.scaled_rows
    assert 0 <= layout.left <= right <= layout.left + 1
    assert 0 <= layout.top <= bottom <= layout.top + 1


@given(rows=side, columns=side, size=st.integers(1, 2048))
def test_fit_stays_within_source_and_size(rows: int, columns: int, size: int) -> None:
    layout = plan_layout(rows, columns, 1.0, size, "fit")
    assert max(layout.rows, layout.columns) == min(size, max(rows, columns))
    assert layout.rows <= rows
    assert layout.columns <= columns
