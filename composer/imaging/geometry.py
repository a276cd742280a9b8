"""From the size of the source to the size of the picture, in one resampling."""

from dataclasses import dataclass

import numpy as np

from composer.imaging.facts import Facts
from composer.imaging.picture import Grey, Pixels, Reduction
from composer.imaging.recipe import Recipe, Resize

# By how much decoders can reduce a film: JPEG by these, JPEG 2000 by any power of two.
_FACTORS = (8, 4, 2)
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


def largest_reduction(rows: int, columns: int, pixel_aspect: float, recipe: Recipe) -> int:
    """Return by which factor a film may be decoded smaller: it stays at least as large as its picture.

    Parameters are those of `plan_layout`.

    Returns
    -------
    int
        1, 2, 4 or 8; 1 unless the recipe says ``fast_decode``.
    """
    if not recipe.fast_decode:
        return 1
    layout = plan_layout(rows, columns, _square(pixel_aspect), recipe.size, recipe.resize)
    for factor in _FACTORS:
        if rows >= factor * layout.scaled_rows and columns >= factor * layout.scaled_columns:
            return factor
    return 1


def _square(pixel_aspect: float) -> float:
    return 1.0 if abs(pixel_aspect - 1) <= _SQUARE_TOLERANCE else pixel_aspect


def place(grey: Grey, layout: Layout, white: int, reduction: Reduction | None = None) -> Pixels:
    """Return the picture.

    Parameters
    ----------
    grey
        The source.
    layout
        What `plan_layout` returned for this size.
    white
        255 or 65535.
    reduction
        Where the source is a smaller version of a film, for whose size the layout is.

    Returns
    -------
    Pixels of shape (layout.rows, layout.columns)
        0 to ``white``. Without any change of scale they are the levels of the source, rounded; otherwise they
        come from one antialiased Lanczos resampling.
    """
    part = _resample(grey, layout, white, reduction)
    rows, columns = part.shape
    if (rows, columns) == (layout.rows, layout.columns):
        return part
    picture = np.zeros((layout.rows, layout.columns), dtype=part.dtype)
    picture[layout.top : layout.top + rows, layout.left : layout.left + columns] = part
    return picture


def _resample(grey: Grey, layout: Layout, white: int, reduction: Reduction | None) -> Pixels:
    rows, columns = grey.index.shape
    left, top, right, bottom = layout.box
    is_in_place = reduction is None or not reduction.offset
    if is_in_place and (rows, columns) == (layout.scaled_rows, layout.scaled_columns):
        table = np.rint(white * grey.table).astype(np.uint8 if white == 255 else np.uint16)
        part = grey.index[top:bottom, left:right]
        is_unchanged = table.dtype == part.dtype and np.array_equal(table, np.arange(len(table)))
        return part if is_unchanged else np.take(table, part)
    # Only workers come here: numba takes half a second to load.
    from composer.imaging.resample import Axis, resample

    # Only what the crop keeps is computed; the filter still sees the pixels around it.
    down = Axis(rows, layout.scaled_rows, top, bottom)
    across = Axis(columns, layout.scaled_columns, left, right)
    if reduction is not None:
        factor, offset = reduction.factor, reduction.offset
        down = down._replace(extent=reduction.rows / factor, offset=offset)
        across = across._replace(extent=reduction.columns / factor, offset=offset)
    return resample(grey, down, across, white)


def reshape(
    grey: Grey, pixel_aspect: float, recipe: Recipe, facts: Facts, reduction: Reduction | None = None
) -> Pixels:
    """Bring the source to the size of the picture, quantise it, and note in ``facts`` how.

    Parameters
    ----------
    grey
        The source.
    pixel_aspect
        Height of a pixel over its width.
    recipe
        ``size``, ``resize`` and ``white`` are used.
    facts
        Receives sizes, scales and boxes.
    reduction
        Where the source is a smaller version of a film. Facts are about the film.

    Returns
    -------
    Pixels of shape (size, size), but for ``fit``
    """
    resize = recipe.resize
    pixel_aspect = _square(pixel_aspect)
    if pixel_aspect != 1 and resize != "stretch":
        facts.flag("pixel_aspect")
    rows, columns = grey.index.shape
    if reduction is not None:
        rows, columns = reduction.rows, reduction.columns
        facts.flag("reduced_decoding")
    layout = plan_layout(rows, columns, pixel_aspect, recipe.size, resize)
    facts.native_rows, facts.native_columns = rows, columns
    facts.rows, facts.columns = layout.rows, layout.columns
    facts.scale_row, facts.scale_column = layout.scaled_rows / rows, layout.scaled_columns / columns
    facts.crop_box = list(layout.native_box(rows, columns))
    if resize == "pad":
        scaled_right, scaled_bottom = layout.left + layout.scaled_columns, layout.top + layout.scaled_rows
        facts.pad_box = [layout.left, layout.top, scaled_right, scaled_bottom]
    if layout.upscaled:
        facts.flag("upscaled")
    return place(grey, layout, recipe.white, reduction)
