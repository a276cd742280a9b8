"""A source of a few lines for tests that need records and no files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from composer.settings import Settings, settings_model
from processors.base import KnownBad, Member, Processor, Record, Release


class Toy(Processor):
    """A processor whose records the test sets."""

    name = "Toy"
    folder = "toy"
    config_key = "TOY_ROOT"
    licence = access = citation = "none"
    homepage = "https://example.org"
    releases = (Release("all", 3),)
    known_bad = (
        KnownBad("unreadable", "unreadable", "cut", "a test"),
        KnownBad("odd", "suspicious", "odd", "a test"),
    )

    def recognise(self) -> str:
        return "made up"

    def records(self) -> Iterator[Record]:
        raise NotImplementedError


def record(identity: str, **values: Any) -> Record:  # noqa: ANN401 - any field of a record
    defaults: dict[str, Any] = {"key": f"{identity}.png", "file": Member(f"{identity}.png"), "view": "PA"}
    return Record(identity=identity, **{**defaults, **values})


def settings(**values: Any) -> Settings:  # noqa: ANN401 - any key of the configuration
    keys = {key.upper(): value for key, value in values.items()}
    return settings_model().model_validate({"MACHEX_PATH": str(Path("unused").absolute()), **keys})
