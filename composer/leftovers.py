"""Files in a dataset folder that belong to no image of the collection, and their end."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

from composer.errors import OutputError
from composer.folder import DatasetFolder, is_picture, is_temporary
from composer.image_names import image_names
from composer.status import Status
from composer.threads import in_threads


def sweep(folder: DatasetFolder) -> None:
    """Delete the temporary files that a killed run left.

    Raises
    ------
    OutputError
        When that cannot be done, as when the disk has gone.
    """
    for names in itertools.chain([folder.listed_files()], folder.listed_images()):
        _delete(folder, filter(is_temporary, names))


def delete_damaged(folder: DatasetFolder, lines: pa.Table, extension: str) -> int:
    """Delete the pictures that have another size than the ledger says, so that they are made again.

    Parameters
    ----------
    lines
        Of the ledger, or results: ``number``, ``status`` and ``bytes``.

    Returns
    -------
    How many there were.
    """
    written = lines.filter(pc.equal(lines["status"], Status.WRITTEN))
    names = image_names(written["number"], extension).to_pylist()
    right = dict(zip(names, written["bytes"].to_pylist(), strict=True))
    damaged = []
    for sizes in in_threads(folder.sizes, folder.image_folders()):
        damaged += [name for name, size in sizes.items() if right.get(name, size) != size]
    _delete(folder, damaged)
    return len(damaged)


def unselected_pictures(present: pa.Array, results: pa.Table, extension: str) -> list[str]:
    """Return the pictures that the index does not have and that no run is going to write.

    They are of images that the configuration no longer selects, that vanished from the source, or that were
    made in another format. An image that fails now may have a picture from before.

    Parameters
    ----------
    present
        As `composer.image_names.listed_names` gives them.
    """
    ours = pc.is_in(results["status"], pa.array([Status.WRITTEN, Status.TO_WRITE, Status.FAILED]))
    names = image_names(results["number"].filter(ours), extension).combine_chunks()
    others = present.filter(pc.invert(pc.is_in(present, names))).to_pylist()
    return sorted(filter(is_picture, others))


def prune(folder: DatasetFolder, names: Collection[str]) -> None:
    """Delete these pictures, and folders that are empty then."""
    _delete(folder, names)
    for parent in {(folder.path / name).parent for name in names}:
        # Other files may be there.
        with suppress(OSError):
            parent.rmdir()


def delete_dataset(folder: DatasetFolder) -> None:
    """Delete the pictures of a dataset, its index and its state; the caller holds the lock.

    The plan goes last: without it the folder would not be known for ours when this is interrupted.
    """
    sweep(folder)
    _delete(folder, [folder.index_json.name, folder.index_parquet.name])
    prune(folder, [name for names in folder.listed_images() for name in names if is_picture(name)])
    _delete(folder, [path.name for path in folder.state])


def _delete(folder: DatasetFolder, names: Iterable[str]) -> None:
    for name in names:
        try:
            (folder.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{folder.path / name}: cannot be deleted ({error.strerror})") from error
