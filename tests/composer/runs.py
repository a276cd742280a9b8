"""Runs over the NIH miniature, in this process."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from composer.accounts import Accounts
from composer.compose import compose
from composer.datasets import open_datasets
from composer.ledger import Ledger
from composer.request import EVERYTHING, Request
from composer.settings import Settings
from tests.composer import toys

FOLDER = "chex-ray14"


def configured(output: Path, root: Path, **keys: object) -> Settings:
    return toys.settings(machex_path=str(output), chexray14_root=str(root), **keys)


def run(
    settings: Settings, workers: int = 2, *, request: Request = EVERYTHING, redo: bool = False
) -> Accounts:
    (accounts,) = compose(open_datasets(settings, redo=redo), workers, progress=False, request=request)
    return accounts


def tree(folder: Path) -> dict[str, str]:
    """Hash every file that a run leaves, but for the ledger, whose times differ."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "ledger.jsonl"
    }


def ledger_lines(settings: Settings) -> list[dict[str, object]]:
    text = (settings.machex_path / FOLDER / "ledger.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def images(root: Path) -> list[Path]:
    return sorted(path for path in (root / "images").glob("*.png") if not path.name.startswith("."))


def trained(root: Path) -> list[Path]:
    names = (root / "train_val_list.txt").read_text(encoding="utf-8").split()
    return [path for path in images(root) if path.name in names]


def interrupting(after: int) -> Callable[[Ledger, bytes], None]:
    """Return a ledger's ``append_line`` during which Ctrl-C is pressed once, after some lines."""
    true_append, lines = Ledger.append_line, 0

    def append_line(ledger: Ledger, line: bytes) -> None:
        nonlocal lines
        lines += 1
        if lines == after:
            os.kill(os.getpid(), signal.SIGINT)
        true_append(ledger, line)

    return append_line
