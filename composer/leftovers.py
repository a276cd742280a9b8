"""Files in a dataset folder that belong to no image of the collection, and their end."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from composer.errors import OutputError
from composer.folder import DatasetFolder, image_name
from composer.status import Status

log = logging.getLogger(__name__)

_TEMPORARY = re.compile(r"\..+\.part")
_PICTURE = re.compile(r"\d{2,}/\d{6,}\.(jpg|png)")
# Looking at a file on network storage is waiting.
_THREADS = 16


def sweep(folder: DatasetFolder) -> None:
    """Delete the temporary files that a killed run left.

    Raises
    ------
    OutputError
        When that cannot be done, as when the disk has gone.
    """
    try:
        names = {path.name for path in folder.path.iterdir()} | folder.listed_images()
    except OSError as error:
        raise OutputError.not_writable(folder.path, error) from error
    _delete(folder, [name for name in names if _TEMPORARY.fullmatch(Path(name).name)])


def delete_damaged(folder: DatasetFolder, results: pa.Table, extension: str) -> int:
    """Delete the pictures that have another size than the ledger says, so that they are made again.

    Returns
    -------
    How many there were.
    """
    written = results.filter(pc.equal(results["status"], Status.WRITTEN))
    names = [image_name(number, extension) for number in written["number"].to_pylist()]
    with ThreadPoolExecutor(_THREADS) as threads:
        sizes = list(threads.map(lambda name: _size(folder.path / name), names))
    expected = written["bytes"].to_pylist()
    damaged = [name for name, size, right in zip(names, sizes, expected, strict=True) if size != right]
    _delete(folder, damaged)
    return len(damaged)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def unselected_pictures(present: Collection[str], results: pa.Table, extension: str) -> list[str]:
    """Return the pictures that the index does not have and that no run is going to write.

    They are of images that the configuration no longer selects, that vanished from the source, or that were
    made in another format.

    Parameters
    ----------
    present
        As `composer.folder.DatasetFolder.listed_images` gives them.
    """
    ours = pc.is_in(results["status"], pa.array([Status.WRITTEN, Status.TO_WRITE]))
    names = {image_name(number, extension) for number in results.filter(ours)["number"].to_pylist()}
    return sorted(name for name in present if name not in names and _PICTURE.fullmatch(name))


def prune(folder: DatasetFolder, names: Collection[str]) -> None:
    """Delete these pictures, and folders that are empty then."""
    _delete(folder, names)
    for parent in {(folder.path / name).parent for name in names}:
        if not any(parent.iterdir()):
            parent.rmdir()


def delete_dataset(folder: DatasetFolder) -> None:
    """Delete the pictures of a dataset, its index and its state; the caller holds the lock.

    The plan goes last: without it the folder would not be known for ours when this is interrupted.
    """
    _delete(folder, [folder.index_json.name, folder.index_parquet.name])
    prune(folder, [name for name in folder.listed_images() if _PICTURE.fullmatch(name)])
    _delete(folder, [folder.failures.name, folder.ledger.name, folder.plan.name])


def _delete(folder: DatasetFolder, names: Iterable[str]) -> None:
    for name in names:
        try:
            (folder.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{folder.path / name}: cannot be deleted ({error.strerror})") from error
