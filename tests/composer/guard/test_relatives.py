"""What tables tell of films that other datasets hold out, and what they leave open."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.guard import Guard, Relative, guard_of, with_leaks
from composer.records import table_of
from processors.base import Processor, Record, Split
from processors.chexray14 import ChestXray14
from processors.rsna import RSNAPneumonia
from processors.siim import SIIMACR
from tests.composer.toys import record, settings

ALL = ("train", "val", "test")
SPLITS = st.sampled_from([None, *ALL])


def nih(*records: Record) -> Relative:
    return Relative(ChestXray14, Path("nih"), table_of(records))


def rsna(*records: Record) -> Relative:
    return Relative(RSNAPneumonia, Path("rsna"), table_of(records))


def leaks(
    processor: type[Processor],
    records: list[Record],
    *relatives: Relative,
    selected: tuple[str, ...] = ("train",),
) -> dict[str, str | None]:
    table = with_leaks(table_of(records), processor, relatives, selected)
    return dict(zip(table["identity"].to_pylist(), table["held_out_twin"].to_pylist(), strict=True))


def guarded(
    processor: type[Processor], records: list[Record], *relatives: Relative, **keys: object
) -> tuple[Guard, list[str]]:
    chosen = settings(**keys)
    table = with_leaks(table_of(records), processor, relatives, chosen.splits)
    guard, warnings = guard_of(table, processor, relatives, chosen)
    assert guard is not None
    return guard, warnings


def compared(guard: Guard) -> dict[str, list[str]]:
    return {source.dataset: source.rows["identity"].to_pylist() for source in guard.sources}


TRAINING = record("00000001_000", split="train")
TEST = record("00000002_000", split="test")


def test_a_copy_of_a_test_film_is_a_leak_and_one_of_a_training_film_is_none() -> None:
    copies = [record("a", twin="00000001_000"), record("b", twin="00000002_000"), record("c")]
    found = leaks(RSNAPneumonia, copies, nih(TRAINING, TEST))
    assert found == {"a": None, "b": "chex-ray14/00000002_000", "c": None}


def test_the_parent_lacks_what_a_copy_is_held_out_as() -> None:
    copies = rsna(
        record("a", twin="00000001_000", split="test"), record("b", twin="00000009_000", split="train")
    )
    assert leaks(ChestXray14, [TRAINING, TEST], copies) == {"00000001_000": "rsna/a", "00000002_000": None}


def test_siblings_are_told_by_the_film_of_which_both_are_copies() -> None:
    copies = rsna(record("a", twin="00000001_000", split="test"))
    assert leaks(SIIMACR, [record("s", twin="00000001_000")], copies) == {"s": "rsna/a"}


def test_films_without_a_known_twin_are_no_copies_of_each_other() -> None:
    assert leaks(SIIMACR, [record("s")], rsna(record("a", split="test"))) == {"s": None}


def test_the_first_relative_that_holds_a_film_out_counts() -> None:
    table = with_leaks(
        table_of([record("s", twin="00000002_000")]),
        SIIMACR,
        [nih(TEST), rsna(record("a", twin="00000002_000", split="val"))],
        ("train",),
    )
    assert table.select(["held_out_by", "held_out_twin", "held_out_split"]).to_pylist() == [
        {"held_out_by": "chex-ray14", "held_out_twin": "chex-ray14/00000002_000", "held_out_split": "test"}
    ]


def test_nobody_holds_a_training_film_out() -> None:
    assert leaks(RSNAPneumonia, [record("a", twin="00000001_000")], nih(TRAINING), selected=("test",)) == {
        "a": None
    }
    guard, warnings = guarded(ChestXray14, [TEST], rsna(record("a", split="train")), splits=["test"])
    assert compared(guard) == {}
    assert warnings == []


class Listed(ChestXray14):
    """NIH, of which the lists name more images than are here."""

    def __init__(self, **splits: Split) -> None:
        self.root = Path("nih")
        self._official = {f"{name.removeprefix('_')}_000": split for name, split in splits.items()}

    def official_splits(self) -> Mapping[str, Split]:
        return self._official


def test_official_lists_count_also_for_films_that_are_not_here() -> None:
    here = table_of([record("00000001_000", split="train")])
    relative = Relative.of_records(Listed(_00000001="train", _00000002="test", _00000003="train"), here)
    copies = [
        record("a", twin="00000001_000"),
        record("b", twin="00000002_000"),
        record("c", twin="00000003_000"),
    ]
    assert leaks(RSNAPneumonia, copies, relative) == {"a": None, "b": "chex-ray14/00000002_000", "c": None}
    _, (warning,) = guarded(SIIMACR, [record("s")], relative)
    assert warning.startswith("UNGUARDED AGAINST LEAKS, in part: 1 of 1 films")


def test_held_out_films_of_siblings_that_are_not_here_are_counted() -> None:
    absent = rsna(record("a", split="test", file=None))
    guard, (warning,) = guarded(ChestXray14, [TRAINING], absent)
    assert compared(guard) == {}
    assert "1 of 1 films that RSNA Pneumonia holds out are not here" in warning


def test_nothing_to_hold_out_needs_no_warning() -> None:
    guard, warnings = guarded(SIIMACR, [record("s")], nih(TRAINING, TEST), splits=["train", "test"])
    assert compared(guard) == {}
    assert warnings == []


def test_what_a_training_list_does_not_name_may_be_a_test_film() -> None:
    unlisted = record("00000003_000", excluded="not in train_val_list.txt")
    copies = [record("a", twin="00000003_000")]
    assert leaks(RSNAPneumonia, copies, nih(TRAINING, unlisted)) == {"a": "chex-ray14/00000003_000"}
    # Without any list nothing is known, which is told otherwise.
    plain = record("00000001_000")
    assert leaks(RSNAPneumonia, copies, nih(plain, unlisted)) == {"a": None}


@pytest.mark.parametrize("selected", [ALL, ("test", "train", "val")])
def test_nothing_is_held_out_when_all_splits_are_composed(selected: tuple[str, ...]) -> None:
    unlisted = record("00000003_000", excluded="not in train_val_list.txt")
    copies = [record("a", twin="00000002_000"), record("b", twin="00000003_000")]
    found = leaks(RSNAPneumonia, copies, nih(TRAINING, TEST, unlisted), selected=selected)
    assert found == {"a": None, "b": None}


@given(st.dictionaries(st.integers(0, 9), SPLITS), st.sets(st.sampled_from(ALL), min_size=1))
def test_a_copy_is_a_leak_just_when_its_twin_has_a_split_that_is_not_composed(
    splits: dict[int, str | None], selected: set[str]
) -> None:
    films = [record(f"0000000{n}_000", split=split) for n, split in splits.items()]
    copies = [record(f"copy {n}", twin=f"0000000{n}_000") for n in range(10)]
    found = leaks(RSNAPneumonia, copies, nih(*films), selected=tuple(selected))
    for n in range(10):
        split = splits.get(n)
        assert (found[f"copy {n}"] is not None) == (split in {"val", "test"} - selected)


def test_a_map_and_a_list_leave_nothing_to_compare() -> None:
    guard, warnings = guarded(RSNAPneumonia, [record("a", twin="00000001_000")], nih(TRAINING, TEST))
    assert compared(guard) == {}
    assert warnings == []


def test_without_a_map_copies_are_compared_with_all_that_is_held_out_and_here() -> None:
    absent = record("00000004_000", split="test", file=None)
    guard, warnings = guarded(
        SIIMACR, [record("s")], nih(TRAINING, TEST, absent), rsna(record("a", split="test"))
    )
    assert compared(guard) == {"chex-ray14": ["00000002_000"], "rsna": ["a"]}
    assert guard.compares == 2
    (warning,) = warnings
    assert warning.startswith(
        "UNGUARDED AGAINST LEAKS, in part: 1 of 2 films that NIH ChestX-ray14 holds out"
    )


def test_one_copy_without_a_known_twin_is_enough_to_compare() -> None:
    guard, _ = guarded(RSNAPneumonia, [record("a", twin="00000001_000"), record("b")], nih(TRAINING, TEST))
    assert compared(guard) == {"chex-ray14": ["00000002_000"]}


def test_films_that_are_left_out_anyway_need_no_comparison() -> None:
    copies = [
        record("a", twin="00000001_000"),
        record("b", split="test"),
        record("c", excluded="not in stage_2_train_labels.csv"),
    ]
    guard, warnings = guarded(RSNAPneumonia, copies, nih(TRAINING, TEST))
    assert compared(guard) == {}
    assert warnings == []


def test_the_parent_is_compared_with_copies_of_unknown_twins_alone() -> None:
    copies = rsna(record("a", twin="00000001_000", split="test"), record("b", split="test"))
    guard, warnings = guarded(ChestXray14, [TRAINING, TEST], copies)
    assert compared(guard) == {"rsna": ["b"]}
    assert warnings == []


def test_copies_without_anything_to_tell_them_by_are_told_loudly() -> None:
    guard, (warning,) = guarded(SIIMACR, [record("s"), record("t")])
    assert compared(guard) == {}
    assert warning.startswith("UNGUARDED AGAINST LEAKS: 2 films")
    assert "CHEXRAY14_ROOT" in warning
    assert "RSNA" not in warning


def test_the_remedy_names_the_files_of_the_map_and_of_the_list() -> None:
    _, (warning,) = guarded(RSNAPneumonia, [record("a")])
    assert "RSNA_MAPPING to pneumonia-challenge-dataset-mappings_2018.json" in warning
    assert "CHEXRAY14_TEST_LIST to its test_list.txt" in warning


def test_a_parent_without_lists_guards_nothing() -> None:
    _, (warning,) = guarded(RSNAPneumonia, [record("a", twin="00000001_000")], nih(record("00000001_000")))
    assert warning.startswith("UNGUARDED")
    assert "Set CHEXRAY14_TEST_LIST to its test_list.txt." in warning


def test_a_list_alone_guards_what_a_map_ties_to_it(tmp_path: Path) -> None:
    path = tmp_path / "test_list.txt"
    path.write_text("00000002_000.png\n", encoding="utf-8")
    chosen = settings(chexray14_test_list=str(path))
    relative, (warning,) = Relative.of_files(ChestXray14, chosen)
    assert "names 1 of the 25,596 official test images" in warning
    assert relative is not None
    copies = [record("a", twin="00000001_000"), record("b", twin="00000002_000")]
    assert leaks(RSNAPneumonia, copies, relative) == {"a": None, "b": "chex-ray14/00000002_000"}
    table = with_leaks(table_of(copies), RSNAPneumonia, [relative], ("train",))
    guard, warnings = guard_of(table, RSNAPneumonia, [relative], chosen)
    assert guard is not None
    assert (guard.sources, warnings) == ((), [])
    # What no map ties to it cannot be compared with films that are not here.
    loose = with_leaks(table_of([record("c")]), RSNAPneumonia, [relative], ("train",))
    _, (warning,) = guard_of(loose, RSNAPneumonia, [relative], chosen)
    assert warning.startswith("UNGUARDED")
    assert "RSNA_MAPPING" in warning
    assert "CHEXRAY14_TEST_LIST" not in warning


def test_without_further_files_there_is_no_such_relative() -> None:
    assert Relative.of_files(ChestXray14, settings()) == (None, [])


@pytest.mark.parametrize("splits", ["all", ["train", "val", "test"]])
def test_all_splits_turn_the_guard_off_and_say_so(splits: object) -> None:
    guard, (warning,) = guarded(SIIMACR, [record("s")], nih(TRAINING, TEST), splits=splits)
    assert guard.is_off
    assert compared(guard) == {}
    assert "the leak guard is off" in warning


def test_datasets_without_relatives_have_no_guard() -> None:
    table = table_of([record("a")])
    chexpert = next(each for each in Processor.__subclasses__() if each.folder == "chexpert")
    assert guard_of(table, chexpert, [], settings()) == (None, [])
    assert isinstance(with_leaks(table, chexpert, [], ("train",)), pa.Table)
