"""The further files of a release: that of the configuration comes first, and its errors name the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest

from processors.base import Processor, Record, SourceError, find_further_file, naming_key


class Invented(Processor):
    name = folder = config_key = licence = access = homepage = citation = "invented"
    releases = known_bad = ()
    further_files: ClassVar[Mapping[str, str]] = MappingProxyType({"INVENTED_LIST": "list.txt"})

    def recognise(self) -> str:
        return "flat"

    def records(self) -> Iterator[Record]:
        return iter(())


def test_the_file_of_the_configuration_comes_first(tmp_path: Path) -> None:
    below = tmp_path / "root" / "List.TXT"
    below.parent.mkdir()
    elsewhere = tmp_path / "other.txt"
    named, alone = Invented(below.parent, {"INVENTED_LIST": elsewhere}), Invented(below.parent)
    assert find_further_file(alone, "INVENTED_LIST", [below.parent]) is None
    below.touch()
    assert find_further_file(alone, "INVENTED_LIST", [below.parent]) == below
    assert find_further_file(named, "INVENTED_LIST", [below.parent]) == elsewhere


def test_an_error_begins_with_the_key_where_the_configuration_names_the_file(tmp_path: Path) -> None:
    for files, message in (({"KEY": tmp_path}, r"^KEY: it is broken$"), ({}, r"^it is broken$")):
        with pytest.raises(SourceError, match=message), naming_key(files, "KEY"):
            raise SourceError("it is broken")


def test_other_errors_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="twice"), naming_key({"KEY": tmp_path}, "KEY"):
        raise ZeroDivisionError("twice")
