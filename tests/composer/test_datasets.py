"""From roots to planned datasets: what is said, and what is refused, before anything is written."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

from composer.compose import compose
from composer.datasets import Dataset, open_datasets
from composer.demo import chexpert, vindrcxr
from composer.demo.carriers import write_dicom
from composer.demo.phantom import film
from composer.errors import UsageError
from composer.settings import Settings
from processors.base import Location, Record
from processors.vindrcxr import VinDrCXR
from tests.composer import toys
from tests.composer.toys import record


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    vindrcxr.LAYOUTS[0].make(tmp_path / "vindr")
    return toys.settings(machex_path=str(tmp_path / "out"), vindrcxr_root=str(tmp_path / "vindr"))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="composer")
    return caplog


def opened(settings: Settings, records: Iterable[Record], monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Open the dataset as if its processor yielded these records."""
    monkeypatch.setattr(VinDrCXR, "records", lambda _: iter(records))
    (dataset,) = open_datasets(settings)
    return dataset


def test_what_was_recognised_is_said(settings: Settings, log: pytest.LogCaptureFixture) -> None:
    open_datasets(settings)
    assert "vindrcxr: PhysioNet" in log.text
    assert "annotations/annotations_train.csv" in log.text
    assert "12 images found; published: 18,000 in 1.0.0" in log.text


def test_first_record_of_an_identity_counts_and_the_others_are_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    records = [record("b"), record("a", sex="F"), record("a", sex="M"), record("a", sex="M")]
    dataset = opened(settings, records, monkeypatch)
    assert dataset.plan.select(["identity", "sex"]).to_pylist() == [
        {"identity": "a", "sex": "F"},
        {"identity": "b", "sex": None},
    ]
    assert (dataset.found, dataset.repeated) == (4, 2)
    assert "2 rows repeat an image; the first counts" in log.text


def test_tables_without_any_file_are_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"2 images are listed in .*, but none of their files is here"):
        opened(settings, [record("a", file=None), record("b", file=None)], monkeypatch)


def test_vanished_images_are_reported(settings: Settings, log: pytest.LogCaptureFixture) -> None:
    compose(open_datasets(settings), 1, progress=False)
    root = settings.root(VinDrCXR)
    assert root is not None
    for table in (root / "annotations").iterdir():
        table.unlink()
    for image in (root / "test").glob("*.dicom"):
        image.unlink()
    open_datasets(settings)
    assert "4 images of an earlier run are no longer listed, or no longer there" in log.text


def test_unreadable_root_is_a_problem_of_the_source(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: VinDrCXR) -> str:
        raise PermissionError(13, "Permission denied", "/root/of/it")

    monkeypatch.setattr(VinDrCXR, "recognise", refuse)
    with pytest.raises(UsageError, match=r"VINDRCXR_ROOT: .*Permission denied: '/root/of/it'"):
        open_datasets(settings)


def test_folder_of_another_dataset_is_recognised(tmp_path: Path) -> None:
    chexpert.LAYOUTS[0].make(tmp_path / "downloads")
    settings = toys.settings(vindrcxr_root=str(tmp_path / "downloads"))
    with pytest.raises(UsageError, match="this looks like CheXpert, not VinDr-CXR"):
        open_datasets(settings)


def test_views_on_which_the_selection_depends_are_read_from_the_headers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    root = settings.root(VinDrCXR)
    assert root is not None
    positions = {"a": "LL", "b": "PA", "c": None}
    for name, position in positions.items():
        attributes = {"ViewPosition": position} if position else {}
        write_dicom(root / f"{name}.dcm", film(1, rows=32, columns=32), attributes=attributes)
    (root / "d.dcm").mkdir()
    records = [
        record(name, file=Location(f"{name}.dcm"), view="unknown", view_from_header=True) for name in "abcde"
    ]
    plan = opened(settings, records, monkeypatch).plan
    # Of the last two, a folder and nothing, the conversion is to say what is wrong.
    assert plan["view"].to_pylist() == ["lateral", "PA", "unknown", None, None]
    assert plan["status"].to_pylist() == ["left out", "to write", "left out", "to write", "to write"]
    assert "reading the headers of 5 files" in log.text
    assert "2 headers that tell a view cannot be read: these images are tried anyway" in log.text
    log.clear()
    every_view = settings.model_copy(update={"frontal_only": False})
    assert opened(every_view, records, monkeypatch).plan["view"].to_pylist() == ["unknown"] * 5
    assert "headers" not in log.text
