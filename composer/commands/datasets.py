"""``machex.py datasets``: what is supported, with licence, size and homepage."""

from __future__ import annotations

import json
from argparse import Namespace

from composer.catalogue import listing


def run(arguments: Namespace) -> int:
    """Print the supported datasets, as JSON where asked for."""
    datasets = listing()
    if arguments.json:
        print(json.dumps(datasets, indent=2, ensure_ascii=False))
        return 0
    for entry in datasets:
        print(f"{entry['folder']}: {entry['name']}")
        for part in ("config_key", "homepage", "access", "licence"):
            print(f"    {part.replace('_', ' '):<12}{entry[part]}")
        for release in entry["releases"]:
            print(f"    {'release':<12}{release['name']}: {release['images']:,} images")
    return 0
