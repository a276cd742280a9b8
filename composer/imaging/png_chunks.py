"""The outside of PNG files (ISO/IEC 15948): the header, and chunks with their checksums."""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import deflate

from composer.imaging.libraries import check_size
from composer.imaging.refusal import Reason, Refusal
from composer.imaging.sniff import PNG_SIGNATURE

GREYSCALE, _PALETTE = 0, 3
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Passes of an interlaced image (8.2): first column and row, distance of columns and rows.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


class Chunk(NamedTuple):
    """A whole chunk: its four letters, its content, and the checksum in the file."""

    kind: bytes
    content: memoryview
    checksum: int


class PngHeader(NamedTuple):
    """What the first chunk says."""

    rows: int
    columns: int
    bit_depth: int
    colour_type: int
    interlaced: bool

    @property
    def inflated(self) -> int:
        """Bytes of the inflated pixel data: the rows of every pass, each after the number of its filter."""
        bits = self.bit_depth * _CHANNELS[self.colour_type]
        return sum(rows * (1 + (columns * bits + 7) // 8) for rows, columns in self._passes() if columns)

    def _passes(self) -> list[tuple[int, int]]:
        """Return rows and columns of every pass over the image."""
        if not self.interlaced:
            return [(self.rows, self.columns)]
        return [
            (len(range(top, self.rows, down)), len(range(left, self.columns, across)))
            for left, top, across, down in _ADAM7
        ]


def read_header(data: bytes) -> PngHeader:
    """Return the header of a file.

    Raises
    ------
    Refusal
        truncated, damaged, too large, or unsupported (colour or alpha of 16 bits).
    """
    header = data[len(PNG_SIGNATURE) : len(PNG_SIGNATURE) + 21]
    if len(header) < 21:
        raise Refusal(Reason.TRUNCATED, "the file ends inside the PNG header; fetch it again")
    _, kind, columns, rows, bit_depth, colour_type, *methods = struct.unpack(">I4sIIBBBBB", header)
    if kind != b"IHDR":
        raise Refusal(Reason.DAMAGED, "the first PNG chunk is not IHDR; fetch the file again")
    check_size(rows, columns)
    # Of compression and filter there is one method each, of interlace two.
    if methods not in ([0, 0, 0], [0, 0, 1]):
        text = "the PNG header names methods that do not exist; fetch the file again"
        raise Refusal(Reason.DAMAGED, text)
    if bit_depth == 16 and colour_type != GREYSCALE:
        # Pillow reads these with 8 bits and drops the rest, which blackens 12-bit data.
        text = "a PNG of 16 bits with colour or alpha, expected was 16 bit grey; convert it to grey"
        raise Refusal(Reason.UNSUPPORTED, text)
    return PngHeader(rows, columns, bit_depth, colour_type, interlaced=methods[2] == 1)


def read_chunks(data: bytes, header: PngHeader) -> list[Chunk]:
    """Return all chunks up to the last, their checksums compared, which Pillow does not do for pixel data.

    Raises
    ------
    Refusal
        truncated without the last chunk, damaged, or unsupported (an animation).
    """
    chunks: list[Chunk] = []
    palette_due = header.colour_type == _PALETTE
    for chunk in _chunks(data):
        chunks.append(chunk)
        if deflate.crc32(chunk.content, deflate.crc32(chunk.kind)) != chunk.checksum:
            text = f"wrong checksum of a PNG chunk {chunk.kind!r}; fetch the file again"
            raise Refusal(Reason.DAMAGED, text)
        if chunk.kind == b"acTL":
            raise Refusal(
                Reason.UNSUPPORTED, "an animated PNG, expected was one still image; save that as a PNG"
            )
        palette_due = palette_due and chunk.kind != b"PLTE"
        if chunk.kind == b"IDAT" and palette_due:
            # Pillow would take the indices for grey levels.
            raise Refusal(Reason.DAMAGED, "the PNG lacks its palette; fetch the file again")
        if chunk.kind == b"IEND":
            return chunks
    text = f"the file ends after {len(data)} bytes inside the PNG stream; fetch it again"
    raise Refusal(Reason.TRUNCATED, text)


def _chunks(data: bytes) -> Iterator[Chunk]:
    position, view = len(PNG_SIGNATURE), memoryview(data)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        yield Chunk(kind, view[position + 8 : end], struct.unpack_from(">I", data, end)[0])
        position = end + 4


def pixel_data(chunks: Sequence[Chunk]) -> bytes:
    """Return the deflated pixel data, which may be spread over many chunks."""
    return b"".join(chunk.content for chunk in chunks if chunk.kind == b"IDAT")
