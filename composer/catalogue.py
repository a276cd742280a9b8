"""What the processors declare, as a listing and as the page ``docs/datasets.md``.

``python -m composer.catalogue`` prints the page.
"""

from __future__ import annotations

import sys
from typing import Any

from processors import all_processors
from processors.base import FORM

_PAGE = """# Datasets

This page is made from the modules in `processors/` by `make docs`. Access and licence are those of each
publisher: read the terms before you download.
"""


def listing() -> list[dict[str, Any]]:
    """Return what every processor declares, as plain values in the order of the form."""
    return [{part: _plain(getattr(each, part)) for part in FORM} for each in all_processors()]


def _plain(value: object) -> object:
    return [entry._asdict() for entry in value] if isinstance(value, tuple) else value


def page() -> str:
    """Return the Markdown page of all datasets."""
    return "\n".join([_PAGE, *(_section(entry) for entry in listing())])


def _section(entry: dict[str, Any]) -> str:
    releases = "\n".join(
        f"| {release['name']} | {release['images']:,} | {release['note']} |" for release in entry["releases"]
    )
    known_bad = "\n".join(
        f"| `{known['identity']}` | {known['state']} | {known['reason']} | {known['found_by']} |"
        for known in entry["known_bad"]
    )
    register = (
        f"\n| image | state | reason | found by |\n|---|---|---|---|\n{known_bad}\n" if known_bad else ""
    )
    return f"""## {entry["name"]}

- Folder of the collection: `{entry["folder"]}`; configuration key: `{entry["config_key"]}`
- Homepage: <{entry["homepage"]}>
- Access: {entry["access"]}
- Licence: {entry["licence"]}
- Citation: {entry["citation"]}

| release | images | known differences |
|---|---|---|
{releases}
{register}"""


if __name__ == "__main__":
    sys.stdout.write(page())
