"""Pairs are found and compared on the pictures; what cannot be compared is a row and never an end."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from composer.errors import Interrupted, UsageError
from composer.overlap.comparison import Comparison, compare_files
from composer.overlap.pairs import PAIRS, composed, row_of, verified_pairs
from composer.pool import Lost
from composer.pool.limits import Cause
from tests.composer.imaging.test_fingerprint import COPIES
from tests.composer.overlap.made import NIH, RSNA, made_up, write_dataset

NOTHING_KNOWN = PAIRS.empty_table()
FILMS = {"one": made_up(3), "other": made_up(8), "third": made_up(11)}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which RSNA has every kind of copy of a film of NIH. Tests do not change it."""
    folder = tmp_path_factory.mktemp("collection")
    write_dataset(folder / NIH, FILMS)
    write_dataset(
        folder / RSNA, {name: np.ascontiguousarray(copy(FILMS["one"])) for name, copy in COPIES.items()}
    )
    return folder


@pytest.fixture(scope="module")
def found(collection: Path) -> pa.Table:
    nih, rsna = composed(collection / NIH), composed(collection / RSNA)
    return verified_pairs(nih, rsna, NOTHING_KNOWN, 2, progress=False)


def test_every_kind_of_copy_is_found_and_no_other_film(found: pa.Table) -> None:
    same = found.filter(found["same"]).to_pylist()
    assert {(row["first_identity"], row["second_identity"]) for row in same} == {
        ("one", name) for name in COPIES
    }
    for row in same:
        name = row["second_identity"]
        assert row["inverted"] == (name.startswith("negative") or name == "several")
        assert row["mirrored"] == ("mirror" in name or name == "several")
        assert row["mean_squared_error"] < 10
    assert found["problem"].null_count == found.num_rows
    assert found.schema == PAIRS


def test_within_is_between_and_the_pairs_of_each(collection: Path, found: pa.Table) -> None:
    nih, rsna = composed(collection / NIH), composed(collection / RSNA)
    together = verified_pairs(pa.concat_tables([nih, rsna]), None, found, 2, progress=False)
    across = pc.not_equal(together["first_dataset"], together["second_dataset"])
    assert together.filter(across).equals(found)
    assert together.num_rows > found.num_rows


class TestKnown:
    @pytest.fixture
    def tables(self, tmp_path: Path) -> tuple[pa.Table, pa.Table]:
        for name in (NIH, RSNA):
            write_dataset(tmp_path / name, {"one": FILMS["one"]})
        return composed(tmp_path / NIH), composed(tmp_path / RSNA)

    def test_pairs_that_are_known_are_not_read_again(self, tables: tuple[pa.Table, pa.Table]) -> None:
        before = verified_pairs(*tables, NOTHING_KNOWN, 1, progress=False)
        assert before["same"].to_pylist() == [True]
        Path(tables[0]["file"][0].as_py()).unlink()
        assert verified_pairs(*tables, before, 1, progress=False).equals(before)

    @pytest.mark.parametrize(
        ("column", "value"),
        [("problem", "cannot be read"), ("second_sha256", "another"), ("first_identity", "x")],
    )
    def test_other_pictures_and_problems_are_looked_at_again(
        self, tables: tuple[pa.Table, pa.Table], column: str, value: str
    ) -> None:
        (row,) = verified_pairs(*tables, NOTHING_KNOWN, 1, progress=False).to_pylist()
        known = pa.Table.from_pylist([{**row, "mean_squared_error": 7.0, column: value}], PAIRS)
        (again,) = verified_pairs(*tables, known, 1, progress=False).to_pylist()
        assert again == row


class TestUnreadable:
    def test_is_a_row_that_says_so(self, tmp_path: Path) -> None:
        write_dataset(tmp_path / NIH, dict.fromkeys("abcd", FILMS["one"]), "jpg")
        pictures = sorted((tmp_path / NIH / "00").iterdir())
        pictures[2].write_bytes(pictures[2].read_bytes()[:3000])
        pictures[3].unlink()
        rows = verified_pairs(composed(tmp_path / NIH), None, NOTHING_KNOWN, 2, progress=False).to_pylist()
        problems = {row["first_identity"] + row["second_identity"]: row["problem"] for row in rows}
        assert problems == {
            "ab": None,
            "ac": "the second picture cannot be decoded (truncated)",
            "ad": "the second picture cannot be read (No such file or directory)",
            "bc": "the second picture cannot be decoded (truncated)",
            "bd": "the second picture cannot be read (No such file or directory)",
            "cd": "the first picture cannot be decoded (truncated)",
        }
        assert [row["same"] for row in rows] == [True] + 5 * [False]
        assert [row["overlap"] is None for row in rows] == [False] + 5 * [True]

    def test_what_kills_a_worker_is_a_row_too(self) -> None:
        row = row_of(Lost(Cause.CRASHED, -11))
        assert row == {"same": False, "problem": "the pictures cannot be compared (crashed)"}


def test_a_run_that_is_to_end_does(collection: Path) -> None:
    calls = iter([None, None, None, Interrupted()])

    def check() -> None:
        if (error := next(calls)) is not None:
            raise error

    rsna = composed(collection / RSNA)
    with pytest.raises(Interrupted):
        verified_pairs(rsna, None, NOTHING_KNOWN, 1, progress=False, check=check)


def test_pictures_of_any_format_are_compared(tmp_path: Path) -> None:
    fine = (made_up(3, side=1024).astype(np.uint16) * 257)[::2]
    write_dataset(tmp_path / NIH, {"16 bits": fine})
    write_dataset(tmp_path / RSNA, {"JPEG": made_up(3, side=1024)}, "jpg")
    files = [str(tmp_path / NIH / "00/000000.png"), str(tmp_path / RSNA / "00/000000.jpg")]
    similarity = compare_files(Comparison(0, *files))
    assert not isinstance(similarity, str)
    assert similarity.same_radiograph


def test_of_no_film_there_is_no_pair(collection: Path) -> None:
    nih = composed(collection / NIH)
    assert verified_pairs(nih.slice(0, 0), nih, NOTHING_KNOWN, 1, progress=False).equals(NOTHING_KNOWN)
    assert verified_pairs(nih.slice(0, 0), None, NOTHING_KNOWN, 1, progress=False).equals(NOTHING_KNOWN)


class TestComposed:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_dataset(tmp_path / NIH, {"one": FILMS["one"], "blank": np.zeros((64, 64), np.uint8)})
        return tmp_path / NIH

    def rewrite(self, folder: Path, **columns: Any) -> None:  # noqa: ANN401 - values of a column
        index = pq.read_table(folder / "index.parquet")
        for name, values in columns.items():
            index = index.drop_columns(name)
            if values is not None:
                index = index.append_column(name, pa.array(values, pa.string()))
        pq.write_table(index, folder / "index.parquet")

    def test_older_indexes_are_read(self, folder: Path) -> None:
        rows = composed(folder)
        assert rows["file"].to_pylist() == [str(path) for path in sorted((folder / "00").iterdir())]
        assert rows["fingerprint"].null_count == 1
        for name in ("twin", "twin_by", "patient_cluster", "fold"):
            assert rows[name].null_count == 2
        assert rows["fold"].type == pa.int8()

    @pytest.mark.parametrize("prints", [None, [None, None]])
    def test_without_fingerprints(self, folder: Path, prints: object) -> None:
        self.rewrite(folder, fingerprint=prints)
        with pytest.raises(UsageError, match=r"older version, .* run the compose command"):
            composed(folder)

    @pytest.mark.parametrize("text", ["", "00", "g" * 64, "A" * 64, "a" * 63 + "\n"])
    def test_fingerprints_of_another_form(self, folder: Path, text: str) -> None:
        self.rewrite(folder, fingerprint=["a" * 64, text])
        with pytest.raises(UsageError, match="index command"):
            composed(folder)

    def test_damaged_or_missing(self, folder: Path) -> None:
        index = folder / "index.parquet"
        self.rewrite(folder, sha256=None)
        with pytest.raises(UsageError, match=r"index\.parquet.*index command"):
            composed(folder)
        index.write_bytes(index.read_bytes()[:-50])
        with pytest.raises(UsageError, match=r"index\.parquet.*index command"):
            composed(folder)
        index.unlink()
        with pytest.raises(UsageError, match=r"index\.parquet.*index command"):
            composed(folder)
