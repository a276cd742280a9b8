"""Which files lie in a dataset folder, and of what size: looked at, never read."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from composer.errors import OutputError
from composer.folder import IMAGES_PER_FOLDER, DatasetFolder, image_name, is_picture, is_temporary
from composer.threads import in_threads
from composer.verification.expectation import Expectation
from composer.verification.findings import Finding, Kind

# Of a lock that was left, and of those who wanted it.
_LOCK = re.compile(r"\.?lock(\..+)?")
# Of files that are only noted so many are named.
_NAMED = 3


@dataclass
class Presence:
    """What was found.

    Attributes
    ----------
    findings
        Pictures that are missing or of another size.
    absent
        Numbers of those that are missing.
    others
        Files that are no picture of a written image, relative to the dataset folder.
    bytes
        Of all pictures together.
    """

    findings: list[Finding] = field(default_factory=list)
    absent: set[int] = field(default_factory=set)
    others: list[str] = field(default_factory=list)
    bytes: int = 0


def look(folder: DatasetFolder, expected: Expectation, *, progress: bool) -> Presence:
    """Compare the files of a dataset with what is expected, a listing and a thread per folder of images.

    Raises
    ------
    OutputError
        When a folder cannot be listed.
    """
    numbers, sizes = expected.written["number"].to_numpy(), expected.written["bytes"].to_numpy()
    own = {entry.name: entry for entry in _list(folder.path)}
    folders = {name for name, entry in own.items() if name.isdecimal() and entry.is_dir()}
    places = {f"{place:02d}": place for place in np.unique(numbers // IMAGES_PER_FOLDER).tolist()}

    def look_into(name: str) -> tuple[int, Presence]:
        first = places.get(name, -1) * IMAGES_PER_FOLDER
        part = slice(*np.searchsorted(numbers, [first, first + IMAGES_PER_FOLDER]))
        files = {f"{name}/{file.name}": file for file in _list(folder.path / name)} if name in folders else {}
        pictures = zip(numbers[part].tolist(), sizes[part].tolist(), strict=True)
        return len(sizes[part]), _compare(folder.path.name, files, pictures, expected.extension)

    known = {path.name for path in folder.state} | folders
    found = Presence(others=[name for name in sorted(own) if name not in known and not _LOCK.fullmatch(name)])
    with tqdm(total=len(numbers), desc=folder.path.name, unit="img", disable=not progress) as bar:
        for count, part in in_threads(look_into, sorted(folders | places.keys())):
            found.findings += part.findings
            found.absent |= part.absent
            found.others += part.others
            found.bytes += part.bytes
            bar.update(count)
    return found


def notes(dataset: str, others: Collection[str], expected: Expectation) -> Iterator[Finding]:
    """Tell of files that are no picture of a written image, each kind in one finding, and of images to make.

    Parameters
    ----------
    others
        As `Presence` has them.
    """
    planned = {image_name(n, expected.extension): n for n in expected.planned.to_pylist()}
    temporary: list[str] = []
    unwritten: list[str] = []
    unselected: list[str] = []
    foreign: list[str] = []
    for name in others:
        if is_temporary(name):
            temporary.append(name)
        elif name in planned:
            unwritten.append(name)
        else:
            (unselected if is_picture(name) else foreign).append(name)
    yield from _note(dataset, temporary, "temporary files, which the next run deletes")
    yield from _note(dataset, unselected, "pictures that are not selected; see --prune")
    yield from _note(dataset, foreign, "files that are not of MaCheX, which are left alone")
    text = "pictures that the ledger does not have as written"
    lost = tuple(planned[name] for name in unwritten if planned[name] in expected.without_line)
    yield from _note(dataset, unwritten, text, lost)
    if untried := len(expected.without_line) - len(lost):
        text = f"{untried:,} planned images were not tried yet; run the compose command"
        yield Finding(Kind.NOTE, dataset, text)


def _note(dataset: str, names: list[str], text: str, lost: tuple[int, ...] = ()) -> Iterator[Finding]:
    if names:
        kind = Kind.UNENTERED if lost else Kind.NOTE
        more = ", ..." if len(names) > _NAMED else ""
        yield Finding(kind, dataset, f"{len(names):,} {text} ({', '.join(names[:_NAMED])}{more})", lost)


def _list(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        raise OutputError(f"{path}: cannot be listed ({os.strerror(error.errno or 0)})") from error


def _compare(
    dataset: str, files: dict[str, os.DirEntry[str]], pictures: Iterable[tuple[int, int]], extension: str
) -> Presence:
    found = Presence()
    for number, size in pictures:
        name = image_name(number, extension)
        entry = files.pop(name, None)
        state = None if entry is None else _size(entry)
        if state is None:
            found.absent.add(number)
        if isinstance(state, int):
            found.bytes += state
        if state != size:
            text = f"{state:,} bytes, expected {size:,}" if isinstance(state, int) else state or "is missing"
            found.findings.append(Finding(Kind.PICTURE, f"{dataset}/{name}", text, (number,)))
    found.others = sorted(files)
    return found


def _size(entry: os.DirEntry[str]) -> int | str | None:
    """Return the size of a file, None when it is not there, or why that cannot be told."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be looked at ({os.strerror(error.errno or 0)})"
