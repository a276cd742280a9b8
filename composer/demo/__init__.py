"""A miniature of every source, made from nothing: anyone can run everything without a single real image.

The miniatures of ``processors/<name>.py`` are in ``composer/demo/<name>.py``: its ``LAYOUTS`` are the forms
in which users have the release, with invented patients. The first is the demo's; it gives no cause for a
warning.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from composer.demo.layout import Layout
from processors import all_processors
from processors.base import Processor


def make_miniatures(folder: Path) -> dict[str, Path]:
    """Write the miniatures of all datasets, each in the subfolder that bears the dataset's name.

    Returns
    -------
    The root of each miniature under its key of the configuration.

    Raises
    ------
    LookupError
        When a processor has no miniature; the message names the file to write. Nothing is written then.
    """
    layouts = {processor: layouts_of(processor)[0] for processor in all_processors()}
    roots: dict[str, Path] = {}
    for processor, layout in layouts.items():
        root = folder / processor.folder
        layout.make(root)
        roots[processor.config_key] = root
    return roots


def layouts_of(processor: type[Processor]) -> tuple[Layout, ...]:
    """Return the miniatures of a dataset; raise `LookupError` when there are none."""
    name = processor.__module__.rpartition(".")[2]
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise LookupError(f"{processor.name} has no miniature: write composer/demo/{name}.py with LAYOUTS")
    layouts: tuple[Layout, ...] = importlib.import_module(f"{__name__}.{name}").LAYOUTS
    return layouts
