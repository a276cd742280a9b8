"""The accounts of a run: what was found, and what became of it, which must add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from composer.status import Status

_STATUSES = (Status.WRITTEN, Status.LEFT_OUT, Status.KNOWN_BAD, Status.MISSING, Status.FAILED)
_PLANNED = (Status.TO_WRITE, Status.LEFT_OUT, Status.KNOWN_BAD, Status.MISSING)
# Flags that may come from a wrong polarity or range, which the photometric interpretation would explain.
_ODD = (
    "looks_inverted",
    "nearly_constant",
    "nearly_empty",
    "polarity_conflict",
    "range_repaired",
    "white_border",
)
# The rule by which all but the first record of an image are left out.
REPEATED = "repeated row"


@dataclass(frozen=True)
class Accounts:
    """How many images of a dataset were found, and how many ended in each status.

    Parameters
    ----------
    dataset
        Folder name of the dataset.
    found
        Records of the source, counted as they were read.
    indexed
        Rows of the index.
    unselected
        Pictures on the disk that the configuration does not select any more.
    by_status, by_rule, by_reason, by_flag
        Counts of all images by status, of those left out by rule, of the failed by reason, and of the
        flags on those written.
    by_photometric
        Counts of the flags that tell of an odd film, such as ``looks_inverted with MONOCHROME1``.
    """

    dataset: str
    found: int
    indexed: int
    unselected: int
    by_status: Counter[str]
    by_rule: Counter[str]
    by_reason: Counter[str]
    by_flag: Counter[str]
    by_photometric: Counter[str]

    @property
    def is_complete(self) -> bool:
        """Whether every image has been dealt with, as after a run that was not interrupted."""
        return self.by_status[Status.TO_WRITE] == 0

    def check(self) -> None:
        """Raise an error when the accounts do not balance, which only a fault of this program can cause."""
        total = sum(self.by_status[status] for status in (*_STATUSES, Status.TO_WRITE))
        if total != self.found:
            raise RuntimeError(f"{self.dataset}: {self.found:,} images found but {total:,} accounted for")
        if self.by_status[Status.WRITTEN] != self.indexed:
            written = self.by_status[Status.WRITTEN]
            raise RuntimeError(
                f"{self.dataset}: {written:,} images written but {self.indexed:,} in the index"
            )


def account(
    dataset: str, found: int, repeated: int, unselected: int, results: pa.Table, index: pa.Table
) -> Accounts:
    """Count the results of a dataset and the flags of its index, and check that they add up.

    Parameters
    ----------
    found
        Records of the source, counted as they were read.
    repeated
        Those among them that name an image again; they count as left out.
    unselected
        Pictures on the disk that are not in the index, nor going to be.
    index
        As `composer.index.write_index` returns it.
    """
    statuses, rules = planned_counts(results, repeated)
    accounts = Accounts(
        dataset,
        found,
        index.num_rows,
        unselected,
        statuses,
        rules,
        _count(results["reason"].filter(pc.equal(results["status"], Status.FAILED))),
        _count(pc.list_flatten(index["flags"])),
        _by_photometric(index),
    )
    accounts.check()
    return accounts


def planned_counts(plan: pa.Table, repeated: int) -> tuple[Counter[str], Counter[str]]:
    """Return the counts of a plan, or of results, by status; and by rule of those left out.

    ``repeated`` records beside it, which name an image again, count as left out.
    """
    rules = _count(plan["rule"].filter(pc.equal(plan["status"], Status.LEFT_OUT)))
    statuses = _count(plan["status"]) + Counter({Status.LEFT_OUT: repeated})
    return statuses, rules + Counter({REPEATED: repeated})


def _by_photometric(index: pa.Table) -> Counter[str]:
    """Count the flags that tell of an odd film, by the photometric interpretation of the films."""
    flags = pa.table(
        {"flag": pc.list_flatten(index["flags"]), "row": pc.list_parent_indices(index["flags"])}
    ).filter(pc.is_in(pc.list_flatten(index["flags"]), pa.array(_ODD)))
    photometric = pc.fill_null(
        index["photometric_interpretation"].take(flags["row"]), "no photometric interpretation"
    )
    pairs = pc.binary_join_element_wise(flags["flag"], photometric, " with ")
    return _count(pairs)


def _count(values: pa.ChunkedArray) -> Counter[str]:
    return Counter({entry["values"]: entry["counts"] for entry in values.value_counts().to_pylist()})


def closing_table(datasets: Sequence[Accounts]) -> str:
    """Return the table that ends a run: a line per dataset, their sum, and what is worth knowing of each."""
    complete = all(accounts.is_complete for accounts in datasets)
    statuses = _STATUSES if complete else (*_STATUSES, Status.TO_WRITE)
    counts = [(each.dataset, each.found, each.by_status) for each in datasets]
    return "\n".join([status_table(counts, statuses), *(d for each in datasets for d in _details(each))])


def status_table(
    counts: Sequence[tuple[str, int, Counter[str]]], statuses: Sequence[Status] = _PLANNED
) -> str:
    """Return a table with a line per dataset and their sum.

    Parameters
    ----------
    counts
        Name, images found, and counts by status of each dataset.
    statuses
        The columns; by default what is known before a run.
    """
    lines = [["dataset", "found", *statuses]]
    lines += [_line(name, found, by_status, statuses) for name, found, by_status in counts]
    if len(counts) > 1:
        found = sum(found for _, found, _ in counts)
        lines.append(_line("all", found, sum((by_status for _, _, by_status in counts), Counter()), statuses))
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return cells as a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )


def _line(name: str, found: int, by_status: Counter[str], statuses: Sequence[str]) -> list[str]:
    return [name, f"{found:,}", *(f"{by_status[status]:,}" for status in statuses)]


def _details(accounts: Accounts) -> list[str]:
    kept = (
        f"{accounts.dataset}: {accounts.unselected:,} pictures are kept that are not selected (see --prune)"
    )
    kinds = (
        ("left out", accounts.by_rule),
        ("failed", accounts.by_reason),
        ("flags", accounts.by_flag),
        ("odd films", accounts.by_photometric),
    )
    details = [
        f"{accounts.dataset}, {kind}: "
        + ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
        for kind, counts in kinds
        if counts
    ]
    return [*details, kept] if accounts.unselected else details
