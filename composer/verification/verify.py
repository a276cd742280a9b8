"""Whether a dataset is as its plan and its ledger say: looked at, or read, and never written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from composer.folder import DatasetFolder
from composer.pool import Lost, Pool
from composer.verification.entries import index_findings
from composer.verification.expectation import expect
from composer.verification.findings import Finding, Kind
from composer.verification.inspection import Inspection
from composer.verification.presence import look, notes
from composer.verification.sources import source_findings


@dataclass(frozen=True)
class Verified:
    """What was found in one dataset.

    Parameters
    ----------
    dataset
        Folder name of the dataset.
    findings
        Everything that is not as it should be.
    planned
        How many images are to be written.
    written
        Numbers of those that are, by the ledger.
    bytes
        Of their pictures together.
    """

    dataset: str
    findings: list[Finding]
    planned: int = 0
    written: frozenset[int] = frozenset()
    bytes: int = 0


def verify(
    folder: DatasetFolder,
    *,
    root: Path | None = None,
    readers: Pool[Inspection, str | None] | None = None,
    among: Collection[int] | None = None,
    progress: bool = False,
) -> Verified:
    """Compare the files of a dataset with its plan, its ledger and its index.

    Parameters
    ----------
    root
        Of the source: the files of the written images are looked at too. Left alone when None.
    readers
        Processes that apply `composer.verification.inspection.inspect`: every picture is read.
        None reads none.
    among
        Only the pictures with these numbers are read.
    progress
        Whether to show bars.

    Raises
    ------
    OutputError
        When a folder or the ledger cannot be read.
    """
    dataset = folder.path.name
    expected = expect(folder)
    if isinstance(expected, Finding):
        return Verified(dataset, [expected])
    findings = []
    if expected.damaged_lines:
        text = f"{expected.damaged_lines:,} lines are damaged; their images have to be made again"
        findings.append(Finding(Kind.LEDGER, f"{dataset}/{folder.ledger.name}", text))
    found = look(folder, expected, progress=progress)
    findings += found.findings
    if readers is not None:
        bad = {number for finding in found.findings for number in finding.numbers}
        pictures = _chosen(expected.written, among, bad)
        findings += _read(folder, pictures, readers, progress=progress)
    findings += index_findings(folder, expected, found.absent, deep=readers is not None)
    if root is not None:
        findings += source_findings(dataset, root, expected.written, progress=progress)
    findings += notes(dataset, found.others, expected)
    if folder.lock.exists():
        findings.append(Finding(Kind.NOTE, dataset, "the last run was killed; run the same command again"))
    numbers = frozenset(expected.written["number"].to_pylist())
    return Verified(dataset, findings, len(expected.planned), numbers, found.bytes)


def _chosen(written: pa.Table, among: Collection[int] | None, bad: Collection[int]) -> pa.Table:
    """Return the pictures to read: not again those that are known to be bad."""
    chosen = pc.invert(pc.is_in(written["number"], pa.array(bad, pa.int32())))
    if among is not None:
        chosen = pc.and_(chosen, pc.is_in(written["number"], pa.array(among, pa.int32())))
    return written.filter(chosen)


def _read(
    folder: DatasetFolder, pictures: pa.Table, readers: Pool[Inspection, str | None], *, progress: bool
) -> Iterator[Finding]:
    dataset = folder.path.name
    tasks = (
        Inspection(row["number"], f"{folder.path}/{row['path']}", row["sha256"])
        for batch in pictures.select(["number", "path", "sha256"]).to_batches(max_chunksize=10_000)
        for row in batch.to_pylist()
    )
    total = pictures.num_rows
    with tqdm(total=total, desc=f"{dataset}, reading", unit="img", disable=not progress) as bar:
        for task, answer in readers.map(tasks):
            bar.update()
            if answer is not None:
                text = f"cannot be read ({answer.cause})" if isinstance(answer, Lost) else answer
                name = f"{dataset}/{Path(task.path).relative_to(folder.path)}"
                yield Finding(Kind.PICTURE, name, text, (task.number,))
