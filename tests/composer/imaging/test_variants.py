"""Every kind of PNG and JPEG that the standards allow gives the right picture, or a named refusal.

The references are made here, from the values that were coded, not by a decoder. Not here, because nothing at
hand writes them: hierarchical JPEG (T.81 annex J), which no decoder reads, and JPEG of two channels.
"""

import base64
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import generate_frames

from composer.imaging import Conversion, Reason
from composer.imaging.libraries import MAXIMUM_PIXELS
from composer.imaging.sniff import PNG_SIGNATURE
from tests.composer.imaging.support import convert_bytes, film, image_bytes, picture, real_file, reason_of

Array = NDArray[Any]
LUMA = np.array([0.299, 0.587, 0.114])
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
# PNG, table 11.1.
DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
# Smaller than a pass, with empty passes, and larger.
SIZES = [(1, 1), (3, 2), (5, 9), (19, 33)]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _scanlines(samples: Array, depth: int) -> bytes:
    """Return the rows of samples, of shape (rows, columns, channels), unfiltered."""
    rows, columns, channels = samples.shape
    if not rows or not columns:
        return b""
    bits = (samples.reshape(rows, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    packed = np.packbits(bits.reshape(rows, columns * channels * depth).astype(np.uint8), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


def _raw(samples: Array, depth: int, interlaced: bool) -> bytes:
    if not interlaced:
        return _scanlines(samples, depth)
    return b"".join(_scanlines(samples[top::down, left::across], depth) for top, left, down, across in ADAM7)


def _png(
    samples: Array,
    colour: int,
    depth: int,
    *,
    interlaced: bool = False,
    before: bytes = b"",
    raw: bytes | None = None,
    size: tuple[int, int] | None = None,
    methods: tuple[int, int] = (0, 0),
) -> bytes:
    rows, columns = size or samples.shape[:2]
    raw = _raw(samples, depth, interlaced) if raw is None else raw
    header = struct.pack(">II5B", columns, rows, depth, colour, *methods, interlaced)
    chunks = (_chunk(b"IHDR", header), before, _chunk(b"IDAT", zlib.compress(raw)), _chunk(b"IEND", b""))
    return PNG_SIGNATURE + b"".join(chunks)


def _samples(colour: int, depth: int, size: tuple[int, int] = (19, 33)) -> Array:
    generator = np.random.default_rng([colour, depth, *size])
    return generator.integers(0, 1 << depth, (*size, CHANNELS[colour]))


def _palette(depth: int) -> Array:
    return np.random.default_rng(depth).integers(0, 256, (1 << depth, 3))


def _palette_chunk(depth: int) -> bytes:
    return _chunk(b"PLTE", _palette(depth).astype(np.uint8).tobytes())


def _reference(samples: Array, colour: int, depth: int) -> Array:
    """Return the grey levels, 0 to 255, unrounded."""
    if colour == PALETTE:
        return np.asarray(_palette(depth)[samples[..., 0]] @ LUMA)
    white = (1 << depth) - 1
    if depth == 16 and samples.max() <= 4095:
        white = 4095
    levels = samples * (255 / white)
    grey = levels[..., :3] @ LUMA if colour in (RGB, RGB_ALPHA) else levels[..., 0]
    constant = colour in (GREY, RGB) or np.ptp(samples[..., -1]) == 0
    return np.asarray(grey if constant else grey * samples[..., -1] / white)


def _assert_close(conversion: Conversion, expected: Array) -> None:
    found = picture(conversion)
    assert found.shape == expected.shape
    # Half a level of rounding, and the last bits of a float.
    assert np.abs(found - expected).max() < 0.501


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_png(tmp_path: Path, colour: int, depth: int, size: tuple[int, int], interlaced: bool) -> None:
    samples = _samples(colour, depth, size)
    before = _palette_chunk(depth) if colour == PALETTE else b""
    data = _png(samples, colour, depth, interlaced=interlaced, before=before)
    if depth == 16 and colour != GREY:
        assert reason_of(tmp_path, data) is Reason.UNSUPPORTED
        return
    _assert_close(convert_bytes(tmp_path, data), _reference(samples, colour, depth))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palette_with_alpha(tmp_path: Path, depth: int) -> None:
    samples = _samples(PALETTE, depth)
    alpha = np.linspace(0, 255, 1 << depth).astype(np.uint8)
    before = _palette_chunk(depth) + _chunk(b"tRNS", alpha.tobytes())
    expected = _reference(samples, PALETTE, depth) * alpha[samples[..., 0]] / 255
    _assert_close(convert_bytes(tmp_path, _png(samples, PALETTE, depth, before=before)), expected)


@pytest.mark.parametrize(("colour", "depth"), [(GREY, 1), (GREY, 2), (GREY, 4), (GREY, 8), (RGB, 8)])
def test_one_transparent_value(tmp_path: Path, colour: int, depth: int) -> None:
    samples = _samples(colour, depth)
    key = samples[3, 3]
    before = _chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    expected = np.where((samples == key).all(axis=2), 0, _reference(samples, colour, depth))
    _assert_close(convert_bytes(tmp_path, _png(samples, colour, depth, before=before)), expected)


@pytest.mark.parametrize(
    "chunk",
    [
        _chunk(b"gAMA", struct.pack(">I", 100_000)),
        _chunk(b"sRGB", b"\0"),
        _chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"no profile")),
        _chunk(b"cHRM", bytes(32)),
        _chunk(b"sBIT", b"\5"),
        _chunk(b"pHYs", struct.pack(">IIB", 1, 2, 1)),
        _chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        _chunk(b"eXIf", b"junk"),
        _chunk(b"tEXt", b"Comment\0" + bytes(range(1, 256))),
        _chunk(b"ruBb", b"an unknown chunk that may be passed over"),
        _chunk(b"bKGD", b"\0\0"),
    ],
    ids=lambda chunk: repr(chunk[4:8]),
)
def test_other_chunks_change_no_pixel(tmp_path: Path, chunk: bytes) -> None:
    samples = _samples(GREY, 8)
    _assert_close(convert_bytes(tmp_path, _png(samples, GREY, 8, before=chunk)), samples[..., 0])


def _flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


WHOLE = _png(_samples(GREY, 8), GREY, 8)
BROKEN_PNG = {
    "no rows": (_png(_samples(GREY, 8), GREY, 8, size=(0, 33)), Reason.DAMAGED),
    "no columns": (_png(_samples(GREY, 8), GREY, 8, size=(19, 0)), Reason.DAMAGED),
    "checksum of the header": (_flip(WHOLE, 29), Reason.DAMAGED),
    "checksum of the data": (_flip(WHOLE, len(WHOLE) - 14), Reason.DAMAGED),
    "checksum of the end": (_flip(WHOLE, len(WHOLE) - 1), Reason.DAMAGED),
    "no IEND": (WHOLE[:-12], Reason.TRUNCATED),
    "no IDAT": (WHOLE[:33] + WHOLE[-12:], Reason.DAMAGED),
    "no PLTE": (_png(_samples(PALETTE, 4), PALETTE, 4), Reason.DAMAGED),
    "larger than any film": (_png(_samples(GREY, 8), GREY, 8, size=(1 << 31, 1 << 31)), Reason.TOO_LARGE),
    "a pixel too large": (_png(_samples(GREY, 8), GREY, 8, size=(1, MAXIMUM_PIXELS + 1)), Reason.TOO_LARGE),
    "no such depth": (_png(_samples(GREY, 8), GREY, 3), Reason.DAMAGED),
    "no such colour": (_png(_samples(GREY, 8), 5, 8), Reason.DAMAGED),
    "no such filter": (_png(_samples(GREY, 8), GREY, 8, raw=b"\7" * 34 * 19), Reason.DAMAGED),
    "no such compression": (_png(_samples(GREY, 8), GREY, 8, methods=(3, 0)), Reason.DAMAGED),
    "no such filter method": (_png(_samples(GREY, 8), GREY, 8, methods=(0, 3)), Reason.DAMAGED),
}


@pytest.mark.parametrize("name", BROKEN_PNG)
def test_broken_png(tmp_path: Path, name: str) -> None:
    data, reason = BROKEN_PNG[name]
    assert reason_of(tmp_path, data) is reason


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), [(GREY, 1), (GREY, 8), (GREY, 16), (RGB, 8), (GREY_ALPHA, 8)])
def test_sound_stream_of_too_few_rows(tmp_path: Path, colour: int, depth: int, interlaced: bool) -> None:
    samples = np.maximum(_samples(colour, depth), 1)
    raw = _raw(samples, depth, interlaced)
    for missing in (1, len(raw) // 20, len(raw) // 2):
        data = _png(samples, colour, depth, interlaced=interlaced, raw=raw[: len(raw) - missing])
        assert reason_of(tmp_path, data) is Reason.TRUNCATED, missing


def test_bytes_behind_the_end_of_a_png_do_not_matter(tmp_path: Path) -> None:
    assert convert_bytes(tmp_path, WHOLE + b"junk").data == convert_bytes(tmp_path, WHOLE).data


# A ramp, 9 levels down and 6 across, of 16 x 16, by cjpeg of libjpeg-turbo 2.1.5, quality 90, base 85.
FROM_CJPEG = {
    "arithmetic": (
        "|JeWF01!$>Nk#wx0RR9200961|JwjV00RO70|EjA0|NsD0|NvF2n7WM1O*BQ2L=cX3JeSj3JVJj4iXRz4iOFu3lJ6%5fc;@6"
        "%`B*7Z?^47!ni}6#vNp3kU!Z01yEI5di<p00saM5C#9*00;pA002J#{{ZLVjlPA-lyO+`#@bY*N%=stBB{7c%=rD%LxBI;"
    ),
    "arithmetic, progressive": (
        "|JeWF01!$>Nk#wx0RR9200961|JwjV00RO70|EjA0|NsD0|NvF2n7WM1O*BQ2L=cX3JeSj3JVJj4iXRz4iOFu3lJ6%5fc;@6"
        "%`B*7Z?^47!ni}6#vQq3kU!Z01yEI5di<p00aOK|Jncu0RaF200I91&)|7%Apgt&1P}%P+5iXv0RRC70u}f1ktVjcUx=3f%m"
        "4%s1^?Or2mt{A20sD{djX*T%m4%s1^?Or2mt{A0Y4$rc)<VK00;pA0000G`2WlR1P}%P+5iXv0RRC%5T)Y@+byvF*#"
    ),
    "not interleaved": (
        "|JeWF01!$>Nk#wx0RR9200961|JwjV00RO70|EjA0|NsD0|NvF2n7WM1O*BQ2L=cX3JeSj3JVJj4iXRz4iOFu3lJ6%5fc;@6"
        "%`B*7Z?^47!ni}6#v@*LjeN>1O)^I2?YfS6b%av6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6c"
        "iK`6cqo!01*fP5C9MZ0U`hb5di}c0sq7R6#xMN000000000000000000OF|HJ?p5C8!M000000000000000000IDBQv4@+5i"
        "Xv0RR9$02?A2+Tp<fh-+(y3IZXmt{e~uhPJqH|HJ?k0RaF20000000000000000095Q02C1c00000000000000000000|Jnc"
        "u0Rj;KKL9`f!~hfl0RR910000000000000000RO}Q6cGUc00000000000000000030+5iXv0}%i}06+iP"
    ),
}
RAMP = np.add.outer(np.arange(16) * 9, np.arange(16) * 6)
FILM = (film() >> 4).astype(np.uint8)
GREY_FILM = Image.fromarray(FILM)


def _segment(data: bytes, marker: int) -> int:
    return data.index(bytes([0xFF, marker]))


def _patched(data: bytes, position: int, value: int) -> bytes:
    return data[:position] + bytes([value]) + data[position + 1 :]


def _with_exif(data: bytes, exif: bytes) -> bytes:
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


@pytest.mark.parametrize("name", FROM_CJPEG)
def test_jpeg_that_pillow_cannot_write(tmp_path: Path, name: str) -> None:
    conversion = convert_bytes(tmp_path, base64.b85decode(FROM_CJPEG[name]))
    assert np.abs(picture(conversion) - RAMP).max() <= 4


@pytest.mark.parametrize("factors", [0x12, 0x21, 0x22, 0x31, 0x44])
def test_sampling_factors_of_grey_mean_nothing(tmp_path: Path, factors: int) -> None:
    # T.81 A.2.2: a scan of one channel has one block after the other, whatever the factors.
    data = image_bytes(GREY_FILM, "JPEG", quality=95)
    odd = _patched(data, _segment(data, 0xC0) + 11, factors)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(picture(convert_bytes(tmp_path, odd)), expected)


def _written_otherwise() -> Iterator[tuple[str, bytes]]:
    yield "progressive", image_bytes(GREY_FILM, "JPEG", quality=95, progressive=True)
    yield "optimised", image_bytes(GREY_FILM, "JPEG", quality=95, optimize=True)
    yield "a restart marker per row", image_bytes(GREY_FILM, "JPEG", quality=95, restart_marker_rows=1)
    yield "a restart marker per block", image_bytes(GREY_FILM, "JPEG", quality=95, restart_marker_blocks=1)
    plain = image_bytes(GREY_FILM, "JPEG", quality=95)
    yield "bytes behind the end", plain + b"junk\xff\xd8"
    yield "fill bytes before markers", plain.replace(b"\xff\xda", b"\xff\xff\xff\xda")
    yield "a comment", plain[:2] + b"\xff\xfe\0\x06text" + plain[2:]
    yield "no JFIF segment", plain[:2] + plain[20:]
    yield "empty Exif", _with_exif(plain, b"Exif\0\0")
    yield "broken Exif", _with_exif(plain, b"Exif\0\0junk junk junk")
    yield "Exif cut in its directory", _with_exif(plain, b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12")
    yield "Exif without an end", _with_exif(plain, b"Exif\0\0MM\0*\xff\xff\xff\xff")
    several = io.BytesIO()
    GREY_FILM.save(several, "MPO", save_all=True, append_images=[GREY_FILM.rotate(180)], quality=95)
    yield "MPO", several.getvalue()


@pytest.mark.parametrize(("name", "data"), list(_written_otherwise()))
def test_grey_jpeg_written_otherwise(tmp_path: Path, name: str, data: bytes) -> None:
    expected = np.asarray(Image.open(io.BytesIO(image_bytes(GREY_FILM, "JPEG", quality=95))))
    np.testing.assert_array_equal(picture(convert_bytes(tmp_path, data)), expected, err_msg=name)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
def test_colour_jpeg(tmp_path: Path, subsampling: str) -> None:
    down, across = np.mgrid[0:48, 0:64]
    colour = np.stack([down * 4, across * 3, 200 - down - across], axis=2)
    data = image_bytes(Image.fromarray(colour.astype(np.uint8)), "JPEG", quality=98, subsampling=subsampling)
    assert np.abs(picture(convert_bytes(tmp_path, data)) - colour @ LUMA).max() < 6


def test_jpeg_of_inks(tmp_path: Path) -> None:
    inks = np.random.default_rng(3).integers(0, 256, (2, 3, 4)).repeat(16, axis=0).repeat(16, axis=1)
    data = image_bytes(Image.fromarray(inks.astype(np.uint8), "CMYK"), "JPEG", quality=100)
    paper = (255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255
    assert np.abs(picture(convert_bytes(tmp_path, data)) - paper @ LUMA).max() < 4
    # The same numbers, now taken as luminance, two differences of colour and black. Adobe stores inks
    # inverted, so that what comes out as R, G and B of the first three is ink.
    ycck = _patched(data, data.index(b"Adobe") + 11, 2)
    y, blue, red = (255 - inks[..., channel] - (128 if channel else 0) for channel in range(3))
    ink = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=2)
    paper = (255 - ink.clip(0, 255)) * (255 - inks[..., 3:]) / 255
    assert np.abs(picture(convert_bytes(tmp_path, ycck)) - paper @ LUMA).max() < 6


def _unsupported_jpeg() -> Iterator[tuple[str, bytes, Reason]]:
    grey = image_bytes(GREY_FILM, "JPEG")
    colour = image_bytes(GREY_FILM.convert("RGB"), "JPEG")
    frame = _segment(colour, 0xC0)
    dataset = pydicom.dcmread(real_file("JPGExtended.dcm"))
    yield "12 bits", next(generate_frames(dataset.PixelData, number_of_frames=1)), Reason.UNSUPPORTED
    lossless = pydicom.dcmread(real_file("JPEG-LL.dcm"))
    yield "lossless", next(generate_frames(lossless.PixelData, number_of_frames=1)), Reason.UNSUPPORTED
    yield "4:1:0", _patched(colour, frame + 11, 0x42), Reason.UNSUPPORTED
    yield "two channels", _patched(colour, frame + 9, 2), Reason.UNSUPPORTED
    start = _segment(grey, 0xC0)
    yield "no rows", grey[: start + 5] + b"\0\0" + grey[start + 7 :], Reason.DAMAGED
    yield "hierarchical", _patched(grey, start + 1, 0xC5), Reason.UNSUPPORTED
    yield "bytes before the start", b"\0\0" + grey, Reason.MISLABELLED
    scan = _segment(grey, 0xDA)
    yield "endless scans", grey[:-2] + grey[scan : scan + 10] * 200 + b"\xff\xd9", Reason.TOO_LARGE


@pytest.mark.parametrize(("name", "data", "reason"), list(_unsupported_jpeg()))
def test_jpeg_that_is_refused(tmp_path: Path, name: str, data: bytes, reason: Reason) -> None:
    assert reason_of(tmp_path, data) is reason, name


DAMAGES: dict[str, Callable[[bytes, int], bytes]] = {
    "cut, its end marker restored": lambda data, place: data[:place] + b"\xff\xd9",
    "a hole": lambda data, place: data[:place] + bytes(500) + data[place + 500 :],
    "bytes left out": lambda data, place: data[:place] + data[place + 500 :],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
def test_damage_within_a_jpeg_gives_no_picture(tmp_path: Path, damage: str, mode: str, part: float) -> None:
    data = image_bytes(GREY_FILM.convert(mode), "JPEG", quality=95)
    scan = _segment(data, 0xDA)
    damaged = DAMAGES[damage](data, scan + int((len(data) - scan) * part))
    assert reason_of(tmp_path, damaged) in {Reason.TRUNCATED, Reason.DAMAGED}
