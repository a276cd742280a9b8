"""The libraries behind imaging: settings that hold for the whole process, and the guard around calls."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata

import gdcm
import numpy as np
import PIL
import pydicom
import simplejpeg
from PIL import Image
from pydicom import config

from composer.imaging.refusal import Reason, Refusal

# Rows times columns of the largest image that is decoded: thirty times a large film, 1 GB as float32.
MAXIMUM_PIXELS = 100_000_000
# The most that JPEG and DICOM can announce; a PNG that is longer is no radiograph.
MAXIMUM_SIDE = 65_535

# The limit above is checked against every header before anything is allocated; Pillow's own is half the size,
# and warns before it raises.
Image.MAX_IMAGE_PIXELS = None
# GDCM reports to standard error what it also returns; the libraries inside it need `quiet` besides.
gdcm.Trace.SetDebug(False)
gdcm.Trace.SetWarning(False)
gdcm.Trace.SetError(False)
# pydicom's warnings quote values of the header, which may name a patient.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

# How zlib, Pillow, pydicom, struct and libjpeg say that there was too little to read.
_END_REACHED = ("truncated", "end of file", "requires a buffer", "no tag to read", "premature end")
# Linux pipes hold as much, others less: lines beyond it are lost, which is no matter.
_MOST_SAID = 1 << 16

PILLOW = f"Pillow {PIL.__version__}"
LIBDEFLATE = f"deflate {metadata.version('deflate')}"
SIMPLEJPEG = f"simplejpeg {simplejpeg.__version__}"
NUMPY = f"numpy {np.__version__}"
PYDICOM = f"pydicom {pydicom.__version__}"
GDCM = f"gdcm {gdcm.Version.GetVersion()}"


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn whatever a decoding library raises over bad input into a `Refusal`.

    Parameters
    ----------
    what
        What is being decoded, for the message. The library's own text is left out: it may quote the header.

    Raises
    ------
    Refusal
        truncated where the library says so, damaged otherwise.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (Refusal, MemoryError):
        raise
    except Exception as error:
        # Decoders raise everything from struct.error to RecursionError; there is no common base.
        text = str(error).lower()
        if "insufficient memory" in text:
            raise MemoryError from error
        if isinstance(error, EOFError) or any(phrase in text for phrase in _END_REACHED):
            message = f"{what} ends early ({type(error).__name__}); fetch the file again"
            raise Refusal(Reason.TRUNCATED, message) from error
        message = f"{what} cannot be decoded ({type(error).__name__}); fetch the file again"
        raise Refusal(Reason.DAMAGED, message) from error


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Keep what C code writes to standard error, for as long as the block runs.

    The copies of libjpeg and OpenJPEG inside GDCM print lines that no setting turns off, for every stream of
    12 bits and for many damaged ones, and would tear the progress bar of a run. Some of these lines are the
    only sign that pixels were made up. The process has one standard error, so other threads are silent
    meanwhile too; workers have a single one.

    Yields
    ------
    list of str
        Filled with the lines when the block ends.
    """
    _open_standard_error()
    standard_error = os.dup(2)
    # A pipe, for it needs no disk. Who writes into a full one is not blocked.
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    os.dup2(writer, 2)
    os.close(writer)
    lines: list[str] = []
    try:
        yield lines
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        with suppress(BlockingIOError):
            lines += os.read(reader, _MOST_SAID).decode(errors="replace").splitlines()
        os.close(reader)


def _open_standard_error() -> None:
    """Open standard error, if it is closed, on nothing: the next file to be opened would take its place."""
    try:
        os.fstat(2)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != 2:
            os.dup2(nowhere, 2)
            os.close(nowhere)


def check_size(rows: int, columns: int) -> None:
    """Refuse an image by the size it announces, before anything is allocated.

    Raises
    ------
    Refusal
        damaged without any pixels, too large above `MAXIMUM_PIXELS` or `MAXIMUM_SIDE`.
    """
    if rows < 1 or columns < 1:
        message = f"the header announces {columns} x {rows} pixels, expected at least 1 x 1"
        raise Refusal(Reason.DAMAGED, f"{message}; fetch the file again")
    if rows * columns > MAXIMUM_PIXELS or max(rows, columns) > MAXIMUM_SIDE:
        most = f"{MAXIMUM_PIXELS} in all and {MAXIMUM_SIDE} on a side"
        found = f"the header announces {columns} x {rows} pixels, at most {most} are decoded"
        message = f"{found}; fetch the file again, or scale it down if it is a radiograph"
        raise Refusal(Reason.TOO_LARGE, message)
