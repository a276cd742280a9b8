"""Files appear under their final name only when they are complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from composer.errors import OutputError


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Give a binary file to write to, which takes the place of ``path`` when the block ends well.

    The temporary name lies in the same folder, so that the final rename is atomic, starts with a dot and
    is the same every time: what a killed process left is overwritten by the next attempt. After an
    exception ``path`` is as it was.

    Raises
    ------
    OutputError
        When the folder cannot be written to; the message names the file and the system's reason.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except BaseException as error:
        _forget(temporary)
        if isinstance(error, OSError):
            raise OutputError.not_writable(path, error) from error
        raise


def _forget(path: Path) -> None:
    # The first error is the one to report; the next attempt overwrites the file.
    with suppress(OSError):
        path.unlink(missing_ok=True)
