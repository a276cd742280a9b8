"""The NIH miniature, not composed yet, and workers that start at once."""

import shutil
from pathlib import Path

import pytest

from composer.demo import chexray14
from composer.settings import Settings
from tests.composer.runs import configured
from tests.conftest import start_warm_fork_server


@pytest.fixture(autouse=True)
def _fork_server(request: pytest.FixtureRequest) -> None:
    if "no_fork_server" not in request.fixturenames:
        start_warm_fork_server()


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the NIH miniature, which no test may change."""
    folder = tmp_path_factory.mktemp("miniature") / "nih"
    chexray14.LAYOUTS[0].make(folder)
    return folder


@pytest.fixture
def root(miniature: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(miniature, tmp_path / "nih"))


@pytest.fixture
def settings(tmp_path: Path, root: Path) -> Settings:
    return configured(tmp_path / "out", root)
