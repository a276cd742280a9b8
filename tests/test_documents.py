"""What the documents show runs as they show it, on the demo."""

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest

import dataset
from benchmarks.pixels import tone_differences
from tests.conftest import REPOSITORY, machex, machex_here

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

PIXELS = (REPOSITORY / "docs/pixels.md").read_text(encoding="utf-8")


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
    output = machex_here("-c", str(demo / "config.yml")).stdout
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
    terms = {name for name in row if name.startswith("label_")} - set(explained)
    assert len(terms) == 42
    assert set(row) - set(explained) - {"file"} - terms == set(list(row)[first + 1 : last])


def test_commands_and_files_that_the_page_on_pixels_names_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`make ([a-z-]+)`", PIXELS)
    modules = re.findall(r"`python -m ([\w.]+)", PIXELS)
    files = re.findall(r"`((?:tests|docs|benchmarks)/[\w/.]+)`", PIXELS)
    assert targets
    assert modules
    assert files
    for target in targets:
        assert f"\n{target}: " in makefile
    for path in [*files, *(module.replace(".", "/") + ".py" for module in modules)]:
        assert (REPOSITORY / path).is_file(), path


def test_flags_that_the_page_on_pixels_explains_are_all_flags_of_imaging() -> None:
    table = PIXELS[PIXELS.index("| flag | meaning |") : PIXELS.index("Which window or table was used")]
    explained = re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1] for line in table.splitlines() if line))
    code = "".join(
        path.read_text(encoding="utf-8") for path in (REPOSITORY / "composer/imaging").glob("*.py")
    )
    assert sorted(explained) == sorted(set(re.findall(r'flag\(\s*"(\w+)"', code)))


def test_differences_on_the_page_on_pixels_are_those_measured() -> None:
    for name, found in tone_differences().items():
        (row,) = [line for line in PIXELS.splitlines() if line.startswith(f"| {name} |")]
        assert [cell.strip() for cell in row.split("|")[2:4]] == [f"{mean:.2f}" for mean in found]
