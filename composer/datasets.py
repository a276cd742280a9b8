"""From the configured roots to datasets that are ready to be composed, or all their problems at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from composer.checksums import add_checksums
from composer.errors import MaCheXError, UsageError
from composer.folder import DatasetFolder
from composer.guard import Guard, guard_of, with_leaks
from composer.header_views import look_up_views
from composer.imaging import Recipe
from composer.ledger import read_ledger
from composer.lock import check_not_held
from composer.memory import give_back
from composer.plan import make_plan, plan_digest, read_plan, recipe_of, vanished
from composer.records import first_of_each
from composer.settings import Settings
from composer.sources import Sources
from composer.status import Status
from composer.yaml_file import did_you_mean
from processors import all_processors
from processors.base import Processor, SourceError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dataset:
    """A dataset of this run: its source, what is planned, the plan of the run before, and its leak guard.

    There is a guard where other datasets hold the same films. ``found`` counts the records of the source,
    ``repeated`` those among them that name an image again. Of the plan of the run before there are the rows
    whose images have vanished since, and the digest of the file.
    """

    processor: Processor
    folder: DatasetFolder
    recipe: Recipe
    found: int
    repeated: int
    plan: pa.Table
    previous_plan: pa.Table | None
    previous_digest: str | None
    guard: Guard | None

    @property
    def name(self) -> str:
        """The name of the output folder, by which users call the dataset."""
        return self.processor.folder

    @property
    def is_redone(self) -> bool:
        """Whether the pictures of the run before were made by another recipe."""
        return self.previous_plan is not None and recipe_of(self.previous_plan) != self.recipe.as_dict()


def check_free(settings: Settings, names: Sequence[str] = ()) -> None:
    """Raise `OutputError` when another run writes one of the selected datasets: before hours of reading."""
    for processor in _selected(settings, names):
        check_not_held(DatasetFolder(settings.machex_path / processor.folder).lock)


def open_datasets(settings: Settings, names: Sequence[str] = (), *, redo: bool = False) -> list[Dataset]:
    """Read the tables and folders of every selected dataset and plan it; nothing is written.

    Parameters
    ----------
    names
        Folder names of the datasets to take; all that are configured when empty.
    redo
        Whether pictures that were made by another recipe may be replaced; else they are a problem.

    Raises
    ------
    UsageError
        When any of them cannot be composed; the message has the problems of all.
    """
    datasets, problems = survey(settings, names, redo=redo)
    if problems:
        raise UsageError("nothing was written, because these sources cannot be used:", problems)
    for dataset in datasets:
        _announce(dataset)
    return datasets


def survey(
    settings: Settings, names: Sequence[str] = (), *, redo: bool = False
) -> tuple[list[Dataset], list[str]]:
    """Return the selected datasets that can be composed, and the problems of those that cannot.

    Parameters are those of `open_datasets`.

    Raises
    ------
    UsageError
        When a name is not that of a configured dataset.
    """
    datasets, problems = [], []
    sources = Sources(settings)
    for processor in _selected(settings, names):
        try:
            datasets.append(_open(processor, sources, redo=redo))
            give_back()
        except (SourceError, MaCheXError, OSError) as error:
            problems.append(f"{processor.config_key}: {error}")
        except UnicodeEncodeError:
            problems.append(f"{processor.config_key}: a file or folder name is not UTF-8; rename it")
    return datasets, problems


def _selected(settings: Settings, names: Sequence[str]) -> list[type[Processor]]:
    configured = {p.folder: p for p in all_processors() if settings.root(p) is not None}
    unknown = [name for name in names if name not in configured]
    if unknown:
        raise UsageError(
            "--dataset takes the datasets that the configuration selects: " + ", ".join(configured),
            [f"{name} is none of them{did_you_mean(name, configured)}" for name in unknown],
        )
    return [processor for name, processor in configured.items() if not names or name in names]


def _open(processor_type: type[Processor], sources: Sources, *, redo: bool) -> Dataset:
    settings = sources.settings
    folder = DatasetFolder(settings.machex_path / processor_type.folder)
    folder.check_own()
    recipe = settings.recipe(processor_type)
    # Before the plan is read: what another run writes then is noticed when the folder is locked.
    digest = plan_digest(folder.plan)
    if not redo:
        _check_recipe(folder, recipe)
    processor, records = sources.read(processor_type)
    unique = first_of_each(records, "identity")
    relatives = sources.relatives(processor_type)
    unique = with_leaks(unique, processor_type, relatives, settings.splits)
    guard, unguarded = guard_of(unique, processor_type, relatives, settings)
    if settings.frontal_only:
        unique = look_up_views(unique, processor)
    # Not earlier: a million rows take 100 MB, beside the records as they are read.
    previous = read_plan(folder.plan)
    plan = make_plan(unique, settings, processor_type, previous)
    if previous is not None:
        previous = previous.filter(vanished(plan, previous))
    if settings.checksums:
        plan, uncompared = add_checksums(plan, processor)
        processor.warnings += uncompared
    _check_files(processor, plan)
    processor.warnings += unguarded
    repeated = records.num_rows - unique.num_rows
    return Dataset(processor, folder, recipe, records.num_rows, repeated, plan, previous, digest, guard)


def _check_recipe(folder: DatasetFolder, recipe: Recipe) -> None:
    """Raise `UsageError` when the pictures were made with other settings: a collection has one recipe."""
    previous = read_plan(folder.plan)
    if previous is None:
        return
    # Told where it is true alone.
    before, now = ({"fast_decode": False, **each} for each in (recipe_of(previous), recipe.as_dict()))
    changed = [
        f"{_setting(key)} was {before.get(key)}, is {now[key]}" for key in now if before.get(key) != now[key]
    ]
    if changed:
        pictures = (
            pc.sum(pc.equal(read_ledger(folder.ledger, ["status"])["status"], Status.WRITTEN)).as_py() or 0
        )
        raise UsageError(
            f"{folder.path} was made with other settings ({'; '.join(changed)}), which touches "
            f"{pictures:,} pictures; restore the settings, make these pictures again with --redo, or choose "
            "another MACHEX_PATH"
        )


def _setting(key: str) -> str:
    """Return the name in the configuration of a part of the recipe."""
    names = {"size": "IMAGE_SIZE", "arithmetic": "the version of MaCheX's own arithmetic"}
    return names.get(key, key.upper())


def _check_files(processor: Processor, plan: pa.Table) -> None:
    if plan["source"].null_count == plan.num_rows:
        raise SourceError(
            f"{processor.root}: {plan.num_rows:,} images are listed in {', '.join(processor.tables)}, but "
            "none of their files is here; check the path, or unpack the archives"
        )


def _announce(dataset: Dataset) -> None:
    processor, plan = dataset.processor, dataset.plan
    tables = ", ".join(processor.tables) or "no tables"
    log.info("%s: %s in %s; %s", dataset.name, processor.layout, processor.root, tables)
    published = "; ".join(f"{release.images:,} in {release.name}" for release in processor.releases)
    log.info("%s: %s images found; published: %s", dataset.name, f"{plan.num_rows:,}", published)
    for entry in plan["excluded"].drop_null().value_counts().to_pylist():
        log.info("%s: %s images are left out: %s", dataset.name, f"{entry['counts']:,}", entry["values"])
    if dataset.guard is not None and dataset.guard.sources:
        log.info("%s: leak guard: %s", dataset.name, dataset.guard)
    for warning in warnings_of(dataset):
        log.warning("%s: %s", dataset.name, warning)


def warnings_of(dataset: Dataset) -> list[str]:
    """Return what the user should know: what the source noticed, and what differs from the last run."""
    warnings = list(dataset.processor.warnings)
    if dataset.repeated:
        warnings.append(f"{dataset.repeated:,} rows repeat an image; the first counts")
    if unread := dataset.plan["view"].null_count:
        warnings.append(f"{unread:,} headers that tell a view cannot be read: these images are tried anyway")
    previous = dataset.previous_plan
    if previous is not None and previous.num_rows:
        gone = f"{previous.num_rows:,} images of an earlier run"
        warnings.append(f"{gone} are no longer listed, or no longer there")
    return warnings
