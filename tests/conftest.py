"""What several tests share: the demo, and a run of some seconds, each composed once per test process."""

import io
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from composer.demo import chexpert, vindrcxr
from composer.pool.processes import start_fork_server
from composer.worker import WARM
from machex import main

REPOSITORY = Path(__file__).parents[1]

# What the workers of all tests need, loaded once in each test process.
_PRELOAD = (
    "composer.worker",
    *WARM,
    "composer.verification.inspection",
    "composer.overlap.comparison",
    "tests.composer.pool.test_pool",
)


def start_warm_fork_server() -> None:
    """Start the process that workers are forked from with all that they need, unless it runs.

    The first pool would have it load what that one needs, and workers of other pools load theirs themselves,
    which takes each of them a second.
    """
    start_fork_server(_PRELOAD)


def machex(
    *arguments: str, repository: Path = REPOSITORY, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, with environment variables of choice."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment |= variables
    return subprocess.run(
        [sys.executable, str(repository / "machex.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd or repository,
        env=environment,
        timeout=100,
        check=False,
    )


def machex_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process, where it starts at once.

    `machex` is for what depends on a process: its streams, signals, environment and working directory.
    """
    start_warm_fork_server()
    output, errors = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(output),
        redirect_stderr(errors),
        patch.object(logging.root, "handlers", []),
        patch("machex._set_up_signals"),
    ):
        try:
            exit_code = main(arguments)
        except SystemExit as wrong_arguments:
            exit_code = int(wrong_arguments.code or 0)
    logging.getLogger("composer").setLevel(logging.NOTSET)
    return subprocess.CompletedProcess(arguments, exit_code, output.getvalue(), errors.getvalue())


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a demo: sources/, config.yml and machex_dataset/. Tests do not change it."""
    folder = tmp_path_factory.mktemp("demo") / "machex_demo"
    result = machex_here("demo", "-o", str(folder))
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two sources, films enough for a run of some seconds, and its result.

    It has sources/vindrcxr, sources/chexpert, config.yml and machex_dataset/. Tests do not change it.
    """
    return composed_films(tmp_path_factory.mktemp("films"), copies=10)


def composed_films(folder: Path, *, copies: int) -> Path:
    """Compose so many copies of eight films, and those of CheXpert, into a folder as `films` has it."""
    chexpert.LAYOUTS[0].make(folder / "sources/chexpert")
    vindrcxr.LAYOUTS[0].make(folder / "made")
    train = folder / "sources/vindrcxr/train"
    train.mkdir(parents=True)
    for number, film in enumerate(sorted((folder / "made/train").glob("*.dicom")) * copies):
        os.link(film, train / f"{number:032x}.dicom")
    config = folder / "config.yml"
    config.write_text(
        f"MACHEX_PATH: {folder}/machex_dataset\nIMAGE_SIZE: 256\nNUM_WORKERS: 2\n"
        f"VINDRCXR_ROOT: {folder}/sources/vindrcxr\nCHEXPERT_ROOT: {folder}/sources/chexpert\n"
    )
    result = machex_here("-q", "-c", str(config))
    assert result.returncode == 0, result.stderr
    return folder
