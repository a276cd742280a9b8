"""MaCheX's index.json, piece by piece."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

from composer.json_index import JsonIndex

ROWS = pa.table(
    {
        "id": [0, 10_000],
        "path": ["00/000000.jpg", "01/010000.jpg"],
        "key": ["ä.png", 'with "quotes".png'],
        "view": ["PA", "AP"],
        "split": ["train", None],
        "report": ["text", None],
    }
)


def test_entries_have_absolute_paths_and_fields_that_say_something() -> None:
    file = io.BytesIO()
    with JsonIndex(file, Path("/out/toy"), ["report"]) as index:
        index.add(ROWS)
    assert json.loads(file.getvalue()) == {
        "000000": {
            "path": "/out/toy/00/000000.jpg",
            "key": "ä.png",
            "view": "PA",
            "split": "train",
            "report": "text",
        },
        "010000": {
            "path": "/out/toy/01/010000.jpg",
            "key": 'with "quotes".png',
            "view": "AP",
            "split": None,
        },
    }


@pytest.mark.parametrize("folder", ["/", "/out", "out", "."])
def test_paths_are_as_pathlib_joins_them(folder: str) -> None:
    file = io.BytesIO()
    with JsonIndex(file, Path(folder), []) as index:
        index.add(ROWS.slice(0, 1))
    assert json.loads(file.getvalue())["000000"]["path"] == str(Path(folder) / "00/000000.jpg")


def test_pieces_give_the_same_as_the_whole() -> None:
    whole, parts = io.BytesIO(), io.BytesIO()
    with JsonIndex(whole, Path("/out"), ["report"]) as index:
        index.add(ROWS)
    with JsonIndex(parts, Path("/out"), ["report"]) as index:
        for first in (0, 1, 2):
            index.add(ROWS.slice(first, 1))
    assert parts.getvalue() == whole.getvalue()
    assert whole.getvalue().count(b"\n") == ROWS.num_rows + 2
