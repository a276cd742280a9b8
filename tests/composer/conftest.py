"""The NIH miniature, not composed yet."""

from pathlib import Path

import pytest

from composer.demo import chexray14
from composer.settings import Settings
from tests.composer.runs import configured


@pytest.fixture
def root(tmp_path: Path) -> Path:
    chexray14.LAYOUTS[0].make(tmp_path / "nih")
    return tmp_path / "nih"


@pytest.fixture
def settings(tmp_path: Path, root: Path) -> Settings:
    return configured(tmp_path / "out", root)
