"""Which entries of a folder are images, and where members of an archive lie."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from processors.base import (
    Location,
    SourceError,
    contents,
    entries,
    image_names,
    subfolders,
    tar_members,
    walk_images,
)


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
            "lost+found/b.png",
            "c/d.png",
        )
        assert [entry.name for entry in entries(tmp_path)] == ["a.csv", "b.png", "c"]

    @pytest.mark.parametrize("name", ["absent", "file.txt"])
    def test_what_is_no_folder_has_no_entries(self, tmp_path: Path, name: str) -> None:
        lay(tmp_path, "file.txt")
        assert entries(tmp_path / name) == []

    def test_a_folder_that_may_not_be_listed_is_named_with_the_remedy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lay(tmp_path, "a.png", "closed/b.png")
        scan = os.scandir

        # Root may list every folder, so that taking the right away would prove nothing.
        def refuse(folder: Path) -> object:
            if Path(folder).name == "closed":
                raise PermissionError(13, "Permission denied", str(folder))
            return scan(folder)

        monkeypatch.setattr(os, "scandir", refuse)
        for use in (entries, contents, lambda folder: list(walk_images(folder.parent, (".png",)))):
            with pytest.raises(SourceError, match=r"closed: permission denied; make it readable, or move it"):
                use(tmp_path / "closed")

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

    def test_links_to_other_folders_are_followed(self, tmp_path: Path) -> None:
        lay(tmp_path, "disk/images/1.png", "root/2.png", "disk/3.png")
        (tmp_path / "root" / "images").symlink_to(tmp_path / "disk" / "images")
        (tmp_path / "root" / "deep").mkdir()
        (tmp_path / "root" / "deep" / "beside").symlink_to(Path("..") / "images")
        (tmp_path / "root" / "3.png").symlink_to(tmp_path / "disk" / "3.png")
        assert list(walk_images(tmp_path / "root", (".png",))) == [
            "2.png",
            "3.png",
            "deep/beside/1.png",
            "images/1.png",
        ]

    @pytest.mark.parametrize(
        ("link", "target"), [("loop", "."), ("a/up", ".."), ("a/b/top", "../.."), ("a/out", "../..")]
    )
    def test_a_link_that_leads_up_is_not_followed(self, tmp_path: Path, link: str, target: str) -> None:
        lay(tmp_path, "root/1.png", "root/a/2.png", "root/a/b/3.png")
        (tmp_path / "root" / link).symlink_to(target)
        assert list(walk_images(tmp_path / "root", (".png",))) == ["1.png", "a/2.png", "a/b/3.png"]

    def test_a_link_above_the_root_leads_into_it(self, tmp_path: Path) -> None:
        lay(tmp_path, "release/1.png", "release/a/2.png")
        (tmp_path / "root").symlink_to("release")
        (tmp_path / "release" / "a" / "up").symlink_to("..")
        assert list(walk_images(tmp_path / "root", (".png",))) == ["1.png", "a/2.png"]

    def test_two_folders_that_link_to_each_other_are_walked_once_each(self, tmp_path: Path) -> None:
        lay(tmp_path, "a/1.png", "b/2.png")
        (tmp_path / "a" / "to_b").symlink_to("../b")
        (tmp_path / "b" / "to_a").symlink_to("../a")
        assert list(walk_images(tmp_path, (".png",))) == [
            "a/1.png",
            "a/to_b/2.png",
            "b/2.png",
            "b/to_a/1.png",
        ]

    @pytest.mark.parametrize(
        ("paths", "text"),
        [
            ((), "0 folders and 0 files"),
            (("Jane Doe/a.png", "John Doe/a.png", "._a.png"), "2 folders and 0 files"),
            (("a.PNG", "b.png", "README", "x/c.csv"), "1 folders and 3 files (endings .png, none)"),
            ([f"{end}.{end}" for end in "abcdefg"], "0 folders and 7 files (endings .a, .b, .c, .d, .e)"),
        ],
    )
    def test_contents_are_told_without_names(self, tmp_path: Path, paths: list[str], text: str) -> None:
        lay(tmp_path, *paths)
        assert contents(tmp_path) == text

    def test_an_absent_folder_has_no_contents(self, tmp_path: Path) -> None:
        assert contents(tmp_path / "absent") == "0 folders and 0 files"

    def test_folder_names_are_no_patterns(self, tmp_path: Path) -> None:
        lay(tmp_path, "batch [1] (train & valid) 50%/*?/a.png")
        assert len(list(walk_images(tmp_path, (".png",)))) == 1


class TestTar:
    def test_members_are_found_at_their_bytes(self, tmp_path: Path) -> None:
        images = {"images/a.png": b"first", "images/deep/b.PNG": b"x" * 1000, "images/empty.png": b""}
        (tmp_path / "folder").mkdir()
        archive = pack(tmp_path / "folder" / "images.tar", images)
        found = dict(tar_members(archive, tmp_path, (".png",)))
        assert list(found) == ["a.png", "b.PNG", "empty.png"]
        packed = archive.read_bytes()
        for content, member in zip(images.values(), found.values(), strict=True):
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
