"""What holds for every processor: put a module into `processors/` and these tests apply to it."""

from __future__ import annotations

import gzip
import importlib
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import pytest

import composer.demo
import processors
from composer.demo import layouts_of, make_miniatures
from composer.demo.layout import Layout
from processors import all_processors
from processors.base import VIEWS, Processor, Record, SourceError, Split
from tests.processors.releases import lay

# A warning of a library about a table would be shown to every user.
pytestmark = pytest.mark.filterwarnings("error")

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")


MINIATURES = [(processor, layout) for processor in all_processors() for layout in layouts_of(processor)]


@pytest.fixture(
    params=MINIATURES,
    ids=[f"{each.folder}: {layout.name}" for each, layout in MINIATURES],
    scope="module",
)
def miniature(request: pytest.FixtureRequest) -> tuple[type[Processor], Layout]:
    pair: tuple[type[Processor], Layout] = request.param
    return pair


@pytest.fixture(scope="module")
def source(miniature: tuple[type[Processor], Layout]) -> type[Processor]:
    return miniature[0]


@pytest.fixture(scope="module")
def layout(miniature: tuple[type[Processor], Layout]) -> Layout:
    return miniature[1]


@pytest.fixture(scope="module")
def root(miniature: tuple[type[Processor], Layout], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the miniature of the layout."""
    source, layout = miniature
    folder = tmp_path_factory.mktemp(source.folder) / "root"
    layout.make(folder)
    return folder


@pytest.fixture(scope="module")
def records(source: type[Processor], root: Path) -> list[Record]:
    return read(source, root)


def read(source: type[Processor], root: Path) -> list[Record]:
    return sorted(source(root).records(), key=lambda record: record.identity)


class TestForm:
    def test_every_text_says_something(self, source: type[Processor]) -> None:
        for part in ("name", "folder", "config_key", "licence", "access", "citation"):
            text = getattr(source, part)
            assert isinstance(text, str), part
            assert text.strip() == text != "", part

    def test_folder_is_a_plain_name(self, source: type[Processor]) -> None:
        assert set(source.folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")

    def test_key_of_the_configuration(self, source: type[Processor]) -> None:
        assert source.config_key.endswith("_ROOT")
        assert source.config_key.isupper()

    def test_homepage_is_an_address(self, source: type[Processor]) -> None:
        assert source.homepage.startswith("https://")
        assert not set(source.homepage) & set(" <>")

    def test_releases_are_counted(self, source: type[Processor]) -> None:
        assert source.releases
        assert all(release.images > 0 and release.name for release in source.releases)
        assert len({release.name for release in source.releases}) == len(source.releases)

    def test_known_bad_images_come_with_reason_and_source(self, source: type[Processor]) -> None:
        identities = [image.identity for image in source.known_bad]
        assert len(set(identities)) == len(identities)
        for image in source.known_bad:
            assert image.state in ("unreadable", "absent", "suspicious")
            assert image.identity.strip() == image.identity != ""
            assert image.reason
            assert image.found_by

    def test_module_and_class_are_documented(self, source: type[Processor]) -> None:
        assert source.__doc__
        assert sys.modules[source.__module__].__doc__


class TestRecords:
    def test_there_are_as_many_as_the_layout_holds(self, records: list[Record], layout: Layout) -> None:
        assert len(records) == layout.images
        assert len([record for record in records if record.file and not record.excluded]) >= 2

    def test_identities_and_keys_are_unique(self, records: list[Record]) -> None:
        for part in ("identity", "key"):
            values = [getattr(record, part) for record in records]
            assert "" not in values
            assert len(set(values)) == len(values)

    def test_an_identity_names_no_carrier(self, records: list[Record]) -> None:
        for record in records:
            assert not record.identity.lower().endswith(IMAGE_SUFFIXES), record.identity
            assert "\\" not in record.identity

    def test_values_are_of_the_vocabulary(self, records: list[Record]) -> None:
        for record in records:
            assert record.view in VIEWS
            assert record.split is None or record.split in get_args(Split)
            assert record.sex in ("M", "F", None)
            assert record.age is None or 0 <= record.age <= 120
            assert record.excluded is None or record.excluded.strip()

    def test_labels(self, records: list[Record]) -> None:
        for record in records:
            assert all(label.value in (-1, 0, 1) for label in record.labels)
            assert all(label.label and label.labeller for label in record.labels)
            assert len({(label.label, label.labeller) for label in record.labels}) == len(record.labels)
            if record.class_label is not None:
                assert len(record.class_label) == 13
                assert set(record.class_label) <= {-1, 0, 1}

    def test_boxes_lie_on_their_grid(self, records: list[Record]) -> None:
        for record in records:
            rows, columns = record.box_grid or (float("inf"), float("inf"))
            for box in record.boxes:
                assert box.label
                assert box.width > 0 <= box.x <= columns - box.width
                assert box.height > 0 <= box.y <= rows - box.height

    def test_native_cells_are_text(self, records: list[Record]) -> None:
        for record in records:
            for column, cell in record.native.items():
                assert isinstance(column, str)
                assert isinstance(cell, str), column

    def test_files_lie_inside_the_root(self, records: list[Record], root: Path) -> None:
        for record in records:
            if record.file is None:
                continue
            path, offset, size, zipped = record.file
            assert offset is not None or not zipped
            assert not PurePosixPath(path).is_absolute()
            assert ".." not in PurePosixPath(path).parts
            assert "\\" not in path
            assert (root / path).is_file(), path
            assert (offset is None) == (size is None)
            if offset is not None and size is not None:
                assert 0 < size <= (root / path).stat().st_size - offset

    def test_no_two_records_share_a_file(self, records: list[Record]) -> None:
        files = [record.file for record in records if record.file]
        assert len(set(files)) == len(files)

    def test_every_image_file_is_accounted_for(self, records: list[Record], root: Path) -> None:
        found = {
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        }
        assert found <= {record.file.path for record in records if record.file}

    def test_images_without_a_file_are_as_many_as_the_layout_says(
        self, source: type[Processor], records: list[Record], layout: Layout
    ) -> None:
        absent = {image.identity for image in source.known_bad if image.state == "absent"}
        missing = [record for record in records if not record.file and not record.excluded]
        assert len([record for record in missing if record.identity not in absent]) == layout.missing

    def test_a_patient_is_never_in_two_splits(self, records: list[Record]) -> None:
        splits: defaultdict[str, set[str | None]] = defaultdict(set)
        for record in records:
            if record.patient_id is not None and not record.excluded:
                splits[record.patient_id].add(record.split)
        assert {patient: found for patient, found in splits.items() if len(found) > 1} == {}


class TestReading:
    def test_layout_and_tables_are_named(self, source: type[Processor], root: Path) -> None:
        processor = source(root)
        list(processor.records())
        assert processor.layout.strip()
        assert len(set(processor.tables)) == len(processor.tables)
        assert all((root / table).is_file() for table in processor.tables)

    def test_the_official_miniature_gives_no_cause_for_a_warning(
        self, source: type[Processor], root: Path, layout: Layout
    ) -> None:
        processor = source(root)
        list(processor.records())
        assert processor.warnings == [] or layout is not layouts_of(source)[0]

    def test_reading_again_gives_the_same(
        self, source: type[Processor], root: Path, records: list[Record]
    ) -> None:
        assert read(source, root) == records

    def test_the_order_of_the_file_system_does_not_matter(
        self,
        source: type[Processor],
        root: Path,
        records: list[Record],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        scandir = os.scandir
        monkeypatch.setattr(os, "scandir", lambda *path: Reversed(scandir(*path)))
        assert read(source, root) == records

    def test_the_place_of_the_root_does_not_matter(
        self, source: type[Processor], root: Path, records: list[Record], tmp_path: Path
    ) -> None:
        moved = tmp_path / "data [1] & more" / "x"
        shutil.copytree(root, moved)
        assert read(source, moved) == records

    def test_a_wrong_folder_is_named(self, source: type[Processor], tmp_path: Path) -> None:
        (tmp_path / "holiday.jpeg").write_bytes(b"")
        for folder in (tmp_path, tmp_path / "absent"):
            with pytest.raises(SourceError) as caught:
                list(source(folder).records())
            assert str(folder) in str(caught.value)

    @pytest.fixture
    def copy(self, root: Path, tmp_path: Path) -> Path:
        """Return a copy of the miniature that a test may damage."""
        return Path(shutil.copytree(root, tmp_path / "copy"))

    @pytest.mark.parametrize("carrier", ["plain", "gzip"])
    def test_a_cut_table_stops_the_run(self, source: type[Processor], copy: Path, carrier: str) -> None:
        for table in tables_of(source, copy):
            whole = table.read_text("utf-8")
            rows = whole.rstrip("\n").split("\n")
            for cut, what in (
                (f"{rows[0]}\n", "a header without rows"),
                ("\n".join(rows).rpartition(",")[0], "the last line is cut"),
            ):
                broken = table
                if carrier == "gzip":
                    table.unlink()
                    broken = table.with_name(f"{table.name}.gz")
                    broken.write_bytes(gzip.compress(cut.encode()))
                else:
                    table.write_text(cut, "utf-8")
                with pytest.raises(SourceError, match=f"{table.name}.*: {what}; download it again"):
                    list(source(copy).records())
                broken.unlink()
                table.write_text(whole, "utf-8")
        assert list(source(copy).records())

    def test_a_table_without_header_stops_the_run_and_shows_no_row(
        self, source: type[Processor], copy: Path, records: list[Record]
    ) -> None:
        for table in tables_of(source, copy):
            whole = table.read_text("utf-8")
            table.write_text(whole.partition("\n")[2], "utf-8")
            with pytest.raises(SourceError, match=f"{table.name}: expected column.*no header line") as caught:
                list(source(copy).records())
            assert names_in(str(caught.value).replace(str(copy), ""), records) == []
            table.write_text(whole, "utf-8")

    def test_no_warning_names_a_patient_or_an_image(
        self, source: type[Processor], copy: Path, records: list[Record]
    ) -> None:
        for table in tables_of(source, copy):
            rows = table.read_text("utf-8").splitlines()
            # A row that is there twice, one with cells from elsewhere, and one that names nothing.
            first, *cells = rows[1].split(",")
            odd = [rows[1], ",".join([first, *cells[::-1]]), ",".join([f"{first} ?", *cells])]
            table.write_text("\n".join([*rows, *odd]) + "\n", "utf-8")
        for record in records:
            if record.file is not None and record.file.offset is None:
                image = copy / record.file.path
                for name in (f"copy of {image.name}", f"{image.stem} (2){image.suffix}", f"{image.name}.gz"):
                    shutil.copy(image, image.with_name(name))
                lay(image.parent / image.stem, image.name)
        # Without the rows of a patient, the files are what is gone through.
        for table in tables_of(source, copy):
            rows = table.read_text("utf-8").splitlines()
            table.write_text("\n".join([rows[0], *rows[len(rows) // 2 :]]) + "\n", "utf-8")
        processor = source(copy)
        list(processor.records())
        assert names_in("\n".join(processor.warnings), records) == []

    def test_the_miniature_is_the_same_every_time(self, root: Path, layout: Layout, tmp_path: Path) -> None:
        layout.make(tmp_path / "again")
        assert contents(tmp_path / "again") == contents(root)


def tables_of(source: type[Processor], root: Path) -> list[Path]:
    """Return the tables in use that have a header."""
    processor = source(root)
    list(processor.records())
    return [root / table for table in processor.tables if table.endswith(".csv")]


def names_in(text: str, records: list[Record]) -> list[str]:
    """Return the patients and images that a text names."""
    names: set[str] = set()
    for record in records:
        name = PurePosixPath(record.key)
        names |= {record.identity, record.key, name.name, name.stem}
        names |= {part for part in (record.patient_id, record.study_id) if part}
    # Views of a CheXpert study are numbered; their names say nothing of whose they are.
    return sorted(name for name in names if name in text and not name.startswith("view"))


class Reversed:
    """What `os.scandir` gives, in the opposite order."""

    def __init__(self, scan: Any) -> None:  # noqa: ANN401 -- its type cannot be named at run time
        with scan:
            self._entries: list[os.DirEntry[str]] = list(scan)[::-1]

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return iter(self._entries)

    def __next__(self) -> os.DirEntry[str]:
        if not self._entries:
            raise StopIteration
        return self._entries.pop(0)

    def __enter__(self) -> Reversed:
        return self

    def __exit__(self, *error: object) -> None: ...

    def close(self) -> None: ...


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


class TestMiniatures:
    def test_all_are_made_under_their_keys(self, tmp_path: Path) -> None:
        roots = make_miniatures(tmp_path)
        assert roots == {source.config_key: tmp_path / source.folder for source in all_processors()}
        assert all(any(folder.iterdir()) for folder in roots.values())

    def test_a_processor_without_one_is_told_what_to_write(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lonely = type("Lonely", (), {"__module__": "processors.lonely", "name": "Lonely CXR"})
        monkeypatch.setattr(composer.demo, "all_processors", lambda: (all_processors()[0], lonely))
        with pytest.raises(LookupError, match=r"Lonely CXR has no miniature: write composer/demo/lonely\.py"):
            make_miniatures(tmp_path)
        assert list(tmp_path.iterdir()) == []


MODULE = """
from processors.base import Processor, Record
class {name}(Processor):
    name = licence = access = homepage = citation = "invented"
    folder, config_key = "{folder}", "{key}"
    releases = known_bad = ()
    def recognise(self): return "flat"
    def records(self): return iter(())
"""


class TestRegistration:
    @pytest.fixture
    def register(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[type, ...]]:
        """Return a function that registers invented modules instead of the real ones."""
        monkeypatch.setattr(processors, "__path__", [str(tmp_path)])

        def register(**modules: str) -> tuple[type, ...]:
            for name, text in modules.items():
                (tmp_path / f"{name}.py").write_text(text)
                # Undone after the test, so that the invented module is forgotten.
                monkeypatch.setitem(sys.modules, f"processors.{name}", processors)
                monkeypatch.delitem(sys.modules, f"processors.{name}")
                monkeypatch.setattr(processors, name, None, raising=False)
            importlib.invalidate_caches()
            return all_processors.__wrapped__()

        return register

    def test_a_module_put_into_the_folder_is_registered(
        self, register: Callable[..., tuple[type, ...]], tmp_path: Path
    ) -> None:
        (tmp_path / "base").mkdir()
        (tmp_path / "base" / "__init__.py").write_text("raise AssertionError('no dataset')")
        found = register(
            invented_b=MODULE.format(name="B", folder="b", key="B_ROOT"),
            invented_a=MODULE.format(name="A", folder="a", key="A_ROOT"),
        )
        assert [processor.__name__ for processor in found] == ["A", "B"]

    def test_a_module_without_a_processor(self, register: Callable[..., tuple[type, ...]]) -> None:
        with pytest.raises(TypeError, match=r"processors/invented_none\.py defines 0 processors"):
            register(invented_none="from processors.base import Processor\n")

    def test_a_module_with_two_processors(self, register: Callable[..., tuple[type, ...]]) -> None:
        text = MODULE.format(name="A", folder="a", key="A_ROOT") + MODULE.format(
            name="B", folder="b", key="B_ROOT"
        )
        with pytest.raises(TypeError, match=r"processors/invented_two\.py defines 2 processors"):
            register(invented_two=text)

    @pytest.mark.parametrize(
        ("folder", "key", "part"), [("a", "B_ROOT", "folder"), ("b", "A_ROOT", "config_key")]
    )
    def test_two_modules_that_claim_the_same(
        self, register: Callable[..., tuple[type, ...]], folder: str, key: str, part: str
    ) -> None:
        with pytest.raises(TypeError, match=f"two processors have the same {part}"):
            register(
                invented_one=MODULE.format(name="A", folder="a", key="A_ROOT"),
                invented_other=MODULE.format(name="B", folder=folder, key=key),
            )

    def test_the_real_ones_are_there_again(self) -> None:
        assert "chex-ray14" in {processor.folder for processor in all_processors.__wrapped__()}
