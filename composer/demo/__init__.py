"""A miniature of every source, made from nothing: anyone can run everything without a single real image.

The miniature of ``processors/<name>.py`` is ``composer/demo/<name>.py`` with one function,
``make(root: Path) -> None``, that writes the release's layout with invented patients.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

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
    modules = {processor: importlib.import_module(_miniature_of(processor)) for processor in all_processors()}
    roots: dict[str, Path] = {}
    for processor, module in modules.items():
        root = folder / processor.folder
        module.make(root)
        roots[processor.config_key] = root
    return roots


def _miniature_of(processor: type[Processor]) -> str:
    name = processor.__module__.rpartition(".")[2]
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise LookupError(
            f"{processor.name} has no miniature: write composer/demo/{name}.py with make(root: Path) -> None"
        )
    return f"{__name__}.{name}"
