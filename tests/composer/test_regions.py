"""Boxes and masks follow the pixels."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from composer.imaging.facts import Facts
from composer.imaging.geometry import reshape
from composer.imaging.picture import Grey
from composer.imaging.recipe import Recipe, Resize
from composer.records import BOX, MASK
from composer.regions import COLUMNS, Way, clip, regions_in_pictures

# pycocotools decodes in a way that numpy 2 is to give up.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WAYS: tuple[Resize, ...] = ("crop", "pad", "fit", "stretch")


def reshaped(levels: NDArray[np.float32], size: int, resize: Resize, facts: Facts) -> NDArray[np.float32]:
    pixels = reshape(Grey.of_levels(levels), 1.0, Recipe(size=size, resize=resize), facts)
    return (pixels / np.float32(255)).astype(np.float32)


def row_of(rows: int, columns: int, size: int, resize: Resize) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Convert a blank film, and return the facts that regions need and the picture."""
    facts = Facts()
    picture = reshaped(np.zeros((rows, columns), np.float32), size, resize, facts)
    return {name: getattr(facts, name) for name in COLUMNS}, picture


def box(
    x: float, y: float, width: float, height: float, outline: list[float] | None = None
) -> dict[str, Any]:
    return {
        "label": "Mass",
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "labeller": None,
        "outline": outline,
    }


def mask_of(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    encoded: Any = coco.encode(np.asfortranarray(pixels))
    rows, columns = pixels.shape
    runs = encoded["counts"].decode()
    return {"label": "Mass", "rows": rows, "columns": columns, "runs": runs, "labeller": "R1"}


def pixels_of(mask: dict[str, Any]) -> NDArray[np.uint8]:
    decoded: NDArray[np.uint8] = coco.decode(
        {"counts": mask["runs"].encode(), "size": [mask["rows"], mask["columns"]]}
    )
    return decoded


def edges(box: dict[str, Any]) -> tuple[float, float, float, float]:
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


@given(
    rows=st.integers(40, 90),
    columns=st.integers(40, 90),
    size=st.integers(32, 64),
    resize=st.sampled_from(WAYS),
    data=st.data(),
)
# The first example may wait for numba.
@settings(deadline=None)
def test_a_bright_rectangle_is_where_its_box_is(
    rows: int, columns: int, size: int, resize: Resize, data: st.DataObject
) -> None:
    top = data.draw(st.integers(0, rows - 6))
    left = data.draw(st.integers(0, columns - 6))
    bottom = data.draw(st.integers(top + 5, rows))
    right = data.draw(st.integers(left + 5, columns))
    film = np.zeros((rows, columns), np.float32)
    film[top:bottom, left:right] = 1
    facts = Facts()
    picture = reshaped(film, size, resize, facts)
    way = Way.of({name: getattr(facts, name) for name in COLUMNS}, None)
    found = way.box(box(left, top, right - left, bottom - top))
    bright = np.argwhere(picture > 0.5)
    if found is None:
        assert len(bright) == 0
    elif len(bright):
        x0, y0, x1, y1 = edges(found)
        (first_row, first_column), (last_row, last_column) = bright.min(axis=0), bright.max(axis=0) + 1
        for found_edge, seen in ((x0, first_column), (y0, first_row), (x1, last_column), (y1, last_row)):
            # The level half way up lies within a pixel of the edge, and pixels are whole.
            assert abs(found_edge - seen) <= 1.5


@pytest.mark.parametrize("resize", WAYS)
def test_grid_of_another_size_gives_the_same_place(resize: Resize) -> None:
    facts, _ = row_of(300, 200, 64, resize)
    own = Way.of(facts, None).box(box(60, 90, 50, 100))
    other = Way.of(facts, (600, 800)).box(box(240, 180, 200, 200))
    assert own == other
    assert own is not None


def test_crop_clips_and_drops() -> None:
    facts, _ = row_of(200, 100, 50, "crop")
    way = Way.of(facts, None)
    assert way.box(box(0, 0, 100, 50)) is None
    clipped = way.box(box(0, 40, 100, 20))
    assert clipped is not None
    assert edges(clipped) == (0, 0, 50, 5)


def test_pad_moves_and_the_margin_is_not_film() -> None:
    facts, _ = row_of(200, 100, 50, "pad")
    found = Way.of(facts, None).box(box(-20, 0, 140, 200))
    assert found is not None
    assert edges(found) == (12, 0, 37, 50)


def test_outline_is_clipped_and_its_box_with_it() -> None:
    facts, _ = row_of(200, 100, 50, "crop")
    found = Way.of(facts, None).box(box(0, 30, 100, 40, [0, 50, 50, 30, 100, 50, 50, 70]))
    assert found is not None
    assert {tuple(corner) for corner in np.reshape(found["outline"], (-1, 2))} == {(0, 0), (50, 0), (25, 10)}
    assert edges(found) == (0, 0, 50, 10)


@given(
    corners=st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=12),
)
def test_clipped_polygon_lies_inside(corners: list[tuple[float, float]]) -> None:
    inside = clip(np.array(corners), (-10, -5, 20, 8))
    assert len(inside) == 0 or (
        inside[:, 0].min() >= -10 - 1e-9
        and inside[:, 0].max() <= 20 + 1e-9
        and inside[:, 1].min() >= -5 - 1e-9
        and inside[:, 1].max() <= 8 + 1e-9
    )


def test_polygon_inside_stays_as_it_is() -> None:
    polygon = np.array([(1.0, 1.0), (4.0, 1.0), (2.0, 3.0)])
    assert {tuple(corner) for corner in clip(polygon, (0, 0, 5, 5)).tolist()} == {(1, 1), (4, 1), (2, 3)}


@pytest.mark.parametrize("resize", WAYS)
def test_mask_lies_where_the_film_is_bright(resize: Resize) -> None:
    pixels = np.zeros((120, 90), np.uint8)
    pixels[30:70, 20:60] = 1
    pixels[50:110, 70:80] = 1
    facts = Facts()
    picture = reshaped(pixels.astype(np.float32), 64, resize, facts)
    found = Way.of({name: getattr(facts, name) for name in COLUMNS}, (120, 90)).mask(mask_of(pixels))
    assert found is not None
    differing = pixels_of(found) != (picture > 0.5)
    # Edges only: where the two differ the resampled film is neither bright nor dark.
    assert np.abs(picture[differing] - 0.5).max(initial=0) < 0.5
    assert differing.mean() < 0.05


def test_mask_that_is_cut_off_is_dropped_and_an_unmoved_one_is_untouched() -> None:
    pixels = np.zeros((200, 100), np.uint8)
    pixels[:40] = 1
    facts, _ = row_of(200, 100, 50, "crop")
    assert Way.of(facts, (200, 100)).mask(mask_of(pixels)) is None
    same, _ = row_of(64, 64, 64, "crop")
    mask = mask_of(np.eye(64, dtype=np.uint8))
    assert Way.of(same, (64, 64)).mask(mask) is mask


def test_mask_smaller_than_a_pixel_is_one_pixel() -> None:
    pixels = np.zeros((3200, 2560), np.uint8)
    pixels[1601, 1277] = 1
    facts, _ = row_of(3200, 2560, 64, "crop")
    found = Way.of(facts, (3200, 2560)).mask(mask_of(pixels))
    assert found is not None
    assert np.argwhere(pixels_of(found)).tolist() == [[32, 31]]


def test_box_without_numbers_is_dropped() -> None:
    facts, _ = row_of(200, 100, 50, "crop")
    assert Way.of(facts, None).box(box(float("nan"), 60, 10, 10)) is None


def test_columns_keep_the_order_of_the_rows() -> None:
    facts, _ = row_of(200, 100, 50, "crop")
    rows = [
        {**facts, "boxes": [], "masks": [], "box_grid": None},
        {**facts, "boxes": [box(0, 0, 10, 10), box(0, 100, 10, 10)], "masks": [], "box_grid": None},
        {**facts, "boxes": [], "masks": [mask_of(np.ones((200, 100), np.uint8))], "box_grid": None},
    ]
    table = pa.table(
        {
            "boxes": pa.array([row["boxes"] for row in rows], pa.list_(BOX)),
            "masks": pa.array([row["masks"] for row in rows], pa.list_(MASK)),
            "box_grid": pa.array([None] * 3, pa.list_(pa.int32())),
            **{name: [row[name] for row in rows] for name in COLUMNS},
        }
    )
    boxes, masks, lost = regions_in_pictures(table)
    assert [len(cell) for cell in boxes.to_pylist()] == [0, 1, 0]
    assert [len(cell) for cell in masks.to_pylist()] == [0, 0, 1]
    assert lost.to_pylist() == [False, True, False]
