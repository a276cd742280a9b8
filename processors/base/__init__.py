"""What all processors share: the form they fill in, and how tables and folders are read."""

from processors.base.ages import age_in_years
from processors.base.contract import (
    FORM,
    FRONTAL_VIEWS,
    VIEWS,
    Box,
    KnownBad,
    Label,
    Location,
    Processor,
    Record,
    Release,
    SourceError,
    Split,
)
from processors.base.files import contents, entries, image_names, subfolders, tar_members, walk_images
from processors.base.tables import Table, find_table, floats, read_lines

__all__ = [
    "FORM",
    "FRONTAL_VIEWS",
    "VIEWS",
    "Box",
    "KnownBad",
    "Label",
    "Location",
    "Processor",
    "Record",
    "Release",
    "SourceError",
    "Split",
    "Table",
    "age_in_years",
    "contents",
    "entries",
    "find_table",
    "floats",
    "image_names",
    "read_lines",
    "subfolders",
    "tar_members",
    "walk_images",
]
