"""Signs on the made-up films: of every kind, and on every film what the index says of it."""

from __future__ import annotations

import hashlib
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from composer.demo.findings import PATCHES
from composer.demo.phantom import film, seed_of
from composer.demo.shapes import Film

KINDS = ("cardiomegaly", "effusion", "lung_opacity", "pneumothorax")
SIDE = 128


def draw(seed: int, *findings: str, view: str = "PA") -> Film:
    return film(seed, rows=SIDE, columns=SIDE, view=view, findings=findings)


def heart(picture: Film) -> int:
    """Count the pixels as bright as a heart in the middle of the chest."""
    return int((picture[56:88, 32:108] > 0.5).sum())


# Whoever changes the drawing on purpose replaces these, as those of `test_phantom`.
@pytest.mark.parametrize(
    ("finding", "digest"),
    [
        ("cardiomegaly", "74efcaf84adfa894"),
        ("effusion", "8bce2fe887163856"),
        ("lung_opacity", "6d59cb81bc1482e6"),
        ("pneumothorax", "5543d5c940fc7324"),
    ],
)
def test_the_same_sign_on_every_machine(finding: str, digest: str) -> None:
    assert hashlib.sha256(draw(7, finding).astype("<f4").tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("view", ["PA", "AP"])
@pytest.mark.parametrize("finding", KINDS)
def test_a_sign_is_plain_and_leaves_the_rest_as_it_was(finding: str, view: str) -> None:
    for seed in range(20):
        change = np.abs(draw(seed, finding, view=view) - draw(seed, view=view))
        assert 0.015 < (change > 0.1).mean() < 0.2
        assert (change == 0).mean() > 0.75
        assert seed_of(draw(seed, finding, view=view)) == seed


def test_an_enlarged_heart_is_larger_than_any_other() -> None:
    usual = [heart(draw(seed, view="AP")) for seed in range(40)]
    enlarged = [heart(draw(seed, "cardiomegaly")) for seed in range(40)]
    assert min(enlarged) > max(usual)
    assert all(large > 1.2 * other for large, other in zip(enlarged, usual, strict=True))


def test_a_pneumothorax_is_darker_and_the_others_lighter() -> None:
    for seed in range(20):
        plain = draw(seed).mean()
        assert draw(seed, "pneumothorax").mean() < plain
        assert all(draw(seed, finding).mean() > plain for finding in KINDS[:3])


def test_all_opacities_are_one_patch_and_only_one() -> None:
    pictures = [draw(5, finding) for finding in PATCHES] + [draw(5, *PATCHES)]
    for picture in pictures:
        assert np.array_equal(picture, draw(5, "lung_opacity"))


def test_lateral_films_and_other_terms_have_no_sign() -> None:
    assert np.array_equal(draw(5, *KINDS, view="lateral"), draw(5, view="lateral"))
    assert np.array_equal(draw(5, "hernia", "no_finding"), draw(5))


def signs(row: dict[str, Any]) -> frozenset[str]:
    """Return the kinds of signs that an index's row says are there."""
    present = {name.removeprefix("label_") for name, value in row.items() if value == 1}
    patch = set() if PATCHES.isdisjoint(present) else {"lung_opacity"}
    return frozenset((present - PATCHES | patch) & set(KINDS))


def best_match(pixels: NDArray[np.uint8]) -> frozenset[str]:
    """Return the signs of the film that is nearest to a picture, of all films of its person."""
    seed = seed_of(pixels)
    subsets = chain.from_iterable(combinations(KINDS, count) for count in range(len(KINDS) + 1))
    candidates = {
        (view, frozenset(subset)): np.corrcoef(draw(seed, *subset, view=view).ravel(), pixels.ravel())[0, 1]
        for view, subset in product(("PA", "AP"), subsets)
    }
    return max(candidates, key=lambda candidate: float(candidates[candidate]))[1]


def test_films_of_the_demo_show_what_their_labels_say(demo: Path) -> None:
    rows = {}
    for index in sorted((demo / "machex_dataset").glob("*/index.parquet")):
        for row in pq.read_table(index).to_pylist():
            rows[f"{row['dataset']}/{row['identity']}"] = row | {"picture": index.parent / row["path"]}
    for name, row in rows.items():
        if row["view"] == "lateral":
            continue
        with Image.open(row["picture"]) as picture:
            pixels = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
        # A copy of a film shows what its origin says.
        assert best_match(pixels) == signs(rows[row["twin"] or name]), name
