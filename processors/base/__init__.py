"""What all processors share: the form they fill in, and how tables and folders are read."""

from processors.base.ages import age_in_years
from processors.base.contract import (
    FORM,
    Box,
    KnownBad,
    Label,
    Location,
    Mask,
    Processor,
    Record,
    Release,
    Report,
    SourceError,
    Split,
)
from processors.base.files import (
    contents,
    entries,
    image_names,
    path_inside,
    subfolders,
    tar_members,
    walk_images,
    zip_members,
)
from processors.base.rows import UNUSABLE, UnusableRows
from processors.base.tables import Table, find_table, floats, read_lines
from processors.base.views import FRONTAL_VIEWS, VIEWS, view_of

__all__ = [
    "FORM",
    "FRONTAL_VIEWS",
    "UNUSABLE",
    "VIEWS",
    "Box",
    "KnownBad",
    "Label",
    "Location",
    "Mask",
    "Processor",
    "Record",
    "Release",
    "Report",
    "SourceError",
    "Split",
    "Table",
    "UnusableRows",
    "age_in_years",
    "contents",
    "entries",
    "find_table",
    "floats",
    "image_names",
    "path_inside",
    "read_lines",
    "subfolders",
    "tar_members",
    "view_of",
    "walk_images",
    "zip_members",
]
