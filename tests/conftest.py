"""What several tests share: the demo, and a run of some seconds, each composed once per test process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from composer.demo import chexpert, vindrcxr

REPOSITORY = Path(__file__).parents[1]


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


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a demo: sources/, config.yml and machex_dataset/. Tests do not change it."""
    folder = tmp_path_factory.mktemp("demo") / "machex_demo"
    result = machex("demo", "-o", str(folder))
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
    result = machex("-q", "-c", str(config))
    assert result.returncode == 0, result.stderr
    return folder
