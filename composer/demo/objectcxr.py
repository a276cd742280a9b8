"""object-CXR in miniature: twelve invented films, unpacked, as zip files, and in folders named after these.

It has the release's oddities that do no harm: all three shapes, a blank after the last semicolon, numbers as
integers and as floats, pictures of any size in grey and in colour, no table for test, and files that are not
part of the release.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from composer.demo.carriers import write_jpeg, write_lines
from composer.demo.layout import Layout
from composer.demo.phantom import film


class _Film(NamedTuple):
    split: str
    annotation: str = ""
    in_colour: bool = False


# The release numbers its images from 00001 across the splits.
_FIRST = 99001
_FILMS = (
    _Film("train", "0 112 140 171 202;2 190 201 230 192 255 240 221 261"),
    _Film("train"),
    _Film("train", "1 203 88 260 141"),
    _Film("train", "2 90.5 60 101 58.25 104 71 97 80.75 88 73; "),
    _Film("train"),
    _Film("train", "0 60 62 71 74;0 90 61 102 73;0 121 60 132 72;1 75 220 110 262;", in_colour=True),
    _Film("dev", "1 150.0 92.5 181.0 121.5"),
    _Film("dev"),
    _Film("dev", "2 120 40 124 160 130 160 127 40"),
    # Their rows are in few copies of the release.
    _Film("test"),
    _Film("test", in_colour=True),
    _Film("test"),
)


def _make_unpacked(root: Path) -> None:
    for number, each in enumerate(_FILMS):
        _write_film(root / each.split / _name(number), number)
    _write_tables(root)
    (root / "train/index.html").write_text("<html>left by wget</html>\n", encoding="utf-8")
    (root / "dev/._99007.jpg").write_bytes(b"\0\x05\x16\x07 left by macOS")
    (root / "test/.DS_Store").write_bytes(b"\0\0\0\x01Bud1")


def _make_zips(root: Path) -> None:
    """Write the zip files of the torrent, one folder below, with the second spelling of the tables."""
    release = root / "object-CXR"
    release.mkdir(parents=True)
    # Members lie in a folder or not, and are packed or only stored.
    for split, folder, method in (
        ("train", "train/", zipfile.ZIP_DEFLATED),
        ("dev", "dev/dev/", zipfile.ZIP_STORED),
        ("test", "", zipfile.ZIP_DEFLATED),
    ):
        with zipfile.ZipFile(release / f"{split}.zip", "w", method) as archive:
            for number, each in enumerate(_FILMS):
                if each.split == split:
                    _add(archive, folder + _name(number), _jpeg(number))
            _add(archive, f"__MACOSX/{folder}._{split}.jpg", b"\0\x05\x16\x07 left by macOS")
    _write_tables(release, column="image_path", path="/path/", newline="\r\n")


def _make_own_folders(root: Path) -> None:
    """Write what unpacking each zip file into a folder of its own gives."""
    for number, each in enumerate(_FILMS):
        _write_film(root / each.split / each.split / _name(number), number)
    _write_tables(root)


def _name(number: int) -> str:
    return f"{_FIRST + number}.jpg"


def _write_film(path: Path, number: int) -> None:
    write_jpeg(path, film(9000 + number, rows=290 + 7 * number, columns=330 - 5 * number))
    if _FILMS[number].in_colour:
        path.write_bytes(_coloured(path.read_bytes()))


def _coloured(jpeg: bytes) -> bytes:
    coloured = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).convert("RGB").save(coloured, format="JPEG", quality=90)
    return coloured.getvalue()


def _jpeg(number: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _name(number)
        _write_film(path, number)
        return path.read_bytes()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name)
    # The system that the archive is written on would be told otherwise.
    member.create_system = 3
    member.compress_type = archive.compression
    archive.writestr(member, content)


def _write_tables(root: Path, *, column: str = "image_name", path: str = "", newline: str = "\n") -> None:
    for split in ("train", "dev"):
        rows = [
            f"{path}{_name(number)},{each.annotation}"
            for number, each in enumerate(_FILMS)
            if each.split == split
        ]
        write_lines(root / f"{split}.csv", [f"{column},annotation", *rows], newline=newline)


LAYOUTS = (
    Layout("unpacked", _make_unpacked, images=len(_FILMS)),
    Layout("zip files", _make_zips, images=len(_FILMS)),
    Layout("unpacked into folders of their own", _make_own_folders, images=len(_FILMS)),
)
