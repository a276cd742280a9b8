"""What belongs to no image: swept, counted, deleted when asked."""

from pathlib import Path

import pyarrow as pa
import pytest

from composer.errors import OutputError
from composer.folder import DatasetFolder
from composer.image_names import listed_names
from composer.leftovers import delete_damaged, delete_dataset, prune, sweep, unselected_pictures
from tests.composer.toys import failed, joined, record, written

STATE = ("index.json", "index.parquet", "failures.csv", "ledger.jsonl", "plan.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> DatasetFolder:
    (tmp_path / "00").mkdir()
    return DatasetFolder(tmp_path)


def put(folder: DatasetFolder, *names: str) -> None:
    for name in names:
        (folder.path / name).write_bytes(b"0123456789")


def names(folder: DatasetFolder) -> set[str]:
    return {path.relative_to(folder.path).as_posix() for path in folder.path.rglob("*") if path.is_file()}


def some_results(folder: DatasetFolder) -> pa.Table:
    """Return four images: written, failed, left out, and not tried yet."""
    records = [record("a"), record("b"), record("c", view="lateral"), record("d")]
    return joined(folder, records, [written("a"), failed("b"), written("c")])


def test_temporary_files_are_swept_and_nothing_else(folder: DatasetFolder) -> None:
    kept = {"00/000000.jpg", "00/.hidden", "00/x.part", "index.json"}
    put(folder, *kept, "00/.000001.jpg.part", ".index.json.part")
    sweep(folder)
    assert names(folder) == kept


def test_pictures_that_no_run_accounts_for_are_unselected(folder: DatasetFolder) -> None:
    results = some_results(folder)
    pictures = [f"00/{number:06d}.jpg" for number in range(6)]
    put(folder, *pictures, "00/000000.png", "00/notes.txt", "00/.000001.jpg.part")
    present = listed_names(folder)
    assert unselected_pictures(present, results, "jpg") == [
        "00/000000.png",
        *(f"00/{number:06d}.jpg" for number in (2, 4, 5)),
    ]


def test_pruning_deletes_them_and_empty_folders(folder: DatasetFolder) -> None:
    (folder.path / "01").mkdir()
    put(folder, "00/000000.jpg", "00/000001.jpg", "01/010000.jpg")
    prune(folder, ["00/000001.jpg", "01/010000.jpg"])
    assert names(folder) == {"00/000000.jpg"}
    assert not (folder.path / "01").exists()


def test_what_cannot_be_deleted_is_an_error(folder: DatasetFolder) -> None:
    (folder.path / "00/000000.jpg").mkdir()
    with pytest.raises(OutputError, match=r"000000\.jpg: cannot be deleted"):
        prune(folder, ["00/000000.jpg"])


def test_pictures_of_another_size_than_the_ledger_says_are_deleted(folder: DatasetFolder) -> None:
    records = [record(identity) for identity in "abc"]
    results = joined(folder, records, [written("a"), written("b"), written("c", size=11)])
    put(folder, "00/000000.jpg", "00/000001.jpg", "00/000002.jpg")
    (folder.path / "00/000001.jpg").write_bytes(b"")
    assert delete_damaged(folder, results, "jpg") == 2
    assert names(folder) == {"00/000000.jpg", "ledger.jsonl"}


def test_dataset_is_deleted_but_for_the_files_of_others(folder: DatasetFolder) -> None:
    put(folder, "00/000000.jpg", "00/.000001.jpg.part", *STATE, "notes.txt")
    delete_dataset(folder)
    assert names(folder) == {"notes.txt"}
    assert not (folder.path / "00").exists()
