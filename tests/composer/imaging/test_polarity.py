"""Black and white."""

import pytest

from composer.imaging import Facts
from composer.imaging.polarity import inverts


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted", "flags"),
    [
        ("MONOCHROME2", None, False, []),
        ("MONOCHROME2", "IDENTITY", False, []),
        ("MONOCHROME2", "INVERSE", False, ["polarity_conflict"]),
        ("MONOCHROME1", None, True, []),
        ("MONOCHROME1", "INVERSE", True, []),
        ("MONOCHROME1", "IDENTITY", True, ["polarity_conflict"]),
    ],
)
def test_photometric_interpretation_decides(
    photometric: str, shape: str | None, inverted: bool, flags: list[str]
) -> None:
    facts = Facts(presentation_lut_shape=shape)
    assert inverts(photometric, facts) is inverted
    assert facts.flags == flags
