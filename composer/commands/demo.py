"""``machex.py demo``: miniatures of all sources, composed, so that anyone can try everything."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import yaml

from composer.commands.compose import compose_and_report
from composer.demo import make_miniatures
from composer.errors import OutputError, UsageError
from composer.settings import load_settings

_SOURCES, _CONFIG, _COLLECTION = "sources", "config.yml", "machex_dataset"


def run(arguments: Namespace) -> int:
    """Make the miniatures and a configuration for them in a new folder, and compose them."""
    folder = Path(arguments.output).absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder: name another one with -o, or delete it")
    try:
        config = _make_sources(folder)
    except OSError as error:
        raise OutputError.not_writable(folder, error) from error
    exit_code = compose_and_report(load_settings(config), [], quiet=arguments.quiet)
    print(f"made-up sources: {folder / _SOURCES}\nconfiguration:   {config}")
    return exit_code


def _make_sources(folder: Path) -> Path:
    """Write the miniatures and a configuration that names them; return the latter."""
    roots = make_miniatures(folder / _SOURCES)
    # A path that exists is taken as it is written, also when it holds a dollar sign.
    (folder / _COLLECTION).mkdir()
    lines = {"MACHEX_PATH": str(folder / _COLLECTION), **{key: str(root) for key, root in roots.items()}}
    config = folder / _CONFIG
    config.write_text(yaml.safe_dump(lines, sort_keys=False), encoding="utf-8")
    return config
