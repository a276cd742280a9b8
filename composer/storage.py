"""Files appear under their final name only when they are complete, and on the disk where that is asked."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from composer.errors import OutputError

# The user's umask takes away what others may not do.
_MODE = 0o666
# Some network shares cannot flush a folder, and say so.
_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP)


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Give a binary file to write to, which takes the place of ``path`` when the block ends well.

    The temporary name lies in the same folder, so that the final rename is atomic, starts with a dot and
    is the same every time: what a killed process left, or somebody planted there, is removed first and
    never written through. A link of the name ``path`` is replaced too, and what it leads to stays as it was.
    After an exception ``path`` is as it was, unless it was the flush of the folder that failed.

    Parameters
    ----------
    path
        The file; its folder must be there.
    durable
        Whether to wait until the file and its name are on the disk, so that it outlasts a power cut.

    Raises
    ------
    OutputError
        When the file cannot be written, closed, flushed or renamed; the message names the file and the
        system's reason.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with _open_new(temporary) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            _flush_folder(path.parent)
    except BaseException as error:
        _forget(temporary)
        if isinstance(error, OSError):
            raise OutputError.not_writable(path, error) from error
        raise


def flush_filesystem(folder: Path) -> None:
    """Wait until all that was written to the filesystem of ``folder`` is on the disk.

    ``os.sync`` would wait for every filesystem of the machine, so that a hung mount that has nothing to do
    with the collection would hang the run; it also tells no errors. Here it serves only where the C library
    has no ``syncfs`` (macOS).

    Raises
    ------
    OutputError
        When the system could not write what it had taken: network storage tells some failures this late.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    try:
        with _opened_folder(folder) as descriptor:
            if syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), "syncfs")
    except OSError as error:
        raise OutputError.not_writable(folder, error) from error


def _open_new(path: Path) -> IO[bytes]:
    # An exclusive open follows no link, waits for no pipe, and leaves a killed worker that the system has
    # not let go of yet with a file of its own.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, _MODE)
    except FileExistsError:
        try:
            path.unlink()
            descriptor = os.open(path, flags, _MODE)
        except OSError as error:
            raise OutputError.not_writable(path, error) from error
    return os.fdopen(descriptor, "wb")


@contextmanager
def _opened_folder(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    with _opened_folder(folder) as descriptor:
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NOT_FOR_FOLDERS:
                raise


def _forget(path: Path) -> None:
    # The first error is the one to report; the next attempt overwrites the file.
    with suppress(OSError):
        path.unlink(missing_ok=True)
