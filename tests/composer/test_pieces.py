"""Parquet files that are written piece by piece."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from composer import pieces
from composer.pieces import PiecesFile, write_pieces


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> pa.Table:
    monkeypatch.setattr(pieces, "PIECE", 3)
    # Reading gives elements of lists this name.
    texts = pa.list_(pa.field("element", pa.string()))
    labels = pa.array([["a"] * (number % 3) for number in range(8)], texts)
    return pa.table({"id": range(8), "labels": labels}).replace_schema_metadata({"told": "here"})


def test_rows_schema_and_metadata_come_back(rows: pa.Table, tmp_path: Path) -> None:
    write_pieces(tmp_path / "file", rows)
    found = pq.read_table(tmp_path / "file")
    assert found.equals(rows, check_metadata=True)
    assert pq.ParquetFile(tmp_path / "file").num_row_groups == 3


def test_bytes_do_not_tell_how_the_rows_lay_in_the_memory(rows: pa.Table, tmp_path: Path) -> None:
    write_pieces(tmp_path / "whole", rows)
    write_pieces(tmp_path / "chunks", pa.concat_tables([rows.slice(0, 2), rows.slice(2)]))
    with (tmp_path / "added").open("wb") as file, PiecesFile(file) as added:
        for first in (0, 3, 6):
            added.add(rows.slice(first, 3))
    contents = {(tmp_path / name).read_bytes() for name in ("whole", "chunks", "added")}
    assert len(contents) == 1


def test_no_rows_have_a_schema(rows: pa.Table, tmp_path: Path) -> None:
    write_pieces(tmp_path / "file", rows.slice(0, 0))
    assert pq.read_table(tmp_path / "file").equals(rows.slice(0, 0), check_metadata=True)
