"""What holds for every processor: put a module into `processors/` and these tests apply to it.

So do those of its tables and files in `test_conformance_tables.py` and `test_conformance_files.py`.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pycocotools import mask as coco

import composer.demo
import processors
from composer.demo import layouts_of, make_miniatures
from composer.demo.layout import Layout
from composer.settings import Settings
from processors import all_processors
from processors.base import VIEWS, Processor, Record, SourceError, Split
from tests.processors.copies import is_inside, linked_copy, read

# A warning of a library about a table would be shown to every user.
pytestmark = pytest.mark.filterwarnings("error")

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")


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

    def test_keys_of_further_files(self, source: type[Processor]) -> None:
        others = {*Settings.model_fields, *(each.config_key.lower() for each in all_processors())}
        others |= {
            key.lower() for each in all_processors() if each is not source for key in each.further_files
        }
        for key, name in source.further_files.items():
            assert key.isupper()
            assert key.lower() not in others
            assert Path(name).name == name != ""
        assert source.splits_without_images({}, []) == {}

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


class TestFurtherFiles:
    def test_one_that_is_kept_elsewhere_says_the_same(
        self, source: type[Processor], copy: Path, tmp_path: Path, records: list[Record]
    ) -> None:
        files = {}
        for key, name in source.further_files.items():
            for path in copy.rglob(name):
                files[key] = path.rename(tmp_path / f"{key}.kept")
        if not files:
            pytest.skip("no further file in this layout")
        processor = source(copy, files)
        assert sorted(processor.records(), key=lambda record: record.identity) == records
        assert {str(path) for path in files.values()} <= set(processor.tables)
        splits = source.splits_without_images(files, [])
        assert splits.items() <= {record.identity: record.split for record in records}.items()


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

    def test_only_copies_have_twins(self, source: type[Processor], records: list[Record]) -> None:
        assert source.parent is not None or not any(record.twin for record in records)

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

    def test_outlines_fill_their_boxes(self, records: list[Record]) -> None:
        for box in (box for record in records for box in record.boxes if box.outline is not None):
            outline = box.outline or ()
            assert len(outline) >= 6
            assert len(outline) % 2 == 0
            assert all(map(math.isfinite, outline))
            for corners, start, length in (
                (outline[::2], box.x, box.width),
                (outline[1::2], box.y, box.height),
            ):
                assert min(corners) == pytest.approx(start, abs=1e-6)
                assert max(corners) == pytest.approx(start + length, abs=1e-6)

    def test_masks_are_runs_of_coco(self, records: list[Record]) -> None:
        for record in records:
            assert len({(mask.label, mask.labeller) for mask in record.masks}) == len(record.masks)
            for mask in record.masks:
                assert mask.label
                assert min(mask.rows, mask.columns) > 0
                runs: Any = {"counts": mask.runs.encode(), "size": [mask.rows, mask.columns]}
                with warnings.catch_warnings():
                    # pycocotools has not caught up with numpy 2.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    pixels = coco.decode(runs)
                assert pixels.shape == (mask.rows, mask.columns)
                # A string that was cut or is of another grid decodes all the same, into other pixels.
                again: Any = coco.encode(pixels)
                assert again["counts"].decode() == mask.runs

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
            assert is_inside(path)
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
        linked_copy(root, moved)
        assert read(source, moved) == records

    def test_a_wrong_folder_is_named(self, source: type[Processor], tmp_path: Path) -> None:
        (tmp_path / "holiday.jpeg").write_bytes(b"")
        for folder in (tmp_path, tmp_path / "absent"):
            with pytest.raises(SourceError) as caught:
                list(source(folder).records())
            assert str(folder) in str(caught.value)

    def test_the_miniature_is_the_same_every_time(self, root: Path, layout: Layout, tmp_path: Path) -> None:
        layout.make(tmp_path / "again")
        assert contents(tmp_path / "again") == contents(root)


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
