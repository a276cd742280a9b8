"""Mending what `verify` found: bad pictures are made again from the sources, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from composer.compose import compose
from composer.datasets import Dataset, open_datasets
from composer.hold import Hold
from composer.ledger import compact
from composer.leftovers import prune
from composer.request import Request
from composer.settings import Settings
from composer.verification.findings import Finding, Kind
from composer.verification.verify import Verified

_MENDED = frozenset({Kind.LEDGER, Kind.INDEX, Kind.PICTURE, Kind.UNENTERED, Kind.SOURCE_CHANGED})


def mendable(verified: Verified) -> list[Finding]:
    """Return the findings about which `repair` does something."""
    return [finding for finding in verified.findings if finding.kind in _MENDED]


def repair(settings: Settings, verified: Sequence[Verified], *, progress: bool) -> None:
    """Make again the pictures that are bad, drop damaged lines of the ledger, and write the index anew.

    A bad picture is deleted first: were its source missing now, it would be taken for sound once that is
    back. One whose source has changed is replaced only by its successor.

    Parameters
    ----------
    verified
        Of datasets that the configuration selects.
    progress
        Whether to show bars.

    Raises
    ------
    UsageError
        When a source cannot be used, or the settings are others than those the pictures were made with.
    OutputError
        When the result cannot be written, or another run writes there.
    Interrupted
        After Ctrl-C.
    """
    findings = {each.dataset: found for each in verified if (found := mendable(each))}
    if not findings:
        return
    datasets = open_datasets(settings, list(findings))
    with Hold(datasets):
        for dataset in datasets:
            _clear(dataset, findings[dataset.name])
    remake = {name: {n for finding in found for n in finding.numbers} for name, found in findings.items()}
    compose(datasets, settings.num_workers, progress=progress, request=Request(remake=remake))


def _clear(dataset: Dataset, findings: Sequence[Finding]) -> None:
    if any(finding.kind is Kind.LEDGER for finding in findings):
        compact(dataset.folder.ledger)
    bad = [finding.name.partition("/")[2] for finding in findings if finding.kind is Kind.PICTURE]
    prune(dataset.folder, [name for name in bad if os.path.lexists(dataset.folder.path / name)])


def unmended(before: Verified, after: Verified) -> Iterator[Finding]:
    """Yield what is still wrong after a repair.

    Parameters
    ----------
    before, after
        Of one dataset. An image that could not be made again is no longer in the index, so that the second
        look alone would not tell of it.
    """
    yield from (finding for finding in after.findings if finding.kind is not Kind.NOTE)
    for finding in mendable(before):
        lost = [number for number in finding.numbers if number not in after.written]
        if lost:
            reason = "its source fails or is missing, see failures.csv, or it is no longer selected"
            count = f" ({len(lost):,} pictures)" if len(finding.numbers) > 1 else ""
            yield Finding(finding.kind, finding.name, f"was not made again: {reason}{count}", tuple(lost))
