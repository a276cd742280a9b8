"""The guard around decoding libraries."""

import zlib

import pytest

from composer.imaging import Reason, Refusal
from composer.imaging.libraries import MAXIMUM_PIXELS, check_size, guarded


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EOFError(), Reason.TRUNCATED),
        (OSError("image file is truncated (3 bytes not processed)"), Reason.TRUNCATED),
        (zlib.error("Error -5 while decompressing data: incomplete or truncated stream"), Reason.TRUNCATED),
        (ValueError("Secret"), Reason.DAMAGED),
        (RecursionError(), Reason.DAMAGED),
        (Refusal(Reason.EMPTY, ""), Reason.EMPTY),
    ],
)
def test_errors_of_decoders_become_refusals(error: Exception, reason: Reason) -> None:
    with pytest.raises(Refusal) as caught, guarded("the image"):
        raise error
    assert caught.value.reason is reason
    assert "Secret" not in caught.value.message


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_not_about_the_image_passes(error: type[BaseException]) -> None:
    with pytest.raises(error), guarded("the image"):
        raise error


def test_size_is_checked() -> None:
    check_size(MAXIMUM_PIXELS, 1)
    for rows, columns, reason in [
        (0, 5, Reason.DAMAGED),
        (5, -1, Reason.DAMAGED),
        (MAXIMUM_PIXELS + 1, 1, Reason.TOO_LARGE),
    ]:
        with pytest.raises(Refusal) as caught:
            check_size(rows, columns)
        assert caught.value.reason is reason
