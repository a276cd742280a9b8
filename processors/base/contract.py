"""What a source of chest radiographs declares and yields: the form that every processor fills in."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple

from processors.base.views import view_of

Split = Literal["train", "val", "test"]
Sex = Literal["M", "F"]


class SourceError(Exception):
    """A root folder or a table of a source that cannot be used; the message says what to do."""


class Release(NamedTuple):
    """One published form of a dataset and how many images it holds, as its publisher or paper counts them.

    ``note`` names known differences between that count and what users find.
    """

    name: str
    images: int
    note: str = ""


class KnownBad(NamedTuple):
    """An image that people who read the whole release found wanting.

    ``state`` is ``"unreadable"`` or ``"absent"`` (the image is not tried) or ``"suspicious"`` (it is
    written and flagged). ``found_by`` is a person, a paper or a public list.
    """

    identity: str
    state: Literal["unreadable", "absent", "suspicious"]
    reason: str
    found_by: str

    @classmethod
    def each(
        cls, state: Literal["unreadable", "absent", "suspicious"], reason: str, found_by: str, identities: str
    ) -> tuple[KnownBad, ...]:
        """Return one for each of the identities, which blanks or line ends part."""
        return tuple(cls(identity, state, reason, found_by) for identity in identities.split())


class Location(NamedTuple):
    """Where an image lies: a path relative to the root, with forward slashes.

    ``offset`` and ``size`` in bytes are given when the path is an archive that holds the image: those of its
    bytes in an uncompressed tar file; or, when ``zipped``, the offset of its local header in a zip file, and
    its compressed size.
    """

    path: str
    offset: int | None = None
    size: int | None = None
    zipped: bool = False


class Label(NamedTuple):
    """One statement about an image in the release's own spelling.

    ``value`` is 1 (present), 0 (absent) or -1 (uncertain); a label that is not mentioned is not yielded.
    ``labeller`` is the tool, table or reader that states it.
    """

    label: str
    value: int
    labeller: str


class Box(NamedTuple):
    """A rectangle around a finding: left, top, width, height in pixels of the grid of its record.

    As published: it may run past the image. ``labeller`` is as for `Label`, None where nobody is named.
    ``outline`` gives the corners x1, y1, x2, y2, ... of a polygon, where the release draws more than the
    rectangle around it.
    """

    label: str
    x: float
    y: float
    width: float
    height: float
    labeller: str | None = None
    outline: tuple[float, ...] | None = None


class Mask(NamedTuple):
    """The pixels of a finding, on a grid of ``rows`` by ``columns`` that covers the whole image.

    ``runs`` is the compressed run-length string of COCO, as ``pycocotools.mask`` reads it. ``labeller`` is as
    for `Label`, None where nobody is named.
    """

    label: str
    rows: int
    columns: int
    runs: str
    labeller: str | None = None


class Report(NamedTuple):
    """The radiologist's text: the whole, and its sections where the release tells them apart.

    ``text`` of MIMIC-CXR is what MaCheX's index holds.
    """

    text: str
    findings: str | None = None
    impression: str | None = None


@dataclass(slots=True, kw_only=True)
class Record:
    """One image of a release and everything that its tables say of it.

    Parameters
    ----------
    identity
        The release's own id of the image, without extension or carrier; unique within the dataset.
    key
        The name that MaCheX's ``index.json`` uses for the image.
    file
        Where the image lies; None when no file is there. For a deep tree it may be what the table
        promises: a file that then cannot be opened counts as missing.
    carrier
        Which form of the pixels the file holds, where the release has several: ``"dicom"``, ``"224 px"``. An
        image that was made from another carrier is made again.
    view
        One of `VIEWS`.
    split
        The official split, None where the release has none.
    twin
        Identity of the same radiograph in the dataset that `Processor.parent` names, where a table of the
        release tells it.
    sex
        ``"M"``, ``"F"`` or None.
    age
        Years, None when unknown.
    box_grid
        Rows and columns of the pixel grid that `boxes` refer to; None means the image file's own.
    masks
        At most one per label and labeller.
    report
        The text, where it is at hand with the tables.
    report_file
        Where the text lies in a file of its own: a name that `Processor.read_report` understands.
    view_from_header
        Whether the DICOM header may say more of the view than `view` does; see `Processor.view_in_header`.
    original_bits_stored
        BitsStored of the DICOM file of which a 16-bit PNG was made: the values may fill that range only.
    histogram_equalised
        Whether the publisher equalised the grey levels, which cannot be undone.
    class_label
        MaCheX's vector for the CheXpert family: 13 integers, 1 positive, -1 negative, 0 otherwise.
    native
        Further cells of the tables as they are written there, column name to text.
    part
        The piece of the release (an archive, a folder) in which the file should lie. When a whole part is
        absent it is reported once, not image by image.
    excluded
        Why the release itself, or its own table, leaves this image out; None when it does not. Few different
        texts: images are counted by it.
    """

    identity: str
    key: str
    file: Location | None
    carrier: str = ""
    view: str
    patient_id: str | None = None
    study_id: str | None = None
    split: Split | None = None
    twin: str | None = None
    sex: Sex | None = None
    age: float | None = None
    labels: list[Label] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    box_grid: tuple[int, int] | None = None
    masks: list[Mask] = field(default_factory=list)
    report: Report | None = None
    report_file: str | None = None
    view_from_header: bool = False
    original_bits_stored: int | None = None
    histogram_equalised: bool = False
    class_label: list[int] | None = None
    native: dict[str, str] = field(default_factory=dict)
    part: str | None = None
    excluded: str | None = None


class Processor(ABC):
    """A dataset: what is known of it in general, and how to read it from a folder on a user's disk.

    A subclass fills in the class attributes in the order below and the two methods. Creating one with a
    root recognises the layout; it raises `SourceError` when the folder does not hold this dataset.

    Parameters
    ----------
    root
        The folder that the user names in the configuration.
    files
        Those of `further_files` that the user keeps elsewhere than below the root, by key of the
        configuration. They come before what lies below the root.

    Attributes
    ----------
    layout : str
        One phrase that says which form of the release was recognised.
    tables : list of str
        The tables in use, relative to the root.
    warnings : list of str
        What the user should know; complete once `records` is exhausted.
    """

    name: ClassVar[str]
    folder: ClassVar[str]
    config_key: ClassVar[str]
    licence: ClassVar[str]
    access: ClassVar[str]
    homepage: ClassVar[str]
    citation: ClassVar[str]
    releases: ClassVar[tuple[Release, ...]]
    known_bad: ClassVar[tuple[KnownBad, ...]]
    # Which of `class_label` and `report` MaCheX's index.json has for this dataset.
    machex_fields: ClassVar[tuple[str, ...]] = ()
    # Folder name of the dataset of whose images these are copies; its patient ids are those of `patient_id`.
    parent: ClassVar[str | None] = None
    # Files of the release that some copies lack: key of the configuration, and the published name.
    further_files: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init_subclass__(cls) -> None:
        if inspect.isabstract(cls):
            return
        blanks = [part for part in FORM if not hasattr(cls, part)]
        if blanks:
            raise TypeError(f"{cls.__name__} does not declare {', '.join(blanks)}")

    def __init__(self, root: Path, files: Mapping[str, Path] = MappingProxyType({})) -> None:
        self.root = root
        self.files = files
        self.tables: list[str] = []
        self.warnings: list[str] = []
        self.layout = self.recognise()

    def relative(self, path: Path) -> str:
        """Return a path as the user sees it: below the root, with forward slashes, or else the whole."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    @abstractmethod
    def recognise(self) -> str:
        """Find out which layout lies under ``self.root`` and name it; raise `SourceError` if none does."""

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """Yield one record for every row of the tables and every image file, in any order.

        An image that is yielded again counts as a repeated row; a row that names no image is yielded through
        `UnusableRows`. So every row is accounted for.

        Asked once: what a processor has found for it alone may be let go at the end.
        """

    def official_splits(self) -> Mapping[str, Split]:
        """Return the split by identity that lists of the release tell of images of which there is no record.

        Complete once `records` is exhausted. Asked where the user has copies of these images in another
        dataset.
        """
        return {}

    @classmethod
    def splits_without_images(cls, files: Mapping[str, Path], warnings: list[str]) -> Mapping[str, Split]:
        """Return the official split by identity, as far as `further_files` alone tell it.

        Asked where the user has copies of these images in another dataset, but not this dataset. What the
        user should know is added to ``warnings``.

        Raises
        ------
        SourceError
            When a file cannot be used.
        """
        return {}

    def read_report(self, report_file: str) -> Report:
        """Return the text that `Record.report_file` names; needed only by processors that set it.

        Raises
        ------
        OSError
            When it cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} names report files but does not read them")

    def view_in_header(self, view_position: str | None, patient_orientation: str | None) -> str | None:
        """Return the view that a DICOM header tells, None when it does not tell.

        Asked of records with ``view_from_header`` only. What is returned takes the place of `Record.view`.

        Parameters
        ----------
        view_position, patient_orientation
            ViewPosition (0018,5101) and PatientOrientation (0020,0020), values joined by backslashes.
        """
        return view_of(view_position, patient_orientation)


# What a processor must declare, in this order.
FORM = tuple(part for part in Processor.__annotations__ if not hasattr(Processor, part))
