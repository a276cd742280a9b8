"""What a worker process does: make one image, put it in its place, and report the facts."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from composer.imaging import Conversion, Facts, Recipe, Refusal, Source, load, pixels_of, write_pixels
from composer.pool.limits import computing
from composer.storage import atomic_write
from composer.twins.held_out import HeldOutFile, HeldOutFilm, NotComparableError, held_out_by, held_out_twin

# Reasons beside those of `composer.imaging.Reason`.
CRASHED, OUT_OF_MEMORY, TIMED_OUT, UNEXPECTED = "crashed", "out of memory", "timed out", "unexpected"
NOT_COMPARED = "not compared"

# To be loaded before workers are forked.
WARM = ("composer.imaging.warm",)

_TOO_LITTLE_MEMORY = (
    "the memory of this machine is too small for the image; lower NUM_WORKERS and run with --retry-failed"
)


class Task(NamedTuple):
    """One image to make: its number, identity and carrier, the source, the file to write, and the recipe.

    ``file`` is the source's path as the plan has it, relative to the root. ``held_out`` are the films that
    are not to be written again under another name.
    """

    number: int
    identity: str
    carrier: str
    file: str
    source: Source
    target: str
    recipe: Recipe
    held_out: HeldOutFile | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt.

    Either the image was written, and ``bytes``, ``sha256`` and ``facts`` describe the file; or it was left
    out by a ``rule``, because it is a copy of the film ``twin`` (dataset and identity), which another dataset
    has in its ``twin_split``; or ``reason`` is a word that classifies the failure, ``message`` says what was
    found and what to do, and ``facts`` are those that were found until then. ``guard`` is the digest of the
    held-out films that it was compared with.
    """

    number: int
    identity: str
    carrier: str
    file: str
    reason: str | None = None
    message: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    facts: Facts | None = None
    rule: str | None = None
    twin: str | None = None
    twin_split: str | None = None
    guard: str | None = None


def make_image(task: Task) -> Outcome:
    """Convert a source and write the picture; a source that cannot be converted is an outcome like another.

    Raises
    ------
    OutputError
        When the picture cannot be written, which no other image would survive either.
    """
    conversion = _convert(task)
    if isinstance(conversion, Outcome):
        return conversion
    start = perf_counter()
    with atomic_write(Path(task.target)) as file:
        file.write(conversion.data)
    conversion.facts.write_ms = round((perf_counter() - start) * 1000, 3)
    return _done(task, conversion)


def try_image(task: Task) -> Outcome:
    """Do as `make_image` does, but write nothing."""
    conversion = _convert(task)
    return conversion if isinstance(conversion, Outcome) else _done(task, conversion)


def _convert(task: Task) -> Conversion | Outcome:
    facts = Facts()
    try:
        loaded = load(task.source, facts)
        with computing():
            pixels = pixels_of(loaded, task.recipe)
        if task.held_out and (film := held_out_twin(loaded, task.recipe, task.held_out)):
            return _left_out(task, film, facts, task.held_out)
        with computing():
            return write_pixels(pixels, task.recipe, facts)
    except NotComparableError as error:
        return Outcome(*_names(task), reason=NOT_COMPARED, message=str(error), facts=facts)
    except Refusal as refusal:
        return Outcome(*_names(task), reason=str(refusal.reason), message=refusal.message, facts=facts)
    except MemoryError:
        return Outcome(*_names(task), reason=OUT_OF_MEMORY, message=_TOO_LITTLE_MEMORY, facts=facts)
    except Exception as error:
        # A fault of ours must not end a run of days: it is named, and the next image is done.
        message = f"{type(error).__name__} in {_place(error)}: a fault of this program, please report it"
        return Outcome(*_names(task), reason=UNEXPECTED, message=message, facts=facts)


def _done(task: Task, conversion: Conversion) -> Outcome:
    return Outcome(
        *_names(task),
        bytes=len(conversion.data),
        sha256=hashlib.sha256(conversion.data).hexdigest(),
        facts=conversion.facts,
        guard=task.held_out.digest if task.held_out else None,
    )


def _left_out(task: Task, film: HeldOutFilm, facts: Facts, held_out: HeldOutFile) -> Outcome:
    return Outcome(
        *_names(task),
        facts=facts,
        rule=held_out_by(film.dataset),
        twin=film.name,
        twin_split=film.split,
        guard=held_out.digest,
    )


def _names(task: Task) -> tuple[int, str, str, str]:
    return task.number, task.identity, task.carrier, task.file


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
