"""Plain grey PNG: the same pixels as the general reader gives, and everything else is left to that."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from composer.imaging import Facts, Reason, Refusal, png
from composer.imaging.libraries import LIBDEFLATE, PILLOW
from composer.imaging.picture import Values
from composer.imaging.png_chunks import read_chunks, read_header
from composer.imaging.png_grey import decode_grey
from composer.imaging.sniff import PNG_SIGNATURE

EXIF_ON_ITS_HEAD = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(pixels: Values, filters: Sequence[int]) -> bytes:
    """Return the rows filtered as ISO/IEC 15948, 9.2 says, stated without regard to speed."""
    step = pixels.dtype.itemsize
    rows = pixels.astype(f">u{step}").view(np.uint8).reshape(len(pixels), -1)
    padded: NDArray[np.int64] = np.pad(rows, ((1, 0), (step, 0))).astype(np.int64)
    left, up, corner = padded[1:, :-step], padded[:-1, step:], padded[:-1, :-step]
    paeth = np.empty_like(left)
    for place in np.ndindex(paeth.shape):
        a, b, c = int(left[place]), int(up[place]), int(corner[place])
        # The first of equally near ones, as min does.
        paeth[place] = min((a, b, c), key=lambda each: abs(a + b - c - each))
    predictions = [np.zeros_like(left), left, up, (left + up) // 2, paeth]
    lines = (
        bytes([kind]) + ((rows[row] - predictions[min(kind, 4)][row]) % 256).astype(np.uint8).tobytes()
        for row, kind in enumerate(filters)
    )
    return b"".join(lines)


def file_of(pixels: Values, rows: bytes, *extra: bytes, pieces: int = 1) -> bytes:
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, 0, 0, 0, 0)
    stream = zlib.compress(rows)
    size = -(-len(stream) // pieces)
    data = [chunk(b"IDAT", stream[start : start + size]) for start in range(0, len(stream), size)]
    return b"".join([PNG_SIGNATURE, chunk(b"IHDR", header), *extra, *data, chunk(b"IEND")])


def decoded(data: bytes) -> tuple[Values, Facts]:
    facts = Facts()
    return png.decode(data, facts).stored, facts


@given(
    dtype=st.sampled_from([np.uint8, np.uint16]),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    columns=st.integers(1, 40),
    coarse=st.integers(1, 4000),
    pieces=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_every_filter_is_undone(
    dtype: type, filters: list[int], columns: int, coarse: int, pieces: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    # Coarse steps, for the neighbours of a pixel are often equal in films.
    values = random.integers(0, np.iinfo(dtype).max + 1, (len(filters), columns)) // coarse * coarse
    pixels: Values = values.astype(dtype)
    stored, facts = decoded(file_of(pixels, filtered(pixels, filters), pieces=pieces))
    assert facts.decoder == LIBDEFLATE
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, pixels)
    # A chunk that says nothing, but which only the general reader reads.
    stored, facts = decoded(file_of(pixels, filtered(pixels, filters), chunk(b"eXIf"), pieces=pieces))
    assert facts.decoder == PILLOW
    np.testing.assert_array_equal(stored, pixels)


RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4)
ROWS = filtered(RAMP, [0, 1, 4])


def test_orientation_is_left_to_the_general_reader() -> None:
    stored, facts = decoded(file_of(RAMP, ROWS, chunk(b"eXIf", EXIF_ON_ITS_HEAD)))
    np.testing.assert_array_equal(stored, RAMP[::-1, ::-1])
    assert facts.flags == ["exif_orientation"]


@pytest.mark.parametrize(
    ("extra", "decoder"),
    [
        (chunk(b"tEXt", b"Software\0somebody's"), LIBDEFLATE),
        (chunk(b"pHYs", bytes(9)), LIBDEFLATE),
        (chunk(b"tEXt", b"Raw profile type exif\0"), PILLOW),
        (chunk(b"tEXt", b"exif\0MM"), PILLOW),
        (chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"), PILLOW),
        (chunk(b"tRNS", b"\0\xff"), PILLOW),
        (chunk(b"prVt", b"who knows"), PILLOW),
    ],
)
def test_chunks_that_may_change_the_picture(extra: bytes, decoder: str) -> None:
    stored, facts = decoded(file_of(RAMP, ROWS, extra))
    assert facts.decoder == decoder
    np.testing.assert_array_equal(stored, RAMP)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (ROWS[:-2], Reason.TRUNCATED),
        (b"\x05" + ROWS[1:], Reason.DAMAGED),
        (ROWS[:5] + b"\xff" + ROWS[6:], Reason.DAMAGED),
    ],
)
def test_rows_that_are_not_as_they_should_be(rows: bytes, reason: Reason) -> None:
    with pytest.raises(Refusal) as refusal:
        decoded(file_of(RAMP, rows))
    assert refusal.value.reason is reason


def test_pieces_that_are_apart_are_left_to_the_general_reader() -> None:
    apart = file_of(RAMP, ROWS, pieces=2)
    second = apart.rindex(b"IDAT") - 4
    apart = apart[:second] + chunk(b"tIME", bytes(7)) + apart[second:]
    with pytest.raises(Refusal):
        decoded(apart)
    second_header = file_of(RAMP, ROWS, chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)))
    header = read_header(second_header)
    assert decode_grey(header, read_chunks(second_header, header)) is None


def test_wrong_checksum_of_all_pixels_is_refused() -> None:
    sound = file_of(RAMP, ROWS)
    stream = zlib.compress(ROWS)
    broken = stream[:-1] + bytes([stream[-1] ^ 1])
    with pytest.raises(Refusal):
        decoded(sound.replace(chunk(b"IDAT", stream), chunk(b"IDAT", broken)))
