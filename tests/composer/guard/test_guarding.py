"""The leak guard while images are written: SIIM's films are NIH's, and no table says which."""

import json
import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from composer.accounts import Accounts
from composer.commands.index import run as index_command
from composer.commands.plan import run as plan_command
from composer.commands.verify import run as verify_command
from composer.compose import compose
from composer.datasets import open_datasets
from composer.demo import chexray14, siim
from composer.demo.phantom import film
from composer.errors import Interrupted
from composer.guard import fingerprints
from composer.imaging import Facts, Recipe, Source, load, pixels_of
from composer.request import Request
from composer.settings import Settings
from composer.twins.held_out import HeldOutFile, HeldOutFilm, NotComparableError, fingerprinted, held_out_twin
from tests.composer import toys
from tests.composer.imaging.test_fingerprint import COPIES
from tests.composer.runs import tree

# Of the miniatures: SIIM's training image 99002 is this test film of NIH.
TWIN = "chex-ray14/00099906_000"
RULE = "twin held out by chex-ray14"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    chexray14.LAYOUTS[0].make(tmp_path / "nih")
    siim.LAYOUTS[0].make(tmp_path / "siim")
    return tmp_path


def configured(sources: Path, *roots: str, **keys: object) -> Settings:
    chosen = {"nih": "chexray14_root", "siim": "siim_root"}
    paths = {chosen[root]: str(sources / root) for root in roots or ("siim", "nih")}
    return toys.settings(machex_path=str(sources / "out"), image_size=128, **paths, **keys)


def run(
    settings: Settings, *names: str, workers: int = 1, request: Request | None = None
) -> dict[str, Accounts]:
    request = request or Request()
    accounts = compose(open_datasets(settings, names), workers, progress=False, request=request)
    return {each.dataset: each for each in accounts}


def lines(sources: Path, dataset: str = "siim") -> list[dict[str, Any]]:
    text = (sources / "out" / dataset / "ledger.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def left_out(sources: Path) -> list[dict[str, Any]]:
    return [line for line in lines(sources) if line["status"] == "left out"]


def indexed(sources: Path) -> set[str]:
    return set(pq.read_table(sources / "out/siim/index.parquet")["identity"].to_pylist())


def is_leak(identity: str) -> bool:
    return ".99002." in identity


def test_a_copy_of_a_held_out_film_is_left_out_with_rule_and_twin(sources: Path) -> None:
    accounts = run(configured(sources))["siim"]
    assert accounts.by_rule[RULE] == 1
    (line,) = left_out(sources)
    assert is_leak(line["identity"])
    assert (line["rule"], line["twin"], line["twin_split"]) == (RULE, TWIN, "test")
    assert not any(map(is_leak, indexed(sources)))
    # Nor is its picture on the disk.
    assert len(list((sources / "out/siim/00").glob("*.jpg"))) == accounts.indexed == 6


def test_the_guard_needs_the_other_dataset_but_not_to_compose_it(sources: Path) -> None:
    accounts = run(configured(sources), "siim")["siim"]
    assert accounts.by_rule[RULE] == 1
    assert not (sources / "out/chex-ray14").exists()


def test_a_finished_run_compares_nothing_again(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(sources)
    run(settings)
    before = tree(sources / "out"), lines(sources), lines(sources, "chex-ray14")
    monkeypatch.setattr(fingerprints, "Pool", None)
    assert run(settings)["siim"].by_rule[RULE] == 1
    assert (tree(sources / "out"), lines(sources), lines(sources, "chex-ray14")) == before


def test_one_and_two_workers_leave_the_same(sources: Path) -> None:
    run(configured(sources), workers=2)
    (sources / "out").rename(sources / "two")
    run(configured(sources), workers=1)
    one, two = (tree(sources / name) for name in ("out", "two"))
    # The paths in these files are absolute.
    assert {name: found for name, found in one.items() if not name.endswith("index.json")} == {
        name: found for name, found in two.items() if not name.endswith("index.json")
    }


def test_what_was_written_unguarded_goes_once_it_is_guarded(
    sources: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(configured(sources, "siim"))
    assert any("UNGUARDED AGAINST LEAKS: 7 films" in message for message in caplog.messages)
    assert any(map(is_leak, indexed(sources)))
    unguarded = lines(sources)
    accounts = run(configured(sources), "siim")["siim"]
    assert not any(map(is_leak, indexed(sources)))
    # Films that look like no held-out one are not made again; the others become what they were.
    again = lines(sources)[len(unguarded) :]
    assert 1 <= len(again) < len(unguarded)
    assert [line["twin"] for line in again if is_leak(line["identity"])] == [TWIN]
    before = {line["identity"]: line["sha256"] for line in unguarded}
    assert all(before[line["identity"]] == line["sha256"] for line in again if "sha256" in line)
    # What is not selected any more stays on the disk until it is asked to go.
    assert accounts.unselected == 1
    assert run(configured(sources), "siim", request=Request(prune=True))["siim"].unselected == 0
    assert len(list((sources / "out/siim/00").glob("*.jpg"))) == 6


def test_an_index_written_anew_lacks_what_was_not_compared(sources: Path) -> None:
    run(configured(sources, "siim"))
    write_config(sources, "nih", "siim")
    arguments = Namespace(config=str(sources / "c.yml"), dataset=["siim"])
    index_command(arguments)
    assert not any(map(is_leak, indexed(sources)))
    assert verified(sources) == 0
    # The films beside it that only look alike come back.
    run(configured(sources), "siim")
    assert len(indexed(sources)) == 6


def test_a_repair_compares_what_was_not_compared(sources: Path) -> None:
    run(configured(sources, "siim"))
    (sources / "out/siim/00/000000.jpg").unlink()
    write_config(sources, "nih", "siim")
    assert verified(sources, "siim", repair=True) == 0
    assert not any(map(is_leak, indexed(sources)))
    assert len(indexed(sources)) == 6


def test_a_list_that_is_corrected_brings_films_back(sources: Path) -> None:
    lists = {name: (sources / "nih" / name).read_text() for name in ("train_val_list.txt", "test_list.txt")}
    # SIIM's 99003 is this training film of NIH.
    (sources / "nih/train_val_list.txt").write_text(
        lists["train_val_list.txt"].replace("00099903_000.png\n", "")
    )
    (sources / "nih/test_list.txt").unlink()
    run(configured(sources), "siim")
    assert {line["twin"] for line in left_out(sources)} >= {"chex-ray14/00099903_000", TWIN}
    for name, text in lists.items():
        (sources / "nih" / name).write_text(text)
    assert run(configured(sources), "siim")["siim"].by_rule[RULE] == 1
    assert any(".99003." in identity for identity in indexed(sources))
    assert not any(map(is_leak, indexed(sources)))


def test_a_source_that_was_moved_is_not_read_again(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(configured(sources), "siim")
    (sources / "nih").rename(sources / "moved")
    monkeypatch.setattr(fingerprints, "Pool", None)
    settings = toys.settings(
        machex_path=str(sources / "out"),
        image_size=128,
        siim_root=str(sources / "siim"),
        chexray14_root=str(sources / "moved"),
    )
    assert run(settings, "siim")["siim"].by_rule[RULE] == 1
    assert str(sources / "moved") in (sources / "out/siim/held_out.jsonl").read_text(encoding="utf-8")


def test_all_splits_turn_the_guard_off_and_training_alone_on_again(
    sources: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(configured(sources), "siim")
    accounts = run(configured(sources, splits="all"), "siim")["siim"]
    assert any("the leak guard is off" in message for message in caplog.messages)
    assert accounts.by_rule[RULE] == 0
    assert any(map(is_leak, indexed(sources)))
    assert run(configured(sources), "siim")["siim"].by_rule[RULE] == 1
    assert not any(map(is_leak, indexed(sources)))


def test_a_split_that_is_chosen_holds_nothing_out(sources: Path) -> None:
    accounts = run(configured(sources, splits=["train", "test"]), "siim")["siim"]
    assert accounts.by_rule[RULE] == 0


def test_fingerprints_survive_an_interruption(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def until_third(films: Any, interruption: Any) -> Any:  # noqa: ANN401
        nonlocal asked
        for each in films:
            asked += 1
            if asked == 3:
                interruption.requested = True
                return
            yield each

    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "_until_interrupted", until_third)
        with pytest.raises(Interrupted):
            run(configured(sources), "siim")
    kept = (sources / "out/siim/held_out.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(kept) == 2
    # As a kill leaves it.
    (sources / "out/siim/held_out.jsonl").write_text("\n".join([*kept, '{"dataset": "ch']), encoding="utf-8")
    assert run(configured(sources), "siim")["siim"].by_rule[RULE] == 1
    assert len((sources / "out/siim/held_out.jsonl").read_text(encoding="utf-8").splitlines()) == 5


def test_held_out_films_that_cannot_be_read_are_counted(
    sources: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (sources / "nih/images/00099906_000.png").write_bytes(b"<html>")
    accounts = run(configured(sources), "siim")["siim"]
    assert accounts.by_rule[RULE] == 0
    (message,) = (message for message in caplog.messages if "cannot be read" in message)
    assert "1 films that other datasets hold out cannot be read (1 mislabelled)" in message
    # Mended, it guards.
    chexray14.LAYOUTS[0].make(sources / "mended")
    shutil.copy(sources / "mended/images/00099906_000.png", sources / "nih/images")
    assert run(configured(sources), "siim")["siim"].by_rule[RULE] == 1


def test_verify_has_nothing_to_say_of_a_guarded_collection(
    sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(configured(sources))
    write_config(sources, "siim")
    assert verified(sources) == 0, capsys.readouterr().out


def write_config(sources: Path, *roots: str) -> None:
    keys = {"nih": "CHEXRAY14_ROOT", "siim": "SIIM_ROOT"}
    lines = [f"MACHEX_PATH: {sources}/out", "IMAGE_SIZE: 128", "NUM_WORKERS: 1"]
    lines += [f"{keys[root]}: {sources / root}" for root in roots]
    (sources / "c.yml").write_text("\n".join(lines))


def verified(sources: Path, *names: str, repair: bool = False) -> int:
    options = {"deep": False, "sources": False, "repair": repair, "quiet": True}
    return verify_command(Namespace(config=str(sources / "c.yml"), dataset=list(names), **options))


def test_plan_tells_of_both_ways(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = sources / "c.yml"
    text = f"MACHEX_PATH: {sources}/out\nNUM_WORKERS: 1\nSIIM_ROOT: {sources}/siim\n"
    config.write_text(text)
    arguments = Namespace(config=str(config), dataset=[], json=False)
    plan_command(arguments)
    assert "UNGUARDED AGAINST LEAKS" in capsys.readouterr().out
    config.write_text(f"{text}CHEXRAY14_ROOT: {sources}/nih\n")
    plan_command(arguments)
    output = capsys.readouterr().out
    assert "UNGUARDED" not in output
    assert "every film is compared with 5 that chex-ray14 holds out" in output


# One film that is held out, and copies of it under other names.


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], HeldOutFile]:
    folder = tmp_path_factory.mktemp("held out")

    def make() -> HeldOutFile:
        lines = []
        for identity, seed in (("00000001_000", 5), ("00000002_000", 6)):
            Image.fromarray(made_up(seed)).save(folder / f"{identity}.png")
            source = Source(str(folder / f"{identity}.png"))
            film = fingerprinted(HeldOutFilm("chex-ray14", identity, "test", f"{identity}.png", source, None))
            assert isinstance(film, HeldOutFilm)
            lines.append(film.as_line())
        (folder / "held_out.jsonl").write_bytes(b"".join(lines))
        return HeldOutFile(str(folder / "held_out.jsonl"), "digest")

    return make


def made_up(seed: int) -> Any:  # noqa: ANN401 - an array
    return np.rint(255 * film(seed, rows=600, columns=600)).astype(np.uint8)


def twin_of(path: Path, levels: Any, file: HeldOutFile) -> str | None:  # noqa: ANN401 - an array
    Image.fromarray(levels).save(path)
    loaded = load(Source(str(path)), Facts())
    pixels_of(loaded, Recipe(size=64))
    twin = held_out_twin(loaded, Recipe(size=64), file)
    return twin.identity if twin else None


@pytest.mark.parametrize("copy", COPIES)
def test_copies_of_a_held_out_film_are_found(
    tmp_path: Path, held_out: Callable[[], HeldOutFile], copy: str
) -> None:
    assert twin_of(tmp_path / "copy.png", COPIES[copy](made_up(6)), held_out()) == "00000002_000"


@pytest.mark.parametrize("seed", [7, 8])
def test_other_films_are_not(tmp_path: Path, held_out: Callable[[], HeldOutFile], seed: int) -> None:
    assert twin_of(tmp_path / "other.png", made_up(seed), held_out()) is None


def test_a_film_of_one_grey_level_is_nobody_s_copy(
    tmp_path: Path, held_out: Callable[[], HeldOutFile]
) -> None:
    assert twin_of(tmp_path / "blank.png", np.full((600, 600), 9, np.uint8), held_out()) is None


def test_what_cannot_be_compared_is_no_film_to_write(
    tmp_path: Path, held_out: Callable[[], HeldOutFile]
) -> None:
    file = held_out()
    gone = Path(file.path).with_name("00000001_000.png")
    gone.unlink()
    with pytest.raises(NotComparableError, match=r"chex-ray14/00000001_000.*\(missing\).*--retry-failed"):
        twin_of(tmp_path / "copy.png", made_up(5), HeldOutFile(file.path, "once more"))
