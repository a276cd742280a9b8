"""Who holds a lock: what its file says, and whether that process still runs."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import psutil

LIFETIME = 300.0
"""Seconds after the last renewal at which a lock ends by itself."""


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock, or tries to.

    Parameters
    ----------
    process
        Its number on its machine; 0 if the file of the lock cannot be understood.
    host
        Name of its machine, for people: several machines may have the same.
    machine
        Within which process numbers mean the same: see `this_machine`.
    started
        Seconds between the start of that machine and the start of the process.
    token
        Names this one acquisition.
    renewed
        Time of the last renewal by the clock of the filesystem, in seconds since 1970.
    """

    process: int
    host: str
    machine: str
    started: float
    token: str
    renewed: float = field(compare=False, default=0.0)

    @classmethod
    def myself(cls, token: str) -> Self:
        """Return this process."""
        process = psutil.Process()
        return cls(process.pid, socket.gethostname(), this_machine(), _start(process), token)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}" if self.process else "an unknown process"

    def as_text(self) -> str:
        """Return what the file of the lock says; the time of renewal is the file's time of modification."""
        return json.dumps({key: value for key, value in asdict(self).items() if key != "renewed"}) + "\n"

    def lives(self, now: float) -> bool:
        """Return whether the lock counts at ``now``, a time by the clock of the filesystem."""
        if now - self.renewed > LIFETIME:
            return False
        return self.machine != this_machine() or _runs(self.process, self.started)


def read_holder(path: Path) -> Holder | None:
    """Return the holder that the file of a lock names; None if there is no file.

    Raises
    ------
    OSError
        When the file is there but cannot be read.
    """
    try:
        # Opening, unlike asking for the state of a path, makes an NFS client ask the server.
        with path.open() as file:
            state = os.fstat(file.fileno())
            text = file.read(10_000)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        text = ""
    try:
        return Holder(**json.loads(text), renewed=state.st_mtime)
    except (ValueError, TypeError):
        # Empty after a power cut, or made by somebody: it counts until it is too old.
        return Holder(0, "", "", 0.0, f"{state.st_ino:x}", state.st_mtime)


def this_machine() -> str:
    """Return what names this machine since its start, and the space of its process numbers.

    Host names do not do: machines are cloned or called ``localhost``, and containers may share the name of
    their host but have process numbers of their own. After a restart the machine counts as another.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux
        return socket.gethostname()


def _start(process: psutil.Process) -> float:
    # psutil adds the start of the machine by its present clock; the difference stays when the clock is set.
    boot = psutil.boot_time()
    return process.create_time() - boot


def _runs(number: int, started: float) -> bool:
    """Return whether the process that started then still runs; its number may have been given again."""
    try:
        os.kill(number, 0)
        process = psutil.Process(number)
        # A killed process stays a zombie in a container that has no init.
        return process.status() != psutil.STATUS_ZOMBIE and abs(_start(process) - started) < 2
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
    except (PermissionError, psutil.AccessDenied):
        # Another user's; where /proc hides those, psutil would take it for dead.
        return True
