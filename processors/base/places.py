"""Where a release lies on a user's disk: below the root, beside it, still packed, or not here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from processors.base.contract import Processor, SourceError
from processors.base.files import contents, entries, subfolders

# Mirrors and archives put so many folders around a release.
_LEVELS = 2
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z")
_TABLES = tuple(f"{kind}{packed}" for kind in (".csv", ".json", ".txt") for packed in (".gz", ".zip"))


def folders_below(root: Path, is_own: Callable[[str], object]) -> Iterator[Path]:
    """Yield the root and the folders up to two below it, level by level.

    Parameters
    ----------
    root
        Comes first.
    is_own
        Whether a folder of this name belongs to the release itself, so that it is not looked into.
    """
    level = [root]
    yield root
    for _ in range(_LEVELS):
        level = [below for folder in level for below in subfolders(folder) if not is_own(below.name)]
        yield from level


def folders_above(folder: Path, root: Path) -> list[Path]:
    """Return a folder and those above it, the nearest first, up to the root."""
    return [place for place in (folder, *folder.parents) if place.is_relative_to(root)]


def is_archive(name: str) -> bool:
    """Say whether a file may hold packed images; a packed table does not."""
    return name.lower().endswith(_ARCHIVES) and not name.lower().endswith(_TABLES)


def no_image_found(source: Processor, expected: str, files: Iterable[str] | None = None) -> SourceError:
    """Return the error of a root in which no image of a dataset was found.

    Parameters
    ----------
    source
        The processor.
    expected
        What should have been there, and where.
    files
        Names of files among which there may be archives; None stands for those in the root.
    """
    names = (entry.name for entry in entries(source.root)) if files is None else files
    packed = sum(map(is_archive, names))
    remedy = f"unpack the archives first, {packed:,} here" if packed else "check the path"
    return SourceError(
        f"{source.root}: no image of {source.name} found: expected {expected}, found "
        f"{contents(source.root)}; {remedy}"
    )
