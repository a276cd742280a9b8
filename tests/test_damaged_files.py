"""Damaged files among good ones: every good one is written, every other one is named with what is wrong."""

import csv
import hashlib
import io
import os
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from composer.demo.carriers import write_dicom, write_jpeg, write_png
from composer.demo.phantom import film
from composer.imaging import Recipe, Source, convert
from tests.conftest import machex_here

SIDE = 64
PNG, JPEG, DICOM = ".png", ".jpg", ".dicom"
CHECKED = "compared with SHA256SUMS.txt"
# Each carrier by its suffix, the DICOM ones by transfer syntaxes that differ in how damage shows.
CARRIERS: list[tuple[str, str | None]] = [
    (PNG, None),
    (JPEG, None),
    (DICOM, ImplicitVRLittleEndian),
    (DICOM, ExplicitVRLittleEndian),
    (DICOM, JPEG2000Lossless),
]

Bytes = Callable[[bytes, random.Random], bytes]


class Damage(NamedTuple):
    """What is done to a sound file with one of the suffixes, and how that is to be called."""

    expected: str
    suffixes: tuple[str, ...]
    do: Callable[[Path, random.Random], None]


def changed(expected: str, change: Bytes, *suffixes: str) -> Damage:
    def do(path: Path, chance: random.Random) -> None:
        path.write_bytes(change(path.read_bytes(), chance))

    return Damage(expected, suffixes or (PNG, JPEG, DICOM), do)


def replaced(expected: str, make: Callable[[Path], object], *suffixes: str) -> Damage:
    def do(path: Path, _: random.Random) -> None:
        path.unlink()
        make(path)

    return Damage(expected, suffixes or (PNG, JPEG, DICOM), do)


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data))]


def cut_in_pixels(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) * 3 // 4, len(data))]


def flip(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) // 2, len(data) - 12)
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def without_end(data: bytes, chance: random.Random) -> bytes:
    """Zeros where a download did not come: the file has its full length."""
    start = chance.randrange(len(data) // 4, len(data) * 3 // 4)
    return data[:start] + bytes(len(data) - start)


def zipped(data: bytes, _: random.Random) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("film", data)
    return archive.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def huge_png(data: bytes, _: random.Random) -> bytes:
    # A sound header, behind which a black picture would be packed in a megabyte.
    return data[:8] + chunk(b"IHDR", struct.pack(">II", 60_000, 60_000) + data[24:29]) + data[33:]


def huge_jpeg(data: bytes, _: random.Random) -> bytes:
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", 60_000, 60_000) + data[frame + 9 :]


def header(**values: object) -> Bytes:
    def change(data: bytes, _: random.Random) -> bytes:
        dataset = pydicom.dcmread(io.BytesIO(data))
        for keyword, value in values.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        changed = io.BytesIO()
        pydicom.dcmwrite(changed, dataset)
        return changed.getvalue()

    return change


def as_video(data: bytes, _: random.Random) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    dataset.PixelData = encapsulate([data])
    changed = io.BytesIO()
    pydicom.dcmwrite(changed, dataset, implicit_vr=False, little_endian=True)
    return changed.getvalue()


def inflates(data: bytes, _: random.Random) -> bytes:
    """Return a quarter of a megabyte that inflates to a quarter of a gigabyte."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    changed = io.BytesIO()
    pydicom.dcmwrite(changed, dataset, implicit_vr=False, little_endian=True)
    head = changed.getvalue()
    return head[: 144 + int.from_bytes(head[140:144], "little")] + deflated_zeros()


@cache
def deflated_zeros() -> bytes:
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    return b"".join([packer.compress(bytes(1 << 20)) for _ in range(256)]) + packer.flush()


def animation(path: Path) -> None:
    pictures = [Image.new("L", (SIDE, SIDE), level) for level in (10, 20)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])


def colour_of_16_bits(path: Path) -> None:
    rows = b"".join(b"\0" + bytes(SIDE * 6) for _ in range(SIDE))
    image = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + image + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def saved_as(form: str) -> Callable[[Path], None]:
    return lambda path: Image.new("L", (SIDE, SIDE), 9).save(path, format=form)


# What is right was decided before anything was looked at: see `composer.imaging.Reason`.
DAMAGES = [
    changed("truncated", cut, PNG, JPEG),
    # Of a DICOM file the header says how much there should be; before the end of that nobody knows.
    changed("truncated", cut_in_pixels, DICOM),
    changed("empty", lambda _, __: b""),
    changed("truncated", lambda data, _: data[:100]),
    changed("mislabelled", lambda _, __: b"Access denied. Please sign the data use agreement first.\n" * 9),
    changed("mislabelled", lambda _, __: b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n" * 9),
    changed("mislabelled", lambda _, __: b'{"error": "quota exceeded"}\n'),
    changed("mislabelled", zipped),
    changed("mislabelled", lambda data, _: b"%PDF-1.7\n" + data),
    changed("mislabelled", lambda data, _: b"\x1f\x8b\x08\x00" + data),
    changed("mislabelled", lambda _, __: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    changed("damaged", lambda data, _: bytes(len(data))),
    changed("damaged", without_end, PNG),
    changed("damaged", flip, PNG),
    changed("damaged", lambda data, _: data[:8] + data[33:], PNG),
    changed(CHECKED, flip),
    changed(CHECKED, lambda data, _: data + b"\0", PNG, JPEG),
    changed("too large", huge_png, PNG),
    changed("too large", huge_jpeg, JPEG),
    changed("too large", header(Rows=60_000, Columns=60_000), DICOM),
    changed("too large", inflates, DICOM),
    changed("unsupported", header(PixelData=None), DICOM),
    changed("unsupported", header(NumberOfFrames=2), DICOM),
    changed("unsupported", header(PhotometricInterpretation="HSV"), DICOM),
    changed("unsupported", as_video, DICOM),
    changed("damaged", header(Rows=0), DICOM),
    replaced("unsupported", saved_as("GIF")),
    replaced("unsupported", saved_as("TIFF")),
    replaced("unsupported", saved_as("BMP")),
    replaced("unsupported", animation, PNG),
    replaced("unsupported", colour_of_16_bits, PNG),
    replaced("unreadable", lambda path: path.mkdir()),
    replaced("unreadable", os.mkfifo),
    replaced("unreadable", lambda path: path.symlink_to(path.name)),
]
if os.geteuid() != 0:
    DAMAGES.append(Damage("unreadable", (PNG, JPEG, DICOM), lambda path, _: path.chmod(0)))


def write_film(path: Path, number: int, transfer_syntax: str | None) -> None:
    picture = film(number, rows=96 + number % 7, columns=90)
    if path.suffix == DICOM:
        assert transfer_syntax
        write_dicom(path, picture, transfer_syntax=transfer_syntax)
    elif path.suffix == PNG:
        write_png(path, picture, mode="I;16" if number % 2 else "L")
    else:
        write_jpeg(path, picture)


class Collection:
    """Films of which as many are damaged as are not, and what is to become of each.

    Attributes
    ----------
    expected
        The class of every damaged film, by its identity.
    sound
        The bytes of every film as it was published, by its path.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.config = folder / "config.yml"
        self.folder = folder / "out/vindrcxr"
        self.config.write_text(
            f"MACHEX_PATH: {folder}/out\nVINDRCXR_ROOT: {folder}/vindr\nIMAGE_SIZE: {SIDE}\nCHECKSUMS: true\n"
        )
        self.expected: dict[str, str] = {}
        self.sound: dict[Path, bytes] = {}
        published: dict[Path, str] = {}
        chance = random.Random(count)
        train = folder / "vindr/train"
        # Kinds of damage times carriers is no multiple of either, so that in time all of them meet.
        jobs = zip(cycle(DAMAGES), range(count), strict=False)
        for damage, number in jobs:
            good = self._film(train, 2 * number, (PNG, JPEG, DICOM), chance)
            bad = self._film(train, 2 * number + 1, damage.suffixes, chance)
            damage.do(bad, chance)
            self.expected[bad.stem] = "wrong checksum" if damage.expected == CHECKED else damage.expected
            if damage.expected == CHECKED:
                published |= {path: hashlib.sha256(self.sound[path]).hexdigest() for path in (good, bad)}
        # Of the others the first damage that is seen would be that of the checksum.
        lines = [f"{digest} train/{path.name}\n" for path, digest in published.items()]
        (folder / "vindr/SHA256SUMS.txt").write_text("".join(lines))

    def _film(self, train: Path, number: int, suffixes: tuple[str, ...], chance: random.Random) -> Path:
        suffix, transfer_syntax = chance.choice([each for each in CARRIERS if each[0] in suffixes])
        path = train / f"{number:032x}{suffix}"
        write_film(path, number, transfer_syntax)
        self.sound[path] = path.read_bytes()
        return path

    def mend(self) -> None:
        for path, data in self.sound.items():
            if path.stem in self.expected:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
                path.write_bytes(data)

    def run(self, *arguments: str) -> tuple[int, dict[str, int]]:
        """Run, and return the exit code and the closing accounts."""
        result = machex_here("-q", "-c", str(self.config), *arguments)
        assert "Traceback" not in result.stderr
        assert result.returncode in (0, 1), result.stderr
        # The table of counts comes first, then that of milliseconds.
        names, counts, *_ = (
            re.split(r"\s{2,}", line)
            for line in result.stdout.splitlines()
            if line.startswith(("dataset", "vindrcxr "))
        )
        return result.returncode, dict(
            zip(names[1:], (int(cell.replace(",", "")) for cell in counts[1:]), strict=True)
        )

    def failures(self) -> dict[str, str]:
        with (self.folder / "failures.csv").open() as file:
            return {row["identity"]: row["class"] for row in csv.DictReader(file)}

    def check_pictures(self, paths: list[Path]) -> None:
        """Compare the index with these films and their conversions, which are made here once more."""
        rows = pq.read_table(self.folder / "index.parquet").to_pylist()
        written = {row["identity"]: (self.folder / row["path"]).read_bytes() for row in rows}
        assert written.keys() == {path.stem for path in paths}
        for path in paths:
            assert written[path.stem] == convert(Source(str(path)), Recipe(size=SIDE)).data

    def good(self) -> list[Path]:
        return [path for path in self.sound if path.stem not in self.expected]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_damaged_files_among_good_ones(tmp_path: Path, count: int) -> None:
    collection = Collection(tmp_path, count)
    exit_code, accounts = collection.run()
    assert collection.failures() == collection.expected
    assert exit_code == 1
    assert accounts == {
        "found": 2 * count,
        "written": count,
        "left out": 0,
        "known bad": 0,
        "missing": 0,
        "failed": count,
    }
    collection.check_pictures(collection.good())

    before = (collection.folder / "ledger.jsonl").read_bytes()
    assert collection.run() == (exit_code, accounts)
    assert (collection.folder / "ledger.jsonl").read_bytes() == before
    assert collection.failures() == collection.expected

    collection.mend()
    exit_code, accounts = collection.run("--retry-failed")
    assert (exit_code, accounts["written"], accounts["failed"]) == (0, 2 * count, 0)
    collection.check_pictures(list(collection.sound))
    assert not (collection.folder / "failures.csv").exists()
