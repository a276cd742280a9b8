"""The lock of a dataset folder: one run writes into it, on whatever machine, and its end is noticed.

The lock is a file that gets its name by a hard link, which is atomic on NFS too, and whose time of
modification is renewed while its holder lives. Its age is the difference of two times that the filesystem
set, so that the clocks of the machines need not agree.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from composer.errors import OutputError
from composer.holder import LIFETIME, Holder, read_holder, this_machine

RENEWAL = 60.0
"""Seconds between renewals."""
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


class LockLost(OutputError):  # noqa: N818 - an event, as in `Interrupted`
    """The lock is gone, and with it the right to write: not even the index may be written."""


def check_not_held(path: Path) -> None:
    """Raise `OutputError` if another process holds the lock ``path``; writes nothing.

    An early look, by the clock of this machine; `FolderLock` decides.
    """
    try:
        found = _read_foreign(path)
    except OSError as error:
        raise OutputError.not_writable(path.parent, error) from error
    if found and found.lives(time.time()):
        raise _in_use(path, found)


class FolderLock:
    """Hold the lock ``path``, a file in the folder to be locked, for a ``with`` block.

    A thread renews the lock, however long the block works on one thing. At the end of the block the lock is
    released, unless it was lost.

    Attributes
    ----------
    taken_over
        Whether the holder before ended without releasing the lock: by a kill, or by a power cut.

    unsettled
        Set by the holder while the folder is in a state that the next one has to look into. If that is so at
        the end, the lock is not removed but left to expire at once: it will be taken over.

    Raises
    ------
    OutputError
        At the start of the block, without waiting: another process holds the lock, the folder cannot be
        written to, or its filesystem has no hard links.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken_over = False
        self.unsettled = False
        self._token = uuid.uuid4().hex
        self._claim = self._beside(self._token, "claim")
        self._now = 0.0  # by the clock of the filesystem
        self._renewed = 0.0  # by the clock of this machine
        self._lost: str | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lock", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._acquire()
            self._sweep()
            self._thread.start()
        except BaseException as error:
            self._release()
            if isinstance(error, OSError):
                raise OutputError.not_writable(self.path, error) from error
            raise
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        # A renewal may hang in storage that does not answer; the thread ends with the process.
        self._thread.join(5)
        self._release()

    def check(self) -> None:
        """Raise `LockLost` if the lock was lost; nearly free.

        A lock is lost when its file was removed, when another process took it over because this one stood
        still for longer than the lifetime, or when it could not be renewed for as long.
        """
        if self._lost is None and time.time() - self._renewed > LIFETIME:
            # The process or the machine was suspended: look now, not when the thread does.
            self._renew()
        if self._lost is not None:
            raise LockLost(
                f"{self.path.parent}: the lock was lost ({self._lost}); another run may write there, so this "
                "one has stopped. Run again when no other run is at work there"
            )

    def _beside(self, token: str, kind: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{token}.{kind}")

    def _acquire(self) -> None:
        try:
            self._write_claim()
            while not self._link(self.path):
                # None: it was released just now.
                if (found := _read_foreign(self.path)) is not None:
                    self._refuse_living(found)
                    self._succeed(found)
            self._renewed = time.time()
            _flush_folder(self.path.parent)
        finally:
            with suppress(OSError):
                self._claim.unlink(missing_ok=True)

    def _write_claim(self) -> None:
        text = Holder.myself(self._token).as_text()
        with self._claim.open("x") as file:
            file.write(text)
            file.flush()
            # Whatever the umask: others have to read who holds the lock.
            with suppress(OSError):
                os.fchmod(file.fileno(), 0o644)
            # A lock that is found after a power cut is what tells that there was one.
            os.fsync(file.fileno())
        self._now = _touch(self._claim)

    def _link(self, name: Path) -> bool:
        """Give the claim a second name; return whether it has it: of several processes, one succeeds."""
        try:
            os.link(self._claim, name)
        except FileExistsError:
            # NFS repeats a request whose answer was lost: the link may be our own.
            with suppress(FileNotFoundError):
                return self._claim.samefile(name)
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            raise OutputError(
                f"{self.path.parent} lies on a filesystem without hard links "
                f"({os.strerror(error.errno)}), by which a second run is kept out; choose another MACHEX_PATH"
            ) from error
        return True

    def _refuse_living(self, found: Holder) -> None:
        if found.lives(self._now):
            raise _in_use(self.path, found)

    def _succeed(self, dead: Holder) -> None:
        """Replace the lock of a dead holder, unless another process is or was quicker.

        Only who has linked the successor of a lock may replace it, in one step. If it dies in between, the
        right passes on to its own successor.
        """
        successor = self._beside(dead.token, "successor")
        while not self._link(successor):
            other = _read_foreign(successor)
            if other is None:
                return
            self._refuse_living(other)
            successor = self._beside(other.token, "successor")
        try:
            # Read again: another process may have been here since. Dead is also who was late, and is back.
            found = _read_foreign(self.path)
            if found == dead and not found.lives(self._now):
                successor.replace(self.path)
                self.taken_over = True
        except PermissionError as error:
            raise OutputError(
                f"{self.path} was left by {dead}, which has ended, and cannot be replaced "
                f"({os.strerror(error.errno or 0)}): have the user to whom it belongs remove it"
            ) from error
        finally:
            successor.unlink(missing_ok=True)

    def _keep(self) -> None:
        while self._lost is None and not self._end.wait(RENEWAL):
            self._renew()

    def _renew(self) -> None:
        now = time.time()
        try:
            # Absent together with its folder, it may come back: a network share that is not mounted.
            self.path.parent.stat()
            found = read_holder(self.path)
            if found is None:
                self._lost = "its file was removed"
            elif found.token != self._token:
                self._lost = f"taken over by {found}"
            else:
                os.utime(self.path)
                self._renewed = now
        except OSError as error:
            if now - self._renewed > LIFETIME:
                reason = os.strerror(error.errno or 0)
                self._lost = f"it could not be renewed for {LIFETIME / 60:.0f} minutes: {reason}"

    def _release(self) -> None:
        # The error that ended the block is the one to report; a lock that stays is taken over.
        with suppress(OSError):
            found = read_holder(self.path)
            if not found or found.token != self._token:
                return
            self._now = _touch(self.path)
            self._sweep()
            if self.unsettled:
                os.utime(self.path, (0, 0))
            else:
                self.path.unlink()

    def _sweep(self) -> None:
        """Remove what processes left that were killed while they tried to get the lock."""
        for path in self.path.parent.glob(f".{self.path.name}.*"):
            with suppress(OSError):
                found = read_holder(path)
                if found and not found.lives(self._now):
                    path.unlink()


def _in_use(path: Path, holder: Holder) -> OutputError:
    refused = f"{path.parent} is in use: {holder} writes into it. Wait until it has ended, then run again"
    if holder.machine == this_machine():
        return OutputError(refused)
    end = time.strftime("%H:%M:%S", time.localtime(holder.renewed + LIFETIME + 1))
    return OutputError(
        f"{refused}. If it died with its machine, the lock ends by itself at {end}: run again then. Do not "
        f"remove {path}, which tells the next run to look for damage"
    )


def _touch(path: Path) -> float:
    """Set the time of modification to now, and return it: what time it is by the clock of the filesystem."""
    os.utime(path)
    return path.stat().st_mtime


def _read_foreign(path: Path) -> Holder | None:
    try:
        return read_holder(path)
    except PermissionError as error:
        raise OutputError(
            f"{path.parent} is or was in use by another user: {path} cannot be read "
            f"({os.strerror(error.errno or 0)}). Have that user end the run or remove the file"
        ) from error


def _flush_folder(folder: Path) -> None:
    # Some network filesystems refuse this.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
