"""Tone, from stored values to grey levels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.imaging import Facts, Recipe
from composer.imaging.dicom import decode
from composer.imaging.picture import Picture
from composer.imaging.tone import render
from tests.composer.imaging.support import (
    NATIVE,
    convert_bytes,
    dicom_bytes,
    film,
    lut_sequence,
    picture,
    real_file,
)

STORED = np.array([[0, 500, 1000, 1500, 2047, 2048, 2500, 3000, 3500, 4095]], dtype=np.uint16)
RAMP = [0, 31, 62, 93, 127, 128, 156, 187, 218, 255]
FALL = [255, 224, 193, 162, 128, 127, 99, 68, 37, 0]
LINEAR = [0, 0, 0, 58, 127, 128, 185, 249, 255, 255]
MONO1 = {"PhotometricInterpretation": "MONOCHROME1"}
WINDOW = {"WindowCenter": 2048, "WindowWidth": 2000}
FALLING_TABLE = [4095 - x for x in range(4096)]

VECTORS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "A full range": ({}, RAMP),
    "B full range, MONOCHROME1": (MONO1, FALL),
    "C LINEAR": ({**WINDOW, "VOILUTFunction": "LINEAR"}, LINEAR),
    "D LINEAR, MONOCHROME1": (
        {**MONO1, "WindowCenter": 1500, "WindowWidth": 2500},
        [255, 229, 178, 127, 72, 72, 25, 0, 0, 0],
    ),
    "E SIGMOID": (
        {**WINDOW, "VOILUTFunction": "SIGMOID"},
        [4, 11, 28, 64, 127, 128, 182, 222, 242, 251],
    ),
    "F LINEAR_EXACT": ({**WINDOW, "VOILUTFunction": "LINEAR_EXACT"}, LINEAR),
    "H rescale": (
        {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 500, "WindowWidth": 1500},
        [0, 0, 38, 124, 217, 217, 255, 255, 255, 255],
    ),
    "J width 1": ({"WindowCenter": 2048, "WindowWidth": 1}, [0] * 5 + [255] * 5),
    "K table": ({"VOILUTSequence": lut_sequence(FALLING_TABLE, 0, 12)}, FALL),
    "L table of wrong depth": ({"VOILUTSequence": lut_sequence(FALLING_TABLE, 0, 16)}, FALL),
    "M table of 8 bits": ({"VOILUTSequence": lut_sequence([x >> 4 for x in range(4096)], 0, 8)}, RAMP),
    "N short table": (
        {"VOILUTSequence": lut_sequence([2 * x for x in range(2001)], 1000, 12)},
        [0, 0, 0, 62, 130, 131, 187, 249, 249, 249],
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(tmp_path: Path, name: str) -> None:
    elements, expected = VECTORS[name]
    conversion = convert_bytes(tmp_path, dicom_bytes(STORED, **elements))
    assert picture(conversion)[0].tolist() == expected
    repaired = ["lut_depth_repaired"] if name.startswith("L ") else []
    assert conversion.facts.flags == repaired


def test_vector_g_the_second_window_can_be_named() -> None:
    data = dicom_bytes(STORED, WindowCenter=[1000, 3000], WindowWidth=[500, 1000])
    facts = Facts()
    levels = render(decode(data, facts), NATIVE, facts, voi_index=1).levels
    assert np.rint(255 * levels)[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 128, 255, 255]
    assert (facts.voi_index, facts.window_center, facts.window_width) == (1, 3000, 1000)


def test_vector_i_signed(tmp_path: Path) -> None:
    stored = (STORED.astype(np.int32) - 2048).astype(np.int16)
    conversion = convert_bytes(tmp_path, dicom_bytes(stored, WindowCenter=0, WindowWidth=1000))
    assert picture(conversion)[0].tolist() == [0, 0, 0, 0, 127, 128, 243, 255, 255, 255]


def test_vector_o_bits_above_the_stored_ones_are_masked(tmp_path: Path) -> None:
    dirty = STORED | np.uint16(0xA000)
    conversion = convert_bytes(tmp_path, dicom_bytes(dirty, WindowCenter=2048, WindowWidth=4096))
    assert picture(conversion)[0].tolist() == RAMP
    assert conversion.facts.flags == ["bits_conflict"]


REAL = [
    ("RG1_UNCR", 0, (1955, 1841), 192.1704, 207, 0, 0, 94, 226),
    ("RG1_J2KR", 0, (1955, 1841), 192.1704, 207, 0, 0, 94, 226),
    ("RG3_UNCR", 0, (1760, 1760), 177.4989, 228, 0, 1359170, 255, 188),
    ("RG3_J2KR", 0, (1760, 1760), 177.4989, 228, 0, 1359170, 255, 188),
    ("mlut_18", 0, (512, 512), 128.8326, 127, 42012, 38109, 127, 122),
    ("vlut_04", 0, (512, 512), 128.8300, 127, 42012, 38109, 127, 122),
    ("MR-SIEMENS-DICOM-WithOverlays", 0, (484, 484), 29.8218, 0, 134183, 81, 0, 17),
    ("MR-SIEMENS-DICOM-WithOverlays", 1, (484, 484), 76.1480, 20, 0, 14649, 12, 75),
    ("examples_overlay", 0, (300, 484), 48.1125, 36, 45127, 81, 0, 26),
    ("examples_overlay", 1, (300, 484), 114.6212, 108, 0, 14649, 12, 91),
    ("CT_small", 0, (128, 128), 131.0122, 131, 0, 0, 128, 135),
    ("MR_small", 0, (64, 64), 113.0664, 84, 0, 226, 176, 61),
]


@pytest.mark.parametrize("row", REAL, ids=lambda row: f"{row[0]}-{row[1]}")
def test_real_files(row: tuple[Any, ...]) -> None:
    name, index, shape, *figures = row
    facts = Facts()
    levels = render(
        decode(real_file(f"{name}.dcm").read_bytes(), facts), NATIVE, facts, voi_index=index
    ).levels
    pixels = np.rint(255 * levels).astype(np.uint8)
    found = [
        round(float(pixels.mean()), 4),
        np.median(pixels),
        (pixels == 0).sum(),
        (pixels == 255).sum(),
        pixels[0, 0],
        pixels[shape[0] // 2, shape[1] // 2],
    ]
    assert pixels.shape == shape
    assert found == figures


def test_same_film_opposite_polarity_is_complementary(tmp_path: Path) -> None:
    stored = film()
    upright = picture(convert_bytes(tmp_path, dicom_bytes(stored, **WINDOW))).astype(int)
    inverse = picture(convert_bytes(tmp_path, dicom_bytes(stored, **WINDOW, **MONO1))).astype(int)
    np.testing.assert_array_equal(upright + inverse, 255)


@given(
    center=st.integers(-2000, 6000),
    width=st.integers(1, 6000),
    slope=st.sampled_from([-2.0, 0.5, 1.0, 3.0]),
    intercept=st.integers(-2000, 2000),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)
def test_tone_is_monotone_and_its_inverse_the_complement(
    center: int, width: int, slope: float, intercept: int, photometric: str
) -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(1, -1)
    data = dicom_bytes(
        ramp,
        WindowCenter=center,
        WindowWidth=width,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        PhotometricInterpretation=photometric,
    )
    levels = [
        render(decode(data, facts), Recipe(invert=invert), facts).levels
        for invert, facts in ((False, Facts()), (True, Facts()))
    ]
    rising = (slope > 0) == (photometric == "MONOCHROME2")
    steps = np.diff(levels[0][0].astype(float))
    assert (steps >= 0).all() if rising else (steps <= 0).all()
    np.testing.assert_allclose(levels[0] + levels[1], 1, atol=1e-6)


def test_inversion_by_configuration_is_flagged(tmp_path: Path) -> None:
    recipe = Recipe(size=1 << 16, resize="fit", image_format="png", image_mode="L", invert=True)
    conversion = convert_bytes(tmp_path, dicom_bytes(STORED, **MONO1), recipe)
    assert picture(conversion)[0].tolist() == RAMP
    assert conversion.facts.flags == ["inverted_by_configuration"]
    assert not conversion.facts.inverted


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black(tmp_path: Path, photometric: str) -> None:
    data = dicom_bytes(
        STORED,
        PhotometricInterpretation=photometric,
        PixelPaddingValue=4095,
        PixelPaddingRangeLimit=3500,
    )
    pixels = picture(convert_bytes(tmp_path, data))[0]
    assert pixels[-2:].tolist() == [0, 0]
    assert (pixels[1:-2] > 0).all()


def test_minmax_leaves_padding_out_and_ignores_the_window(tmp_path: Path) -> None:
    recipe = Recipe(size=1 << 16, resize="fit", image_format="png", image_mode="L", tone="minmax")
    stored = np.array([[0, 1000, 1500, 2000]], dtype=np.uint16)
    conversion = convert_bytes(tmp_path, dicom_bytes(stored, **WINDOW, PixelPaddingValue=0), recipe)
    assert picture(conversion)[0].tolist() == [0, 0, 128, 255]
    assert conversion.facts.voi_kind == "minmax"


def test_16_bit_header_over_12_bit_data_is_repaired(tmp_path: Path) -> None:
    conversion = convert_bytes(tmp_path, dicom_bytes(STORED, BitsStored=16))
    assert picture(conversion)[0].tolist() == RAMP
    assert conversion.facts.flags == ["range_repaired"]


def test_stated_pixel_range_counts_where_it_holds(tmp_path: Path) -> None:
    stored = np.array([[100, 200, 300]], dtype=np.uint16)
    stated = dicom_bytes(stored, SmallestImagePixelValue=100, LargestImagePixelValue=300)
    assert picture(convert_bytes(tmp_path, stated))[0].tolist() == [0, 128, 255]
    wrong = dicom_bytes(stored, SmallestImagePixelValue=100, LargestImagePixelValue=250)
    assert picture(convert_bytes(tmp_path, wrong))[0].tolist() != [0, 128, 255]


@pytest.mark.parametrize("tone", ["standard", "minmax"])
def test_constant_image_is_no_accident(tmp_path: Path, tone: Any) -> None:  # noqa: ANN401
    recipe = Recipe(size=16, image_format="png", image_mode="L", tone=tone)
    pixels = picture(convert_bytes(tmp_path, dicom_bytes(np.full((8, 8), 2048, np.uint16)), recipe))
    assert np.unique(pixels).tolist() == ([128] if tone == "standard" else [0])


def test_slope_of_zero_is_not_believed(tmp_path: Path) -> None:
    data = dicom_bytes(STORED, RescaleSlope=0, RescaleIntercept=0)
    conversion = convert_bytes(tmp_path, data)
    assert picture(conversion)[0].tolist() == RAMP
    assert conversion.facts.flags == ["modality_invalid"]


def test_32_bits_are_computed_without_a_table(tmp_path: Path) -> None:
    stored = np.array([[0, 1 << 31, (1 << 32) - 1]], dtype=np.uint32)
    assert picture(convert_bytes(tmp_path, dicom_bytes(stored)))[0].tolist() == [0, 128, 255]


class TestOriginalBits:
    """PNG of 16 bits whose table tells the bits of the original (PadChest)."""

    @pytest.mark.parametrize(
        ("bits", "highest", "full_scale"),
        [
            # As the publisher saved them: divided by 4096, then 16 bits.
            (12, 65519, 65519.0),
            (12, 65535, 65519.0),
            (10, 16367, 16367.75),
            # As stored.
            (12, 4095, 4095.0),
            (10, 1023, 1023.0),
            (16, 65535, 65535.0),
            # No table tells.
            (None, 65535, 65535.0),
            (None, 4095, 4095.0),
            (99, 4095, 4095.0),
        ],
    )
    def test_film_fills_the_range_of_grey(self, bits: int | None, highest: int, full_scale: float) -> None:
        facts = Facts()
        stored = np.linspace(0, highest, 1000).reshape(10, 100).astype(np.uint16)
        levels = render(Picture(stored, original_bits_stored=bits), Recipe(), facts).levels
        assert facts.full_scale == pytest.approx(full_scale, abs=0.001)
        assert facts.flags == []
        assert levels[-1, -1] == pytest.approx(1, abs=1e-3)
        assert np.all(np.diff(levels.ravel()) >= 0)
        assert levels.mean() == pytest.approx(0.5, abs=0.01)

    def test_film_brighter_than_its_table_says_does_not_turn_white(self) -> None:
        facts = Facts()
        stored = np.linspace(0, 65535, 1000).reshape(10, 100).astype(np.uint16)
        levels = render(Picture(stored, original_bits_stored=10), Recipe(), facts).levels
        assert facts.flags == ["range_repaired"]
        assert levels.mean() == pytest.approx(0.5, abs=0.01)


def test_padding_says_nothing_of_the_range() -> None:
    """12 bits under a header of 16, with padding at its upper end."""
    film = np.linspace(0, 4095, 4000).reshape(40, 100).astype(np.uint16)
    film[:4] = 65535
    facts = Facts()
    data = dicom_bytes(film, BitsAllocated=16, BitsStored=16, HighBit=15, PixelPaddingValue=65535)
    levels = render(decode(data, facts), NATIVE, facts).levels
    assert facts.flags == ["range_repaired"]
    assert levels[4:].mean() == pytest.approx(0.55, abs=0.02)
    assert (levels[:4] == 0).all()
