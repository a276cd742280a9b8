"""Films that another source holds out, and whether a film is one of them: what a worker asks."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from composer.imaging import Facts, Loaded, Recipe, Refusal, Source, load, pixels_of
from composer.imaging.fingerprint import RADIUS, SIZE, distance, read_fingerprints
from composer.imaging.picture import Pixels
from composer.imaging.similarity import SIDE, compare
from composer.pool.limits import computing


@dataclass(frozen=True, slots=True)
class HeldOutFilm:
    """A film that is not for training.

    Attributes
    ----------
    dataset, identity
        The source that holds it out, and its own id there.
    split
        Its official split; None where only its absence from the list for training tells.
    file
        The source's path as its dataset's plan has it, below the root, which may be moved.
    source
        Where it lies.
    fingerprint
        In hexadecimal; None when it is of one grey level.
    """

    dataset: str
    identity: str
    split: str | None
    file: str
    source: Source
    fingerprint: str | None

    @property
    def name(self) -> str:
        """Dataset and identity, as in ``chex-ray14/00000013_005``."""
        return f"{self.dataset}/{self.identity}"

    def as_line(self) -> bytes:
        """Return it as a line of the file that `HeldOut` reads."""
        return json.dumps(asdict(self), ensure_ascii=False).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> HeldOutFilm:
        """Read it back; raise ValueError, KeyError or TypeError when the line is none."""
        cells = json.loads(line)
        film = cls(**{**cells, "source": Source(**cells["source"])})
        if film.fingerprint is not None and len(bytes.fromhex(film.fingerprint)) != SIZE:
            raise ValueError("no fingerprint")
        return film


@dataclass(frozen=True, slots=True)
class HeldOutFile:
    """The file with the films that a dataset is compared with, a line each; the digest tells its content."""

    path: str
    digest: str


def held_out_by(dataset: str) -> str:
    """Return the rule by which a copy of a film that a dataset holds out is left out of the others."""
    return f"twin held out by {dataset}"


class HeldOut:
    """The films of such a file. Of each only the fingerprint is kept in memory, and where its line is."""

    def __init__(self, path: str) -> None:
        self._path = path
        prints: list[str] = []
        self._places: list[int] = []
        with Path(path).open("rb") as file:
            place = 0
            for line in file:
                film = HeldOutFilm.of_line(line)
                if film.fingerprint is not None:
                    prints.append(film.fingerprint)
                    self._places.append(place)
                place += len(line)
        self._prints = read_fingerprints(prints)

    def near(self, fingerprint: str) -> list[HeldOutFilm]:
        """Return the films of which a film with this fingerprint may be a copy, the most alike first."""
        distances = distance(self._prints, read_fingerprints([fingerprint]))
        near = np.flatnonzero(distances <= RADIUS)
        if not near.size:
            return []
        with Path(self._path).open("rb") as file:
            ordered = near[np.argsort(distances[near], kind="stable")]
            return [_film_at(file, self._places[row]) for row in ordered.tolist()]


def _film_at(file: IO[bytes], place: int) -> HeldOutFilm:
    file.seek(place)
    return HeldOutFilm.of_line(file.readline())


class NotComparableError(Exception):
    """A film looks like one that is held out, which cannot be read to make sure."""

    def __init__(self, film: HeldOutFilm, refusal: Refusal) -> None:
        super().__init__(
            f"it looks like {film.name}, which is held out and cannot be read ({refusal.reason}); fetch that "
            "file, then run with --retry-failed"
        )


def held_out_twin(loaded: Loaded, recipe: Recipe, file: HeldOutFile) -> HeldOutFilm | None:
    """Return the held-out film of which a film is a copy, None when there is none.

    Parameters
    ----------
    loaded
        Of which the fingerprint is among the facts.
    recipe
        By which the film is converted; of both films smaller pictures are compared.

    Raises
    ------
    NotComparableError
        When a film that looks alike cannot be read or decoded.
    """
    fingerprint = loaded.facts.fingerprint
    films = _opened(file).near(fingerprint) if fingerprint is not None else []
    if not films:
        return None
    small = replace(recipe, size=SIDE, resize="stretch", image_format="png")
    with computing():
        pixels = pixels_of(Loaded(loaded.source, loaded.data, Facts()), small)
    for film in films:
        try:
            other = _pixels_at(film.source, small)
        except Refusal as refusal:
            raise NotComparableError(film, refusal) from refusal
        with computing():
            if compare(pixels, other).same_radiograph:
                return film
    return None


# Films of one person are alike, so that the same ones are asked for again and again; 64 kB each.
@functools.lru_cache(maxsize=256)
def _pixels_at(source: Source, recipe: Recipe) -> Pixels:
    loaded = load(source)
    with computing():
        return pixels_of(loaded, recipe)


def fingerprinted(film: HeldOutFilm) -> HeldOutFilm | str:
    """Return a film with its fingerprint, or in a word why it has none."""
    try:
        loaded = load(film.source)
        with computing():
            pixels_of(loaded, Recipe(size=SIDE))
    except Refusal as refusal:
        return str(refusal.reason)
    return replace(film, fingerprint=loaded.facts.fingerprint)


@functools.lru_cache(maxsize=4)
def _opened(file: HeldOutFile) -> HeldOut:
    return HeldOut(file.path)
