"""``machex.py verify`` as a user runs it: exit codes, what it prints, and that nothing is written unasked."""

import json
import shutil
from pathlib import Path

import pytest

from composer.demo import chexpert, chexray14
from composer.lock import FolderLock
from tests.composer import toys
from tests.composer.runs import run, tree
from tests.conftest import machex, machex_here


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a small collection of one dataset."""
    chexray14.LAYOUTS[0].make(tmp_path / "nih")
    keys = {"machex_path": f"{tmp_path}/out", "chexray14_root": f"{tmp_path}/nih", "image_size": 64}
    run(toys.settings(**keys))
    config = tmp_path / "config.yml"
    config.write_text("".join(f"{key.upper()}: {value}\n" for key, value in keys.items()))
    return config


@pytest.fixture
def folder(config: Path) -> Path:
    return config.parent / "out/chex-ray14"


def states(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in [folder, *folder.rglob("*")]}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)


def test_demo_is_well_and_untouched(demo: Path) -> None:
    before = states(demo)
    result = machex_here("verify", "-c", str(demo / "config.yml"), "--deep", "--sources")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no damage (every picture was read)" in result.stdout
    assert states(demo) == before


def test_damage_is_named_counted_and_mended(config: Path, folder: Path) -> None:
    undisturbed = tree(folder)
    missing, flipped, *_ = sorted((folder / "00").iterdir())
    missing.unlink()
    flip(flipped)
    (folder / "index.json").unlink()
    before = states(folder)

    plain = machex("verify", "-c", str(config))
    assert plain.returncode == 4
    lines = plain.stdout.splitlines()
    assert f"chex-ray14/00/{missing.name}: is missing" in lines
    assert "chex-ray14/index.json: is missing" in lines
    row = next(line for line in lines if line.startswith("chex-ray14 "))
    assert row.split()[1:3] == ["9", "9"]
    assert row.split()[-1] == "2"
    assert lines[-1].endswith(f"python machex.py verify -c {config} --repair")

    deep = machex_here("verify", "-q", "-c", str(config), "--deep")
    assert deep.returncode == 4
    assert f"chex-ray14/00/{flipped.name}: the SHA-256" in deep.stdout
    assert len(deep.stdout.splitlines()) == 4
    assert states(folder) == before

    mended = machex("verify", "-c", str(config), "--deep", "--repair")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "3 of 3 findings are mended" in mended.stdout
    assert tree(folder) == undisturbed
    assert machex_here("verify", "-c", str(config), "--deep").returncode == 0


def test_repair_of_a_sound_collection_writes_nothing(config: Path, folder: Path) -> None:
    before = states(folder)
    assert machex_here("verify", "-c", str(config), "--repair").returncode == 0
    assert states(folder) == before


def test_what_cannot_be_mended_is_named_and_leaves_the_index(config: Path, folder: Path) -> None:
    names = (config.parent / "nih/train_val_list.txt").read_text().split()
    number = {entry["key"]: n for n, entry in json.loads((folder / "index.json").read_text()).items()}
    (folder / f"00/{number[names[0]]}.jpg").unlink()
    for name in names[:3]:
        (config.parent / "nih/images" / name).unlink()
    result = machex_here("verify", "-c", str(config), "--repair")
    assert result.returncode == 4
    assert f"not mended: chex-ray14/00/{number[names[0]]}.jpg: was not made again" in result.stdout
    assert "2 sound pictures have left the index" in result.stdout
    assert names[0] in (folder / "failures.csv").read_text()
    assert machex_here("verify", "-c", str(config)).returncode == 0


def test_sources_that_differ_exit_1_and_are_followed(config: Path, folder: Path) -> None:
    images = config.parent / "nih/images"
    names = (config.parent / "nih/train_val_list.txt").read_text().split()
    (images / names[0]).touch()
    result = machex_here("verify", "-c", str(config), "--sources")
    assert result.returncode == 1
    assert "has been modified since" in result.stdout
    assert "--sources --repair" in result.stdout
    assert machex_here("verify", "-c", str(config), "--sources", "--repair").returncode == 0
    (images / names[0]).unlink()
    result = machex_here("verify", "-c", str(config), "--sources")
    assert result.returncode == 1
    assert "its source is no longer there" in result.stdout


def test_collection_whose_sources_are_gone_is_verified(config: Path, folder: Path) -> None:
    shutil.rmtree(config.parent / "nih")
    config.write_text(f"MACHEX_PATH: {folder.parent}\n")
    assert machex_here("verify", "-c", str(config), "--deep").returncode == 0
    for flag in ("--repair", "--sources"):
        result = machex_here("verify", "-c", str(config), flag)
        assert result.returncode == 2
        assert "no dataset is selected" in result.stderr
    next((folder / "00").iterdir()).unlink()
    result = machex_here("verify", "-c", str(config))
    assert result.returncode == 4
    assert f"set CHEXRAY14_ROOT in {config}" in result.stdout


def test_damage_of_an_unconfigured_dataset_stays(config: Path, folder: Path) -> None:
    next((folder / "00").iterdir()).unlink()
    before = states(folder)
    chexpert.LAYOUTS[0].make(config.parent / "chexpert")
    config.write_text(f"MACHEX_PATH: {folder.parent}\nCHEXPERT_ROOT: {config.parent}/chexpert\n")
    result = machex_here("verify", "-c", str(config), "--repair", "--sources")
    assert result.returncode == 4
    assert "chex-ray14: its root is null" in result.stderr
    assert f"set CHEXRAY14_ROOT in {config}" in result.stdout
    assert states(folder) == before
    assert not (folder.parent / "chexpert").exists()


def test_lost_plan_is_damage_and_nothing_is_written_over_it(config: Path, folder: Path) -> None:
    (folder / "plan.parquet").unlink()
    before = states(folder)
    result = machex_here("verify", "-c", str(config), "--repair")
    assert result.returncode == 4
    assert "chex-ray14/plan.parquet: is lost" in result.stdout
    assert "restore it" in result.stdout
    assert states(folder) == before


def test_repair_with_other_settings_is_refused(config: Path, folder: Path) -> None:
    next((folder / "00").iterdir()).unlink()
    before = states(folder)
    config.write_text(config.read_text().replace("64", "128"))
    result = machex_here("verify", "-c", str(config), "--repair")
    assert result.returncode == 2
    assert "IMAGE_SIZE was 64, is 128" in result.stderr
    assert states(folder) == before


def test_collection_that_is_being_written_is_not_verified(config: Path, folder: Path) -> None:
    with FolderLock(folder / "lock"):
        result = machex_here("verify", "-c", str(config))
    assert result.returncode == 3
    assert "in use" in result.stderr


def test_unknown_dataset_and_empty_collection_exit_2(config: Path, tmp_path: Path) -> None:
    result = machex_here("verify", "-c", str(config), "--dataset", "chexray14")
    assert result.returncode == 2
    assert "did you mean chex-ray14" in result.stderr
    config.write_text(f"MACHEX_PATH: {tmp_path}/nowhere\n")
    result = machex_here("verify", "-c", str(config))
    assert result.returncode == 2
    assert "holds no collection" in result.stderr
    assert not (tmp_path / "nowhere").exists()
