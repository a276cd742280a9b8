"""The further files of a release: named in the configuration, or found with the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from processors.base.contract import Processor, SourceError
from processors.base.tables import find_table


def find_further_file(source: Processor, key: str, folders: Sequence[Path]) -> Path | None:
    """Return one of `Processor.further_files`: that of the configuration, else the one in the folders."""
    return source.files.get(key) or find_table(folders, source.further_files[key])


@contextmanager
def naming_key(files: Mapping[str, Path], key: str) -> Iterator[None]:
    """Let an error begin with the key that the user is to correct, where the configuration names the file."""
    try:
        yield
    except SourceError as error:
        if key not in files:
            raise
        raise SourceError(f"{key}: {error}") from error
