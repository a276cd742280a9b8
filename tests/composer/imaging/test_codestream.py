"""The outside of JPEG streams."""

import pytest

from composer.imaging import Reason, Refusal
from composer.imaging.codestream import MAXIMUM_SCANS, Frame, jpeg_2000_frame, jpeg_frame
from tests.composer.imaging.support import reason_with_remedy

HEADER = b"\xff\xd8\xff\xc3\x00\x0b\x0c\x00\x20\x00\x10\x01\x01\x11\x00"
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00"
CODESTREAM = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + b"".join(
    value.to_bytes(4, "big") for value in (20, 34, 4, 2, 20, 34, 0, 0)
)
CODESTREAM += b"\x00\x01\x8b\x01\x01"


def test_frame_of_jpeg() -> None:
    assert jpeg_frame(HEADER + SCAN + b"data\xff\xd9") == Frame(rows=32, columns=16, precision=12, samples=1)
    assert jpeg_frame(HEADER + b"\xff\xff" + SCAN + b"data\xff\xd9\x00").rows == 32


@pytest.mark.parametrize("padding", [b"", b"\x00", b"\xff"])
def test_frame_of_jpeg_2000(padding: bytes) -> None:
    assert jpeg_2000_frame(CODESTREAM + b"data\xff\xd9" + padding) == Frame(
        rows=32, columns=16, precision=12, samples=1
    )


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (HEADER + SCAN + b"data", Reason.TRUNCATED),
        (HEADER, Reason.TRUNCATED),
        (b"\xff\xd8" + SCAN + b"\xff\xd9", Reason.DAMAGED),
        (HEADER + b"junk junk", Reason.DAMAGED),
        (b"junk", Reason.DAMAGED),
    ],
)
def test_incomplete_jpeg_is_refused(stream: bytes, reason: Reason) -> None:
    with pytest.raises(Refusal) as caught:
        jpeg_frame(stream)
    assert reason_with_remedy(caught.value) is reason


def test_jpeg_of_endless_scans_is_refused() -> None:
    scans = SCAN + b"data"
    assert jpeg_frame(HEADER + scans * MAXIMUM_SCANS + b"\xff\xd9").rows == 32
    with pytest.raises(Refusal) as caught:
        jpeg_frame(HEADER + scans * (MAXIMUM_SCANS + 1) + b"\xff\xd9")
    assert reason_with_remedy(caught.value) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (CODESTREAM, Reason.TRUNCATED),
        (b"junk", Reason.DAMAGED),
        (CODESTREAM + b"data" + bytes(4096) + b"data\xff\xd9", Reason.DAMAGED),
    ],
)
def test_incomplete_jpeg_2000_is_refused(stream: bytes, reason: Reason) -> None:
    with pytest.raises(Refusal) as caught:
        jpeg_2000_frame(stream)
    assert reason_with_remedy(caught.value) is reason
