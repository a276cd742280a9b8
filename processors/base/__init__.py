"""What all processors share: the form they fill in, and how tables and folders are read."""

from processors.base.cells import ZERO_OR_ONE, age_in_years, floats, sex_of
from processors.base.checksums import CHECKSUM_LIST, ChecksumList, find_checksum_list
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
    Sex,
    SourceError,
    Split,
)
from processors.base.files import (
    base_name,
    contents,
    entries,
    image_names,
    is_folder,
    path_inside,
    subfolders,
    tar_members,
    walk_images,
    zip_members,
)
from processors.base.further_files import find_further_file, naming_key
from processors.base.places import folders_above, folders_below, is_archive, no_image_found
from processors.base.rows import UNUSABLE, UnusableRows
from processors.base.tables import Table, find_table, read_lines
from processors.base.unknown import UnknownCells
from processors.base.views import FRONTAL_VIEWS, VIEWS, frontal_view_of, view_of

__all__ = [
    "CHECKSUM_LIST",
    "FORM",
    "FRONTAL_VIEWS",
    "UNUSABLE",
    "VIEWS",
    "ZERO_OR_ONE",
    "Box",
    "ChecksumList",
    "KnownBad",
    "Label",
    "Location",
    "Mask",
    "Processor",
    "Record",
    "Release",
    "Report",
    "Sex",
    "SourceError",
    "Split",
    "Table",
    "UnknownCells",
    "UnusableRows",
    "age_in_years",
    "base_name",
    "contents",
    "entries",
    "find_checksum_list",
    "find_further_file",
    "find_table",
    "floats",
    "folders_above",
    "folders_below",
    "frontal_view_of",
    "image_names",
    "is_archive",
    "is_folder",
    "naming_key",
    "no_image_found",
    "path_inside",
    "read_lines",
    "sex_of",
    "subfolders",
    "tar_members",
    "view_of",
    "walk_images",
    "zip_members",
]
