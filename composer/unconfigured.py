"""Datasets of the collection that the configuration does not select any more."""

from __future__ import annotations

import logging

from composer.folder import DatasetFolder
from composer.leftovers import delete_dataset
from composer.lock import FolderLock
from composer.settings import Settings
from processors import all_processors

log = logging.getLogger(__name__)


def unconfigured(settings: Settings) -> list[str]:
    """Return the folder names of datasets that were composed once and whose root is null now.

    They stay as they are: their sources may be gone for good, or they belong to another configuration with
    the same ``MACHEX_PATH``.
    """
    return [
        processor.folder
        for processor in all_processors()
        if settings.root(processor) is None and _folder(settings, processor.folder).plan.exists()
    ]


def delete_unconfigured(settings: Settings, name: str) -> None:
    """Delete a dataset that `unconfigured` lists: its pictures, index and state.

    Raises
    ------
    OutputError
        When another run writes there, or something cannot be deleted.
    """
    folder = _folder(settings, name)
    with FolderLock(folder.lock):
        delete_dataset(folder)
    try:
        folder.path.rmdir()
    except OSError:
        log.warning("%s: %s holds files of others and stays", name, folder.path)
    log.info("%s: its pictures, index and state are deleted", name)


def _folder(settings: Settings, name: str) -> DatasetFolder:
    return DatasetFolder(settings.machex_path / name)
