"""What holds for the tables of every processor: written otherwise, damaged, or with odd cells."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

from processors.base import Processor, Record, SourceError
from tests.processors.copies import (
    cells_of,
    is_inside,
    linked_copy,
    put_cells,
    put_text,
    read,
    tables_of,
    text_of,
    unpacked,
)
from tests.processors.releases import lay

# A warning of a library about a table would be shown to every user.
pytestmark = pytest.mark.filterwarnings("error")

# Paths that lead out of the root, which are no label, number, view or split either.
ODD_CELLS = ("../../etc/passwd", "/etc/passwd", "..\\..\\windows")


@pytest.fixture
def tables(table_names: list[str], copy: Path) -> list[Path]:
    """Return the tables of the copy."""
    if not table_names:
        pytest.skip("no CSV table in this layout")
    return [copy / name for name in table_names]


def meaning(records: list[Record]) -> list[Record]:
    """Return the records without the reasons for leaving them out, which name tables as they are named."""
    return [replace(record, excluded=record.excluded and "left out") for record in records]


class TestForms:
    @pytest.mark.parametrize("place", ["first", "last"])
    def test_a_surplus_column_changes_nothing(
        self, source: type[Processor], copy: Path, tables: list[Path], records: list[Record], place: str
    ) -> None:
        for table in tables:
            rows = cells_of(table)
            if place == "first":
                wider = [["surplus", *cells] for cells in rows]
            else:
                width = max(map(len, rows))
                wider = [[*cells, *[""] * (width - len(cells)), "surplus"] for cells in rows]
            put_cells(table, wider)
        assert read(source, copy) == records

    def test_byte_order_mark_and_line_ends_of_windows_change_nothing(
        self, source: type[Processor], copy: Path, tables: list[Path], records: list[Record]
    ) -> None:
        for table in tables:
            put_cells(table, cells_of(table), line_end="\r\n", encoding="utf-8-sig")
        assert read(source, copy) == records

    @pytest.mark.parametrize("ending", ["", ".gz", ".zip"], ids=["plain", "gzip", "zip"])
    def test_packing_changes_nothing(
        self, source: type[Processor], copy: Path, tables: list[Path], records: list[Record], ending: str
    ) -> None:
        packed = [Path(f"{unpacked(table)}{ending}") for table in tables]
        for table, other in zip(tables, packed, strict=True):
            text = text_of(table)
            table.unlink()
            put_text(other, text)
        assert meaning(read(source, copy)) == meaning(records)
        assert tables_of(source, copy) == packed

    def test_names_in_upper_case_change_nothing(
        self, source: type[Processor], copy: Path, records: list[Record]
    ) -> None:
        before = source(copy)
        list(before.records())
        if not before.tables:
            pytest.skip("no table in this layout")
        for table in before.tables:
            (copy / table).rename((copy / table).with_name(Path(table).name.upper()))
        after = source(copy)
        found = sorted(after.records(), key=lambda record: record.identity)
        assert meaning(found) == meaning(records)
        assert after.tables == [
            str(Path(table).with_name(Path(table).name.upper())) for table in before.tables
        ]


class TestDamage:
    def test_a_missing_column_is_named_where_it_is_needed(
        self, source: type[Processor], copy: Path, tables: list[Path], records: list[Record]
    ) -> None:
        wrong = []
        for table in tables:
            rows = cells_of(table)
            for place, column in enumerate(rows[0]):
                put_cells(table, [cells[:place] + cells[place + 1 :] for cells in rows])
                try:
                    found = read(source, copy)
                except SourceError as error:
                    if table.name not in str(error) or repr(column.strip()) not in str(error):
                        wrong.append((table.name, column, str(error)))
                else:
                    if len(found) != len(records):
                        wrong.append((table.name, column, f"{len(found)} records without it"))
            put_cells(table, rows)
        assert wrong == []

    @pytest.mark.parametrize("ending", ["", ".gz"], ids=["plain", "gzip"])
    def test_a_cut_table_stops_the_run(
        self, source: type[Processor], copy: Path, tables: list[Path], ending: str
    ) -> None:
        for table in tables:
            whole = text_of(table)
            rows = whole.rstrip("\n").split("\n")
            broken = Path(f"{unpacked(table)}{ending}")
            table.unlink()
            for cut, what in (
                (f"{rows[0]}\n", "a header without rows"),
                ("\n".join(rows).rpartition(",")[0], "the last line is cut"),
            ):
                put_text(broken, cut)
                with pytest.raises(SourceError, match=f"{re.escape(broken.name)}: {what}; download it again"):
                    list(source(copy).records())
                broken.unlink()
            put_text(table, whole)
        assert list(source(copy).records())

    def test_a_table_without_header_stops_the_run_and_shows_no_row(
        self, source: type[Processor], copy: Path, tables: list[Path], records: list[Record]
    ) -> None:
        for table in tables:
            whole = text_of(table)
            put_text(table, whole.partition("\n")[2])
            with pytest.raises(
                SourceError, match=f"{re.escape(table.name)}: expected column.*no header line"
            ) as caught:
                list(source(copy).records())
            assert names_in(str(caught.value).replace(str(copy), ""), records) == []
            put_text(table, whole)


class Reading(NamedTuple):
    """What comes of a miniature with odd cells in one column, and whether a warning names the table."""

    place: tuple[str, str]
    records: list[Record]
    told: bool


@pytest.fixture(scope="module")
def readings(
    source: type[Processor], root: Path, table_names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> list[Reading]:
    """Replace the cells of the first rows in every column of every table, one column at a time."""
    copy = linked_copy(root, tmp_path_factory.mktemp("odd") / "root")
    untouched = source(copy)
    list(untouched.records())
    readings = []
    for table in (copy / name for name in table_names):
        header, *rows = cells_of(table)
        for place, column in enumerate(header):
            odd = [
                [*cells[:place], cell, *cells[place + 1 :]]
                for cells, cell in zip(rows, ODD_CELLS, strict=False)
            ]
            put_cells(table, [header, *odd, *rows[len(odd) :]])
            try:
                processor = source(copy)
                found = list(processor.records())
            except SourceError as error:
                # Of a small table no row may be left that is of any use.
                if table.name in str(error):
                    continue
                raise
            new = [warning for warning in processor.warnings if warning not in untouched.warnings]
            readings.append(Reading((table.name, column), found, any(table.name in each for each in new)))
        put_cells(table, [header, *rows])
    if not readings:
        pytest.skip("no CSV table in this layout")
    return readings


class TestOddCells:
    def test_none_leads_out_of_the_root(self, readings: list[Reading]) -> None:
        outside = [
            (*reading.place, path)
            for reading in readings
            for record in reading.records
            for path in (record.file and record.file.path, record.report_file)
            if path and not is_inside(path)
        ]
        assert outside == []

    def test_no_row_vanishes(self, readings: list[Reading], records: list[Record]) -> None:
        """An image that is no longer named is replaced by a row that names none, and the user is told."""
        before = {record.identity for record in records}
        wrong = []
        for reading in readings:
            after = {record.identity for record in reading.records}
            gone, new = before - after, after - before
            if len(reading.records) < len(records) or len(new) < len(gone):
                wrong.append((*reading.place, f"{len(gone)} images vanish, {len(new)} records appear"))
            if gone and not reading.told:
                wrong.append((*reading.place, "no warning names the table"))
        assert wrong == []

    def test_no_statement_is_lost_without_a_word(
        self, readings: list[Reading], records: list[Record]
    ) -> None:
        """What is said of an image has the odd cell in it, or a warning names the table.

        An image that is left out for it is told of too: images are counted by the reason.
        """
        before = {record.identity: record for record in records}
        wrong = []
        for reading in readings:
            if reading.told:
                continue
            for record in reading.records:
                changed = [
                    part
                    for part in ("labels", "boxes", "masks", "view", "split")
                    if record.identity in before
                    and not record.excluded
                    and getattr(record, part) != getattr(before[record.identity], part)
                    and not any(cell in repr_of(record, part) for cell in ODD_CELLS)
                ]
                if changed:
                    wrong.append((*reading.place, *changed))
        assert sorted(set(wrong)) == []


def repr_of(record: Record, part: str) -> str:
    """Return a part of a record as text, with backslashes as they are."""
    return repr(getattr(record, part)).replace("\\\\", "\\")


class TestWarnings:
    def test_none_names_a_patient_or_an_image_or_quotes_a_report(
        self, source: type[Processor], copy: Path, table_names: list[str], records: list[Record]
    ) -> None:
        for table in (copy / name for name in table_names):
            rows = cells_of(table)
            # A row that is there twice, one with cells from elsewhere, and one that names nothing.
            first, *cells = rows[1]
            put_cells(table, [*rows, rows[1], [first, *cells[::-1]], [f"{first} ?", *cells]])
        for record in records:
            if record.file is not None and record.file.offset is None:
                image = copy / record.file.path
                for name in (f"copy of {image.name}", f"{image.stem} (2){image.suffix}", f"{image.name}.gz"):
                    shutil.copy(image, image.with_name(name))
                if image.suffix:
                    lay(image.parent / image.stem, image.name)
        # Without the rows of a patient, the files are what is gone through.
        for table in (copy / name for name in table_names):
            rows = cells_of(table)
            put_cells(table, [rows[0], *rows[len(rows) // 2 :]])
        processor = source(copy)
        list(processor.records())
        assert names_in("\n".join(processor.warnings), records) == []


def names_in(text: str, records: list[Record]) -> list[str]:
    """Return the patients, images and reports that a text names."""
    names: set[str] = set()
    for record in records:
        name = PurePosixPath(record.key)
        names |= {record.identity, record.key, name.name, name.stem}
        names |= {part for part in (record.patient_id, record.study_id, record.report_file) if part}
        if record.report is not None:
            names |= {part for part in record.report if part}
    return sorted(name for name in names if name in text and not is_anybodys(name))


def is_anybodys(name: str) -> bool:
    """Say whether a name tells nothing of whose it is: images of an exam are numbered in some releases."""
    # A CheXpert study has view1_frontal.jpg; R2Gen's exams have 0.png.
    return name.startswith("view") or re.fullmatch(r"\d{1,3}(\.\w+)?", name) is not None
