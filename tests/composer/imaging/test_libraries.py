"""The guard around decoding libraries."""

import io
import math
import os
import struct
import subprocess
import sys
import warnings
import zlib
from contextlib import suppress

import pytest
from PIL import Image

from composer.imaging import Reason, Refusal
from composer.imaging.libraries import MAXIMUM_PIXELS, MAXIMUM_SIDE, check_size, guarded, quiet
from composer.imaging.sniff import PNG_SIGNATURE
from tests.composer.imaging.support import reason_with_remedy


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EOFError(), Reason.TRUNCATED),
        (OSError("image file is truncated (3 bytes not processed)"), Reason.TRUNCATED),
        (zlib.error("Error -5 while decompressing data: incomplete or truncated stream"), Reason.TRUNCATED),
        (ValueError("Corrupt JPEG data: premature end of data segment"), Reason.TRUNCATED),
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


def test_shortage_of_memory_is_no_damage() -> None:
    with pytest.raises(MemoryError), guarded("the image"):
        raise ValueError("Insufficient memory (case 4)")


def test_standard_error_is_quiet_only_within_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with quiet() as said:
        os.write(2, b"one line\nand another\n")
    assert said == ["one line", "and another"]
    with suppress(EOFError), quiet() as said:
        os.write(2, b"garble")
        raise EOFError
    assert said == ["garble"]
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_endless_talk_blocks_nothing() -> None:
    with quiet() as said:
        for _ in range(40):
            with suppress(BlockingIOError):
                os.write(2, b"x" * 10_000)
    assert len("".join(said)) >= 512
    with quiet() as said:
        pass
    assert said == []


def test_closed_standard_error_is_no_obstacle() -> None:
    program = (
        "import os; from composer.imaging.libraries import quiet\n"
        "os.close(2)\n"
        "with quiet(): print('within', flush=True)\n"
        "os.open(os.devnull, os.O_WRONLY)"
    )
    found = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert found.stdout.strip() == "within"


def test_pillow_leaves_the_limit_of_pixels_to_us() -> None:
    # Pillow's own limits, unless lifted, warn above 89 million pixels and raise above 179 million.
    side = math.isqrt(MAXIMUM_PIXELS)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header
    data = PNG_SIGNATURE + chunk + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + b"\0\0\0\0IDAT"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Image.open(io.BytesIO(data)).size == (side, side)


def test_size_is_checked() -> None:
    check_size(MAXIMUM_SIDE, MAXIMUM_PIXELS // MAXIMUM_SIDE)
    for rows, columns, reason in [
        (0, 5, Reason.DAMAGED),
        (5, -1, Reason.DAMAGED),
        (MAXIMUM_SIDE, MAXIMUM_PIXELS // MAXIMUM_SIDE + 1, Reason.TOO_LARGE),
        (MAXIMUM_SIDE + 1, 1, Reason.TOO_LARGE),
    ]:
        with pytest.raises(Refusal) as caught:
            check_size(rows, columns)
        assert reason_with_remedy(caught.value) is reason
