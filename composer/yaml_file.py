"""A YAML mapping together with the line of each key, so that a problem can be shown where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from composer.errors import UsageError


@dataclass(frozen=True)
class YamlMapping:
    """The values of a file, the line (from 1) of each key, and the problems found in reading it."""

    values: dict[str, Any]
    lines: dict[str, int]
    problems: list[tuple[str, str]] = field(default_factory=list)

    def report(self, problems: Iterable[tuple[str, str]]) -> list[str]:
        """Return (key, text) problems as texts in the order of the file, those without a line last."""
        known = sorted((self.lines.get(key, 1 << 30), text) for key, text in problems)
        return [f"line {line}: {text}" if line < 1 << 30 else text for line, text in known]


def read_mapping(path: Path) -> YamlMapping:
    """Read a YAML file whose top level is a mapping, with the safe loader.

    Raises
    ------
    UsageError
        When the file cannot be read, is not YAML, has aliases, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        _refuse_aliases(path, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); name the configuration with -c") from error
    except (yaml.YAMLError, ValueError, KeyError, RecursionError) as error:
        # The last three come from values such as 2020-99-99 and from thousands of nested brackets.
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        raise UsageError(f"{path}: expected lines such as `MACHEX_PATH: machex_dataset`, found no mapping")
    return YamlMapping({str(key): value for key, value in values.items()}, *_locate(root))


def _refuse_aliases(path: Path, text: str) -> None:
    # Aliases of aliases take a few lines to stand for more than any memory holds (billion laughs).
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise UsageError(
                f"{path}: line {line}: found the alias *{event.anchor}, which is not used here; write the "
                "value itself"
            )


def _locate(root: yaml.MappingNode) -> tuple[dict[str, int], list[tuple[str, str]]]:
    lines: dict[str, int] = {}
    problems = []
    for key_node, _ in root.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in lines:
            problems.append((key, f"{key} is given twice, here and on line {line}: keep one"))
        lines.setdefault(key, line)
    return lines, problems


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Return "; did you mean X?" with the nearest valid spelling in any letter case, or nothing."""
    by_upper = {candidate.upper(): candidate for candidate in valid}
    close = difflib.get_close_matches(word.upper(), by_upper, n=1)
    return f"; did you mean {by_upper[close[0]]}?" if close else ""
