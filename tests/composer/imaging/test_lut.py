"""Look-up tables."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from composer.imaging.lut import read_lut


def _item(count: int, first: int, depth: int, data: object, vr: str = "OW") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count, first, depth])
    item.add_new("LUTData", vr, data)
    return item


def test_input_beyond_the_ends_takes_the_end_entries() -> None:
    lut = read_lut(_item(3, 10, 16, [5, 6, 7], "US"), signed=False, little_endian=True)
    assert lut is not None
    assert lut(np.array([0.0, 10.0, 11.4, 12.0, 99.0])).tolist() == [5, 5, 6, 7, 7]


@pytest.mark.parametrize(("signed", "first"), [(True, -2048), (False, 63488)])
def test_first_input_is_signed_when_the_input_is(signed: bool, first: int) -> None:
    lut = read_lut(_item(2, 63488, 16, [1, 2], "US"), signed=signed, little_endian=True)
    assert lut is not None
    assert lut.first == first


def test_count_of_zero_means_65536() -> None:
    lut = read_lut(_item(0, 0, 16, np.arange(65536, dtype="<u2").tobytes()), False, True)
    assert lut is not None
    assert lut(np.array([65535.0])).tolist() == [65535]


def test_words_follow_the_byte_order() -> None:
    lut = read_lut(_item(2, 0, 16, b"\x01\x02\x03\x04"), signed=False, little_endian=False)
    assert lut is not None
    assert lut.entries.tolist() == [0x0102, 0x0304]


def test_entries_of_8_bits_are_unpacked_from_words() -> None:
    packed = read_lut(_item(3, 0, 8, b"\x01\x02\x03\x00"), signed=False, little_endian=True)
    assert packed is not None
    assert packed.entries.tolist() == [1, 2, 3]


def test_more_entries_than_8_bits_count_are_all_reached() -> None:
    lut = read_lut(_item(4096, 0, 8, [value >> 4 for value in range(4096)], "US"), False, True)
    assert lut is not None
    assert lut(np.array([0.0, 300.0, 4095.0])).tolist() == [0, 18, 255]


@pytest.mark.parametrize(
    "item",
    [
        Dataset(),
        _item(9, 0, 16, [1, 2], "US"),
        _item(2, 0, 0, [1, 2], "US"),
        _item(2, 0, 16, [0, 0], "US"),
        _item(2, 0, 16, b""),
    ],
    ids=["absent", "short", "no depth", "all black", "empty"],
)
def test_incomplete_table_is_no_table(item: Dataset) -> None:
    assert read_lut(item, signed=False, little_endian=True) is None
