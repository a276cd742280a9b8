"""Fingerprints of the films that other datasets hold out, which are read for it but not composed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from composer.errors import OutputError
from composer.guard.films import Guard, file_of, read_films
from composer.interruption import Interruption
from composer.json_lines import cut_torn_line
from composer.pool import Lost, Pool
from composer.storage import atomic_write
from composer.twins.held_out import HeldOutFile, HeldOutFilm, fingerprinted
from composer.worker import WARM

log = logging.getLogger(__name__)


class Guarded(NamedTuple):
    """A dataset that is guarded: its name, what with, and the file for the films."""

    name: str
    guard: Guard
    path: Path


def fingerprint_held_out(
    guarded: Sequence[Guarded], workers: int, interruption: Interruption, *, progress: bool
) -> dict[str, HeldOutFile]:
    """Record the films with which each dataset is to be compared, and return their files by its name.

    A film that a run has recorded is not read again, nor twice for two datasets, be they of this run or not.
    What cannot be read is counted in a warning: its copies are not found.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    for each in guarded:
        if not each.guard.sources:
            # What is compared with nothing has no such file: the verify command goes by that.
            each.path.unlink(missing_ok=True)
    guarded = [each for each in guarded if each.guard.sources]
    paths = {path for each in guarded for path in each.path.parent.parent.glob(f"*/{each.path.name}")}
    prints = {_place(film): film.fingerprint for path in sorted(paths) for film in read_films(path)}
    files = {}
    for each in guarded:
        wanted = [film for source in each.guard.sources for film in source.films()]
        lacking = [film for film in wanted if _place(film) not in prints]
        if lacking:
            found = _fingerprint(lacking, each, workers, interruption, progress=progress)
            prints |= {_place(film): film.fingerprint for film in found}
            interruption.check()
        films = [replace(film, fingerprint=prints[_place(film)]) for film in wanted if _place(film) in prints]
        _write(each.path, films)
        files[each.name] = file_of(each.path, films)
    return files


def _place(film: HeldOutFilm) -> tuple[str, str, str, int | None]:
    return film.dataset, film.identity, film.file, film.source.offset


def _write(path: Path, films: Sequence[HeldOutFilm]) -> None:
    """Record exactly these films, unless that is so already."""
    if read_films(path) != films:
        with atomic_write(path, durable=True) as file:
            file.writelines(film.as_line() for film in films)


@contextmanager
def _appending(path: Path) -> Iterator[IO[bytes]]:
    try:
        cut_torn_line(path)
        with path.open("ab", buffering=0) as file:
            yield file
    except OSError as error:
        raise OutputError.not_writable(path, error) from error


def _fingerprint(
    films: Sequence[HeldOutFilm], each: Guarded, workers: int, interruption: Interruption, *, progress: bool
) -> Iterator[HeldOutFilm]:
    """Read films and yield them with fingerprints; each is recorded at once, so that no work is lost."""
    log.info("%s: reading %s films that other datasets hold out", each.name, f"{len(films):,}")
    unread: Counter[str] = Counter()
    with (
        Pool(fingerprinted, workers, WARM) as pool,
        _appending(each.path) as file,
        tqdm(total=len(films), desc=f"{each.name}: held out", unit="film", disable=not progress) as bar,
    ):
        for _, film in pool.map(_until_interrupted(films, interruption)):
            if isinstance(film, HeldOutFilm):
                file.write(film.as_line())
                yield film
            else:
                unread[str(film.cause) if isinstance(film, Lost) else film] += 1
            bar.update()
    if unread:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in unread.most_common())
        log.warning(
            "%s: %s films that other datasets hold out cannot be read (%s): their copies cannot be found and "
            "may be in; fetch them and run again",
            each.name,
            f"{unread.total():,}",
            reasons,
        )


def _until_interrupted(films: Iterable[HeldOutFilm], interruption: Interruption) -> Iterator[HeldOutFilm]:
    for film in films:
        if interruption.requested:
            return
        yield film
