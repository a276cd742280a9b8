"""What a DICOM header says, without its pixels."""

import io
import os
import stat
from typing import BinaryIO

from pydicom import dcmread

from composer.imaging.facts import Facts
from composer.imaging.header import CODES, note_codes
from composer.imaging.refusal import Reason, Refusal
from composer.imaging.source import Source


def scan_header(source: Source) -> Facts:
    """Return the transfer syntax and the codes of the patient and the view; all other facts are blank.

    May run in several threads. pydicom warns of oddities through `warnings`.

    Raises
    ------
    Refusal
        damaged, whatever the trouble; unreadable when it is no file; of a member of an archive also as
        `Source.read`.
    """
    facts = Facts()
    try:
        with _open(source) as stream:
            dataset = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=[*CODES.values()])
            syntax = dataset.file_meta.get("TransferSyntaxUID")
            facts.transfer_syntax = None if syntax is None else str(syntax)
            note_codes(dataset, facts)
    except Refusal:
        raise
    except Exception as error:  # pydicom raises whatever a broken file provokes
        text = f"the header cannot be read ({type(error).__name__}); fetch the file again"
        raise Refusal(Reason.DAMAGED, text) from error
    return facts


def _open(source: Source) -> BinaryIO:
    if source.offset is not None:
        return io.BytesIO(source.read(Facts()))
    # Of a file only the beginning is read. A pipe would be waited for, and a device has no end.
    file = open(source.path, "rb", opener=_without_waiting)  # noqa: SIM115 - Path.open has no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Refusal(Reason.UNREADABLE, "this is a device or a pipe, a file was expected; fetch that")
    # As in `Source.read`, for storage that fetches files from tape.
    os.set_blocking(file.fileno(), True)
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
