"""What holds for the image files of every processor: half of them absent, their numbers, their reports."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from composer.plan import make_plan
from composer.records import table_of
from processors import all_processors
from processors.base import Processor, Record, Report, SourceError
from tests.composer.toys import settings
from tests.processors.copies import linked_copy, read, tables_of, text_of

# A warning of a library about a table would be shown to every user.
pytestmark = pytest.mark.filterwarnings("error")

# What a partial download may not change. The rest is about the file; its folders alone may tell the study.
SAID = (
    "view",
    "patient_id",
    "split",
    "sex",
    "age",
    "labels",
    "boxes",
    "masks",
    "report",
    "class_label",
    "native",
    "excluded",
)


def numbered(
    source: type[Processor], records: list[Record], previous: pa.Table | None = None, **chosen: object
) -> tuple[pa.Table, dict[str, int]]:
    """Return the plan, and the number of every image."""
    plan = make_plan(table_of(records), settings(**chosen), source, previous)
    return plan, dict(zip(plan["identity"].to_pylist(), plan["number"].to_pylist(), strict=True))


class TestHalf:
    """Every second image file is absent, as in a partial download."""

    @pytest.fixture(params=[0, 1], ids=["even", "odd"])
    def half(self, request: pytest.FixtureRequest, copy: Path, records: list[Record]) -> Path:
        files = sorted(record.file.path for record in records if record.file and record.file.offset is None)
        if not files:
            pytest.skip("the images of this layout lie in archives")
        for file in files[request.param :: 2]:
            (copy / file).unlink()
        # What no image was unpacked into is not there either.
        for folder in sorted(copy.rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return copy

    def test_nothing_else_changes(
        self, source: type[Processor], half: Path, root: Path, records: list[Record]
    ) -> None:
        before = {record.identity: record for record in records}
        wrong = []
        for record in read(source, half):
            was = before.get(record.identity)
            if was is None:
                wrong.append((record.identity, "another identity"))
                continue
            wrong += [(record.identity, part) for part in SAID if getattr(record, part) != getattr(was, part)]
            if was.file and (half / was.file.path).exists() and record.file != was.file:
                wrong.append((record.identity, "its file is there"))
            if record.file and record.file != was.file:
                wrong.append((record.identity, "the file of another image"))
        assert wrong == []

    def test_no_image_that_a_table_names_vanishes(
        self, source: type[Processor], half: Path, records: list[Record]
    ) -> None:
        listed = "\n".join(map(text_of, tables_of(source, half)))
        found = {record.identity for record in read(source, half)}
        there = {record.file for record in records if record.file and (half / record.file.path).exists()}
        assert [
            record.identity
            for record in records
            if record.identity not in found and (record.file in there or record.identity in listed)
        ] == []

    def test_numbers_stay(self, source: type[Processor], half: Path, records: list[Record]) -> None:
        plan, numbers = numbered(source, records)
        fewer = read(source, half)
        _, kept = numbered(source, fewer, plan, frontal_only=False, splits="all")
        assert kept == {identity: numbers[identity] for identity in kept}
        # The other way round: first a part of the release, then all of it.
        partial, first = numbered(source, fewer)
        _, completed = numbered(source, records, partial, frontal_only=False, splits="all")
        assert {identity: completed[identity] for identity in first} == first
        if first.keys() == numbers.keys():
            assert first == numbers


class TestOthers:
    def test_every_other_processor_refuses_the_folder(self, source: type[Processor], root: Path) -> None:
        def accepts(other: type[Processor]) -> bool:
            try:
                other(root)
            except SourceError:
                return False
            return True

        others = [other for other in all_processors() if other is not source]
        assert [other.folder for other in others if accepts(other)] == []


class TestReports:
    def test_files_of_reports_are_read_or_told_to_be_unreadable(
        self, source: type[Processor], root: Path, tmp_path: Path
    ) -> None:
        copy = linked_copy(root, tmp_path / "copy")
        first, second = source(copy), source(copy)
        names = [record.report_file for record in first.records() if record.report_file]
        if not names:
            pytest.skip("no reports in files of their own")
        for name in names:
            # Of some images no report is there.
            with suppress(OSError):
                assert isinstance(first.read_report(name), Report)
        list(second.records())
        shutil.rmtree(copy)
        for name in names:
            with pytest.raises(OSError):  # noqa: PT011 -- whichever it is, the report counts as unreadable
                second.read_report(name)
