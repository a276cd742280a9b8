"""Boxes and masks in pixels of the pictures: through crop, padding and scale, the way the pixels went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pycocotools import mask as coco

from composer.records import BOX, MASK

Points = NDArray[np.float64]
Row = dict[str, Any]

# What the way of a source pixel into the picture is read from.
COLUMNS = (
    "native_rows",
    "native_columns",
    "rows",
    "columns",
    "scale_row",
    "scale_column",
    "crop_box",
    "pad_box",
)


@dataclass(frozen=True, slots=True)
class Way:
    """From a grid over the source to the picture: ``x * scale_x + offset_x``, likewise y.

    Attributes
    ----------
    shown
        Left, top, right, bottom of the film in the picture; beyond are its edge or its black margin.
    rows, columns
        Size of the picture.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    shown: tuple[float, float, float, float]
    rows: int
    columns: int

    @classmethod
    def of(cls, facts: Row, grid: tuple[int, int] | None) -> Way:
        """Return the way of one image.

        Parameters
        ----------
        facts
            The facts named in `COLUMNS`, as a conversion gave them.
        grid
            Rows and columns of the grid, which covers the whole source; None when it is the source's own.
        """
        grid_rows, grid_columns = grid or (facts["native_rows"], facts["native_columns"])
        left, top, _, _ = facts["crop_box"]
        pad_left, pad_top, *_ = shown = facts["pad_box"] or (0, 0, facts["columns"], facts["rows"])
        return cls(
            scale_x=facts["scale_column"] * facts["native_columns"] / grid_columns,
            scale_y=facts["scale_row"] * facts["native_rows"] / grid_rows,
            offset_x=pad_left - left * facts["scale_column"],
            offset_y=pad_top - top * facts["scale_row"],
            shown=tuple(shown),
            rows=facts["rows"],
            columns=facts["columns"],
        )

    def points(self, points: Points) -> Points:
        """Return points of shape (n, 2), x and y, in the picture."""
        return points * (self.scale_x, self.scale_y) + (self.offset_x, self.offset_y)

    def box(self, box: Row) -> Row | None:
        """Return a box and its outline in the picture, clipped to the film; None when nothing is left."""
        x, y, width, height = box["x"], box["y"], box["width"], box["height"]
        corners = np.array([(x, y), (x + width, y + height)])
        outline = box["outline"]
        if outline is not None:
            polygon = clip(self.points(np.reshape(outline, (-1, 2))), self.shown)
            if len(polygon) == 0:
                return None
            outline = polygon.ravel().tolist()
            low, high = polygon.min(axis=0), polygon.max(axis=0)
        else:
            low, high = np.clip(self.points(corners), self.shown[:2], self.shown[2:])
        if not (high > low).all():
            return None
        (left, top), (width, height) = low.tolist(), (high - low).tolist()
        return {**box, "x": left, "y": top, "width": width, "height": height, "outline": outline}

    def mask(self, mask: Row) -> Row | None:
        """Return a mask on the grid of the picture, each pixel that of its centre; None when it is empty."""
        if self._changes_nothing(mask["rows"], mask["columns"]):
            return mask
        pixels = coco.decode({"counts": mask["runs"].encode(), "size": [mask["rows"], mask["columns"]]})
        rows = np.floor((np.arange(self.rows) + 0.5 - self.offset_y) / self.scale_y).astype(np.int64)
        columns = np.floor((np.arange(self.columns) + 0.5 - self.offset_x) / self.scale_x).astype(np.int64)
        picture = np.zeros((self.rows, self.columns), dtype=np.uint8, order="F")
        row_shown, column_shown = _inside(rows, mask["rows"]), _inside(columns, mask["columns"])
        picture[np.ix_(row_shown, column_shown)] = pixels[np.ix_(rows[row_shown], columns[column_shown])]
        if not picture.any() and not self._mark_small(pixels, picture):
            return None
        encoded: Any = coco.encode(picture)
        runs = str(encoded["counts"], "ascii")
        return {**mask, "rows": self.rows, "columns": self.columns, "runs": runs}

    def _mark_small(self, pixels: NDArray[np.uint8], picture: NDArray[np.uint8]) -> bool:
        """Mark where the pixels of a mask without a picture pixel of its own come to lie; say if any do."""
        places = self.points(np.argwhere(pixels)[:, ::-1].astype(np.float64) + 0.5)
        left, top, right, bottom = self.shown
        x, y = places[((places >= (left, top)) & (places < (right, bottom))).all(axis=1)].astype(np.int64).T
        picture[y, x] = 1
        return len(x) > 0

    def _changes_nothing(self, rows: int, columns: int) -> bool:
        way = (self.scale_x, self.scale_y, self.offset_x, self.offset_y)
        return way == (1, 1, 0, 0) and (self.rows, self.columns) == (rows, columns)


def _inside(places: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    return (places >= 0) & (places < size)


def clip(polygon: Points, bounds: tuple[float, float, float, float]) -> Points:
    """Return the part of a polygon inside of a rectangle, after Sutherland and Hodgman (1974).

    Parameters
    ----------
    polygon
        Corners of shape (n, 2).
    bounds
        Left, top, right, bottom.

    Returns
    -------
    Corners of shape (m, 2); none when the polygon lies outside.
    """
    for axis, limit, sign in ((0, bounds[0], 1), (1, bounds[1], 1), (0, bounds[2], -1), (1, bounds[3], -1)):
        corners: list[Points] = []
        depths = sign * (polygon[:, axis] - limit)
        for place in range(len(polygon)):
            before, here = depths[place - 1], depths[place]
            if (before >= 0) != (here >= 0):
                share = before / (before - here)
                corners.append(polygon[place - 1] + share * (polygon[place] - polygon[place - 1]))
            if here >= 0:
                corners.append(polygon[place])
        polygon = np.array(corners).reshape(-1, 2)
    return np.clip(polygon, bounds[:2], bounds[2:])


def regions_in_pictures(written: pa.Table) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return the columns ``boxes`` and ``masks`` in pixels of the pictures, and whether an image lost any.

    Parameters
    ----------
    written
        Written images: the boxes and masks of the records, and the facts of the conversion.
    """
    boxes: list[list[Row]] = [[]] * written.num_rows
    masks: list[list[Row]] = [[]] * written.num_rows
    lost = [False] * written.num_rows
    counts = pc.add(pc.list_value_length(written["boxes"]), pc.list_value_length(written["masks"]))
    places = np.flatnonzero(counts.to_numpy())
    rows = written.select(["boxes", "box_grid", "masks", *COLUMNS]).take(places)
    for place, row in zip(places.tolist(), _rows(rows), strict=True):
        all_boxes = [Way.of(row, row["box_grid"]).box(box) for box in row["boxes"]]
        all_masks = [Way.of(row, (mask["rows"], mask["columns"])).mask(mask) for mask in row["masks"]]
        boxes[place] = [box for box in all_boxes if box]
        masks[place] = [mask for mask in all_masks if mask]
        lost[place] = None in all_boxes or None in all_masks
    return pa.array(boxes, pa.list_(BOX)), pa.array(masks, pa.list_(MASK)), pa.array(lost, pa.bool_())


def _rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()
