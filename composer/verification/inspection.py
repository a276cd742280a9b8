"""What a worker process does for `verify --deep`: read one picture of the collection, and judge it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from composer.imaging import Facts, Refusal, codestream, jpeg, png
from composer.imaging.libraries import guarded
from composer.imaging.sniff import PNG_SIGNATURE
from composer.pool.limits import computing

# Of a checksum so many digits are shown.
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Inspection:
    """A picture to read: its number, its file, and the SHA-256 that the ledger says."""

    number: int
    path: str
    sha256: str


def inspect(task: Inspection) -> str | None:
    """Return what is wrong with a picture, None when it can be decoded and is the one that was written."""
    try:
        data = Path(task.path).read_bytes()
    except OSError as error:
        return f"cannot be read ({os.strerror(error.errno or 0)})"
    with computing():
        found = hashlib.sha256(data).hexdigest()
        if found != task.sha256:
            return f"the SHA-256 begins with {found[:_SHOWN]}, expected {task.sha256[:_SHOWN]}"
        try:
            _decode(data)
        except Refusal as refusal:
            return f"cannot be decoded ({refusal.reason})"
    return None


def _decode(data: bytes) -> None:
    if data.startswith(PNG_SIGNATURE):
        png.decode(data, Facts())
    else:
        with guarded("the picture"):
            jpeg.pixels(data, codestream.jpeg_frame(data))
