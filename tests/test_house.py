"""The rules of the house: who may import whom, and that adding a dataset is one file and its miniature."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from composer.catalogue import page
from composer.settings import settings_model
from processors import all_processors
from tests.conftest import REPOSITORY, machex
from tests.test_drop_in import assert_both_readers_agree


def test_import_directions() -> None:
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_page_of_the_datasets_is_fresh() -> None:
    written = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"


def test_readme_explains_every_key_and_every_dataset() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for field in settings_model().model_fields.values():
        assert f"`{field.alias}`" in readme
    for processor in all_processors():
        assert processor.homepage in readme
        assert f"`{processor.folder}`" in readme


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert "://" in target or (document.parent / target).exists(), f"{document.name}: {target}"


PROCESSOR = '''
    """A dataset that a contributor adds."""

    from collections.abc import Iterator

    from processors.base import Location, Processor, Record, Release, SourceError, image_names


    class Addition(Processor):
        """Flat folder of PNG files."""

        name = "An Addition"
        folder = "addition"
        config_key = "ADDITION_ROOT"
        licence = "CC0"
        access = "open"
        homepage = "https://example.org/addition"
        citation = "Nobody 2026."
        releases = (Release("first", 3),)
        known_bad = ()

        def recognise(self) -> str:
            self._names = image_names(self.root, (".png",))
            if not self._names:
                raise SourceError(f"{self.root}: no PNG files here")
            return "flat folder"

        def records(self) -> Iterator[Record]:
            for name in self._names:
                stem = name[:-4]
                yield Record(identity=stem, key=name, file=Location(name), view="PA", class_label=[0] * 13)
'''

MINIATURE = '''
    """Miniature of the addition."""

    from pathlib import Path

    from composer.demo.carriers import write_png
    from composer.demo.layout import Layout
    from composer.demo.phantom import film


    def _make(root: Path) -> None:
        for seed in range(3):
            write_png(root / f"{seed}.png", film(seed, rows=64, columns=64))


    LAYOUTS = (Layout("flat", _make, images=3),)
'''


# They know no dataset by name, or none but those that are there already.
FOLLOWING_TESTS = (
    "tests/processors/test_conformance.py",
    "tests/processors/test_conformance_tables.py",
    "tests/processors/test_conformance_files.py",
    # Those of the other datasets are run where they are; twice they would take minutes.
    "-k=addition or Miniatures or Registration or not conformance",
    "tests/composer/test_settings.py::test_machex_keys_are_all_accepted",
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a copy of this repository with one dataset more."""
    repository = tmp_path / "repository"
    for part in ("processors", "composer", "tests"):
        # With what is compiled, which takes some seconds.
        shutil.copytree(REPOSITORY / part, repository / part)
    for name in ("machex.py", "dataset.py", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, repository)
    (repository / "processors/addition.py").write_text(textwrap.dedent(PROCESSOR).lstrip())
    (repository / "composer/demo/addition.py").write_text(textwrap.dedent(MINIATURE).lstrip())
    return repository


def test_adding_a_dataset_is_one_file_and_its_miniature(repository: Path, tmp_path: Path) -> None:
    listing = json.loads(machex("datasets", "--json", repository=repository).stdout)
    assert "An Addition" in [entry["name"] for entry in listing]
    demo = machex("demo", "-o", str(tmp_path / "demo"), repository=repository)
    assert demo.returncode == 0, demo.stderr
    assert yaml.safe_load((tmp_path / "demo/config.yml").read_text())["ADDITION_ROOT"]
    entries = json.loads((tmp_path / "demo/machex_dataset/addition/index.json").read_text())
    assert [entry["key"] for entry in entries.values()] == ["0.png", "1.png", "2.png"]
    assert_both_readers_agree(tmp_path / "demo/machex_dataset/addition")
    catalogue = [sys.executable, "-m", "composer.catalogue"]
    text = subprocess.run(catalogue, cwd=repository, capture_output=True, text=True, check=True).stdout
    assert "## An Addition" in text


@pytest.mark.long
def test_an_added_dataset_is_tested_like_all_others(repository: Path) -> None:
    following = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FOLLOWING_TESTS],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert following.returncode == 0, following.stdout
