"""``machex.py plan``: look at everything, write nothing."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from composer.accounts import status_table
from composer.datasets import survey
from composer.imaging import Reason
from composer.preview import Failure, Preview, preview, space_at
from composer.settings import Settings, load_settings
from composer.status import Status
from processors.base import Release

# Images whose absence or damage makes a run end with exit code 1; and what makes it impossible.
_INCOMPLETE, _IMPOSSIBLE = 1, 2


def run(arguments: Namespace) -> int:
    """Print what compose would do; return 2 when it could not run, 1 when images would be missing, else 0."""
    settings = load_settings(Path(arguments.config))
    datasets, unusable = survey(settings, arguments.dataset)
    previews = list(preview(datasets, settings.num_workers))
    outlook = _Outlook(settings, previews, unusable)
    print(json.dumps(outlook.as_dict(), indent=2, ensure_ascii=False) if arguments.json else outlook.text())
    return outlook.exit_code


class _Outlook:
    """All previews, and the problems among them, each with its remedy."""

    def __init__(self, settings: Settings, previews: Sequence[Preview], unusable: Sequence[str]) -> None:
        self._settings = settings
        self._previews = previews
        self._bytes = sum(each.bytes for each in previews)
        self._place, self._free = space_at(settings.machex_path)
        self._impossible = [*unusable, *self._output_problems()]
        self._incomplete = [text for each in previews for text in _lacks(each, settings)]
        self._advice = [text for each in previews for text in _advice(each, settings)]

    @property
    def exit_code(self) -> int:
        if self._impossible:
            return _IMPOSSIBLE
        return _INCOMPLETE if self._incomplete else 0

    def _output_problems(self) -> list[str]:
        problems = []
        if not self._place.is_dir():
            problems.append(f"MACHEX_PATH: {self._place} is a file; choose another path")
        elif not os.access(self._place, os.W_OK | os.X_OK):
            problems.append(
                f"MACHEX_PATH: {self._place} may not be written to; change its rights or the path"
            )
        if self._bytes > self._free:
            problems.append(
                f"MACHEX_PATH: about {_size(self._bytes)} are to be written, {_size(self._free)} are free at "
                f"{self._place}; make room, or choose another MACHEX_PATH, IMAGE_SIZE or JPEG_QUALITY"
            )
        return problems

    def text(self) -> str:
        """Return the report for a terminal."""
        blocks = [_block(each) for each in self._previews]
        counts = [(each.dataset.name, each.dataset.found, each.by_status) for each in self._previews]
        if counts:
            blocks.append(status_table(counts))
        seconds = sum(each.seconds for each in self._previews)
        blocks.append(
            f"to do: {sum(each.to_do for each in self._previews):,} images, about {_size(self._bytes)} and "
            f"{_duration(seconds)} with {self._settings.num_workers} workers, judged by a sample\n"
            f"collection: {self._settings.machex_path}, {_size(self._free)} free"
        )
        problems = [*self._impossible, *self._incomplete]
        blocks.append(_list("problems:", problems) if problems else "no problems")
        if self._advice:
            blocks.append(_list("worth knowing:", self._advice))
        return "\n\n".join(blocks)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "collection": str(self._settings.machex_path),
            "free_bytes": self._free,
            "predicted_bytes": self._bytes,
            "predicted_seconds": round(sum(each.seconds for each in self._previews)),
            "workers": self._settings.num_workers,
            "datasets": [_as_dict(each) for each in self._previews],
            "problems": {
                "impossible": self._impossible,
                "incomplete": self._incomplete,
                "advice": self._advice,
            },
            "exit_code": self.exit_code,
        }


def _list(heading: str, lines: Sequence[str]) -> str:
    return "\n".join([heading, *(f"  - {line}" for line in lines)])


def _lacks(each: Preview, settings: Settings) -> list[str]:
    """Return what would make a run end with images that are missing or have failed."""
    name, problems = each.dataset.name, []
    missing = each.by_status[Status.MISSING]
    if not settings.allow_missing:
        remedy = "download them, or set ALLOW_MISSING: true"
        if missing:
            problems.append(f"{name}: {missing:,} images that the tables name are not there; {remedy}")
        if each.absent:
            problems.append(
                f"{name}: {each.absent} of {each.looked_for} sampled files are not there although the "
                f"tables promise them; {remedy}"
            )
    messages = Counter((failure.reason, failure.message) for failure in each.failures)
    problems += [
        f"{name}: {count} of the sampled files failed ({reason}): {message}"
        for (reason, message), count in messages.items()
        if reason != Reason.MISSING
    ]
    return problems


def _advice(each: Preview, settings: Settings) -> list[str]:
    name, advice = each.dataset.name, []
    if each.enlarged:
        advice.append(
            f"{name}: {each.enlarged} of {each.decoded} sampled images are smaller than IMAGE_SIZE "
            f"{settings.image_size} and would be enlarged; fetch the full-size release, or set a smaller "
            "IMAGE_SIZE"
        )
    if not each.by_status[Status.TO_WRITE]:
        rules = ", ".join(f"{rule} {count:,}" for rule, count in each.by_rule.most_common())
        advice.append(f"{name}: no image is to be written (left out: {rules}); see FRONTAL_ONLY and SPLITS")
    return advice


def _block(each: Preview) -> str:
    dataset, processor = each.dataset, each.dataset.processor
    rules = ", ".join(f"{rule} {count:,}" for rule, count in each.by_rule.most_common())
    lines = [
        ("root", str(processor.root)),
        ("layout", processor.layout),
        *(("table", table) for table in processor.tables or ["none"]),
        *(("published", _published(release, dataset.plan.num_rows)) for release in processor.releases),
        ("found", f"{dataset.plan.num_rows:,} images"),
        *([("left out", rules)] if rules else []),
        *([("leak guard", str(dataset.guard))] if dataset.guard and dataset.guard.sources else []),
        *(("decoded", f"{kind.decoded} {kind.name}") for kind in each.file_types),
        *([("failed", _reasons(each.failures))] if each.failures else []),
        ("to do", f"{each.to_do:,} images, about {_size(each.bytes)} and {_duration(each.seconds)}"),
        *(("warning", text) for text in each.warnings),
    ]
    return "\n".join(
        [f"{dataset.name}: {processor.name}", *(f"    {name:<11}{text}" for name, text in lines)]
    )


def _published(release: Release, found: int) -> str:
    difference = found - release.images
    same = "as many as found" if not difference else f"found {difference:+,}"
    note = f"; {release.note}" if release.note else ""
    return f"{release.images:,} in {release.name} ({same}{note})"


def _reasons(failures: Sequence[Failure]) -> str:
    counts = Counter(failure.reason for failure in failures)
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def _as_dict(each: Preview) -> dict[str, Any]:
    dataset, processor = each.dataset, each.dataset.processor
    return {
        "dataset": dataset.name,
        "root": str(processor.root),
        "layout": processor.layout,
        "tables": processor.tables,
        "published": [release._asdict() for release in processor.releases],
        "found": dataset.found,
        "images": dataset.plan.num_rows,
        "by_status": dict(each.by_status),
        "left_out_by_rule": dict(each.by_rule),
        "held_out_films_to_compare_with": dataset.guard.compares if dataset.guard else 0,
        "to_do": each.to_do,
        "file_types": [kind._asdict() for kind in each.file_types],
        "failures": [failure._asdict() for failure in each.failures],
        "sampled_files": each.looked_for,
        "sampled_files_absent": each.absent,
        "enlarged": each.enlarged,
        "predicted_bytes": each.bytes,
        "predicted_seconds": round(each.seconds),
        "warnings": each.warnings,
    }


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
