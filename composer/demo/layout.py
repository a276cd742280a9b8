"""One form in which a release lies on users' disks, in miniature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Layout(NamedTuple):
    """A layout and how to write its miniature.

    ``make`` writes into a folder that it makes. ``images`` is how many images tables and files name together,
    those included that are left out; ``missing`` how many of them have no file.
    """

    name: str
    make: Callable[[Path], None]
    images: int
    missing: int = 0
