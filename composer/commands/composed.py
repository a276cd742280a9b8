"""Which datasets a command looks at that needs what is composed and no source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from composer.errors import UsageError
from composer.folder import DatasetFolder
from composer.settings import Settings
from composer.yaml_file import did_you_mean
from processors import all_processors


def has_index(folder: DatasetFolder) -> bool:
    """Return whether a dataset was composed to its end at least once."""
    return folder.index_parquet.exists()


def composed_folders(
    settings: Settings, names: Sequence[str], is_there: Callable[[DatasetFolder], bool] = has_index
) -> list[DatasetFolder]:
    """Return the folders of the named datasets, of all that are there when none is named.

    Raises
    ------
    UsageError
        When none is there, or a name is not that of one.
    """
    folders = {p.folder: DatasetFolder(settings.machex_path / p.folder) for p in all_processors()}
    there = {name: folder for name, folder in folders.items() if is_there(folder)}
    if not there:
        raise UsageError(f"{settings.machex_path} holds no collection: run the compose command first")
    unknown = [name for name in names if name not in there]
    if unknown:
        raise UsageError(
            f"--dataset takes the datasets in {settings.machex_path}: {', '.join(there)}",
            [f"{name} is none of them{did_you_mean(name, there)}" for name in unknown],
        )
    return [folder for name, folder in there.items() if not names or name in names]
