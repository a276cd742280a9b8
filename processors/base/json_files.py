"""JSON files that come with a release: read whole, and trusted in nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from processors.base.contract import SourceError
from processors.base.tables import read_text


def read_json(path: Path, form: type[Any]) -> Any:  # noqa: ANN401 -- whatever the file holds
    """Return what a JSON file holds, which must be of the given type: ``dict`` or ``list``.

    Raises
    ------
    SourceError
        When the file cannot be read, is no JSON, or holds something else.
    """
    try:
        found = json.loads(read_text(path, "JSON"))
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{path}: not readable as JSON ({type(error).__name__}); download it again"
        ) from error
    if not isinstance(found, form):
        raise SourceError(
            f"{path}: expected a JSON {form.__name__}, found a {type(found).__name__}; is this the file of "
            "another dataset?"
        )
    return found


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects in a list, leaving out everything else; none when it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(value: object) -> str:
    """Return a value as text, a list joined by ``|`` as NIH joins findings; null is empty.

    Examples
    --------
    >>> text_of(None), text_of(["Mass", " Nodule"]), text_of(1.5)
    ('', 'Mass|Nodule', '1.5')
    """
    if value is None:
        return ""
    text = "|".join(map(text_of, value)) if isinstance(value, list) else str(value).strip()
    # JSON can hold halves of UTF-16 characters, which no other file can.
    return text.encode("utf-8", "replace").decode("utf-8")
