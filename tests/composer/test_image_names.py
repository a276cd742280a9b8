"""Names of many image files at once: the same as one by one."""

import pyarrow as pa

from composer.folder import image_name
from composer.image_names import image_names


def test_names_are_those_of_single_images() -> None:
    numbers = [0, 9_999, 10_000, 54_321, 999_999, 1_000_000, 1_234_567]
    names = image_names(pa.chunked_array([pa.array(numbers, pa.int32())]), "png")
    assert names.to_pylist() == [image_name(number, "png") for number in numbers]


def test_no_number_has_no_name() -> None:
    assert image_names(pa.chunked_array([], pa.int32()), "jpg").to_pylist() == []
