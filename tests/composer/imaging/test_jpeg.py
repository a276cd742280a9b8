"""JPEG files."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from composer.imaging import Reason
from tests.composer.imaging.support import CUTS, convert_bytes, film, image_bytes, picture, reason_of

FILM = Image.fromarray((film() >> 4).astype(np.uint8))


def test_grey_is_what_pillow_decodes(tmp_path: Path) -> None:
    data = image_bytes(FILM, "JPEG", quality=90)
    conversion = convert_bytes(tmp_path, data)
    expected = np.asarray(Image.open(tmp_path / "image.bin"))
    np.testing.assert_array_equal(picture(conversion), expected)
    assert (conversion.facts.source_format, conversion.facts.flags) == ("jpeg", [])


def test_grey_in_three_channels_stays_grey(tmp_path: Path) -> None:
    conversion = convert_bytes(tmp_path, image_bytes(FILM.convert("RGB"), "JPEG"))
    assert conversion.facts.flags == []
    assert np.abs(picture(conversion).astype(int) - np.asarray(FILM)).max() < 30


def test_colour_and_cmyk_become_luma(tmp_path: Path) -> None:
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    for mode in ("RGB", "CMYK"):
        conversion = convert_bytes(tmp_path, image_bytes(red.convert(mode), "JPEG", quality=100))
        assert picture(conversion).mean() == pytest.approx(76, abs=2)
        assert conversion.facts.flags == ["colour_source"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    conversion = convert_bytes(tmp_path, image_bytes(FILM, "JPEG", exif=exif))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "image.bin")))
    np.testing.assert_array_equal(picture(conversion), expected)
    assert conversion.facts.flags == ([] if orientation == 1 else ["exif_orientation"])
    assert (conversion.facts.native_rows, conversion.facts.native_columns) == expected.shape


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_cut_file_is_truncated(tmp_path: Path, progressive: bool, cut: float) -> None:
    data = image_bytes(FILM, "JPEG", progressive=progressive)
    assert reason_of(tmp_path, data) is None
    assert reason_of(tmp_path, data[: int(len(data) * cut)]) is Reason.TRUNCATED
    assert reason_of(tmp_path, data[:-1]) is Reason.TRUNCATED


def test_pixels_are_those_of_pillow_for_every_way_of_coding(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (41, 27), dtype=np.uint8)
    for image in (FILM, Image.fromarray(noise)):
        for quality in (30, 75, 95, 100):
            for options in ({}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}):
                data = image_bytes(image, "JPEG", quality=quality, **options)
                expected = np.asarray(Image.open(io.BytesIO(data)))
                np.testing.assert_array_equal(picture(convert_bytes(tmp_path, data)), expected)


def test_end_marker_of_a_thumbnail_does_not_count(tmp_path: Path) -> None:
    thumbnail = image_bytes(Image.new("L", (8, 8)), "JPEG")
    data = image_bytes(FILM, "JPEG")
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    with_thumbnail = data[:2] + segment + data[2:]
    assert reason_of(tmp_path, with_thumbnail) is None
    assert reason_of(tmp_path, with_thumbnail[: len(with_thumbnail) // 2]) is Reason.TRUNCATED


def test_bytes_behind_the_end_do_not_matter(tmp_path: Path) -> None:
    data = image_bytes(FILM, "JPEG")
    assert convert_bytes(tmp_path, data + bytes(100)).data == convert_bytes(tmp_path, data).data


def test_12_bit_stream_is_refused(tmp_path: Path) -> None:
    data = bytearray(image_bytes(FILM, "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    assert reason_of(tmp_path, bytes(data)) is Reason.UNSUPPORTED


@pytest.mark.parametrize("zeros", [1, 2, 3, 4, 100])
def test_zeros_before_the_end_marker_are_no_damage(tmp_path: Path, zeros: int) -> None:
    data = image_bytes(Image.fromarray((film() >> 4).astype(np.uint8)), "JPEG", quality=90)
    padded = data[:-2] + bytes(zeros) + data[-2:]
    np.testing.assert_array_equal(
        picture(convert_bytes(tmp_path, padded)), picture(convert_bytes(tmp_path, data))
    )


def test_zeros_in_place_of_data_are_damage(tmp_path: Path) -> None:
    data = image_bytes(Image.fromarray((film() >> 4).astype(np.uint8)), "JPEG", quality=90)
    cut = data[: len(data) - 600] + bytes(598) + data[-2:]
    assert reason_of(tmp_path, cut) in (Reason.DAMAGED, Reason.TRUNCATED)
