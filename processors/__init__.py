"""The sources: one module per dataset, all of one form.

A module in this package that defines a `Processor` is a dataset: putting the file here registers it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil

from processors.base import Processor


@functools.cache
def all_processors() -> tuple[type[Processor], ...]:
    """Return the processor class of every module in this package, sorted by module name.

    Raises
    ------
    TypeError
        When a module does not define exactly one processor, or two claim the same folder or key.
    """
    found = tuple(_processor_of(info.name) for info in pkgutil.iter_modules(__path__) if not info.ispkg)
    for part in ("folder", "config_key"):
        claims = [getattr(processor, part) for processor in found]
        if len(set(claims)) < len(claims):
            raise TypeError(f"two processors have the same {part}: {sorted(claims)}")
    return found


def families() -> tuple[tuple[type[Processor], ...], ...]:
    """Return the datasets that hold the same radiographs: each parent, followed by its children.

    Raises
    ------
    TypeError
        When a processor names a parent that there is not, or that has a parent itself.
    """
    processors = {processor.folder: processor for processor in all_processors()}
    children = [processor for processor in processors.values() if processor.parent is not None]
    odd = [each.name for each in children if each.parent not in processors or processors[each.parent].parent]
    if odd:
        raise TypeError(f"no dataset without a parent is the parent of {', '.join(odd)}")
    return tuple(
        (parent, *found)
        for name, parent in processors.items()
        if (found := [child for child in children if child.parent == name])
    )


def _processor_of(module_name: str) -> type[Processor]:
    module = importlib.import_module(f"{__name__}.{module_name}")
    own = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Processor) and member.__module__ == module.__name__
    ]
    if len(own) != 1:
        raise TypeError(f"processors/{module_name}.py defines {len(own)} processors; expected exactly one")
    return own[0]
