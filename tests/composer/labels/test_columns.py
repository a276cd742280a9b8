"""The labels of a dataset as columns."""

import itertools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.labels import (
    CONFLICTS_COLUMN,
    KIND_COLUMN,
    TERM_COLUMNS,
    Unknown,
    harmonise,
    read_image,
    unknown_lines,
)
from composer.labels.image import Statement
from composer.records import LABEL

LISTS = pa.list_(LABEL)


def labels(*images: Sequence[tuple[Any, Any, Any]] | None) -> pa.Array:
    names = ("label", "value", "labeller")
    return pa.array(
        [
            image if image is None else [dict(zip(names, each, strict=True)) for each in image]
            for image in images
        ],
        LISTS,
    )


@given(st.integers(1, 5))
def test_pieces_make_no_difference(size: int) -> None:
    images = labels(EFFUSION, [], None, NOTHING, [*EFFUSION, *NOTHING], EFFUSION, NOTHING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("composer.labels.columns._AT_A_TIME", size)
        found = harmonise(images, "chex-ray14")
    assert found == harmonise(images, "chex-ray14")


EFFUSION: list[Statement] = [("Effusion", 1, "NIH")]
NOTHING: list[Statement] = [("No Finding", 1, "NIH")]


def test_columns() -> None:
    columns = harmonise(labels(EFFUSION, NOTHING, [], None), "chex-ray14").columns
    assert columns.column_names == [*TERM_COLUMNS, KIND_COLUMN, CONFLICTS_COLUMN]
    assert {columns[name].type for name in TERM_COLUMNS} == {pa.int8()}
    assert len(TERM_COLUMNS) == 42
    assert columns["label_effusion"].to_pylist() == [1, 0, None, None]
    assert columns["label_no_finding"].to_pylist() == [0, 1, None, None]
    assert columns["label_support_devices"].to_pylist() == [None] * 4
    assert columns[KIND_COLUMN].to_pylist() == ["nlp", "nlp", None, None]
    assert columns[CONFLICTS_COLUMN].to_pylist() == [[], [], [], []]
    assert columns[CONFLICTS_COLUMN].type == pa.list_(pa.string())


def test_conflicts() -> None:
    image: list[Statement] = [("Edema", 1, "chexpert"), ("Edema", 0, "negbio")]
    columns = harmonise(labels(image), "mimic").columns
    assert columns[CONFLICTS_COLUMN].to_pylist() == [["edema"]]


@pytest.mark.parametrize("images", [0, 3])
def test_dataset_without_labels(images: int) -> None:
    columns, unknown = harmonise(labels(*([[]] * images)), "siim")
    assert columns.num_rows == images
    assert sum(columns[name].null_count for name in TERM_COLUMNS) == images * len(TERM_COLUMNS)
    assert unknown == ()


def test_dataset_that_no_table_knows() -> None:
    harmonised = harmonise(labels(EFFUSION, EFFUSION), "addition")
    assert harmonised.columns["label_effusion"].to_pylist() == [None, None]
    assert harmonised.unknown == (Unknown("NIH", "Effusion", 2),)


def test_chunks_and_slices() -> None:
    whole = labels(NOTHING, EFFUSION, [], EFFUSION, NOTHING)
    chunked = pa.chunked_array([whole.slice(0, 2), whole.slice(2, 0), whole.slice(2)])
    assert harmonise(chunked, "chex-ray14") == harmonise(whole, "chex-ray14")
    part = harmonise(whole.slice(1, 3), "chex-ray14").columns
    assert part["label_effusion"].to_pylist() == [1, None, 1]
    empty = harmonise(pa.chunked_array([], LISTS), "chex-ray14").columns
    assert empty.num_rows == 0


def test_unknown_labels_are_counted_by_image() -> None:
    odd: list[Statement] = [("Efusion", 1, "NIH"), ("Efusion", 1, "NIH"), ("Edema", 1, "NIH")]
    unknown = harmonise(labels(odd, odd, [("Edoema", 1, "NIH")], EFFUSION), "chex-ray14").unknown
    assert unknown == (Unknown("NIH", "Efusion", 2), Unknown("NIH", "Edoema", 1))


def test_unknown_labels_are_told_in_one_line() -> None:
    assert unknown_lines(()) == []
    (line,) = unknown_lines([Unknown("NIH", "Efusion", 1234), Unknown("NIH", "patient 17", 1)])
    assert line.startswith("2 labels are in no table of the vocabulary")
    assert "'Efusion' (1,234), 1 more (images)" in line
    assert "17" not in line
    (many,) = unknown_lines(Unknown("NIH", name, 1) for name in "abcdefg")
    assert "'e' (1), 2 more" in many


@pytest.mark.parametrize("statement", [("Effusion", 2, "NIH"), ("Effusion", None, "NIH"), (None, 1, "NIH")])
def test_statement_that_is_none(statement: Any) -> None:  # noqa: ANN401 - what cannot be
    with pytest.raises(ValueError, match=r"expected a label, a labeller and 1, 0 or -1"):
        harmonise(labels([statement]), "chex-ray14")


STATEMENTS = [
    *itertools.product(("Edema", "Pneumonia", "No Finding", "Oedema"), (1, 0, -1), ("chexpert", "negbio"))
]


@given(st.lists(st.none() | st.lists(st.sampled_from(STATEMENTS), max_size=4), max_size=12))
def test_every_row_is_what_its_image_says(images: list[list[Statement] | None]) -> None:
    columns, unknown = harmonise(labels(*images), "mimic")
    readings = [read_image("mimic", image or ()) for image in images]
    for name in TERM_COLUMNS:
        term = name.removeprefix("label_")
        assert columns[name].to_pylist() == [reading.values.get(term) for reading in readings]
    assert columns[CONFLICTS_COLUMN].to_pylist() == [list(reading.conflicts) for reading in readings]
    assert columns[KIND_COLUMN].to_pylist() == [reading.kind for reading in readings]
    assert sum(each.images for each in unknown) == sum(len(reading.unknown) for reading in readings)
