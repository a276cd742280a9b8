"""One attempt at an image, told in few words: the line for the ledger, and what a run counts.

The worker puts the line together, so that the driver, of which there is one, only has to append it.
"""

from __future__ import annotations

import functools
import json
from typing import NamedTuple

from composer.imaging import Facts, Reason, Recipe
from composer.status import Status
from composer.worker import Outcome, Task, make_image

# The facts that say how long each step took, in the order of the steps.
DURATIONS = ("read_ms", "decode_ms", "tone_ms", "encode_ms", "write_ms")

_NOTHING_FOUND = Facts().as_dict()


class Attempt(NamedTuple):
    """What came of one attempt.

    Attributes
    ----------
    line
        For the ledger, with its end.
    size
        Bytes of the picture; None when none was written.
    failed
        Whether the image could not be converted, or is missing.
    durations
        Of the steps, in milliseconds and in the order of `DURATIONS`; empty when no fact is known.
    """

    line: bytes
    size: int | None
    failed: bool
    durations: tuple[float, ...]


def attempt(task: Task) -> Attempt:
    """Make an image as `composer.worker.make_image` does, with its errors, and say what came of it."""
    return attempt_of(make_image(task), _digest(task.recipe))


def attempt_of(outcome: Outcome, recipe: str) -> Attempt:
    """Return an outcome in few words.

    Parameters
    ----------
    recipe
        Digest of the recipe by which the image was made.
    """
    facts = outcome.facts
    durations = tuple(getattr(facts, name) for name in DURATIONS) if facts else ()
    return Attempt(line_of(outcome, recipe), outcome.bytes, outcome.reason is not None, durations)


def line_of(outcome: Outcome, recipe: str) -> bytes:
    """Return the line of one attempt, with its end.

    Facts that say nothing (None, no flags) are left out, and those of a failure that were not reached.

    Parameters
    ----------
    recipe
        Digest of the recipe by which the image was made.
    """
    # Not `as_dict`, which copies what is written down at once.
    facts = {name: getattr(outcome.facts, name) for name in _NOTHING_FOUND} if outcome.facts else {}
    status = _status(outcome)
    if status != Status.WRITTEN:
        facts = {name: fact for name, fact in facts.items() if fact != _NOTHING_FOUND[name]}
    line = {
        "identity": outcome.identity,
        "number": outcome.number,
        "carrier": outcome.carrier,
        "file": outcome.file,
        "recipe": recipe,
        "status": status,
        "reason": outcome.reason,
        "message": outcome.message,
        "bytes": outcome.bytes,
        "sha256": outcome.sha256,
        "rule": outcome.rule,
        "twin": outcome.twin,
        "twin_split": outcome.twin_split,
        "guard": outcome.guard,
        **facts,
    }
    said = {name: value for name, value in line.items() if value is not None and value != []}
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


def _status(outcome: Outcome) -> Status:
    if outcome.rule is not None:
        return Status.LEFT_OUT
    if outcome.reason is None:
        return Status.WRITTEN
    return Status.MISSING if outcome.reason == Reason.MISSING else Status.FAILED


@functools.lru_cache
def _digest(recipe: Recipe) -> str:
    return recipe.digest
