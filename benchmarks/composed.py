"""Collections as a run leaves them that made all images, without making more than a few."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from composer.datasets import Dataset, open_datasets
from composer.finish import finish
from composer.ledger import Ledger
from composer.plan import write_plan
from composer.request import to_make
from composer.settings import load_settings
from composer.tasks import tasks
from composer.worker import Outcome, make_image


def composed(folder: Path, roots: Mapping[str, Path], images: int | None = None) -> Path:
    """Compose the first so many images of each dataset, all if None, and return the configuration.

    A source that is a link to an earlier one is given a link to its picture.

    Parameters
    ----------
    folder
        Where configuration and collection are put.
    roots
        By key of the configuration; files that are links to a few.
    """
    config = folder / "config.yml"
    lines = [f"{key}: {path}" for key, path in roots.items()]
    config.write_text("\n".join([f"MACHEX_PATH: {folder}/out", *lines]))
    # A process counts the memory of the one that started it for its own.
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        apart.submit(_compose, config, images).result()
    return config


def _compose(config: Path, images: int | None) -> None:
    for dataset in open_datasets(load_settings(config)):
        _compose_dataset(dataset, images)


def _compose_dataset(dataset: Dataset, images: int | None) -> None:
    rows = to_make(dataset)[:images]
    dataset.folder.make()
    dataset.folder.make_image_folders(rows["number"].to_pylist())
    write_plan(dataset.folder.plan, dataset.plan, None, dataset.recipe.as_dict())
    made: dict[int, tuple[str, Outcome]] = {}
    with Ledger(dataset.folder.ledger, dataset.recipe.digest) as ledger:
        for task in tasks(dataset, rows):
            source = Path(task.source.path).stat().st_ino
            if source in made:
                target, outcome = made[source]
                os.link(target, task.target)
            else:
                outcome = make_image(task)
                made[source] = task.target, outcome
            ledger.append(replace(outcome, number=task.number, identity=task.identity, file=task.file))
    finish(dataset)
