"""Archives, tables and reports that somebody made to do harm: named, never followed, never inflated."""

import io
import os
import re
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from composer.demo import openi, rsna
from processors.base import SourceError, Table, tar_members
from processors.base.reports import ReportArchive, read_file
from processors.openi import OpenI
from processors.rsna import RSNAPneumonia

MIB = 1 << 20


def sparse(path: Path) -> None:
    """Write a file that takes no room and is larger than any memory."""
    with path.open("wb") as file:
        file.truncate(200 << 30)


def tar_of(archive: Path, *members: tuple[str, bytes, bytes]) -> None:
    """Write members of a name, a type and a content, which of a link is its target."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
            else:
                info.linkname = content.decode()
            tar.addfile(info, io.BytesIO(content))


def header_of(kind: bytes, size: bytes) -> bytes:
    """Return the header of a tar member with a size that no library writes."""
    header = bytearray(tarfile.TarInfo("a.png").tobuf(tarfile.GNU_FORMAT))
    header[124:136], header[148:156], header[156:157] = size, b" " * 8, kind
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


class TestTar:
    def test_links_and_devices_in_a_tar_file_are_no_images(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        tar_of(
            tmp_path / "a.tar",
            ("../../a.png", tarfile.REGTYPE, b"content"),
            ("/b.png", tarfile.REGTYPE, b"content"),
            ("c.png", tarfile.SYMTYPE, b"secret"),
            ("d.png", tarfile.LNKTYPE, b"secret"),
            ("e.png", tarfile.CHRTYPE, b""),
            ("f.png", tarfile.FIFOTYPE, b""),
            ("g.png", tarfile.DIRTYPE, b""),
        )
        found = dict(tar_members(tmp_path / "a.tar", tmp_path, (".png",)))
        assert list(found) == ["a.png", "b.png"]
        assert {place.path for place in found.values()} == {"a.tar"}

    @pytest.mark.parametrize(
        "header",
        [
            header_of(b"0", b"\xff" * 8 + (-1024 & 0xFFFFFFFF).to_bytes(4, "big")),
            header_of(b"L", b"\x80" + (1 << 40).to_bytes(11, "big")),
            header_of(b"x", b"\x80" + (1 << 40).to_bytes(11, "big")),
            header_of(b"x", b"%011o\0" % 14)
            + b"14 size=-1536\n".ljust(512, b"\0")
            + header_of(b"0", b"0" * 12),
        ],
        ids=["leads back", "long name", "long fields", "fields that lead back"],
    )
    def test_headers_of_a_tar_file_that_mislead(self, tmp_path: Path, header: bytes) -> None:
        sound = header_of(b"0", b"%011o\0" % 3) + b"abc".ljust(512, b"\0")
        (tmp_path / "a.tar").write_bytes(sound + header + bytes(1024))
        with pytest.raises(SourceError, match="not readable as an uncompressed tar file"):
            list(tar_members(tmp_path / "a.tar", tmp_path, (".png",)))
        (tmp_path / "a.tar").write_bytes(sound + bytes(1024))
        assert len(list(tar_members(tmp_path / "a.tar", tmp_path, (".png",)))) == 1


class TestTables:
    def test_length_that_a_zip_file_tells_is_not_believed(self, tmp_path: Path) -> None:
        length = 64 * MIB
        with zipfile.ZipFile(tmp_path / "a.csv.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a.csv", b"x" * length)
        content = (tmp_path / "a.csv.zip").read_bytes()
        (tmp_path / "a.csv.zip").write_bytes(content.replace(struct.pack("<I", length), struct.pack("<I", 9)))
        tracemalloc.start()
        try:
            with pytest.raises(SourceError, match="not readable as a CSV table"):
                Table(tmp_path / "a.csv.zip")
            assert tracemalloc.get_traced_memory()[1] < 16 * MIB
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"[" * 100_000 + b"]" * 100_000, "RecursionError"),
            (b'[{"a": ' * 50_000, "RecursionError"),
            (b"[" + b"9" * 10_000 + b"]", "ValueError"),
            (None, "more than 536,870,912 bytes"),
        ],
        ids=["nested lists", "nested objects", "a long number", "a gigabyte"],
    )
    def test_json_made_to_do_harm(self, tmp_path: Path, content: bytes | None, said: str) -> None:
        (layout,) = (layout for layout in rsna.LAYOUTS if layout.name == "RSNA, tree of UIDs")
        layout.make(tmp_path / "rsna")
        files = list((tmp_path / "rsna").rglob("*.json"))
        assert files
        for file in files:
            if content is None:
                sparse(file)
            else:
                file.write_bytes(content)
        with pytest.raises(SourceError, match=rf"not readable as JSON \(.*{said}"):
            list(RSNAPneumonia(tmp_path / "rsna").records())


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 9}">' for n in range(1, 12))
DOCTYPES = {
    "billion laughs": (f'<!DOCTYPE r [<!ENTITY a0 "lol">{LAUGHS}]>', "&a11;"),
    "file": ('<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "&a;"),
    "network": ('<!DOCTYPE r SYSTEM "http://localhost:9/a.dtd">', "x"),
    "parameter": ('<!DOCTYPE r [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>', "x"),
}


class TestReports:
    @pytest.mark.parametrize("kind", DOCTYPES)
    def test_xml_with_declarations_is_no_report(self, tmp_path: Path, kind: str) -> None:
        root = tmp_path / "openi"
        openi.LAYOUTS[0].make(root)
        doctype, text = DOCTYPES[kind]
        report = next((root / "ecgen-radiology").iterdir())
        before = OpenI(root)
        sound = report.read_text()
        report.write_text(sound.replace("<eCitation>", f"{doctype}<eCitation><x>{text}</x>"))
        after = OpenI(root)
        assert len(list(after.records())) == len(list(before.records()))
        assert any("1 XML files are not used" in warning for warning in after.warnings)

    @pytest.mark.parametrize("plant", [sparse, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
    def test_what_is_no_report_is_not_read(self, tmp_path: Path, plant: Callable[[Path], None]) -> None:
        root = tmp_path / "openi"
        openi.LAYOUTS[0].make(root)
        report = next((root / "ecgen-radiology").iterdir())
        report.unlink()
        plant(report)
        source = OpenI(root)
        list(source.records())
        assert any("1 XML files are not used" in warning for warning in source.warnings)
        with pytest.raises(OSError, match=r"device or a pipe|more than 1,048,576 bytes"):
            read_file(report)

    def test_bomb_in_an_archive(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "reports.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("s51.txt", bytes(2 * MIB))
        archive = ReportArchive(tmp_path / "reports.zip", re.compile(r"(.*)"))
        with pytest.raises(OSError, match="more than 1,048,576 bytes"):
            archive.read("s51.txt")

    def test_names_of_reports(self, tmp_path: Path) -> None:
        tail = re.compile(r"(?:.*/)?(s5[0-9]\.txt)")
        (tmp_path / "s51.txt").write_bytes(b"outside")
        with zipfile.ZipFile(tmp_path / "reports.zip", "w") as packed:
            packed.writestr("../../s51.txt", "inside")
        archive = ReportArchive(tmp_path / "reports.zip", tail)
        assert archive.read("s51.txt") == b"inside"
        with pytest.raises(OSError, match="no such report"):
            archive.read("../s51.txt")
