"""The miniatures of RSNA and SIIM-ACR hold films of NIH's: the same by pixels, which no other pair is."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from composer.demo import layouts_of
from composer.imaging import Recipe, Source
from composer.imaging.convert import load, pixels_of
from composer.imaging.fingerprint import RADIUS, distance
from composer.imaging.picture import Pixels
from composer.imaging.similarity import compare
from processors import families
from processors.base import Record

NIH, RSNA, SIIM = next(family for family in families() if family[0].folder == "chex-ray14")
# No table tells these.
COPIES_IN_SIIM = {99002: "00099906_000", 99003: "00099903_000"}


class Film(NamedTuple):
    folder: str
    record: Record
    path: Path
    pixels: Pixels
    fingerprint: NDArray[np.uint8]

    @property
    def original(self) -> str | None:
        """Identity of the film of NIH that this one is."""
        match self.folder:
            case NIH.folder:
                return self.record.identity
            case RSNA.folder:
                return self.record.twin
            case _:
                return COPIES_IN_SIIM.get(int(self.record.identity.split(".")[9]))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    """Return the films of the three official miniatures at the size of the smallest."""
    found = []
    for source in (NIH, RSNA, SIIM):
        root = tmp_path_factory.mktemp("films") / source.folder
        layouts_of(source)[0].make(root)
        found += [_film(source.folder, root, record) for record in source(root).records() if record.file]
    return found


def _film(folder: str, root: Path, record: Record) -> Film:
    assert record.file
    path = root / record.file.path
    loaded = load(Source(str(path)))
    pixels = pixels_of(loaded, Recipe(size=256))
    assert loaded.facts.fingerprint
    return Film(
        folder, record, path, pixels, np.frombuffer(bytes.fromhex(loaded.facts.fingerprint), np.uint8)
    )


def test_copies_and_no_other_pairs_are_one_radiograph(films: list[Film]) -> None:
    wrong = []
    for first, second in combinations(films, 2):
        is_near = distance(first.fingerprint, second.fingerprint) <= RADIUS
        is_found = bool(is_near) and compare(first.pixels, second.pixels).same_radiograph
        is_copy = first.original is not None and first.original == second.original
        if is_found != is_copy:
            wrong.append((first.record.identity, second.record.identity))
    assert wrong == []


def test_films_of_nih_that_are_held_out_are_training_images_elsewhere(films: list[Film]) -> None:
    split_of = {film.record.identity: film.record.split for film in films if film.folder == NIH.folder}
    for folder in (RSNA.folder, SIIM.folder):
        splits = {
            split_of[film.original]
            for film in films
            if film.folder == folder and film.record.split == "train" and film.original
        }
        assert splits == {"train", "test"}


def test_every_image_of_rsna_is_linked_and_none_of_siim(films: list[Film]) -> None:
    names = {film.record.identity for film in films if film.folder == NIH.folder}
    assert {film.record.twin for film in films if film.folder == RSNA.folder} < names
    assert {film.record.twin for film in films if film.folder == SIIM.folder} == {None}


def test_a_copy_has_view_and_sex_of_its_original(films: list[Film]) -> None:
    known = {film.record.identity: film.record for film in films if film.folder == NIH.folder}
    for film in films:
        if film.folder != NIH.folder and film.original:
            header = pydicom.dcmread(film.path, stop_before_pixels=True)
            original = known[film.original]
            assert (header.ViewPosition, header.PatientSex) == (original.view, original.sex)
