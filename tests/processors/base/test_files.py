"""Which entries of a folder are images, and where members of an archive lie."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from processors.base import (
    Location,
    SourceError,
    base_name,
    contents,
    entries,
    image_names,
    path_inside,
    subfolders,
    tar_members,
    walk_images,
    zip_members,
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


ZIPPED = {
    "train/a.jpg": b"first" * 99,
    "train/deep/b.JPG": bytes(range(256)) * 4,
    "c.jpg": b"flat",
    "train/empty.jpg": b"",
}


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


def zip_up(archive: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", method) as packed:
        packed.mkdir("folder.jpg")
        for name, content in members.items():
            packed.writestr(name, content)
    return archive


def bytes_at(root: Path, place: Location) -> bytes:
    """Return the packed bytes of a member as one who knows the format of a local header reads them."""
    assert place.offset is not None
    assert place.size is not None
    packed = (root / place.path).read_bytes()[place.offset :]
    assert packed[:4] == b"PK\3\4"
    start = 30 + int.from_bytes(packed[26:28], "little") + int.from_bytes(packed[28:30], "little")
    return packed[start : start + place.size]


class TestZip:
    def test_members_are_found_at_their_local_headers(self, tmp_path: Path) -> None:
        archive = zip_up(tmp_path / "folder" / "train.zip", ZIPPED)
        found = dict(zip_members(archive, tmp_path, (".jpg",)))
        assert list(found) == list(ZIPPED)
        for name, content in ZIPPED.items():
            assert found[name].path == "folder/train.zip"
            assert found[name].zipped
            assert zlib.decompress(bytes_at(tmp_path, found[name]), wbits=-15) == content

    def test_stored_members(self, tmp_path: Path) -> None:
        archive = zip_up(tmp_path / "train.zip", ZIPPED, zipfile.ZIP_STORED)
        for name, place in zip_members(archive, tmp_path, (".jpg",)):
            assert bytes_at(tmp_path, place) == ZIPPED[name]

    def test_an_archive_behind_other_bytes(self, tmp_path: Path) -> None:
        archive = zip_up(tmp_path / "train.zip", ZIPPED, zipfile.ZIP_STORED)
        archive.write_bytes(b"#!/bin/sh unpacks itself\n" + archive.read_bytes())
        for name, place in zip_members(archive, tmp_path, (".jpg",)):
            assert bytes_at(tmp_path, place) == ZIPPED[name]

    def test_a_member_in_the_form_of_large_archives(self, tmp_path: Path) -> None:
        archive = tmp_path / "large.zip"
        with (
            zipfile.ZipFile(archive, "w") as packed,
            packed.open("train/a.jpg", "w", force_zip64=True) as member,
        ):
            member.write(b"content")
        ((name, place),) = zip_members(archive, tmp_path, (".jpg",))
        assert (name, bytes_at(tmp_path, place)) == ("train/a.jpg", b"content")

    def test_other_members_are_passed_over(self, tmp_path: Path) -> None:
        archive = zip_up(
            tmp_path / "a.zip", {"__MACOSX/train/._a.jpg": b"mac", "README.txt": b"text", "a.jpg.md5": b"0"}
        )
        assert list(zip_members(archive, tmp_path, (".jpg",))) == []

    def test_several_endings(self, tmp_path: Path) -> None:
        archive = zip_up(tmp_path / "a.zip", {"b.PNG": b"", "a.jpg": b"", "c.dcm": b""})
        assert [name for name, _ in zip_members(archive, tmp_path, (".jpg", ".png"))] == ["b.PNG", "a.jpg"]

    def test_names_in_other_alphabets(self, tmp_path: Path) -> None:
        archive = zip_up(tmp_path / "a.zip", {"\u9aa8/\u80f8.jpg": b"content"}, zipfile.ZIP_STORED)
        ((name, place),) = zip_members(archive, tmp_path, (".jpg",))
        assert (name, bytes_at(tmp_path, place)) == ("\u9aa8/\u80f8.jpg", b"content")

    @pytest.mark.parametrize("kept", [0, 40, 700, -30, -1])
    def test_an_archive_that_is_cut_short_is_named_with_the_remedy(self, tmp_path: Path, kept: int) -> None:
        archive = zip_up(tmp_path / "cut.zip", ZIPPED)
        archive.write_bytes(archive.read_bytes()[:kept])
        with pytest.raises(SourceError, match=r"cut\.zip: not readable as a zip file .*; download it again"):
            list(zip_members(archive, tmp_path, (".jpg",)))

    @pytest.mark.parametrize("form", ["text", "absent", "folder"])
    def test_what_is_no_zip_file_is_named(self, tmp_path: Path, form: str) -> None:
        archive = tmp_path / "train.zip"
        if form == "text":
            archive.write_bytes(b"<html>Quota exceeded</html>")
        elif form == "folder":
            archive.mkdir()
        with pytest.raises(SourceError, match=r"train\.zip: not readable as a zip file"):
            list(zip_members(archive, tmp_path, (".jpg",)))

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_an_unusual_method_is_to_be_unpacked(self, tmp_path: Path, method: int) -> None:
        archive = zip_up(tmp_path / "odd.zip", {"a.jpg": b"a" * 99}, method)
        with pytest.raises(SourceError, match=r"odd\.zip: encrypted or packed by an unusual method; unpack"):
            list(zip_members(archive, tmp_path, (".jpg",)))
        # Only the images are read.
        assert list(zip_members(archive, tmp_path, (".png",))) == []

    def test_an_encrypted_archive_is_to_be_unpacked(self, tmp_path: Path) -> None:
        archive = zip_up(tmp_path / "secret.zip", {"a.jpg": b"a"})
        content = bytearray(archive.read_bytes())
        # The general purpose flags of the last entry of the central directory.
        content[content.rindex(b"PK\1\2") + 8] |= 1
        archive.write_bytes(content)
        with pytest.raises(SourceError, match=r"secret\.zip: encrypted or packed .*; unpack it"):
            list(zip_members(archive, tmp_path, (".jpg",)))


class TestPathInside:
    @pytest.mark.parametrize(
        ("cell", "path"),
        [
            ("a.png", "a.png"),
            ("images/a.png", "images/a.png"),
            ("images\\deep\\a.png", "images/deep/a.png"),
            ("images//a.png", "images/a.png"),
            ("./images/./a.png", "images/a.png"),
            ("images/a.png/", "images/a.png"),
            ("...", "..."),
            ("a..b/..c/d..", "a..b/..c/d.."),
            (" a b/c,d.png", " a b/c,d.png"),
            ("~/a.png", "~/a.png"),
            ("\u9aa8/\u80f8.jpg", "\u9aa8/\u80f8.jpg"),
        ],
    )
    def test_paths_below_the_root(self, cell: str, path: str) -> None:
        assert path_inside(cell) == path

    @pytest.mark.parametrize(
        "cell",
        [
            "..",
            "../a.png",
            "images/../../a.png",
            # It would lead back in, but nothing of a release is written so.
            "images/../a.png",
            "images\\..\\a.png",
            "images/..\\../a.png",
            "a/..",
            "/etc/passwd",
            "\\a.png",
            "//server/share/a.png",
            "\\\\server\\share\\a.png",
            "C:/a.png",
            "C:a.png",
            "c:\\a.png",
            "a\0.png",
            "",
            ".",
            "./",
        ],
    )
    def test_paths_that_lead_elsewhere_or_nowhere(self, cell: str) -> None:
        assert path_inside(cell) is None


@pytest.mark.parametrize("path", ["x.png", "a/x.png", "a\\b\\x.png", "/a/b\\x.png", "C:\\x.png"])
def test_base_name(path: str) -> None:
    assert base_name(path) == "x.png"
