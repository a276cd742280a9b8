"""The command line, run as a program: exit codes, messages, and never a traceback."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import machex as machex_module
from processors import all_processors
from tests.conftest import REPOSITORY, machex, machex_here


def copied(demo: Path, folder: Path) -> Path:
    """Return the configuration of a copy of the demo's sources, not composed yet."""
    shutil.copytree(demo / "sources", folder / "sources")
    text = (demo / "config.yml").read_text(encoding="utf-8").replace(str(demo), str(folder))
    (folder / "config.yml").write_text(text, encoding="utf-8")
    return folder / "config.yml"


def index(collection: Path, dataset: str) -> dict[str, dict[str, object]]:
    entries: dict[str, dict[str, object]] = json.loads((collection / dataset / "index.json").read_text())
    return entries


def test_default_configuration_says_what_to_edit_and_exits_2(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "config.yml", tmp_path)
    result = machex(cwd=tmp_path)
    assert result.returncode == 2
    assert "set the folder of at least one of" in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.yml"]


def test_demo_composes_every_source_without_a_failure(demo: Path) -> None:
    folders = {path.name for path in (demo / "machex_dataset").iterdir()}
    assert folders == {processor.folder for processor in all_processors()}
    for folder in folders:
        assert index(demo / "machex_dataset", folder)
        assert not (demo / "machex_dataset" / folder / "failures.csv").exists()


def test_demo_refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    result = machex_here("demo", "-o", str(tmp_path))
    assert result.returncode == 2
    assert "is not an empty folder" in result.stderr


def test_composing_again_from_the_written_configuration_changes_nothing(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.rglob("*.jpg")}
    result = machex("-c", str(demo / "config.yml"))
    assert result.returncode == 0, result.stderr
    assert {path: path.stat().st_mtime_ns for path in demo.rglob("*.jpg")} == before


def test_closing_table_accounts_for_every_image(demo: Path) -> None:
    result = machex_here("compose", "-c", str(demo / "config.yml"))
    rows = {
        line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if re.search(r"\d$", line)
    }
    for processor in all_processors():
        found, *rest = [int(cell.replace(",", "")) for cell in rows[processor.folder]]
        assert found == sum(rest)
        assert rest[0] == len(index(demo / "machex_dataset", processor.folder))


def test_failing_image_exits_1_and_is_named(demo: Path, tmp_path: Path) -> None:
    config = copied(demo, tmp_path)
    names = (tmp_path / "sources/chex-ray14/train_val_list.txt").read_text().split()
    victim = tmp_path / "sources/chex-ray14/images" / names[0]
    victim.write_bytes(victim.read_bytes()[:1000])
    result = machex("-c", str(config), "--dataset", "chex-ray14")
    assert result.returncode == 1
    assert "failures.csv" in result.stdout
    assert victim.stem in (tmp_path / "machex_dataset/chex-ray14/failures.csv").read_text()
    assert [path.name for path in (tmp_path / "machex_dataset").iterdir()] == ["chex-ray14"]


def test_missing_image_exits_1_unless_allowed(demo: Path, tmp_path: Path) -> None:
    config = copied(demo, tmp_path)
    names = (tmp_path / "sources/chex-ray14/train_val_list.txt").read_text().split()
    (tmp_path / "sources/chex-ray14/images" / names[0]).unlink()
    assert machex_here("-c", str(config), "--dataset", "chex-ray14").returncode == 1
    config.write_text(config.read_text() + "ALLOW_MISSING: true\n")
    assert machex_here("-c", str(config), "--dataset", "chex-ray14").returncode == 0


def test_bare_folder_of_dicoms_composes_with_one_warning(demo: Path, tmp_path: Path) -> None:
    films = [path for path in (demo / "sources/vindrcxr/train").iterdir() if path.suffix == ".dicom"]
    (tmp_path / "films/train").mkdir(parents=True)
    for film in films:
        shutil.copy(film, tmp_path / "films/train")
    (tmp_path / "config.yml").write_text(f"MACHEX_PATH: {tmp_path}/out\nVINDRCXR_ROOT: {tmp_path}/films\n")
    result = machex("-q", "-c", str(tmp_path / "config.yml"))
    assert result.returncode == 0, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "warning" in result.stderr
    assert len(index(tmp_path / "out", "vindrcxr")) == len(films)


def test_unusable_source_exits_2_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "config.yml").write_text(f"MACHEX_PATH: {tmp_path}/out\nCHEXPERT_ROOT: {tmp_path}/empty\n")
    result = machex_here("-c", str(tmp_path / "config.yml"))
    assert result.returncode == 2
    assert "CHEXPERT_ROOT" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_output_that_cannot_be_made_exits_3(demo: Path, tmp_path: Path) -> None:
    config = copied(demo, tmp_path)
    (tmp_path / "machex_dataset").mkdir()
    (tmp_path / "machex_dataset/chex-ray14").write_text("in the way")
    result = machex_here("-c", str(config), "--dataset", "chex-ray14")
    assert result.returncode == 3
    assert "cannot be written" in result.stderr
    assert "Traceback" not in result.stderr


def test_index_follows_a_moved_collection(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo / "machex_dataset", tmp_path / "moved")
    config = tmp_path / "config.yml"
    text = (demo / "config.yml").read_text()
    config.write_text(text.replace(str(demo / "machex_dataset"), str(tmp_path / "moved")))
    assert str(demo) in str(index(tmp_path / "moved", "chexpert")["000000"]["path"])
    assert machex_here("index", "-c", str(config)).returncode == 0
    for dataset in (path.name for path in (tmp_path / "moved").iterdir()):
        for entry in index(tmp_path / "moved", dataset).values():
            assert str(entry["path"]).startswith(str(tmp_path / "moved"))


def test_index_of_nothing_is_a_mistake(demo: Path, tmp_path: Path) -> None:
    result = machex_here("index", "-c", str(copied(demo, tmp_path)))
    assert result.returncode == 2
    assert "nothing has been composed yet" in result.stderr


def test_closed_standard_error_ends_no_run(demo: Path, tmp_path: Path) -> None:
    # As under cron and in daemons.
    config = copied(demo, tmp_path)
    command = f"exec {sys.executable} {REPOSITORY / 'machex.py'} -c {config} --dataset chexpert 2>&-"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert result.returncode == 0
    assert "chexpert" in result.stdout
    assert index(tmp_path / "machex_dataset", "chexpert")


def test_progress_is_shown_on_a_terminal_alone(demo: Path, tmp_path: Path) -> None:
    config = copied(demo, tmp_path)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [
        sys.executable,
        str(REPOSITORY / "machex.py"),
        "-c",
        str(config),
        "--dataset",
        "chexpert",
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=True)
    shown = os.read(ours, 1 << 16).decode()
    assert re.search(r"chexpert: 100%.*6/6.*img/s, failed=0", shown)
    shutil.rmtree(tmp_path / "machex_dataset")
    assert "img/s" not in machex("-c", str(config), "--dataset", "chexpert").stderr


def test_output_that_nobody_reads_is_no_fault() -> None:
    command = f"{sys.executable} {REPOSITORY / 'machex.py'} datasets | head -c 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert result.stderr == ""


def test_output_that_knows_ascii_alone_is_no_fault(demo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Röntgen"
    folder.mkdir()
    result = machex("-c", str(copied(demo, folder)), "--dataset", "chexpert", PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert "R\\xf6ntgen" in result.stdout


def test_file_name_that_is_no_text_is_named_as_the_cause(demo: Path, tmp_path: Path) -> None:
    config = copied(demo, tmp_path)
    images = os.fsencode(tmp_path / "sources/chex-ray14/images")
    os.rename(images, images.replace(b"images", b"im\xe9s"))  # noqa: PTH104 - bytes
    result = machex("-c", str(config), "--dataset", "chex-ray14")
    assert result.returncode == 2
    assert "CHEXRAY14_ROOT: a file or folder name is not UTF-8" in result.stderr


def test_fault_of_the_program_exits_3_with_what_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("composer.commands.datasets.run", broken)
    assert machex_module.main(["datasets"]) == 3


def test_workers_are_as_quick_to_start_from_another_folder(demo: Path, tmp_path: Path) -> None:
    # The module of the workers is loaded once in the process they are forked from: it must be found.
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from composer.pool import Pool\n"
        "from tests.composer.pool.test_processes import parent_has_loaded_this\n"
        "if __name__ == '__main__':\n"
        "    with Pool(parent_has_loaded_this, 1) as pool: print(list(pool.map([0])))\n"
    )
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, str(tmp_path / "script.py"), str(REPOSITORY)]
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[(0, True)]"


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_demo_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    result = machex_here("demo", "-o", str(tmp_path / place))
    assert result.returncode in (2, 3)
    assert "Traceback" not in result.stderr


@pytest.mark.long
def test_demo_in_a_folder_with_a_dollar_sign(tmp_path: Path) -> None:
    assert machex_here("demo", "-q", "-o", str(tmp_path / "a$b")).returncode == 0


@pytest.mark.parametrize("arguments", [["--help"], ["compose", "--help"], ["demo", "--help"]])
def test_help(arguments: list[str]) -> None:
    result = machex(*arguments)
    assert result.returncode == 0
    assert "usage: machex.py" in result.stdout


@pytest.mark.parametrize(
    "arguments", [["composee"], ["--confg", "x"], ["demo", "--dataset", "x"], ["-v", "-q"]]
)
def test_wrong_command_line_exits_2(arguments: list[str]) -> None:
    result = machex(*arguments)
    assert result.returncode == 2
    assert "usage: machex.py" in result.stderr


def test_datasets_lists_every_processor() -> None:
    listing = json.loads(machex_here("datasets", "--json").stdout)
    assert [entry["folder"] for entry in listing] == [processor.folder for processor in all_processors()]
    text = machex("datasets").stdout
    for processor in all_processors():
        assert processor.homepage in text
        assert processor.licence in text


def test_top_level_is_light() -> None:
    # Worker processes import it as well.
    code = "import sys, machex; print(*sorted(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "pandas", "pyarrow", "torch", "pydicom", "PIL", "yaml"} & set(output)
