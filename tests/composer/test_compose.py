"""Composing the NIH miniature, undisturbed and with everything that goes wrong on a user's disk."""

import csv
import functools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from composer import compose as compose_module
from composer.attempts import Attempt, attempt
from composer.commands.compose import compose_and_report
from composer.datasets import open_datasets
from composer.demo import chexray14
from composer.errors import Interrupted, OutputError, UsageError
from composer.finish import finish
from composer.imaging import Source, convert
from composer.ledger import Ledger
from composer.settings import Settings
from composer.worker import OUT_OF_MEMORY, UNEXPECTED, Task, make_image
from tests.composer import toys
from tests.composer.runs import FOLDER, configured, images, interrupting, ledger_lines, run, trained, tree


def failures(settings: Settings) -> dict[str, str]:
    with (settings.machex_path / FOLDER / "failures.csv").open(newline="", encoding="utf-8") as file:
        return {row["identity"]: row["class"] for row in csv.DictReader(file)}


def test_every_training_image_is_written_as_imaging_converts_it(settings: Settings, root: Path) -> None:
    accounts = run(settings)
    assert accounts.found == len(images(root))
    assert accounts.by_status["written"] == len(trained(root))
    assert accounts.by_rule == {"split": len(images(root)) - len(trained(root))}
    index = json.loads((settings.machex_path / FOLDER / "index.json").read_text(encoding="utf-8"))
    assert [entry["key"] for entry in index.values()] == [path.name for path in trained(root)]
    places = [path.name for path in images(root)]
    for number, entry in index.items():
        assert int(number) == places.index(entry["key"])
        source = Source(str(root / "images" / entry["key"]))
        recipe = open_datasets(settings)[0].recipe
        assert Path(entry["path"]).read_bytes() == convert(source, recipe).data
        with Image.open(entry["path"]) as image:
            assert (image.mode, image.size) == ("RGB", (1024, 1024))


def test_collection_holds_dataset_folders_with_an_index_and_nothing_else(settings: Settings) -> None:
    run(settings)
    assert [path.name for path in settings.machex_path.iterdir()] == [FOLDER]
    names = {path.name for path in (settings.machex_path / FOLDER).iterdir()}
    assert names == {"00", "index.json", "index.parquet", "plan.parquet", "ledger.jsonl"}


def test_second_run_does_nothing(settings: Settings) -> None:
    run(settings)
    before, lines = tree(settings.machex_path), ledger_lines(settings)
    run(settings)
    assert tree(settings.machex_path) == before
    assert ledger_lines(settings) == lines


def test_run_says_where_its_time_went_unless_it_made_nothing(
    settings: Settings, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compose_and_report(settings, [], quiet=True)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "ms an image" in line]
    assert "waiting" in line
    compose_and_report(settings, [], quiet=True)
    assert "ms an image" not in capsys.readouterr().out


def test_number_of_workers_changes_no_byte(tmp_path: Path, root: Path) -> None:
    trees = []
    for workers in (1, 2, 3):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        run(configured(tmp_path / "out", root), workers)
        trees.append(tree(tmp_path / "out"))
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("after", [1, 3])
def test_interrupted_run_goes_on_to_the_same_result(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    settings = configured(tmp_path / "out", root)
    run(settings)
    undisturbed = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append_line", interrupting(after))
        with pytest.raises(Interrupted, match="run the same command again"):
            run(settings)
    done = len(json.loads((tmp_path / "out" / FOLDER / "index.json").read_text()))
    assert done == len(ledger_lines(settings))
    assert after <= done < len(trained(root))
    accounts = run(settings)
    assert accounts.is_complete
    assert tree(tmp_path / "out") == undisturbed


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "truncated"),
        (lambda path: path.write_text("<html>404</html>"), "mislabelled"),
        (make_folder, "unreadable"),
    ],
)
def test_damaged_image_is_named_and_the_others_are_written(
    settings: Settings, root: Path, damage: Callable[[Path], object], reason: str
) -> None:
    victim, *healthy = trained(root)
    damage(victim)
    accounts = run(settings)
    assert accounts.by_status["written"] == len(healthy)
    assert accounts.by_reason == {reason: 1}
    assert failures(settings) == {victim.stem: reason}


def test_image_that_comes_back_is_written_at_the_next_run(settings: Settings, root: Path) -> None:
    victim = trained(root)[0]
    away = root.parent / victim.name
    shutil.move(victim, away)
    assert run(settings).by_status["missing"] == 1
    assert failures(settings) == {victim.stem: "missing"}
    before = tree(settings.machex_path)
    shutil.move(away, victim)
    accounts = run(settings)
    assert accounts.by_status["missing"] == 0
    after = tree(settings.machex_path)
    assert f"{FOLDER}/failures.csv" not in after
    pictures = {name: digest for name, digest in before.items() if name.endswith(".jpg")}
    assert pictures.items() < after.items()


def test_deleted_picture_is_written_again(settings: Settings) -> None:
    run(settings)
    before = tree(settings.machex_path)
    victim = next((settings.machex_path / FOLDER / "00").iterdir())
    victim.unlink()
    run(settings)
    assert tree(settings.machex_path) == before


def test_other_selection_changes_the_index_and_no_number(tmp_path: Path, root: Path) -> None:
    run(configured(tmp_path / "out", root))
    before = json.loads((tmp_path / "out" / FOLDER / "index.json").read_text())
    run(configured(tmp_path / "out", root, splits="all"))
    after = json.loads((tmp_path / "out" / FOLDER / "index.json").read_text())
    assert len(after) == len(images(root))
    assert before.items() < after.items()
    run(configured(tmp_path / "out", root))
    assert json.loads((tmp_path / "out" / FOLDER / "index.json").read_text()) == before


def test_folder_of_the_public_machex_is_refused(settings: Settings) -> None:
    folder = settings.machex_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "index.json").write_text("{}")
    with pytest.raises(UsageError, match="another program made it"):
        open_datasets(settings)


@pytest.mark.parametrize("lost", [["plan.parquet"], ["plan.parquet", "index.json"]])
def test_folder_whose_plan_was_lost_is_refused(settings: Settings, lost: list[str]) -> None:
    run(settings)
    for name in lost:
        (settings.machex_path / FOLDER / name).unlink()
    with pytest.raises(UsageError, match=r"no plan\.parquet"):
        open_datasets(settings)


def test_older_plan_with_other_numbers_gives_no_image_another_label(settings: Settings, root: Path) -> None:
    first = trained(root)[0]
    away = root.parent / first.name
    shutil.move(first, away)
    shutil.move(root / "Data_Entry_2017_v2020.csv", root.parent)
    run(settings)
    plan = settings.machex_path / FOLDER / "plan.parquet"
    # A plan made with all images present numbers them otherwise.
    shutil.move(away, first)
    plan.unlink()
    others = root.parent / "others"
    run(configured(others, root))
    shutil.copy(others / FOLDER / "plan.parquet", plan)
    run(settings)
    assert pictures_by_key(settings.machex_path) == pictures_by_key(others)


def pictures_by_key(output: Path) -> dict[str, bytes]:
    index = json.loads((output / FOLDER / "index.json").read_text(encoding="utf-8"))
    return {entry["key"]: Path(entry["path"]).read_bytes() for entry in index.values()}


def test_other_carrier_is_written_again(settings: Settings, root: Path) -> None:
    shutil.move(root / "images", root / "images-224")
    for path in (root / "images-224").glob("[0-9]*.png"):
        with Image.open(path) as image:
            image.resize((224, 224)).save(path)
    run(settings)
    small = pictures_by_key(settings.machex_path)
    chexray14.LAYOUTS[0].make(root.parent / "full")
    shutil.move(root.parent / "full/images", root / "images")
    run(settings)
    large = pictures_by_key(settings.machex_path)
    assert small.keys() == large.keys()
    assert all(small[key] != large[key] for key in small)
    rows = pq.read_table(settings.machex_path / FOLDER / "index.parquet").to_pylist()
    assert 224 not in {row["native_rows"] for row in rows}
    assert {row["carrier"] for row in rows} == {""}


def test_image_that_kills_its_workers_is_named_and_the_others_are_written(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = trained(root)[2]
    monkeypatch.setattr(compose_module, "attempt", functools.partial(end_process_at, victim.stem))
    accounts = run(settings)
    assert accounts.by_reason == {"crashed": 1}
    assert accounts.by_status["written"] == len(trained(root)) - 1
    assert failures(settings) == {victim.stem: "crashed"}


def end_process_at(identity: str, task: Task) -> Attempt:
    if task.identity == identity:
        os._exit(9)
    return attempt(task)


def test_too_little_memory_is_an_outcome(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("composer.worker.load", hungry)
    recipe = open_datasets(configured(tmp_path / "out", root))[0].recipe
    outcome = make_image(Task(0, "a", "", "x", Source("x"), str(tmp_path / "x.jpg"), recipe))
    assert outcome.reason == OUT_OF_MEMORY
    assert "lower NUM_WORKERS" in str(outcome.message)


def test_unwritable_output_stops_the_run(settings: Settings) -> None:
    folder = settings.machex_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "00").write_text("in the way")
    with pytest.raises(OutputError, match="00: cannot be written"):
        run(settings)


def test_moved_collection_gets_a_new_index_without_new_images(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(configured(tmp_path / "out", root))
    shutil.move(tmp_path / "out", tmp_path / "moved")
    monkeypatch.setattr(compose_module, "Pool", None)
    (dataset,) = open_datasets(configured(tmp_path / "moved", root))
    finish(dataset)
    index = json.loads((tmp_path / "moved" / FOLDER / "index.json").read_text())
    assert all(Path(entry["path"]).is_file() for entry in index.values())


def test_sources_are_checked_together_before_anything_is_written(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    both = toys.settings(
        machex_path=str(tmp_path / "out"),
        chexray14_root=str(tmp_path / "a"),
        chexpert_root=str(tmp_path / "b"),
    )
    with pytest.raises(UsageError) as caught:
        open_datasets(both)
    assert "CHEXRAY14_ROOT" in str(caught.value)
    assert "CHEXPERT_ROOT" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_dataset_can_be_chosen_by_name(settings: Settings) -> None:
    assert [dataset.name for dataset in open_datasets(settings, [FOLDER])] == [FOLDER]
    with pytest.raises(UsageError, match="chex-ray41 is none of them; did you mean chex-ray14"):
        open_datasets(settings, ["chex-ray41"])


def test_fault_of_ours_is_an_outcome(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("patient 12345")

    monkeypatch.setattr("composer.worker.load", broken)
    recipe = open_datasets(configured(tmp_path / "out", root))[0].recipe
    outcome = make_image(Task(0, "a", "", "x", Source("x"), str(tmp_path / "x.jpg"), recipe))
    assert outcome.reason == UNEXPECTED
    assert outcome.message is not None
    assert "ZeroDivisionError in test_compose.py" in outcome.message
    assert "12345" not in outcome.message
