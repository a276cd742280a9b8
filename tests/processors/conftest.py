"""The miniatures of all processors, for tests that apply to whichever dataset there is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from composer.demo import layouts_of
from composer.demo.layout import Layout
from processors import all_processors
from processors.base import Processor, Record
from tests.processors.copies import linked_copy, read, tables_of

MINIATURES = [(processor, layout) for processor in all_processors() for layout in layouts_of(processor)]


@pytest.fixture(
    params=MINIATURES,
    ids=[f"{each.folder}: {layout.name}" for each, layout in MINIATURES],
    scope="module",
)
def miniature(request: pytest.FixtureRequest) -> tuple[type[Processor], Layout]:
    pair: tuple[type[Processor], Layout] = request.param
    return pair


@pytest.fixture(scope="module")
def source(miniature: tuple[type[Processor], Layout]) -> type[Processor]:
    return miniature[0]


@pytest.fixture(scope="module")
def layout(miniature: tuple[type[Processor], Layout]) -> Layout:
    return miniature[1]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[type[Processor], Layout], Path]:
    """Return a function that makes a miniature once for all modules."""

    @cache
    def make(source: type[Processor], layout: Layout) -> Path:
        folder = tmp_path_factory.mktemp(source.folder) / "root"
        layout.make(folder)
        return folder

    return make


@pytest.fixture(scope="module")
def root(miniature: tuple[type[Processor], Layout], made: Callable[[type[Processor], Layout], Path]) -> Path:
    """Return the miniature of the layout, which no test may change."""
    return made(*miniature)


@pytest.fixture(scope="module")
def records(source: type[Processor], root: Path) -> list[Record]:
    return read(source, root)


@pytest.fixture(scope="module")
def table_names(source: type[Processor], root: Path) -> list[str]:
    """Return the paths of the tables in use that have a header, relative to the root."""
    return [table.relative_to(root).as_posix() for table in tables_of(source, root)]


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the miniature; see `tests.processors.copies` for how to change it."""
    return linked_copy(root, tmp_path / "copy")
