"""What a worker process does with a pair of pictures of the collection: read both small, and compare them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from composer.imaging import Refusal
from composer.imaging.libraries import guarded
from composer.imaging.picture import Pixels
from composer.imaging.similarity import SIDE, Similarity, compare
from composer.pool.limits import computing

_FORMATS = ("JPEG", "PNG")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A pair to look at: its place among all of them, and the files of both pictures."""

    place: int
    first: str
    second: str


def compare_files(task: Comparison) -> Similarity | str:
    """Return how similar two pictures are, or a text that says which of them cannot be read, and why."""
    pictures = []
    for which, path in (("first", task.first), ("second", task.second)):
        try:
            data = Path(path).read_bytes()
            with computing():
                pictures.append(_decode_small(data))
        except OSError as error:
            return f"the {which} picture cannot be read ({os.strerror(error.errno or 0)})"
        except Refusal as refusal:
            return f"the {which} picture cannot be decoded ({refusal.reason})"
        except MemoryError:
            return f"the {which} picture cannot be decoded (out of memory)"
    with computing():
        return compare(*pictures)


def _decode_small(data: bytes) -> Pixels:
    """Decode a picture, a JPEG at the size of the comparison or the next larger one that it has."""
    with guarded("the picture"), Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        image.draft("L", (SIDE, SIDE))
        # Pillow's own conversion of 16 bits clips at 255.
        return np.asarray(image if image.mode == "I;16" else image.convert("L"))
