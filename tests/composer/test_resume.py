"""The contract of a second run: what is missing and nothing else. See the table in docs/durability.md."""

import errno
import json
import logging
import os
import shutil
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from composer import compose as compose_module
from composer.accounts import closing_table
from composer.attempts import Attempt, attempt
from composer.commands import compose as compose_command
from composer.compose import compose
from composer.datasets import Dataset, open_datasets
from composer.demo import chexpert
from composer.errors import Interrupted, OutputError, StoppedAtOnce, UsageError
from composer.hold import Hold
from composer.ledger import Ledger
from composer.lock import LockLost
from composer.request import Request
from composer.settings import Settings
from composer.unconfigured import delete_unconfigured, unconfigured
from composer.worker import Task
from tests.composer import toys
from tests.composer.runs import FOLDER, configured, images, interrupting, ledger_lines, run, trained, tree


def pictures(settings: Settings) -> set[str]:
    folder = settings.machex_path / FOLDER
    return {path.relative_to(folder).as_posix() for path in folder.glob("[0-9]*/*")}


def index(settings: Settings) -> dict[str, dict[str, str]]:
    entries: dict[str, dict[str, str]] = json.loads(
        (settings.machex_path / FOLDER / "index.json").read_text()
    )
    return entries


def test_what_failed_is_tried_again_only_when_asked(settings: Settings, root: Path) -> None:
    victim, other, *_ = trained(root)
    whole = victim.read_bytes()
    victim.write_bytes(whole[:2000])
    assert run(settings).by_reason == {"truncated": 1}
    victim.write_bytes(whole)
    before = ledger_lines(settings)
    assert run(settings).by_reason == {"truncated": 1}
    assert ledger_lines(settings) == before
    # A picture that is missing is none that failed.
    number = next(number for number, entry in index(settings).items() if entry["key"] == other.name)
    (settings.machex_path / FOLDER / f"00/{number}.jpg").unlink()
    assert run(settings, request=Request(retry_failed=True)).by_status["to write"] == 1
    assert [line["identity"] for line in ledger_lines(settings)[len(before) :]] == [victim.stem]
    assert run(settings).by_status["written"] == len(trained(root))


@pytest.mark.parametrize("step", ["write_plan", "finish"])
def test_a_first_run_that_is_killed_as_it_begins_is_no_foreign_folder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    true_step = getattr(compose_module, step)

    def killed(*arguments: object, **options: object) -> None:
        true_step(*arguments, **options)
        raise StoppedAtOnce("killed")

    with monkeypatch.context() as patch:
        patch.setattr(compose_module, step, killed)
        with pytest.raises(StoppedAtOnce):
            run(settings)
    assert run(settings).is_complete


def test_new_images_get_new_numbers(settings: Settings, root: Path) -> None:
    run(settings)
    before = index(settings)
    new = root / "images/00000000_000.png"
    shutil.copy(trained(root)[0], new)
    with (root / "train_val_list.txt").open("a") as file:
        file.write(f"\n{new.name}\n")
    table = root / "Data_Entry_2017_v2020.csv"
    _, row, *_ = table.read_text().splitlines()
    cells = row.split(",")
    with table.open("a") as file:
        file.write(",".join([new.name, *cells[1:]]) + "\n")
    run(settings)
    after = index(settings)
    assert before.items() < after.items()
    (number,) = set(after) - set(before)
    assert int(number) == len(images(root)) - 1
    assert after[number]["key"] == new.name


def test_vanished_image_is_reported_kept_and_out_of_the_index(
    settings: Settings, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(settings)
    before, kept = index(settings), pictures(settings)
    victim = trained(root)[0]
    for path in (root / "train_val_list.txt", root / "Data_Entry_2017_v2020.csv"):
        path.write_text("".join(line for line in path.open() if victim.name not in line))
    victim.unlink()
    caplog.set_level(logging.WARNING, logger="composer")
    accounts = run(settings)
    assert "1 images of an earlier run are no longer listed, or no longer there" in caplog.text
    assert accounts.unselected == 1
    assert "1 pictures are kept that are not selected (see --prune)" in closing_table([accounts])
    assert pictures(settings) == kept
    assert index(settings) == {n: entry for n, entry in before.items() if entry["key"] != victim.name}


def test_other_selection_keeps_pictures_until_they_are_pruned(tmp_path: Path, root: Path) -> None:
    everything = configured(tmp_path / "out", root, splits="all")
    selection = configured(tmp_path / "out", root)
    run(everything)
    every_picture, every_line = pictures(everything), ledger_lines(everything)
    surplus = len(images(root)) - len(trained(root))
    assert run(selection).unselected == surplus
    assert pictures(everything) == every_picture
    assert run(everything).unselected == 0
    assert ledger_lines(everything) == every_line
    assert run(selection, request=Request(prune=True)).unselected == 0
    assert pictures(selection) == {f"00/{number}.jpg" for number in index(selection)}
    assert run(everything).by_status["written"] == len(images(root))
    assert pictures(everything) == every_picture


def test_other_recipe_is_refused_with_both_ways_out(tmp_path: Path, root: Path) -> None:
    run(configured(tmp_path / "out", root))
    before = tree(tmp_path / "out")
    changed = configured(tmp_path / "out", root, image_size=64, jpeg_quality=80)
    with pytest.raises(UsageError) as caught:
        open_datasets(changed)
    message = str(caught.value)
    assert "IMAGE_SIZE was 1024, is 64; JPEG_QUALITY was 95, is 80" in message
    assert f"touches {len(trained(root))} pictures" in message
    assert "--redo" in message
    assert "another MACHEX_PATH" in message
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("fast", [True, False])
def test_fast_decode_is_refused_to_come_and_to_go(tmp_path: Path, root: Path, fast: bool) -> None:
    run(configured(tmp_path / "out", root, fast_decode=fast))
    with pytest.raises(UsageError, match=f"FAST_DECODE was {fast}, is {not fast}"):
        open_datasets(configured(tmp_path / "out", root, fast_decode=not fast))
    assert run(configured(tmp_path / "out", root, fast_decode=fast)).is_complete


@pytest.mark.parametrize(
    "keys", [{"image_size": 64}, {"image_format": "png", "image_size": 64}, {"fast_decode": True}]
)
def test_redo_makes_the_collection_that_the_new_settings_make(
    tmp_path: Path, root: Path, keys: dict[str, object]
) -> None:
    run(configured(tmp_path / "new" / "out", root, **keys))
    shutil.move(tmp_path / "new", tmp_path / "expected")
    changed = configured(tmp_path / "new" / "out", root, **keys)
    run(configured(tmp_path / "new" / "out", root))
    run(changed, request=Request(prune=True), redo=True)
    assert tree(tmp_path / "new") == tree(tmp_path / "expected")


def test_redo_that_is_interrupted_goes_on_and_its_index_never_has_old_pictures(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(configured(tmp_path / "out", root))
    changed = configured(tmp_path / "out", root, image_size=64)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append_line", interrupting(2))
        with pytest.raises(Interrupted):
            run(changed, redo=True)
    rows = pq.read_table(tmp_path / "out" / FOLDER / "index.parquet").to_pylist()
    assert {row["rows"] for row in rows} == {64}
    assert 2 <= len(rows) < len(trained(root))
    lines = len(ledger_lines(changed))
    # Once begun it goes on without the flag, and with it.
    assert run(changed, redo=True).is_complete
    assert len(ledger_lines(changed)) == lines + len(trained(root)) - len(rows)
    assert run(changed).is_complete
    with pytest.raises(UsageError, match="IMAGE_SIZE was 64, is 1024"):
        open_datasets(configured(tmp_path / "out", root))


def test_second_signal_stops_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def append_line(_: Ledger, __: bytes) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Ledger, "append_line", append_line)
    monkeypatch.setattr(compose_module, "finish", lambda *_, **__: None)
    with pytest.raises(StoppedAtOnce, match="stopped at once"):
        run(settings)
    assert not list(settings.machex_path.rglob("*.part"))
    # It tells the next run to look for pictures that differ from their lines.
    assert (settings.machex_path / FOLDER / "lock").stat().st_mtime == 0


def test_full_disk_stops_the_run_and_the_next_one_goes_on(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured(tmp_path / "out", root)
    run(settings)
    undisturbed = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(compose_module, "attempt", no_room_for_the_third)
        with pytest.raises(OutputError, match="No space left on device"):
            run(settings)
    done = index(settings)
    assert 0 < len(done) < len(trained(root))
    assert pictures(settings) == {f"00/{number}.jpg" for number in done}
    assert not list(settings.machex_path.rglob("*.part"))
    run(settings)
    assert tree(tmp_path / "out") == undisturbed


def no_room_for_the_third(task: Task) -> Attempt:
    if len(list(Path(task.target).parent.glob("[0-9]*"))) >= 2:
        raise OutputError.not_writable(Path(task.target), OSError(errno.ENOSPC, "no space"))
    return attempt(task)


def test_disk_that_is_nearly_full_stops_the_run_before_it_is(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutputError, match="nearly full"):
        run(settings)
    assert index(settings) == {}
    monkeypatch.undo()
    assert run(settings).is_complete


def test_second_run_on_a_folder_is_refused_and_names_the_first(settings: Settings) -> None:
    datasets = open_datasets(settings)
    with Hold(datasets):
        with pytest.raises(OutputError, match=f"process {os.getpid()}"):
            run(settings)
        with pytest.raises(OutputError, match=f"process {os.getpid()}"):
            compose_command.compose_and_report(settings, [], quiet=True)
    assert run(settings).is_complete


def test_folder_that_changed_while_the_sources_were_read_is_not_written(settings: Settings) -> None:
    datasets = open_datasets(settings)
    run(settings)
    before = tree(settings.machex_path)
    with pytest.raises(OutputError, match="another run has been writing here"):
        compose(datasets, 1, progress=False)
    assert tree(settings.machex_path) == before


def test_lost_lock_stops_the_run_and_leaves_the_index_to_the_new_holder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings)
    next((settings.machex_path / FOLDER / "00").iterdir()).unlink()
    (settings.machex_path / FOLDER / "index.json").write_text("{}")

    def lose(_: object) -> None:
        raise LockLost("lost")

    monkeypatch.setattr("composer.lock.FolderLock.check", lose)
    with pytest.raises(OutputError, match="lost"):
        run(settings)
    assert index(settings) == {}


def test_dataset_that_is_null_now_stays_until_it_is_pruned_by_name(
    settings: Settings, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(settings)
    shutil.copytree(settings.machex_path / FOLDER, settings.machex_path / "chexpert")
    before = tree(settings.machex_path / "chexpert")
    assert unconfigured(settings) == ["chexpert"]
    caplog.set_level(logging.WARNING, logger="composer")
    assert compose_command.compose_and_report(settings, [], quiet=True, request=Request(prune=True)) == 0
    assert "chexpert is in the collection but not in the configuration" in caplog.text
    assert tree(settings.machex_path / "chexpert") == before
    delete_unconfigured(settings, "chexpert")
    assert not (settings.machex_path / "chexpert").exists()
    assert unconfigured(settings) == []


def test_two_datasets_of_one_collection_can_be_runs_of_their_own(settings: Settings, root: Path) -> None:
    held: list[Dataset] = open_datasets(settings)
    chexpert.LAYOUTS[0].make(root.parent / "chexpert")
    other = toys.settings(machex_path=str(settings.machex_path), chexpert_root=str(root.parent / "chexpert"))
    with Hold(held):
        (accounts,) = compose(open_datasets(other), 1, progress=False)
    assert accounts.is_complete
