"""What the documents show runs as they show it, on the demo."""

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest

import dataset
from tests.conftest import REPOSITORY, machex

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_examples_of_the_reader(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo)
    results = doctest.testmod(dataset)
    assert results.attempted > 5
    assert results.failed == 0


def test_python_of_the_readme(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) >= 2
    names: dict[str, Any] = {"my_transform": lambda image: image.size}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - it is our own README


def test_table_of_the_readme_is_that_of_the_demo(demo: Path) -> None:
    output = machex("-c", str(demo / "config.yml")).stdout
    assert output.splitlines()[0] in README
    for line in output.splitlines():
        if re.match(r"[a-z0-9-]+ +\d", line):
            assert line in README, line


def test_commands_of_the_readme_exist() -> None:
    for command in re.findall(r"python machex\.py (\w+)", README):
        assert machex(command, "--help").returncode == 0


def test_entry_that_the_readme_shows_is_of_that_form(demo: Path) -> None:
    (shown,) = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)]
    index = json.loads((demo / "machex_dataset/chex-ray14/index.json").read_text(encoding="utf-8"))
    assert list(shown["000000"]) == list(index["000000"])


def test_columns_that_the_readme_explains_are_those_of_the_index(demo: Path) -> None:
    row = dataset.MaCheXDataset(demo / "machex_dataset").row(0)
    table = README[README.index("| column | meaning |") : README.index("A point (x, y)")]
    explained = re.findall(
        r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:] if "|" in line)
    )
    assert set(explained) <= set(row)
    first, last = (list(row).index(name) for name in ("source_format", "columns"))
    assert set(row) - set(explained) - {"file"} == set(list(row)[first + 1 : last])
