"""Results and failures: every planned image once, with what the ledger last said of it."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from composer import results
from composer.accounts import Accounts, account, closing_table
from composer.folder import DatasetFolder
from composer.imaging import Facts
from composer.index import write_index
from composer.ledger import read_ledger
from composer.worker import Outcome
from processors.base import Record
from tests.composer.toys import Toy, failed, joined, record, written


@pytest.fixture
def folder(tmp_path: Path) -> DatasetFolder:
    return DatasetFolder(tmp_path)


def failure_rows(folder: DatasetFolder) -> list[dict[str, str]]:
    with folder.failures.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_statuses_come_from_the_ledger_only_where_an_image_is_planned(folder: DatasetFolder) -> None:
    rows = joined(
        folder,
        [record("a"), record("b"), record("c"), record("d", view="lateral"), record("e", file=None)],
        [written("a"), failed("b"), written("d"), written("e"), written("unknown")],
    ).to_pylist()
    assert {row["identity"]: row["status"] for row in rows} == {
        "a": "written",
        "b": "failed",
        "c": "to write",
        "d": "left out",
        "e": "missing",
    }
    assert [row["bytes"] for row in rows] == [10, None, None, None, None]


def test_deleted_image_is_to_be_written_again(folder: DatasetFolder) -> None:
    rows = joined(folder, [record("a"), record("b")], [written("a"), written("b")], deleted=[1]).to_pylist()
    assert [row["status"] for row in rows] == ["written", "to write"]


def test_results_name_the_line_that_counts(folder: DatasetFolder) -> None:
    outcomes = [failed("b"), written("c"), written("a"), written("b")]
    rows = joined(folder, [record("a"), record("b"), record("c", view="lateral"), record("d")], outcomes)
    ledger = read_ledger(folder.ledger)
    lines = ledger.take(rows["line"].combine_chunks())
    assert lines["identity"].to_pylist() == ["a", "b", None, None]
    assert lines["status"].to_pylist() == ["written", "written", None, None]


def test_failures_are_named_with_their_class(folder: DatasetFolder) -> None:
    rows = joined(
        folder,
        [record("a"), record("b"), record("c"), record("d", file=None), record("e", view="other")],
        [written("a"), failed("b"), failed("c", "missing")],
    )
    results.write_failures(folder, rows)
    found = {row["identity"]: (row["key"], row["source"], row["class"]) for row in failure_rows(folder)}
    assert found == {
        "b": ("b.png", "b.png", "truncated"),
        "c": ("c.png", "c.png", "missing"),
        "d": ("d.png", "", "missing"),
    }


def test_absent_part_is_one_line(folder: DatasetFolder) -> None:
    absent = [record(f"x{number}", file=None, part="archive 2") for number in range(50)]
    half = [record("a", part="archive 1"), record("b", part="archive 1", file=None)]
    results.write_failures(folder, joined(folder, [*absent, *half], [written("a")]))
    first, second = failure_rows(folder)
    assert (first["identity"], first["source"], first["class"]) == ("", "archive 2", "missing")
    assert "none of the 50 images" in first["message"]
    assert second["identity"] == "b"


def test_part_is_absent_also_when_files_were_promised_but_not_there(folder: DatasetFolder) -> None:
    rows = joined(
        folder,
        [record("a", part="train"), record("b", part="train"), record("c", part="valid")],
        [failed("a", "missing"), failed("b", "missing"), written("c")],
    )
    assert results.absent_parts(rows) == {"train": 2}


def test_failures_file_goes_when_nothing_fails(folder: DatasetFolder) -> None:
    results.write_failures(folder, joined(folder, [record("a")], [failed("a")]))
    assert folder.failures.exists()
    results.write_failures(folder, joined(folder, [record("a")], [written("a")]))
    assert not folder.failures.exists()


def counted(
    folder: DatasetFolder, records: list[Record], outcomes: list[Outcome], found: int, repeated: int = 0
) -> Accounts:
    rows = joined(folder, records, outcomes)
    index = write_index(folder, rows, read_ledger(folder.ledger), Toy(folder.path), "jpg")
    return account("toy", found, repeated, 0, rows, index)


def test_accounts_balance(folder: DatasetFolder) -> None:
    records = [
        record("a"),
        record("b"),
        record("c", split="test"),
        record("d", view="lateral"),
        record("unreadable"),
        record("e", file=None),
        record("odd"),
    ]
    accounts = counted(folder, records, [written("a"), failed("b"), written("odd")], found=7)
    assert accounts.by_status == {"written": 2, "failed": 1, "left out": 2, "known bad": 1, "missing": 1}
    assert accounts.by_rule == {"split": 1, "view": 1}
    assert accounts.by_reason == {"truncated": 1}
    assert accounts.by_flag == {"upscaled": 2, "suspicious": 1}
    assert accounts.is_complete


def test_rows_that_repeat_an_image_are_left_out(folder: DatasetFolder) -> None:
    accounts = counted(folder, [record("a")], [written("a")], found=4, repeated=3)
    assert accounts.by_status == {"written": 1, "left out": 3}
    assert accounts.by_rule == {"repeated row": 3}


def test_accounts_that_do_not_balance_are_an_error(folder: DatasetFolder) -> None:
    with pytest.raises(RuntimeError, match="toy: 2 images found but 1 accounted for"):
        counted(folder, [record("a")], [written("a")], found=2)


def test_closing_table_shows_sums_and_what_was_not_reached(folder: DatasetFolder) -> None:
    accounts = counted(folder, [record("a"), record("b")], [written("a")], found=2)
    header, toy, _, total, *details = closing_table([accounts, accounts]).splitlines()
    assert " ".join(header.split()) == "dataset found written left out known bad missing failed to write"
    assert toy.split() == ["toy", "2", "1", "0", "0", "0", "0", "1"]
    assert total.split() == ["all", "4", "2", "0", "0", "0", "0", "2"]
    assert details == ["toy, flags: upscaled 1"] * 2


def test_films_that_look_inverted_are_counted_by_photometric_interpretation(folder: DatasetFolder) -> None:
    inverted = {"a": "MONOCHROME1", "b": "MONOCHROME1", "c": None, "d": None}
    outcomes = [
        replace(
            written(identity),
            facts=Facts(photometric_interpretation=photometric, flags=["looks_inverted", "upscaled"]),
        )
        for identity, photometric in inverted.items()
    ]
    records = [
        *(record(identity) for identity in "abc"),
        record("d", native={"PhotometricInterpretation_DICOM": "MONOCHROME2"}),
        record("e"),
    ]
    accounts = counted(folder, records, [*outcomes, written("e")], found=5)
    assert accounts.by_photometric == {
        "looks_inverted with MONOCHROME1": 2,
        "looks_inverted with MONOCHROME2": 1,
        "looks_inverted with no photometric interpretation": 1,
    }
    assert "toy, odd films: looks_inverted with MONOCHROME1 2, " in closing_table([accounts])
