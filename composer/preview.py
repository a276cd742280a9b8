"""A look before the run: what was recognised, what would be done, and what it would cost."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from composer.accounts import planned_counts
from composer.datasets import Dataset, warnings_of
from composer.header_views import read_headers
from composer.pool import Lost, Pool
from composer.records import SOURCE_COLUMNS
from composer.request import to_make
from composer.sample import spread
from composer.tasks import lost_image, tasks
from composer.threads import in_threads
from composer.worker import WARM, Outcome, Task, try_image

# How many images of a dataset are decoded; at how many more it is looked which coding they have, or whether
# the file that a table promises is there.
_DECODED, _LOOKED_AT = 24, 200
_DICOM_SUFFIXES = (".dcm", ".dicom")


class FileType(NamedTuple):
    """Sampled files of one format and coding that were decoded."""

    name: str
    decoded: int


class Failure(NamedTuple):
    """A sampled file that was not decoded: where it lies below the root, and why it is no picture."""

    source: str
    reason: str
    message: str


@dataclass(frozen=True)
class Preview:
    """What is known of a dataset before its run; ``bytes`` and ``seconds`` are predictions from the sample.

    ``absent`` of ``looked_for`` sampled files that tables promise were not there. ``enlarged`` of the decoded
    sample have too few pixels.
    """

    dataset: Dataset
    by_status: Counter[str]
    by_rule: Counter[str]
    to_do: int
    file_types: list[FileType]
    failures: list[Failure]
    looked_for: int
    absent: int
    enlarged: int
    bytes: int
    seconds: float
    warnings: list[str] = field(default_factory=list)

    @property
    def decoded(self) -> int:
        """How many images of the sample were decoded."""
        return sum(each.decoded for each in self.file_types)


def preview(datasets: Sequence[Dataset], workers: int) -> Iterator[Preview]:
    """Look at every dataset and decode a sample of it; nothing is written."""
    with Pool(try_image, workers, WARM) as pool:
        for dataset in datasets:
            yield _preview(dataset, pool, workers)


def _preview(dataset: Dataset, pool: Pool[Task, Outcome], workers: int) -> Preview:
    chosen, weights = spread(dataset.plan, _DECODED)
    rare, looked_for, absent = _look_at_files(dataset)
    rows = np.concatenate([chosen, np.setdiff1d(rare, chosen)])
    outcomes = _try(dataset, rows, pool)
    to_do = to_make(dataset).num_rows
    by_status, by_rule = planned_counts(dataset.plan, dataset.repeated)
    weighted = [
        (outcome, weight)
        for row, weight in zip(chosen.tolist(), weights.tolist(), strict=True)
        if (outcome := outcomes[row]).reason is None
    ]
    done = [outcome for outcome in outcomes.values() if outcome.reason is None]
    return Preview(
        dataset,
        by_status,
        by_rule,
        to_do,
        [FileType(*each) for each in sorted(Counter(map(_type_name, done)).items())],
        _failures(dataset, outcomes),
        looked_for,
        absent,
        enlarged=sum("upscaled" in outcome.facts.flags for outcome in done if outcome.facts),
        bytes=round(to_do * _mean((outcome.bytes or 0, weight) for outcome, weight in weighted)),
        seconds=to_do * _mean((_seconds(outcome), weight) for outcome, weight in weighted) / workers,
        warnings=warnings_of(dataset),
    )


def _mean(weighted: Iterable[tuple[float, float]]) -> float:
    values, weights = zip(*pairs, strict=True) if (pairs := list(weighted)) else ((0.0,), (1.0,))
    return float(np.average(values, weights=weights))


def _seconds(outcome: Outcome) -> float:
    facts = outcome.facts
    assert facts is not None
    return (facts.read_ms + facts.decode_ms + facts.tone_ms + facts.encode_ms) / 1000


def _try(dataset: Dataset, rows: NDArray[np.int64], pool: Pool[Task, Outcome]) -> dict[int, Outcome]:
    row_of = dict(zip(dataset.plan["number"].take(rows).to_pylist(), rows.tolist(), strict=True))
    outcomes = {}
    for task, result in pool.map(tasks(dataset, dataset.plan.take(rows))):
        outcomes[row_of[task.number]] = lost_image(task, result) if isinstance(result, Lost) else result
    return outcomes


def _look_at_files(dataset: Dataset) -> tuple[NDArray[np.int64], int, int]:
    """Return two rows of every transfer syntax seen, how many files were looked for, and how many lack."""
    rows, _ = spread(dataset.plan, _LOOKED_AT)
    sources = dataset.plan["source"].take(rows).to_pylist()
    # Unlike Path.exists, this says no to what cannot be looked at.
    present = np.fromiter(in_threads(os.path.exists, map(dataset.processor.root.joinpath, sources)), bool)
    keys = dataset.plan["key"].take(rows).to_pylist()
    is_dicom = np.array([key.lower().endswith(_DICOM_SUFFIXES) for key in keys], bool)
    dicoms = rows[present & is_dicom]
    seen: Counter[str] = Counter()
    rare = []
    headers = read_headers(dataset.processor.root, dataset.plan.select(SOURCE_COLUMNS).take(dicoms))
    for row, facts in zip(dicoms.tolist(), headers, strict=True):
        coding = facts and facts.transfer_syntax
        if coding and seen[coding] < 2:
            rare.append(row)
            seen[coding] += 1
    return np.array(rare, np.int64), len(rows), int(np.count_nonzero(~present))


def _failures(dataset: Dataset, outcomes: dict[int, Outcome]) -> list[Failure]:
    sources = dataset.plan["source"]
    return [
        Failure(sources[row].as_py(), outcome.reason, outcome.message or "")
        for row, outcome in outcomes.items()
        if outcome.reason is not None
    ]


def _type_name(outcome: Outcome) -> str:
    facts = outcome.facts
    assert facts is not None
    coding = f", {UID(facts.transfer_syntax).name}" if facts.transfer_syntax else ""
    return f"{facts.source_format}{coding}, {facts.bits_stored} bits"


def space_at(path: Path) -> tuple[Path, int]:
    """Return the nearest existing folder above ``path``, or itself, and the free bytes there."""
    existing = next(folder for folder in (path, *path.parents) if os.path.exists(folder))  # noqa: PTH110
    return existing, shutil.disk_usage(existing).free
