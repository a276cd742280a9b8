"""The configuration file as checked values; every problem of the file is reported at once."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails

from composer.errors import UsageError
from composer.imaging import Recipe
from composer.imaging.recipe import ImageFormat, ImageMode, Resize, Tone
from composer.interruption import signals_held_back
from composer.yaml_file import did_you_mean, read_mapping
from processors import all_processors
from processors.base import Processor, Split


def usable_cores() -> int:
    """Return how many cores this process may use, which under Slurm is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _expand(value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a path")
    if os.path.exists(value):  # noqa: PTH110 - Path.exists raises for names that are too long
        # A name may hold a dollar sign.
        return Path(os.path.abspath(value))  # noqa: PTH100 - Path.absolute would keep ".."
    try:
        expanded = os.path.expandvars(Path(value).expanduser())
    except RuntimeError as error:
        raise ValueError("there is no such user") from error
    unset = re.search(r"\$\{?\w+\}?", expanded)
    if unset:
        raise ValueError(f"the environment variable {unset[0]} is not set")
    return Path(os.path.abspath(expanded))  # noqa: PTH100 - Path.absolute would keep ".."


def _not_file(path: Path) -> Path:
    # These two, unlike Path's, say no to what cannot be looked at.
    if os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112
        raise ValueError("expected a folder, found a file")
    return path


def _folder(path: Path) -> Path:
    if not os.path.exists(_not_file(path)):  # noqa: PTH110
        raise ValueError("no such folder")
    return path


def _file(path: Path) -> Path:
    if not os.path.exists(path):  # noqa: PTH110
        raise ValueError("no such file")
    if os.path.isdir(path):  # noqa: PTH112
        raise ValueError("expected a file, found a folder")
    return path


def _choices(value: object, valid: Sequence[str]) -> tuple[str, ...]:
    chosen = value if isinstance(value, list) else [value]
    for choice in chosen:
        if choice not in valid:
            raise ValueError(
                f"expected one or a list of {', '.join(valid)}{did_you_mean(str(choice), valid)}"
            )
    return tuple(chosen)


def _splits(value: object) -> tuple[str, ...]:
    chosen = _choices(value, ("all", *get_args(Split)))
    if not chosen:
        raise ValueError("expected at least one split")
    return get_args(Split) if "all" in chosen else chosen


def _sources(value: object) -> tuple[str, ...]:
    if value in (None, "none"):
        return ()
    return _choices(value, [processor.folder for processor in all_processors()])


def _not_yet(value: object) -> object:
    if value:
        raise ValueError("not available in this version; set it to null or false")
    return value


Root = Annotated[Path, BeforeValidator(_expand), AfterValidator(_folder)]
File = Annotated[Path, BeforeValidator(_expand), AfterValidator(_file)]
NotYet = Annotated[None, BeforeValidator(_not_yet)]


class Settings(BaseModel):
    """A checked configuration. Fields are the keys of the file in lower case; README.md explains them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=str.upper)

    machex_path: Annotated[Path, BeforeValidator(_expand), AfterValidator(_not_file)]
    num_workers: int = Field(default_factory=usable_cores, ge=1, le=4096)
    frontal_only: bool = True
    splits: Annotated[tuple[Split, ...], BeforeValidator(_splits)] = ("train",)
    image_size: int = Field(default=1024, ge=16, le=8192)
    resize: Resize = "crop"
    image_format: ImageFormat = "jpg"
    image_mode: ImageMode = "RGB"
    jpeg_quality: int = Field(default=95, ge=1, le=100)
    tone: Tone = "standard"
    invert: Annotated[tuple[str, ...], BeforeValidator(_sources)] = ()
    allow_missing: bool = False
    fast_decode: bool = False
    checksums: bool = False
    scheduler: NotYet = None

    def root(self, processor: type[Processor]) -> Path | None:
        """Return the folder in which the user keeps a dataset, None when it is not selected."""
        root: Path | None = getattr(self, processor.config_key.lower())
        return root

    def files(self, processor: type[Processor]) -> Mapping[str, Path]:
        """Return those of the further files of a dataset that the user keeps elsewhere, by their keys."""
        paths = {key: getattr(self, key.lower()) for key in processor.further_files}
        return {key: path for key, path in paths.items() if path is not None}

    def recipe(self, processor: type[Processor]) -> Recipe:
        """Return what touches the pixels of a dataset."""
        return Recipe(
            size=self.image_size,
            resize=self.resize,
            image_format=self.image_format,
            image_mode=self.image_mode,
            jpeg_quality=self.jpeg_quality,
            tone=self.tone,
            invert=processor.folder in self.invert,
            fast_decode=self.fast_decode,
        )


@functools.cache
def settings_model() -> type[Settings]:
    """Return the settings with the keys of every dataset, so that a new processor brings its own."""
    paths: dict[str, Any] = {}
    for processor in all_processors():
        paths[processor.config_key.lower()] = (Root | None, None)
        paths |= {key.lower(): (File | None, None) for key in processor.further_files}
    with signals_held_back():
        return create_model("ConfiguredSettings", __base__=Settings, **paths)


def load_settings(path: Path, *, roots_needed: bool = True) -> Settings:
    """Read and check a configuration file.

    Parameters
    ----------
    roots_needed
        Whether at least one dataset must be selected.

    Raises
    ------
    UsageError
        With every problem of the file, each with its line, what was found and what is valid.
    """
    mapping = read_mapping(path)
    problems = [*mapping.problems, *(_check_selection(mapping.values) if roots_needed else [])]
    try:
        settings = settings_model().model_validate(mapping.values)
    except ValidationError as error:
        problems += [(str(details["loc"][0]), _explain(details)) for details in error.errors()]
    else:
        problems += _check_overlap(settings)
    if problems:
        raise UsageError(f"{path} cannot be used:", mapping.report(problems))
    return settings


def _check_selection(values: dict[str, Any]) -> list[tuple[str, str]]:
    keys = [processor.config_key for processor in all_processors()]
    if any(values.get(key) is not None for key in keys):
        return []
    return [("", f"no dataset is selected: set the folder of at least one of {', '.join(keys)}")]


def _check_overlap(settings: Settings) -> list[tuple[str, str]]:
    output = settings.machex_path.resolve()
    return [
        (
            processor.config_key,
            f"{processor.config_key}: {root} lies in MACHEX_PATH; sources and result must be apart",
        )
        for processor in all_processors()
        if (root := settings.root(processor)) is not None and root.resolve().is_relative_to(output)
    ]


def _explain(details: ErrorDetails) -> str:
    key, found = str(details["loc"][0]), details["input"]
    keys = [(field.alias or name) for name, field in settings_model().model_fields.items()]
    match details["type"]:
        case "extra_forbidden":
            return f"{key} is no key of this file{did_you_mean(key, keys)}"
        case "missing":
            return f"{key} is missing: name the folder in which the collection is to be written"
        case "literal_error":
            valid = re.findall(r"'([^']+)'", details["ctx"]["expected"])
            return (
                f"{key}: found {found!r}, expected one of {', '.join(valid)}{did_you_mean(str(found), valid)}"
            )
        case "value_error":
            return f"{key}: found {found!r}: {details['ctx']['error']}"
        case _:
            return f"{key}: found {found!r}: {details['msg']}"
