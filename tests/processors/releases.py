"""Laying out a release on a disk, and reading it: what the tests of all processors do."""

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from composer.demo.layout import Layout
from processors.base import Processor, Record

Source = TypeVar("Source", bound=Processor)
# What the fixture `made` is.
Made = Callable[[type[Processor], Layout], Path]


def write(path: Path, *lines: str, newline: str = "\n", encoding: str = "utf-8") -> None:
    """Write a table or a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), newline=newline, encoding=encoding)


def lay(root: Path, *paths: str) -> None:
    """Put files in place whose bytes are their own path: a processor never looks at pixels."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def tar_of(archive: Path, *names: str) -> None:
    """Put files into an uncompressed tar file whose bytes are their own name."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))


def read_release(processor_type: type[Source], root: Path, **files: Path) -> tuple[Source, dict[str, Record]]:
    """Return the processor of a root, its records read, and the records by identity, which is unique.

    ``files`` are further files by their keys.
    """
    processor = processor_type(root, files)
    records = list(processor.records())
    found = {record.identity: record for record in records}
    assert len(found) == len(records)
    return processor, found


def path_of(record: Record) -> str:
    """Return the path of a record that has a file."""
    assert record.file is not None
    return record.file.path


def same_images(
    processor_type: type[Processor], root: Path, miniature: Path, parts: Sequence[str]
) -> dict[str, Record]:
    """Check that a rearranged miniature says the same of the same images, and that their files are there."""
    _, expected = read_release(processor_type, miniature)
    processor, found = read_release(processor_type, root)
    assert processor.warnings == []
    assert found.keys() == expected.keys()
    for identity, record in found.items():
        assert (root / path_of(record)).is_file(), identity
        for part in parts:
            assert getattr(record, part) == getattr(expected[identity], part), (identity, part)
    return found
