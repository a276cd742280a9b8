"""The page for researchers, and what an index carries with it."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.labels import table_of_miniatures
from composer.demo import layouts_of
from composer.labels import TERM_COLUMNS, harmonise, metadata
from composer.labels.page import RULES, with_tables
from composer.labels.vocabulary import vocabulary
from composer.records import LABEL, table_of
from processors import all_processors
from processors.base import Processor
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/labels.md").read_text(encoding="utf-8")


def test_tables_of_the_page_are_fresh() -> None:
    assert with_tables(PAGE) == PAGE, "run `make docs`"


def test_example_of_the_page_is_that_of_the_miniatures() -> None:
    assert table_of_miniatures() in PAGE, "paste what `python -m benchmarks.labels` prints"


def test_every_row_is_on_the_page() -> None:
    tables = PAGE[PAGE.index("## The tables") :]
    for row in vocabulary().rows:
        section = tables[tables.index(f"### {row.source}\n") :]
        (line,) = re.findall(rf"^\| `{row.term}` \|.*$", section.split("\n### ")[0], flags=re.MULTILINE)
        assert f"`{row.label}`" in line
    for other in vocabulary().others:
        assert f"`{other.label}`" in tables


def test_page_without_marks() -> None:
    with pytest.raises(ValueError, match="expected a line <!-- made from"):
        with_tables("# Labels\n")


def test_python_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("label", "value", "labeller")
    images = [
        [dict(zip(names, ("Edema", value, "chexpert"), strict=True))] if value is not None else []
        for value in (1, 0, -1, None)
    ]
    path = tmp_path / "machex_dataset/mimic/index.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(harmonise(pa.array(images, pa.list_(LABEL)), "mimic").columns, path)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(block, "labels.md", "exec"), found)  # noqa: S102 - it is our own page
    shown = {
        name: [None if pd.isna(cell) else int(cell) for cell in cells]
        for name, cells in found["policies"].items()
    }
    assert shown == {
        "keep": [1, 0, -1, None],
        "ignore": [1, 0, None, None],
        "zeros": [1, 0, 0, None],
        "ones": [1, 0, 1, None],
        "machex": [1, -1, 0, 0],
    }
    for policy, cells in shown.items():
        (row,) = re.findall(rf"^\| {policy} \| (.*) \|$", PAGE, flags=re.MULTILINE)
        uncertain, unknown, absent = row.replace("*", "").split(" | ")[:3]
        assert [str(cell).replace("None", "null") for cell in cells] == ["1", absent, uncertain, unknown]
    assert found["index"]["label_lung_opacity"].to_list() == [1, pd.NA, pd.NA, pd.NA]


@pytest.mark.parametrize("processor", all_processors(), ids=lambda each: each.folder)
def test_labels_of_the_miniatures_are_all_known(processor: type[Processor], tmp_path: Path) -> None:
    layouts_of(processor)[0].make(tmp_path)
    records = table_of(processor(tmp_path).records())
    columns, unknown = harmonise(records["labels"], processor.folder)
    assert unknown == ()
    has_labels = any(records["labels"].to_pylist())
    assert any(columns[name].null_count < records.num_rows for name in TERM_COLUMNS) == has_labels


def test_metadata_are_plain_and_of_one_dataset() -> None:
    found = metadata("vindrcxr")
    assert json.loads(json.dumps(found)) == found
    assert len(found["terms"]) == 42
    assert {row["source"] for row in (*found["labels"], *found["others"])} == {"vindr"}
    assert [each["labeller"] for each in found["labellers"]] == ["consensus", "*"]
    assert found["rules"] == list(RULES)
    assert len(metadata("addition")["labels"]) == 0


@pytest.mark.parametrize("dataset", sorted({each.dataset for each in vocabulary().labellers}))
def test_metadata_are_small(dataset: str) -> None:
    assert len(json.dumps(metadata(dataset))) < 60_000
