"""One vocabulary for the labels of all sources: the table as data, and how values travel through it.

The files in ``tables/`` are made to be read and corrected by radiologists:

``terms.csv``
    The 42 terms.
``labels.csv``
    How each label of each source relates to them, one row per label and term.
``others.csv``
    Labels that are known and have no term.
``labellers.csv``
    Who labels which dataset, in which spelling, how, and whether what is not named is absent.

This package knows neither processors nor imaging nor the rest of composer.
"""

from composer.labels.columns import (
    CONFLICTS_COLUMN,
    KIND_COLUMN,
    TERM_COLUMNS,
    Harmonised,
    Unknown,
    harmonise,
    unknown_lines,
)
from composer.labels.image import Reading, read_image
from composer.labels.page import metadata
from composer.labels.vocabulary import VocabularyError

__all__ = [
    "CONFLICTS_COLUMN",
    "KIND_COLUMN",
    "TERM_COLUMNS",
    "Harmonised",
    "Reading",
    "Unknown",
    "VocabularyError",
    "harmonise",
    "metadata",
    "read_image",
    "unknown_lines",
]
