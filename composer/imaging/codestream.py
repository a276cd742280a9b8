"""The outside of JPEG, JPEG-LS and JPEG 2000 streams: their announced size, and whether their end is there.

Decoders differ in what they do with a stream that was cut: some refuse it, some fill in grey and only print a
warning. The end marker is therefore looked for here, before decoding.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from composer.imaging.refusal import Reason, Refusal

_START_OF_IMAGE = b"\xff\xd8"
# End of image in T.81 and T.87, end of codestream in T.800; coded data cannot contain it.
_END_MARKER = b"\xff\xd9"
_START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
_START_OF_SCAN = 0xDA
# Of the coding style, and of the first tile, which ends the main header (T.800 table A.2).
_CODING_STYLE, _START_OF_TILE = 0x52, 0x90
_STAND_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
# T.81 table B.1 without DHT (C4), JPG (C8) and DAC (CC); F7 is the frame of JPEG-LS (T.87 C.1.1).
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})


# Scans of a progressive JPEG, of which encoders write about ten. Each costs a pass over all pixels, however
# few bytes it has.
MAXIMUM_SCANS = 100
# A block of a file system: what a download with gaps leaves as zeros. Sound JPEG 2000 data hold no such run.
_GAP = bytes(4096)


@dataclass(frozen=True, slots=True)
class Frame:
    """Size, in pixels, precision, in bits, and number of channels that a stream announces."""

    rows: int
    columns: int
    precision: int
    samples: int


def jpeg_frame(stream: bytes) -> Frame:
    """Return the frame of a JPEG or JPEG-LS stream whose end marker is there.

    Raises
    ------
    Refusal
        truncated or damaged.
    """
    if not stream.startswith(_START_OF_IMAGE):
        raise Refusal(Reason.DAMAGED, "the JPEG stream lacks its start marker; fetch the file again")
    position = 2
    frame: Frame | None = None
    while position + 4 <= len(stream):
        marker, length = _marker(stream, position)
        if marker in _START_OF_FRAME and position + 10 <= len(stream):
            precision, rows, columns, samples = struct.unpack_from(">BHHB", stream, position + 4)
            frame = Frame(rows, columns, precision, samples)
        if marker == _START_OF_SCAN:
            return _checked_end(frame, stream, position)
        position += 2 + length
    raise Refusal(Reason.TRUNCATED, "the JPEG stream ends before its image data; fetch the file again")


def _marker(stream: bytes, position: int) -> tuple[int, int]:
    """Return the marker at ``position`` and the length of its segment, without the marker."""
    if stream[position] != 0xFF:
        raise Refusal(
            Reason.DAMAGED, f"no JPEG marker where one is due, at byte {position}; fetch the file again"
        )
    marker = stream[position + 1]
    if marker == 0xFF:
        # T.81 B.1.1.2: any marker may be preceded by fill bytes; stepping by one reaches it.
        return marker, -1
    if marker in _STAND_ALONE:
        return marker, 0
    return marker, int(struct.unpack_from(">H", stream, position + 2)[0])


def _checked_end(frame: Frame | None, stream: bytes, start_of_scan: int) -> Frame:
    if frame is None:
        raise Refusal(Reason.DAMAGED, "the JPEG stream has image data before any frame; fetch the file again")
    # From the end, where it is as a rule.
    if stream.rfind(_END_MARKER, start_of_scan) < 0:
        raise Refusal(Reason.TRUNCATED, "the JPEG stream lacks its end marker; fetch the file again")
    scans = _count_markers(stream, _START_OF_SCAN, start_of_scan)
    if scans > MAXIMUM_SCANS:
        text = f"a JPEG of {scans} scans, at most {MAXIMUM_SCANS} are decoded; fetch the file again"
        raise Refusal(Reason.TOO_LARGE, text)
    return frame


def _count_markers(stream: bytes, marker: int, start: int) -> int:
    """Count a marker from a place on; bytes.count takes so long that it would show beside the decoding."""
    data = np.frombuffer(stream, np.uint8, offset=start)
    return int(np.count_nonzero((data[:-1] == 0xFF) & (data[1:] == marker)))


def jpeg_2000_frame(stream: bytes) -> Frame:
    """Return the frame of a JPEG 2000 stream, bare or in a JP2 box, whose end marker is there.

    Raises
    ------
    Refusal
        truncated or damaged.
    """
    start = stream.find(_START_OF_CODESTREAM)
    if start < 0 or start + 43 > len(stream):
        raise Refusal(Reason.DAMAGED, "the JPEG 2000 stream lacks its start marker; fetch the file again")
    # T.800 A.5.1: SOC, SIZ, Lsiz, Rsiz, then Xsiz, Ysiz, XOsiz, YOsiz; Ssiz follows the tile sizes and Csiz.
    right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
    samples = int.from_bytes(stream[start + 40 : start + 42], "big")
    precision = (stream[start + 42] & 0x7F) + 1
    # Streams are padded to an even length, with a zero by the standard (PS3.5 A.4), with FF by some encoders.
    if not stream.rstrip(b"\x00\xff").endswith(_END_MARKER):
        raise Refusal(Reason.TRUNCATED, "the JPEG 2000 stream lacks its end marker; fetch the file again")
    if _GAP in stream:
        # Decoders cannot tell: whatever the bits, they are a valid code of some pixels.
        text = f"the JPEG 2000 stream has a gap of {len(_GAP)} zero bytes; fetch the file again"
        raise Refusal(Reason.DAMAGED, text)
    return Frame(bottom - top, right - left, precision, samples)


class Grid(NamedTuple):
    """Where the samples of a JPEG 2000 stream lie (T.800 A.5.1).

    Attributes
    ----------
    size, tile
        Columns and rows, of the image and of a tile; a tile is no larger than the image.
    begins_at_zero
        Whether image and tiles begin at the origin of the reference grid.
    is_signed
        Whether the samples have a sign.
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    begins_at_zero: bool
    is_signed: bool


def jpeg_2000_grid(stream: bytes) -> Grid:
    """Return the grid of a stream for which `jpeg_2000_frame` raised nothing."""
    start = stream.find(_START_OF_CODESTREAM)
    right, bottom, left, top, *tiles = struct.unpack_from(">8I", stream, start + 8)
    columns, rows, first_column, first_row = tiles
    size = right - left, bottom - top
    begins_at_zero = not any((left, top, first_column, first_row))
    return Grid(
        size, (min(columns, size[0]), min(rows, size[1])), begins_at_zero, bool(stream[start + 42] & 0x80)
    )


def jpeg_2000_levels(stream: bytes) -> int:
    """Return how often a JPEG 2000 stream can be halved: its decomposition levels, 0 where it does not tell.

    Parameters
    ----------
    stream
        For which `jpeg_2000_frame` raised nothing.
    """
    position = stream.find(_START_OF_CODESTREAM) + 2
    while position + 10 <= len(stream) and stream[position] == 0xFF:
        marker = stream[position + 1]
        if marker == _START_OF_TILE:
            break
        if marker == _CODING_STYLE:
            # T.800 A.6.1: marker, Lcod, Scod, four bytes of SGcod, then the levels.
            return stream[position + 9]
        position += 2 + int(struct.unpack_from(">H", stream, position + 2)[0])
    return 0
