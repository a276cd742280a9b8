"""Tasks: what a worker is told of a row of the plan."""

import pickle
from pathlib import Path

import pyarrow as pa

from composer.datasets import open_datasets
from composer.imaging import Source
from composer.records import source_of
from composer.settings import Settings
from composer.tasks import tasks
from tests.composer.runs import FOLDER


def test_task_says_where_the_image_lies_and_where_the_picture_goes(settings: Settings, root: Path) -> None:
    (dataset,) = open_datasets(settings)
    first, *others = tasks(dataset, dataset.plan)
    assert len(others) == dataset.plan.num_rows - 1
    row = dataset.plan.slice(0, 1).to_pylist()[0]
    assert first[:4] == (row["number"], row["identity"], row["carrier"], row["source"])
    assert first.source == Source(str(root / row["source"]))
    assert first.target == str(settings.machex_path / FOLDER / "00/000000.jpg")
    assert first.recipe == dataset.recipe
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301


def test_sources_are_those_of_the_records(settings: Settings) -> None:
    (dataset,) = open_datasets(settings)
    rows = dataset.plan.slice(0, 3)
    columns = {"source_offset": 7, "source_size": 9, "source_zipped": True, "original_bits_stored": 12}
    for name, value in columns.items():
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array([value] * 3, field.type))
    expected = [source_of(dataset.processor.root, row) for row in rows.to_pylist()]
    assert [task.source for task in tasks(dataset, rows)] == expected
