"""JSON files of any content."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from processors.base import SourceError
from processors.base.json_files import objects_in, read_json, text_of


@pytest.mark.parametrize("text", ['{"a": [1]}', '\ufeff{"a":\r\n[1]}'])
def test_an_object(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text.encode()))
    assert read_json(tmp_path / "a.json", dict) == read_json(tmp_path / "a.json.gz", dict) == {"a": [1]}


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"<html>"])
def test_what_is_no_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.json: not readable as JSON .*; download"):
        read_json(tmp_path / "a.json", dict)


@pytest.mark.parametrize("content", ["[]", "null", '"text"', "1"])
def test_another_type_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(SourceError, match=r"a\.json: expected a JSON dict, found a (list|NoneType|str|int);"):
        read_json(tmp_path / "a.json", dict)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (" a ", "a"),
        (3, "3"),
        (["a", None, " b"], "a||b"),
        ("half \ud800", "half ?"),
        (False, "False"),
    ],
)
def test_text_of(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("value", [None, {}, "text", 3])
def test_what_is_no_list_holds_no_objects(value: object) -> None:
    assert objects_in(value) == []


def test_objects_in_a_list() -> None:
    assert objects_in([{"a": 1}, None, [{}], {}]) == [{"a": 1}, {}]
