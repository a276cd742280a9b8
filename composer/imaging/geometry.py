"""From the size of the source to the size of the picture, in one resampling."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from composer.imaging.facts import Facts
from composer.imaging.picture import Levels
from composer.imaging.recipe import Resize

# Pixels whose aspect differs from 1 by no more are taken as square.
_SQUARE_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Layout:
    """Which part of the source goes where.

    Attributes
    ----------
    scaled_rows, scaled_columns
        Size that the whole source would have.
    box
        Left, top, right, bottom of the part shown, in pixels of the scaled source.
    rows, columns
        Size of the picture.
    left, top
        Where the part shown lies in the picture.
    upscaled
        Whether the source has too few pixels.
    """

    scaled_rows: int
    scaled_columns: int
    box: tuple[int, int, int, int]
    rows: int
    columns: int
    left: int = 0
    top: int = 0
    upscaled: bool = False

    def native_box(self, rows: int, columns: int) -> tuple[float, float, float, float]:
        """Return ``box`` in pixels of the source, which has ``rows`` by ``columns``."""
        left, top, right, bottom = self.box
        return (
            left * columns / self.scaled_columns,
            top * rows / self.scaled_rows,
            right * columns / self.scaled_columns,
            bottom * rows / self.scaled_rows,
        )


def plan_layout(rows: int, columns: int, pixel_aspect: float, size: int, resize: Resize) -> Layout:
    """Return the layout for a source of ``rows`` by ``columns`` pixels.

    Parameters
    ----------
    rows, columns
        Size of the source.
    pixel_aspect
        Height of a pixel over its width.
    size
        Side of the picture.
    resize
        As in `Recipe`.
    """
    if resize == "stretch":
        small = size > rows or size > columns
        return Layout(size, size, (0, 0, size, size), size, size, upscaled=small)
    # The axis that is sampled more coarsely is the one that grows.
    height, width = rows * max(1.0, pixel_aspect), columns * max(1.0, 1 / pixel_aspect)
    if resize == "crop":
        return _crop(height, width, size)
    scale = size / max(height, width)
    if resize == "fit":
        scale = min(1.0, scale)
    scaled_rows, scaled_columns = max(1, round(height * scale)), max(1, round(width * scale))
    box = (0, 0, scaled_columns, scaled_rows)
    if resize == "fit":
        return Layout(scaled_rows, scaled_columns, box, scaled_rows, scaled_columns)
    left, top = (size - scaled_columns) // 2, (size - scaled_rows) // 2
    return Layout(scaled_rows, scaled_columns, box, size, size, left, top, upscaled=scale > 1)


def _crop(height: float, width: float, size: int) -> Layout:
    """Bring the short side to ``size`` and keep the centre, with torchvision's roundings as in MaCheX."""
    short = min(height, width)
    scaled_rows = size if height == short else int(size * height / short)
    scaled_columns = size if width == short else int(size * width / short)
    left, top = round((scaled_columns - size) / 2), round((scaled_rows - size) / 2)
    box = (left, top, left + size, top + size)
    return Layout(scaled_rows, scaled_columns, box, size, size, upscaled=size > short)


def place(levels: Levels, layout: Layout) -> Levels:
    """Return the picture.

    Parameters
    ----------
    levels
        The source, 0 to 1.
    layout
        What `plan_layout` returned for this size.

    Returns
    -------
    Levels of shape (layout.rows, layout.columns)
        0 to 1. Without any change of scale the values are those of the source, exactly; otherwise they come
        from one antialiased Lanczos resampling.
    """
    part = _resample(levels, layout)
    rows, columns = part.shape
    if (rows, columns) == (layout.rows, layout.columns):
        return part
    picture = np.zeros((layout.rows, layout.columns), dtype=np.float32)
    picture[layout.top : layout.top + rows, layout.left : layout.left + columns] = part
    return picture


def _resample(levels: Levels, layout: Layout) -> Levels:
    rows, columns = levels.shape
    left, top, right, bottom = layout.box
    if (rows, columns) == (layout.scaled_rows, layout.scaled_columns):
        return levels[top:bottom, left:right]
    # Only what the crop keeps is computed; the filter still sees the pixels around it.
    resized = Image.fromarray(levels).resize(
        (right - left, bottom - top),
        Image.Resampling.LANCZOS,
        box=layout.native_box(rows, columns),
    )
    return np.asarray(resized, dtype=np.float32).clip(0, 1)


def reshape(levels: Levels, pixel_aspect: float, size: int, resize: Resize, facts: Facts) -> Levels:
    """Bring ``levels`` to the size of the picture, and note in ``facts`` how.

    Parameters
    ----------
    levels
        The source, 0 to 1.
    pixel_aspect
        Height of a pixel over its width.
    size
        Side of the picture.
    resize
        As in `Recipe`.
    facts
        Receives sizes, scales and boxes.

    Returns
    -------
    Levels of shape (size, size), but for ``fit``
    """
    if abs(pixel_aspect - 1) <= _SQUARE_TOLERANCE:
        pixel_aspect = 1.0
    elif resize != "stretch":
        facts.flag("pixel_aspect")
    rows, columns = levels.shape
    layout = plan_layout(rows, columns, pixel_aspect, size, resize)
    facts.native_rows, facts.native_columns = rows, columns
    facts.rows, facts.columns = layout.rows, layout.columns
    facts.scale_row, facts.scale_column = layout.scaled_rows / rows, layout.scaled_columns / columns
    facts.crop_box = list(layout.native_box(rows, columns))
    if resize == "pad":
        scaled_right, scaled_bottom = layout.left + layout.scaled_columns, layout.top + layout.scaled_rows
        facts.pad_box = [layout.left, layout.top, scaled_right, scaled_bottom]
    if layout.upscaled:
        facts.flag("upscaled")
    return place(levels, layout)
