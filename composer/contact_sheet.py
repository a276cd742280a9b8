"""A contact sheet: pictures of a dataset side by side, for a person to look at."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from composer.folder import number_text
from composer.storage import atomic_write

_SIDE, _CAPTION, _GAP = 224, 28, 6
_COLUMNS = 8
# A person looks at no more, and Pillow opens no picture of any size.
MAXIMUM_PICTURES = 200
_BACKGROUND, _INK = 24, 220


def write_contact_sheet(path: Path, folder: Path, index: pa.Table) -> None:
    """Draw the pictures of an index, each with its number and view, into a PNG file.

    Parameters
    ----------
    folder
        The dataset folder, in which the pictures lie.
    index
        At most `MAXIMUM_PICTURES` rows; a picture that cannot be read is an empty place.
    index
        Rows of the index.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    rows = index.select(["id", "path", "view"]).to_pylist()
    columns = min(_COLUMNS, max(1, len(rows)))
    lines = -(-len(rows) // columns)
    cell_width, cell_height = _SIDE + _GAP, _SIDE + _CAPTION + _GAP
    sheet = Image.new("L", (columns * cell_width + _GAP, lines * cell_height + _GAP), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(rows):
        left, top = _GAP + place % columns * cell_width, _GAP + place // columns * cell_height
        caption = f"{number_text(row['id'])}  {row['view']}"
        try:
            thumbnail = _thumbnail(folder / row["path"])
        except OSError:
            caption = f"{number_text(row['id'])}  unreadable"
        else:
            width, height = thumbnail.size
            sheet.paste(thumbnail, (left + (_SIDE - width) // 2, top + (_SIDE - height) // 2))
        draw.text((left + 2, top + _SIDE + 4), caption, fill=_INK)
    data = io.BytesIO()
    sheet.save(data, format="PNG")
    with atomic_write(path) as file:
        file.write(data.getvalue())


def _thumbnail(path: Path) -> Image.Image:
    with Image.open(path) as image:
        # Of a JPEG a smaller size is decoded.
        image.draft("L", (_SIDE, _SIDE))
        grey = image.convert("L") if image.mode != "I;16" else _eight_bits(image)
        grey.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        return grey


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips at 255.
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
