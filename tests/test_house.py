"""The rules of the house: who may import whom, and that adding a dataset is one file and its miniature."""

import ast
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import yaml

from composer.catalogue import page
from composer.settings import settings_model
from processors import all_processors
from tests.conftest import REPOSITORY, machex


def test_import_directions() -> None:
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_dataset_py_imports_nothing_of_the_project() -> None:
    tree = ast.parse((REPOSITORY / "dataset.py").read_text(encoding="utf-8"))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").partition(".")[0])
    third_party = {root for root in roots if root not in sys.stdlib_module_names}
    assert third_party == {"numpy", "pyarrow", "torch", "PIL"}


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


PROCESSOR = '''
    """A dataset that a contributor adds."""

    from collections.abc import Iterator

    from processors.base import Member, Processor, Record, Release, SourceError, image_names


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
                yield Record(identity=name[:-4], key=name, file=Member(name), view="PA", patient_id=name[:-4])
'''

MINIATURE = '''
    """Miniature of the addition."""

    from pathlib import Path

    from composer.demo.carriers import write_png
    from composer.demo.phantom import film


    def make(root: Path) -> None:
        """Write three films."""
        for seed in range(3):
            write_png(root / f"{seed}.png", film(seed, rows=64, columns=64))
'''


def test_adding_a_dataset_is_one_file_and_its_miniature(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for part in ("processors", "composer", "tests"):
        shutil.copytree(REPOSITORY / part, repository / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("machex.py", "dataset.py", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, repository)
    (repository / "processors/addition.py").write_text(textwrap.dedent(PROCESSOR).lstrip())
    (repository / "composer/demo/addition.py").write_text(textwrap.dedent(MINIATURE).lstrip())

    listing = json.loads(machex("datasets", "--json", repository=repository).stdout)
    assert "An Addition" in [entry["name"] for entry in listing]
    demo = machex("demo", "-o", str(tmp_path / "demo"), repository=repository)
    assert demo.returncode == 0, demo.stderr
    assert yaml.safe_load((tmp_path / "demo/config.yml").read_text())["ADDITION_ROOT"]
    entries = json.loads((tmp_path / "demo/machex_dataset/addition/index.json").read_text())
    assert [entry["key"] for entry in entries.values()] == ["0.png", "1.png", "2.png"]

    conformance = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "tests/processors/test_conformance.py",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert conformance.returncode == 0, conformance.stdout
    catalogue = [sys.executable, "-m", "composer.catalogue"]
    text = subprocess.run(catalogue, cwd=repository, capture_output=True, text=True, check=True).stdout
    assert "## An Addition" in text
