"""Where releases lie, and what is said when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.base import folders_above, folders_below, is_archive, no_image_found
from processors.brax import Brax
from tests.processors.releases import lay


def test_folders_below_come_level_by_level(tmp_path: Path) -> None:
    lay(tmp_path, "b/c/d/x.png", "a/c/x.png", "a/train/deep/x.png", "train/x.png", "y.png")
    found = folders_below(tmp_path, {"train"}.__contains__)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [".", "a", "b", "a/c", "b/c"]


def test_folders_above_end_at_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert folders_above(root / "a" / "b", root) == [root / "a" / "b", root / "a", root]
    assert folders_above(root, root) == [root]


@pytest.mark.parametrize("name", ["a.zip", "A.ZIP", "a.tar", "a.tar.gz", "a.tgz", "a.7z"])
def test_archives(name: str) -> None:
    assert is_archive(name)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.CSV.zip", "a.txt.gz", "a.png", "zip", "a.json.gz"])
def test_tables_and_images_are_none(name: str) -> None:
    assert not is_archive(name)


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (["a.zip"], "unpack the archives first, 1 here"),
        (["a.csv.gz"], "check the path"),
        ([], "check the path"),
    ],
)
def test_the_error_says_what_to_do(tmp_path: Path, names: list[str], remedy: str) -> None:
    lay(tmp_path, "images/id_0/x.png", *names)
    source = Brax.__new__(Brax)
    source.root = tmp_path
    told = f"{tmp_path}: no image of BRAX found: expected a.png, found 1 folders and {len(names)} files"
    for files in (None, names):
        error = str(no_image_found(source, "a.png", files))
        assert error.startswith(told)
        assert error.endswith(f"; {remedy}")
