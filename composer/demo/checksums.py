"""The list of checksums that PhysioNet adds to a release."""

from __future__ import annotations

import hashlib
from pathlib import Path

from composer.demo.carriers import write_lines


def write_checksums(release: Path) -> None:
    """Write ``SHA256SUMS.txt`` of all files below a folder but those that downloads leave there."""
    paths = sorted(path for path in release.rglob("*") if path.is_file())
    published = [path for path in paths if not path.name.startswith(".") and path.name != "index.html"]
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(release).as_posix()}"
        for path in published
    ]
    write_lines(release / "SHA256SUMS.txt", lines)
