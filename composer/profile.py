"""Where the time of a run went: a table by steps, and what was the limit, as far as that can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from composer.accounts import aligned
from composer.attempts import DURATIONS, Attempt
from composer.pool.usage import Usage

# Of the table, and of the sentence below it. What is in no step of `DURATIONS` is the checksum of a picture,
# and the comparison with films that other datasets hold out.
_STEPS = ("read", "decode", "tone and resize", "encode", "write", "other")
_DOING = ("reading", "decoding", "tone and resizing", "encoding", "writing", "checksums and comparisons")
_STORAGE = {"reading": 0, "writing": 4}

# A shorter run is mostly start and end.
_SECONDS, _IMAGES_PER_WORKER, _IDLE = 10.0, 10, 0.25
_WAITED = 0.2
# Who waits for storage has no processor meanwhile; who unpacks an archive has.
_IN_STORAGE, _PROCESSOR_IN_STORAGE = 0.5, 0.7
# Who computes has a processor for nearly all of the time, unless there are too few of them.
_STARVED = 0.75
_NEARLY_ALL = 0.9


@dataclass
class Work:
    """What was done for one dataset.

    Attributes
    ----------
    images, failed
        Attempts, and those among them that wrote no picture because the image failed or is missing.
    milliseconds
        Of all attempts, in the order of `composer.attempts.DURATIONS`.
    usage
        Of the workers.
    """

    dataset: str
    images: int = 0
    failed: int = 0
    milliseconds: list[float] = field(default_factory=lambda: [0.0] * len(DURATIONS))
    usage: Usage = field(default_factory=Usage)

    def add(self, attempt: Attempt) -> None:
        """Count one attempt."""
        self.images += 1
        self.failed += attempt.failed
        for step, duration in enumerate(attempt.durations):
            self.milliseconds[step] += duration

    @property
    def steps(self) -> list[float]:
        """Seconds of the workers for each step, and for what is in none."""
        seconds = [milliseconds / 1000 for milliseconds in self.milliseconds]
        return [*seconds, max(0.0, self.usage.busy - sum(seconds))]


def profile(works: Sequence[Work], cores: int) -> str | None:
    """Return the table of a run, and a line on what was the limit; None when nothing was made.

    Parameters
    ----------
    cores
        How many this process may use.
    """
    made = [work for work in works if work.images]
    if not made:
        return None
    total = _total(made)
    lines = [["ms an image", "images", *_STEPS, "waiting"]]
    lines += [_line(work) for work in ([*made, total] if len(made) > 1 else made)]
    time = total.usage.busy + total.usage.waited
    shares = [*total.steps, total.usage.waited]
    lines.append(["share", "", *(f"{_percent(seconds, time)} %" for seconds in shares)])
    return f"{aligned(lines)}\n{bottleneck(total, cores)}"


def bottleneck(work: Work, cores: int) -> str:
    """Say what limited the speed, and what would help.

    Parameters
    ----------
    work
        Of the whole run.
    cores
        How many this process may use.
    """
    usage = work.usage
    if usage.seconds < _SECONDS or work.images < _IMAGES_PER_WORKER * usage.workers:
        return "limit: the run was too short to tell"
    if usage.idle > _IDLE * usage.available:
        idle = _percent(usage.idle, usage.available)
        return f"limit: cannot be told, workers were starting, ending or lost for {idle} % of the time"
    if usage.waited > _WAITED * (usage.busy + usage.waited):
        waited = _percent(usage.waited, usage.busy + usage.waited)
        return (
            f"limit: workers waited {waited} % of the time for the process that hands out images and writes "
            "the ledger; more workers will not help"
        )
    return _limit_of_storage(work) or _limit_of_cores(work, cores)


def _limit_of_storage(work: Work) -> str | None:
    steps, usage = work.steps, work.usage
    storage = {name: steps[step] for name, step in _STORAGE.items()}
    waits = usage.processor < _PROCESSOR_IN_STORAGE * usage.busy
    if sum(storage.values()) < _IN_STORAGE * usage.busy or not waits:
        return None
    most = max(storage, key=lambda name: storage[name])
    return (
        f"limit: storage, {most} takes {_percent(storage[most], usage.busy)} % of the workers' time; more "
        "workers help only as long as it serves more of them at once"
    )


def _limit_of_cores(work: Work, cores: int) -> str:
    steps, usage = work.steps, work.usage
    step = max(range(len(steps)), key=lambda place: steps[place])
    doing = f"{_DOING[step]} takes {_percent(steps[step], usage.busy)} % of it"
    computing = usage.busy - sum(steps[place] for place in _STORAGE.values())
    # A worker that waits for storage leaves its core to another.
    useful = round(cores * usage.busy / max(usage.processor, 1e-9))
    if usage.processor < _NEARLY_ALL * usage.seconds * cores and usage.processor < _STARVED * computing:
        had = _percent(usage.processor, computing)
        return (
            f"limit: cores, workers had one for {had} % of the time that they computed; others use them, or "
            f"this process may not; more workers will not help"
        )
    if usage.workers >= _NEARLY_ALL * useful:
        return f"limit: cores, all {cores} were at work; {doing}; more workers will not help"
    busy = _percent(usage.busy, usage.available)
    return f"limit: workers, busy {busy} % of the time; {doing}; more workers help, up to about {useful}"


def _line(work: Work) -> list[str]:
    seconds = [*work.steps, work.usage.waited]
    return [work.dataset, f"{work.images:,}", *(f"{1000 * each / work.images:,.1f}" for each in seconds)]


def _total(works: Sequence[Work]) -> Work:
    total = Work("all", sum(work.images for work in works), sum(work.failed for work in works))
    total.milliseconds = [sum(step) for step in zip(*(work.milliseconds for work in works), strict=True)]
    for work in works:
        total.usage += work.usage
    return total


def _percent(part: float, whole: float) -> int:
    return round(100 * part / whole) if whole else 0
