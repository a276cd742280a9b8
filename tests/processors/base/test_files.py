"""Which entries of a folder are images, and where members of an archive lie."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from processors.base import Location, SourceError, entries, image_names, subfolders, tar_members, walk_images


def lay(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")


def pack(archive: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w") as tar:
        folder = tarfile.TarInfo("folder.png")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive


class TestFolders:
    def test_entries_are_sorted_and_without_what_operating_systems_leave(self, tmp_path: Path) -> None:
        lay(
            tmp_path,
            "b.png",
            "a.csv",
            "._b.png",
            ".DS_Store",
            ".azDownload-b.png",
            "__MACOSX/b.png",
            "c/d.png",
        )
        assert [entry.name for entry in entries(tmp_path)] == ["a.csv", "b.png", "c"]

    @pytest.mark.parametrize("name", ["absent", "file.txt"])
    def test_what_is_no_folder_has_no_entries(self, tmp_path: Path, name: str) -> None:
        lay(tmp_path, "file.txt")
        assert entries(tmp_path / name) == []

    def test_subfolders_are_folders_only(self, tmp_path: Path) -> None:
        lay(tmp_path, "b/x.png", "a/x.png", "x.png", "__MACOSX/x.png")
        assert subfolders(tmp_path) == [tmp_path / "a", tmp_path / "b"]

    def test_image_names_ignore_letter_case_but_keep_it(self, tmp_path: Path) -> None:
        lay(tmp_path, "a.PNG", "b.png", "c.jpg", "index.html", "._d.png", "e/f.png", "png")
        assert image_names(tmp_path, (".png",)) == ["a.PNG", "b.png"]
        assert image_names(tmp_path, (".png", ".jpg")) == ["a.PNG", "b.png", "c.jpg"]

    def test_walking_goes_to_any_depth_in_order(self, tmp_path: Path) -> None:
        lay(
            tmp_path,
            "b/c/d/2.png",
            "b/1.png",
            "a.png",
            "b/c/index.html",
            "b/__MACOSX/3.png",
            "b/.hidden/4.png",
        )
        assert list(walk_images(tmp_path, (".png",))) == [
            "a.png",
            "b/1.png",
            "b/c/d/2.png",
        ]

    def test_folder_names_are_no_patterns(self, tmp_path: Path) -> None:
        lay(tmp_path, "batch [1] (train & valid) 50%/*?/a.png")
        assert len(list(walk_images(tmp_path, (".png",)))) == 1


class TestTar:
    def test_members_are_found_at_their_bytes(self, tmp_path: Path) -> None:
        contents = {"images/a.png": b"first", "images/deep/b.PNG": b"x" * 1000, "images/empty.png": b""}
        (tmp_path / "folder").mkdir()
        archive = pack(tmp_path / "folder" / "images.tar", contents)
        found = dict(tar_members(archive, tmp_path, (".png",)))
        assert list(found) == ["a.png", "b.PNG", "empty.png"]
        packed = archive.read_bytes()
        for content, member in zip(contents.values(), found.values(), strict=True):
            assert member == Location("folder/images.tar", member.offset, len(content))
            assert member.offset is not None
            assert packed[member.offset : member.offset + len(content)] == content

    def test_other_members_are_passed_over(self, tmp_path: Path) -> None:
        archive = pack(
            tmp_path / "a.tar", {"images/._a.png": b"mac", "README.txt": b"text", "a.png.md5": b"0"}
        )
        assert list(tar_members(archive, tmp_path, (".png",))) == []

    def test_names_too_long_for_a_plain_header(self, tmp_path: Path) -> None:
        long = "d" * 150 + "/" + "n" * 150 + ".png"
        archive = pack(tmp_path / "a.tar", {long: b"content"})
        ((name, member),) = tar_members(archive, tmp_path, (".png",))
        assert name == "n" * 150 + ".png"
        assert member.offset is not None
        assert archive.read_bytes()[member.offset :][:7] == b"content"

    @pytest.mark.parametrize("kept", [600, 1024, 1324, 1536, 1700, 2560, 3072])
    def test_an_archive_that_is_cut_short_is_named_with_the_remedy(self, tmp_path: Path, kept: int) -> None:
        archive = pack(tmp_path / "cut.tar", {"a.png": b"a" * 512, "b.png": b"b" * 1000})
        archive.write_bytes(archive.read_bytes()[:kept])
        with pytest.raises(SourceError, match=r"cut\.tar: not readable .*download it again"):
            list(tar_members(archive, tmp_path, (".png",)))

    def test_a_compressed_archive_is_not_read_in_place(self, tmp_path: Path) -> None:
        archive = pack(tmp_path / "images.tar", {"a.png": b"a"})
        archive.write_bytes(gzip.compress(archive.read_bytes()))
        with pytest.raises(
            SourceError, match=r"images\.tar: not readable as an uncompressed tar file.*unpack it"
        ):
            list(tar_members(archive, tmp_path, (".png",)))
