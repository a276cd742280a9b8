"""The sources of a configuration: recognised, and read no more than once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from composer.guard import Relative
from composer.memory import give_back
from composer.records import first_of_each, table_of
from composer.settings import Settings
from processors import all_processors, families
from processors.base import Processor, SourceError

log = logging.getLogger(__name__)


class Sources:
    """The sources of ``settings``; those that others are compared with are kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._in_families = {processor for family in families() for processor in family}
        self._read: dict[type[Processor], tuple[Processor, pa.Table]] = {}

    def read(self, processor_type: type[Processor]) -> tuple[Processor, pa.Table]:
        """Return a source that the configuration selects, and its records."""
        if processor_type in self._read:
            return self._read[processor_type]
        root = self.settings.root(processor_type)
        assert root is not None
        processor = _recognised(processor_type, root, self.settings.files(processor_type))
        read = processor, table_of(processor.records())
        give_back()
        if processor_type in self._in_families:
            self._read[processor_type] = read
        return read

    def relatives(self, processor_type: type[Processor]) -> list[Relative]:
        """Return the datasets that hold the same films, as far as they are at hand.

        Raises
        ------
        SourceError
            When one of them is configured but cannot be used.
        """
        family = next((family for family in families() if processor_type in family), ())
        others = (self._relative(other) for other in family if other is not processor_type)
        return [relative for relative in others if relative is not None]

    def _relative(self, processor_type: type[Processor]) -> Relative | None:
        root = self.settings.root(processor_type)
        if root is None:
            relative, warnings = Relative.of_files(processor_type, self.settings)
            for warning in warnings:
                log.warning("%s", warning)
            return relative
        try:
            processor, records = self.read(processor_type)
            return Relative.of_records(processor, first_of_each(records, "identity"))
        except SourceError as error:
            raise SourceError(
                f"{processor_type.config_key}, which tells what is held out, cannot be used: {error}"
            ) from error


def _recognised(processor_type: type[Processor], root: Path, files: Mapping[str, Path]) -> Processor:
    try:
        return processor_type(root, files)
    except SourceError as error:
        for other in all_processors():
            if other is not processor_type and _accepts(other, root):
                text = f"{error}; this looks like {other.name}, not {processor_type.name}"
                raise SourceError(text) from error
        raise


def _accepts(processor_type: type[Processor], root: Path) -> bool:
    try:
        processor_type(root)
    except (SourceError, OSError):
        return False
    return True
