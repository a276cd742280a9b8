"""PNG files."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer.imaging import Reason, Recipe
from composer.imaging.sniff import PNG_SIGNATURE
from tests.composer.imaging.support import CUTS, convert_bytes, film, image_bytes, picture, reason_of

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(rows: int, columns: int, bit_depth: int, colour_type: int, raw: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", columns, rows, bit_depth, colour_type, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw)) + _chunk(b"IEND", b"")
    return PNG_SIGNATURE + chunks


def test_grey_of_8_bits_is_unchanged(tmp_path: Path) -> None:
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(RAMP), "PNG"))
    np.testing.assert_array_equal(picture(conversion), RAMP)
    facts = conversion.facts
    assert (facts.source_format, facts.bits_stored, facts.full_scale, facts.voi_kind) == (
        "png",
        8,
        255,
        "none",
    )
    assert facts.flags == []


def test_inversion_by_configuration(tmp_path: Path) -> None:
    recipe = Recipe(size=16, image_format="png", image_mode="L", invert=True)
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(RAMP), "PNG"), recipe)
    np.testing.assert_array_equal(picture(conversion), 255 - RAMP)
    assert conversion.facts.inverted
    assert conversion.facts.flags == ["inverted_by_configuration"]


@pytest.mark.parametrize(("bit_depth", "factor"), [(1, 255), (2, 85), (4, 17)])
def test_few_bits_fill_the_range(tmp_path: Path, bit_depth: int, factor: int) -> None:
    values = list(range(1 << bit_depth))
    packed = 0
    for value in values:
        packed = packed << bit_depth | value
    width = len(values) * bit_depth
    raw = b"\x00" + (packed << (-width % 8)).to_bytes((width + 7) // 8, "big")
    conversion = convert_bytes(tmp_path, _png(1, len(values), bit_depth, 0, raw))
    assert picture(conversion).tolist() == [[value * factor for value in values]]
    assert conversion.facts.bits_stored == bit_depth


def test_16_bit_ramp_of_12_bit_data_gives_all_levels(tmp_path: Path) -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(ramp), "PNG"))
    pixels = picture(conversion)
    assert len(np.unique(pixels)) == 256
    assert pixels.mean() == pytest.approx(127.5, abs=0.5)
    assert (conversion.facts.full_scale, conversion.facts.bits_stored) == (4095, 12)


def test_16_bit_data_beyond_12_bits_use_the_whole_scale(tmp_path: Path) -> None:
    ramp = np.array([[0, 257, 4096, 32896, 65535]], dtype=np.uint16)
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(ramp), "PNG"))
    assert picture(conversion).tolist() == [[0, 1, 16, 128, 255]]
    assert conversion.facts.full_scale == 65535


def test_constant_alpha_is_dropped(tmp_path: Path) -> None:
    grey = Image.fromarray(RAMP)
    image = Image.merge("RGBA", (grey, grey, grey, Image.new("L", grey.size, 200)))
    conversion = convert_bytes(tmp_path, image_bytes(image, "PNG"))
    np.testing.assert_array_equal(picture(conversion), RAMP)
    assert conversion.facts.flags == ["alpha_dropped"]


def test_varying_alpha_is_composited_on_black(tmp_path: Path) -> None:
    grey = Image.new("L", (3, 1), 200)
    alpha = Image.fromarray(np.array([[0, 51, 255]], dtype=np.uint8))
    conversion = convert_bytes(tmp_path, image_bytes(Image.merge("LA", (grey, alpha)), "PNG"))
    assert picture(conversion).tolist() == [[0, 40, 200]]
    assert conversion.facts.flags == ["alpha_composited"]


@pytest.mark.parametrize(("mode", "dtype"), [("L", np.uint8), ("I;16", np.uint16)])
def test_transparent_value_of_a_grey_image(tmp_path: Path, mode: str, dtype: type[np.generic]) -> None:
    ramp = np.arange(0, 250, 50).astype(dtype).reshape(1, -1)
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(ramp), "PNG", transparency=100))
    # Of 16 bits the value is taken as it is, for Pillow makes no alpha of it.
    expected = [0, 50, 0, 150, 200] if mode == "L" else np.rint(ramp[0] * (255 / 4095)).tolist()
    assert picture(conversion).tolist() == [expected]
    assert conversion.facts.flags == ["alpha_composited" if mode == "L" else "alpha_dropped"]


def test_transparent_value_that_does_not_occur(tmp_path: Path) -> None:
    ramp = np.arange(5, dtype=np.uint8).reshape(1, -1)
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(ramp), "PNG", transparency=9))
    np.testing.assert_array_equal(picture(conversion), ramp)
    assert conversion.facts.flags == ["alpha_dropped"]


@pytest.mark.parametrize("mode", ["1", "P"])
def test_transparent_bit_and_transparent_palette_entry_are_black(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.array([[True, False, True]])).convert(mode)
    conversion = convert_bytes(tmp_path, image_bytes(image, "PNG", transparency=255))
    assert picture(conversion).tolist() == [[0, 0, 0]]
    assert conversion.facts.flags == ["alpha_composited"]


def test_equal_channels_are_grey(tmp_path: Path) -> None:
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(RAMP).convert("RGB"), "PNG"))
    np.testing.assert_array_equal(picture(conversion), RAMP)
    assert conversion.facts.flags == []


def test_colour_becomes_luma(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8))
    conversion = convert_bytes(tmp_path, image_bytes(image, "PNG"))
    assert picture(conversion).tolist() == [[76, 150, 29]]
    assert conversion.facts.flags == ["colour_source"]


def test_palette_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(RAMP)
    palette = Image.new("P", image.size)
    palette.putdata(RAMP.ravel().tolist())
    palette.putpalette([255 - value // 3 for value in range(768)])
    conversion = convert_bytes(tmp_path, image_bytes(palette, "PNG"))
    np.testing.assert_array_equal(picture(conversion), 255 - RAMP)


def test_16_bit_colour_is_refused_because_its_low_byte_would_be_lost(tmp_path: Path) -> None:
    raw = b"\x00" + struct.pack(">3H", 4095, 4095, 4095)
    assert reason_of(tmp_path, _png(1, 1, 16, 2, raw)) is Reason.UNSUPPORTED


def test_header_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    assert reason_of(tmp_path, _png(60_000, 60_000, 8, 0, b"\x00")) is Reason.TOO_LARGE


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
@pytest.mark.parametrize("cut", CUTS)
def test_cut_file_is_truncated(tmp_path: Path, mode: str, cut: float) -> None:
    image = Image.fromarray(film())
    if mode != "I;16":
        image = Image.fromarray((film() >> 4).astype(np.uint8)).convert(mode)
    data = image_bytes(image, "PNG")
    assert reason_of(tmp_path, data) is None
    assert reason_of(tmp_path, data[: int(len(data) * cut)]) is Reason.TRUNCATED
    assert reason_of(tmp_path, data[:-1]) is Reason.TRUNCATED


def test_chunks_that_are_sound_but_too_short_are_refused(tmp_path: Path) -> None:
    raw = b"".join(b"\x00" + bytes([row]) * 16 for row in range(8))
    assert reason_of(tmp_path, _png(8, 16, 8, 0, raw)) is None
    assert reason_of(tmp_path, _png(16, 16, 8, 0, raw)) is Reason.TRUNCATED


def test_one_flipped_bit_is_damage(tmp_path: Path) -> None:
    data = bytearray(image_bytes(Image.fromarray(film()), "PNG"))
    data[len(data) // 2] ^= 1
    assert reason_of(tmp_path, bytes(data)) is Reason.DAMAGED


def test_animation_is_refused(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), level) for level in (0, 255)]
    data = image_bytes(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert reason_of(tmp_path, data) is Reason.UNSUPPORTED
