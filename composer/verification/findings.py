"""What `verify` finds: data, which one command prints and `composer.repair` acts upon."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a finding is about."""

    # Cannot be mended: the numbers of the images are lost.
    PLAN = "plan"
    LEDGER = "ledger"
    INDEX = "index"
    # Missing, or not as the ledger says.
    PICTURE = "picture"
    # A picture of which no line in the ledger tells: a run was killed, or a line was lost.
    UNENTERED = "unentered"
    SOURCE_CHANGED = "source changed"
    SOURCE_GONE = "source gone"
    # Worth knowing, and nothing to mend.
    NOTE = "note"


DAMAGE = frozenset({Kind.PLAN, Kind.LEDGER, Kind.INDEX, Kind.PICTURE})
SOURCES = frozenset({Kind.SOURCE_CHANGED, Kind.SOURCE_GONE})


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Parameters
    ----------
    kind
        What it is about.
    name
        The file, relative to the collection, such as ``chexpert/00/000012.jpg``.
    text
        What was found, and what was expected.
    numbers
        The images that are to be made again to mend it.
    """

    kind: Kind
    name: str
    text: str
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"
