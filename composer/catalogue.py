"""What the processors declare, as a listing and as the page ``docs/datasets.md``.

``python -m composer.catalogue`` prints the page.
"""

from __future__ import annotations

import sys
from typing import Any

from processors import all_processors

_PAGE = """# Datasets

This page is made from the modules in `processors/` by `make docs`. Access and licence are those of each
publisher: read the terms before you download.
"""


def entries() -> list[dict[str, Any]]:
    """Return what every processor declares, as plain values in the order of the form."""
    return [
        {
            "name": processor.name,
            "folder": processor.folder,
            "config_key": processor.config_key,
            "licence": processor.licence,
            "access": processor.access,
            "homepage": processor.homepage,
            "citation": processor.citation,
            "releases": [release._asdict() for release in processor.releases],
            "known_bad": [known._asdict() for known in processor.known_bad],
        }
        for processor in all_processors()
    ]


def page() -> str:
    """Return the Markdown page of all datasets."""
    return "\n".join([_PAGE, *(_section(entry) for entry in entries())])


def _section(entry: dict[str, Any]) -> str:
    releases = "\n".join(f"| {release['name']} | {release['images']:,} |" for release in entry["releases"])
    known_bad = "\n".join(
        f"| `{known['identity']}` | {known['state']} | {known['reason']} | {known['source']} |"
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

| release | images |
|---|---|
{releases}
{register}"""


if __name__ == "__main__":
    sys.stdout.write(page())
