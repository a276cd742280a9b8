"""``machex.py verify``: compare the collection with what was written, and mend it where asked."""

from __future__ import annotations

import logging
import shlex
import sys
from argparse import Namespace
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from composer.accounts import aligned
from composer.commands.composed import composed_folders
from composer.folder import DatasetFolder
from composer.lock import check_not_held
from composer.pool import Pool
from composer.repair import mendable, repair, unmended
from composer.settings import Settings, load_settings
from composer.verification.findings import DAMAGE, SOURCES, Finding, Kind
from composer.verification.inspection import Inspection, inspect
from composer.verification.verify import Verified, verify
from composer.worker import WARM
from processors import all_processors

log = logging.getLogger(__name__)

_SOURCES_DIFFER, _DAMAGED = 1, 4


def run(arguments: Namespace) -> int:
    """Print every finding, a line per dataset and what to do; return 0, 1 for sources alone, 4 for damage."""
    roots_needed = arguments.repair or arguments.sources
    settings = load_settings(Path(arguments.config), roots_needed=roots_needed)
    folders = composed_folders(settings, arguments.dataset, _was_begun)
    with ExitStack() as stack:
        look = _Look(settings, arguments.sources, sys.stderr.isatty() and not arguments.quiet)
        if arguments.deep:
            # Those who make pictures again are forked from the same process.
            preload = WARM if arguments.repair else ()
            look.readers = stack.enter_context(Pool(inspect, settings.num_workers, preload))
        verified = []
        for folder in folders:
            verified.append(look.at(folder))
            _print_findings(verified[-1], quiet=arguments.quiet)
        if not arguments.quiet:
            print(_table(verified, sources=arguments.sources))
        findings = [finding for each in verified for finding in each.findings]
        if arguments.repair:
            findings = _repair(settings, verified, look)
    print("\n".join(_advice(findings, arguments, settings)))
    kinds = {finding.kind for finding in findings}
    return _DAMAGED if kinds & DAMAGE else _SOURCES_DIFFER if kinds & SOURCES else 0


@dataclass
class _Look:
    """How datasets are looked at in this run."""

    settings: Settings
    sources: bool
    progress: bool
    readers: Pool[Inspection, str | None] | None = None

    def at(self, folder: DatasetFolder, among: Collection[int] | None = None) -> Verified:
        check_not_held(folder.lock)
        root = _roots(self.settings).get(folder.path.name) if self.sources else None
        if self.sources and root is None:
            log.warning("%s: its root is null, so that its sources are not looked at", folder.path.name)
        found = verify(folder, root=root, readers=self.readers, among=among, progress=self.progress)
        # What a run changed meanwhile would look like damage.
        check_not_held(folder.lock)
        return found


def _roots(settings: Settings) -> dict[str, Path]:
    roots = {processor.folder: settings.root(processor) for processor in all_processors()}
    return {name: root for name, root in roots.items() if root is not None}


def _was_begun(folder: DatasetFolder) -> bool:
    # Of a folder with a ledger alone the plan was lost.
    return folder.plan.exists() or folder.ledger.exists()


def _print_findings(verified: Verified, *, quiet: bool) -> None:
    for finding in verified.findings:
        if finding.kind not in (Kind.NOTE, Kind.UNENTERED):
            print(finding)
        elif not quiet:
            print(f"{finding.name}: note: {finding.text}")


def _repair(settings: Settings, verified: Sequence[Verified], look: _Look) -> list[Finding]:
    """Mend what can be, print what became of it, and return what is still wrong."""
    roots = _roots(settings)
    bad = [each for each in verified if each.dataset in roots and mendable(each)]
    repair(settings, bad, progress=look.progress)
    left = [finding for each in verified if each not in bad for finding in each.findings]
    for before in bad:
        folder = DatasetFolder(settings.machex_path / before.dataset)
        made = {number for finding in mendable(before) for number in finding.numbers}
        after = look.at(folder, made)
        still = list(unmended(before, after))
        for finding in still:
            print(f"not mended: {finding}")
        names = {(finding.kind, finding.name) for finding in still}
        mended = [each for each in mendable(before) if (each.kind, each.name) not in names]
        print(f"{before.dataset}: {len(mended):,} of {len(mendable(before)):,} findings are mended")
        if gone := before.written - after.written - made:
            reason = "their sources are missing now, or they are not selected any more"
            print(f"{before.dataset}: {len(gone):,} sound pictures have left the index: {reason}")
        left += still
    return left


def _table(verified: Sequence[Verified], *, sources: bool) -> str:
    """Return a line per dataset: images planned and written, bytes, damage, and sources that differ."""
    lines = [["dataset", "planned", "written", "bytes", "damaged", *(["sources"] if sources else [])]]
    for each in verified:
        kinds = [finding.kind for finding in each.findings]
        counts = [each.planned, len(each.written), each.bytes, sum(kind in DAMAGE for kind in kinds)]
        counts += [sum(kind in SOURCES for kind in kinds)] if sources else []
        lines.append([each.dataset, *(f"{count:,}" for count in counts)])
    return aligned(lines)


def _advice(findings: Sequence[Finding], arguments: Namespace, settings: Settings) -> list[str]:
    """Return the result and what to do next."""
    kinds = {finding.kind for finding in findings}
    if not kinds & (DAMAGE | SOURCES):
        read = "every picture was read" if arguments.deep else "--deep also reads every picture"
        return [f"no damage ({read})"]
    roots = _roots(settings)
    lines = []
    if not arguments.repair and kinds & {*DAMAGE, Kind.SOURCE_CHANGED} - {Kind.PLAN}:
        flags = [flag for flag in ("deep", "sources") if getattr(arguments, flag)]
        words = ["python", "machex.py", "verify", "-c", arguments.config, *(f"--{flag}" for flag in flags)]
        words += [word for name in arguments.dataset for word in ("--dataset", name)]
        lines.append(f"to make again what is bad, from the sources: {shlex.join([*words, '--repair'])}")
    names = {finding.name.partition("/")[0] for finding in findings if finding.kind in DAMAGE}
    keys = {processor.folder: processor.config_key for processor in all_processors()}
    lines += [
        f"{name} can be mended only with its source: set {keys[name]} in {arguments.config}"
        for name in sorted(names - roots.keys())
    ]
    if Kind.PLAN in kinds:
        lines.append("a lost or damaged plan cannot be mended: restore it from a copy")
    if Kind.SOURCE_GONE in kinds:
        lines.append("pictures whose source has gone are sound; the next run takes them out of the index")
    return lines or ["what is left cannot be mended from these sources: see failures.csv"]
