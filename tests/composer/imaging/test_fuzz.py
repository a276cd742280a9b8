"""Whatever is done to a file: a picture or a refusal; of a file that was cut, a refusal."""

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate, generate_frames

from composer.imaging import Reason, Source
from composer.imaging.sniff import PNG_SIGNATURE
from tests.composer.imaging.fuzzing import Converter
from tests.composer.imaging.support import dicom_bytes, file_bytes, film, image_bytes, make_dataset, real_file

FILM = (film() >> 4).astype(np.uint8)
GREY = Image.fromarray(FILM)


def _dicom_jpeg() -> bytes:
    dataset = make_dataset(FILM, PixelData=encapsulate([image_bytes(GREY, "JPEG", quality=95)]))
    dataset.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    return file_bytes(dataset)


def _deflated() -> bytes:
    dataset = make_dataset(film())
    dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    data = file_bytes(dataset)
    # Without the byte that makes the length even, which may be cut without loss.
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflater.decompress(data[144 + int.from_bytes(data[140:144], "little") :])
    return data[: len(data) - len(inflater.unused_data)]


def _real(name: str) -> Callable[[], bytes]:
    return lambda: real_file(name).read_bytes()


SEEDS: dict[str, Callable[[], bytes]] = {
    "png 8": lambda: image_bytes(GREY, "PNG"),
    "png 16": lambda: image_bytes(Image.fromarray(film()), "PNG"),
    "png palette": lambda: image_bytes(GREY.convert("P"), "PNG"),
    "png alpha": lambda: image_bytes(GREY.convert("RGBA"), "PNG"),
    "jpeg": lambda: image_bytes(GREY, "JPEG", quality=95),
    "jpeg progressive": lambda: image_bytes(GREY, "JPEG", quality=95, progressive=True),
    "jpeg restart": lambda: image_bytes(GREY, "JPEG", quality=95, restart_marker_blocks=3),
    "jpeg colour": lambda: image_bytes(GREY.convert("RGB"), "JPEG", quality=95),
    "jpeg inks": lambda: image_bytes(GREY.convert("CMYK"), "JPEG", quality=95),
    "native": lambda: dicom_bytes(film()),
    "implicit": _real("MR_small_implicit.dcm"),
    "big endian": _real("MR_small_bigendian.dcm"),
    "deflated": _deflated,
    "baseline": _dicom_jpeg,
    "RLE": _real("MR_small_RLE.dcm"),
    "extended": _real("JPGExtended.dcm"),
    "lossless": _real("JPEG-LL.dcm"),
    "JPEG-LS": _real("MR_small_jpeg_ls_lossless.dcm"),
    "JPEG-LS near": _real("JPEGLSNearLossless_16.dcm"),
    "JPEG 2000 lossless": _real("MR_small_jp2klossless.dcm"),
    "JPEG 2000": _real("JPEG2000.dcm"),
}
ZIPPED = {"zip stored": zipfile.ZIP_STORED, "zip deflated": zipfile.ZIP_DEFLATED}
REASONS = set(Reason)
# What is done, where, and with which bytes.
Step = tuple[str, int, bytes]


@cache
def _seed(name: str) -> bytes:
    return SEEDS[name]()


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as process:
        yield process


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _outcome(converter: Converter, folder: Path, data: bytes) -> str:
    path = folder / "image"
    path.write_bytes(data)
    return converter.outcome(Source(str(path)))


def _is_named(outcome: str) -> bool:
    return outcome.startswith("picture ") or outcome in REASONS


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, list[Step]]:
    """Return the name of a seed and what to do to it."""
    name = draw(st.sampled_from(list(SEEDS)))
    place = st.one_of(st.integers(0, 400), st.integers(0, len(_seed(name))))
    kind = st.sampled_from(["overwrite", "insert", "remove", "cut"])
    step = st.tuples(kind, place, st.binary(min_size=1, max_size=24))
    return name, draw(st.lists(step, min_size=1, max_size=6))


def _damaged(data: bytes, steps: list[Step]) -> bytes:
    for kind, place, content in steps:
        behind = {"insert": place, "cut": len(data)}.get(kind, place + len(content))
        data = data[:place] + (content if kind in {"overwrite", "insert"} else b"") + data[behind:]
    return data


def _fuzz(converter: Converter, folder: Path, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(damages())
    def run(damage: tuple[str, list[Step]]) -> None:
        outcome = _outcome(converter, folder, _damaged(_seed(damage[0]), damage[1]))
        assert _is_named(outcome), outcome

    run()


def test_damage_is_survived(converter: Converter, folder: Path) -> None:
    _fuzz(converter, folder, 400)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_much_damage_is_survived(converter: Converter, folder: Path) -> None:
    _fuzz(converter, folder, 10_000)


def _streams() -> list[str]:
    return [name for name in SEEDS if b"DICM" in _seed(name)[:132] and "encapsulated" in _coding(name)]


def _coding(name: str) -> str:
    dataset = pydicom.dcmread(io.BytesIO(_seed(name)))
    return "encapsulated" if dataset.file_meta.TransferSyntaxUID.is_encapsulated else "native"


@pytest.mark.parametrize("name", _streams())
def test_damaged_stream_in_a_sound_file_is_survived(converter: Converter, folder: Path, name: str) -> None:
    dataset = pydicom.dcmread(io.BytesIO(_seed(name)))
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    generator = np.random.default_rng(11)
    for _ in range(30):
        # Most of the trouble is in the first bytes, where sizes and tables are.
        place = int(generator.integers(0, min(len(stream), 200)))
        content = generator.bytes(int(generator.integers(1, 9)))
        dataset.PixelData = encapsulate([stream[:place] + content + stream[place + len(content) :]])
        outcome = _outcome(converter, folder, file_bytes(dataset))
        assert _is_named(outcome), (place, content, outcome)


def _cuts(size: int, count: int) -> list[int]:
    """Return where to cut: evenly, and at each of the first and last bytes."""
    return sorted({*range(0, size, max(1, size // count)), *range(24), *range(size - 24, size)})


def _end_of_pixels(data: bytes) -> int:
    if data[128:132] != b"DICM" or uid.DeflatedExplicitVRLittleEndian.encode() in data[:400]:
        return len(data)
    element = pydicom.dcmread(io.BytesIO(data)).get_item(0x7FE00010)
    assert isinstance(element, RawDataElement)
    assert isinstance(element.value, bytes)
    return element.value_tell + len(element.value) + (8 if element.length == 0xFFFFFFFF else 0)


def _check_cuts(converter: Converter, folder: Path, name: str, count: int) -> None:
    data = _seed(name)
    whole = _outcome(converter, folder, data)
    assert whole.startswith("picture ")
    end = _end_of_pixels(data)
    for cut in _cuts(len(data), count):
        found = _outcome(converter, folder, data[:cut])
        # Some of the files go on behind their pixels, and may as well end there.
        assert found in REASONS or (cut >= end and found == whole), cut


@pytest.mark.parametrize("name", SEEDS)
def test_cut_anywhere_is_refused(converter: Converter, folder: Path, name: str) -> None:
    _check_cuts(converter, folder, name, 40)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SEEDS)
def test_cut_at_any_of_many_places_is_refused(converter: Converter, folder: Path, name: str) -> None:
    _check_cuts(converter, folder, name, 1500)


@pytest.mark.parametrize("method", ZIPPED)
def test_damaged_zip_member_is_refused(converter: Converter, folder: Path, method: str) -> None:
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w", ZIPPED[method]) as archive:
        archive.writestr("film.png", _seed("png 8"))
        member = archive.getinfo("film.png")
    source = Source(str(path), member.header_offset, member.compress_size, zipped=True)
    whole = path.read_bytes()
    assert converter.outcome(source).startswith("picture ")
    end = 30 + len("film.png") + member.compress_size
    for cut in _cuts(end, 60):
        path.write_bytes(whole[:cut])
        assert converter.outcome(source) in REASONS, cut
    for place in range(0, end, max(1, end // 100)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        outcome = converter.outcome(source)
        # Name, times and sizes of the local header are not read.
        assert outcome in REASONS or (place < 38 and outcome.startswith("picture ")), place


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(rows: int, columns: int, extra: bytes, pixels: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">II5B", columns, rows, 8, 0, 0, 0, 0))
    return PNG_SIGNATURE + header + extra + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


@cache
def _zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def _with_size(data: bytes, marker: bytes, skip: int, form: str) -> bytes:
    place = data.index(marker) + skip
    largest = (1 << 8 * struct.calcsize(form) // 2) - 1
    return data[:place] + struct.pack(form, largest, largest) + data[place + struct.calcsize(form) :]


def _deflated_bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    start = 144 + int.from_bytes(_seed("deflated")[140:144], "little")
    header = zlib.decompressobj(-zlib.MAX_WBITS).decompress(_seed("deflated")[start:])[:-8000]
    body = packer.compress(header) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(700))
    return _seed("deflated")[:start] + body + packer.flush()


# File, reason or None for a picture, and megabytes that decoding may take beyond a small picture.
BOMBS: dict[str, tuple[Callable[[], bytes], Reason | None, int]] = {
    "png header": (lambda: _png(60_000, 60_000, b"", b""), Reason.TOO_LARGE, 10),
    "png rows": (lambda: _png(16, 16, b"", _zeros(300)), None, 10),
    "png profile": (
        lambda: _png(16, 16, _chunk(b"iCCP", b"p\0\0" + _zeros(300)), _zeros(1)),
        Reason.DAMAGED,
        10,
    ),
    "png text": (
        lambda: _png(16, 16, _chunk(b"zTXt", b"t\0\0" + _zeros(300)), _zeros(1)),
        Reason.DAMAGED,
        10,
    ),
    "jpeg header": (lambda: _with_size(_seed("jpeg"), b"\xff\xc0", 5, ">HH"), Reason.TOO_LARGE, 10),
    "jpeg in dicom": (lambda: _with_size(_seed("baseline"), b"\xff\xc0", 5, ">HH"), Reason.DAMAGED, 10),
    "jpeg 2000": (lambda: _with_size(_seed("JPEG 2000"), b"\xff\x4f\xff\x51", 8, ">II"), Reason.DAMAGED, 10),
    "dicom header": (lambda: dicom_bytes(film(), Rows=65535, Columns=65535), Reason.TOO_LARGE, 10),
    "dicom pixels": (lambda: dicom_bytes(film(), Rows=9900, Columns=9900), Reason.TRUNCATED, 10),
    # Inflated piece by piece to see that it is too large.
    "deflated": (_deflated_bomb, Reason.TOO_LARGE, 50),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_takes_no_memory(folder: Path, name: str) -> None:
    make, reason, megabytes = BOMBS[name]
    data = make()
    with Converter() as converter:
        _outcome(converter, folder, _seed("JPEG-LS" if "dicom" in name or name == "deflated" else "jpeg"))
        before = converter.peak
        outcome = _outcome(converter, folder, data)
        assert outcome == reason if reason else outcome.startswith("picture ")
        assert (converter.peak - before) / 1024 < megabytes + 3 * len(data) / 1e6
