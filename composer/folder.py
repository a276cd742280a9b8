"""The folder of one dataset in the collection: which file lies where."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from composer.errors import OutputError, UsageError

IMAGES_PER_FOLDER = 10_000
_PICTURE = re.compile(r"\d{2,}/\d{6,}\.(jpg|png)")
_TEMPORARY = re.compile(r"(.+/)?\..+\.part")


def image_name(number: int, extension: str) -> str:
    """Return the path of an image relative to its dataset folder: ``05/054321.jpg`` for number 54321."""
    return f"{number // IMAGES_PER_FOLDER:02d}/{number_text(number)}.{extension}"


def number_text(number: int) -> str:
    """Return the number of an image as it stands in ``index.json``: six digits, more where needed."""
    return f"{number:06d}"


@dataclass(frozen=True)
class DatasetFolder:
    """Where the images, the index and the state of one dataset are kept."""

    path: Path

    @property
    def index_json(self) -> Path:
        """MaCheX's index."""
        return self.path / "index.json"

    @property
    def index_parquet(self) -> Path:
        """The index with everything that is known."""
        return self.path / "index.parquet"

    @property
    def failures(self) -> Path:
        """What failed or is missing; there only when something is."""
        return self.path / "failures.csv"

    @property
    def plan(self) -> Path:
        """The numbers of all images and what is to be done with each."""
        return self.path / "plan.parquet"

    @property
    def ledger(self) -> Path:
        """One line per attempt."""
        return self.path / "ledger.jsonl"

    @property
    def held_out(self) -> Path:
        """The films of other datasets that must not enter by this one, with their fingerprints."""
        return self.path / "held_out.jsonl"

    @property
    def pairs(self) -> Path:
        """The films here and in other datasets that look alike, as they were compared."""
        return self.path / "pairs.parquet"

    @property
    def state(self) -> tuple[Path, ...]:
        """All files of ours beside the pictures and the lock; the plan, by which a folder is ours, last."""
        derived = self.index_json, self.index_parquet, self.failures
        return *derived, self.held_out, self.pairs, self.ledger, self.plan

    @property
    def lock(self) -> Path:
        """There while a run writes here."""
        return self.path / "lock"

    def make(self) -> None:
        """Make the folder, and those above it; raise `OutputError` when that cannot be done."""
        _make(self.path)

    def make_image_folders(self, numbers: Iterable[int]) -> None:
        """Make the folders of the images with these numbers, but not the dataset's: its disk may have gone.

        Raises
        ------
        OutputError
            When that cannot be done.
        """
        for folder in sorted({number // IMAGES_PER_FOLDER for number in numbers}):
            _make((self.path / image_name(folder * IMAGES_PER_FOLDER, "")).parent, parents=False)

    def listed_images(self) -> Iterator[list[str]]:
        """Yield the files in each folder of images, named as by `image_name`.

        Folder by folder: a million names take a hundred megabytes.
        """
        for folder in self.image_folders():
            yield [f"{folder}/{name}" for name in _listed(self.path / folder)]

    def listed_files(self) -> list[str]:
        """Return the names of the files and folders in the dataset folder itself."""
        return _listed(self.path)

    def image_folders(self) -> list[str]:
        """Return the names of the folders of images that are there."""
        return [name for name in _listed(self.path) if name.isdecimal()]

    def sizes(self, image_folder: str) -> dict[str, int]:
        """Return the bytes of each file in a folder of images, named as by `image_name`."""
        with _listing(self.path / image_folder), os.scandir(self.path / image_folder) as entries:
            return {f"{image_folder}/{entry.name}": entry.stat().st_size for entry in entries}

    def check_own(self) -> None:
        """Raise `UsageError` if something is here but no plan that says which image has which number."""
        if self.plan.exists():
            return
        others = [self.index_json, self.ledger, *self.path.glob("[0-9]*/*")]
        found = next((path for path in others if path.exists()), None)
        if found is not None:
            raise UsageError(
                f"{self.path} holds {found.relative_to(self.path)} but no plan.parquet: another program made "
                "it, or the plan was lost, and new numbers would not agree with it; choose another "
                "MACHEX_PATH, move the folder away, or restore the plan"
            )


def is_picture(name: str) -> bool:
    """Say whether a name, relative to the dataset folder, is that of a picture of any format."""
    return _PICTURE.fullmatch(name) is not None


def is_temporary(name: str) -> bool:
    """Say whether a file, at whatever place, is one that `composer.storage.atomic_write` was writing."""
    # Of a million names hardly one has the ending, and looking at an ending is quick.
    return name.endswith(".part") and _TEMPORARY.fullmatch(name) is not None


def _listed(folder: Path) -> list[str]:
    with _listing(folder):
        try:
            # Names only: a million Path objects take seconds.
            return os.listdir(folder)  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return []


@contextmanager
def _listing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be listed ({os.strerror(error.errno or 0)}); mend the disk, then run again"
        ) from error


def _make(path: Path, *, parents: bool = True) -> None:
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise OutputError.not_writable(path, error) from error
