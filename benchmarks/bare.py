"""The calls of decoder, resampling and encoder that a film needs, with nothing around them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deflate
import numpy as np
import pydicom
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000Lossless

from benchmarks.grainy import KINDS, Kind, films_of
from composer.imaging.geometry import plan_layout
from composer.imaging.picture import Grey
from composer.imaging.png_chunks import pixel_data, read_chunks, read_header
from composer.imaging.png_filters import unfilter_8, unfilter_16
from composer.imaging.recipe import PLAIN
from composer.imaging.resample import Axis, resample

Values = NDArray[Any]


@dataclass(frozen=True)
class Calls:
    """What to do before the time counts, with a file, and what then, with its result."""

    prepare: Callable[[Path], Any]
    run: Callable[[Any], bytes]


def bare(folder: str, kind: str, fast: bool, images: int) -> tuple[float, float]:
    """Do so for so many films of a kind, without reading and writing.

    Returns
    -------
    Seconds by the clock, and of the processor.
    """
    calls = bare_calls(kind, fast=fast)
    prepared = [calls.prepare(path) for path in films_of(folder, kind)]
    calls.run(prepared[0])
    start, processor = time.perf_counter(), time.process_time()
    for place in range(images):
        calls.run(prepared[place % len(prepared)])
    return time.perf_counter() - start, time.process_time() - processor


def bare_calls(name: str, *, fast: bool) -> Calls:
    """Return the calls for a kind of films, in full or as with FAST_DECODE."""
    kind = KINDS[name]
    steps: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Values], int]] = {
        "nih": (_png, _grey_8, 255),
        "mimic": (Path.read_bytes, _jpeg_half if fast else _jpeg, 255),
        "padchest": (_png, _grey_16, 65535),
        "vindr": (_place, _read, 16383),
        "vindr-j2k": (_stream, _jpeg_2000_half if fast else _jpeg_2000, 65535 if fast else 16383),
        "rsna": (_stream, _jpeg, 255),
    }
    prepare, decode, white = steps[name]
    table = np.arange(white + 1) / white

    def run(prepared: Any) -> bytes:  # noqa: ANN401 - whatever the decoder takes
        return _encode(_scaled(decode(prepared), table, kind))

    return Calls(prepare, run)


def _png(path: Path) -> tuple[bytes, int, int]:
    data = path.read_bytes()
    header = read_header(data)
    return pixel_data(read_chunks(data, header)), header.rows, header.columns


def _grey_8(prepared: tuple[bytes, int, int]) -> Values:
    stream, rows, columns = prepared
    filtered = np.frombuffer(deflate.zlib_decompress(stream, rows * (1 + columns)), np.uint8)
    pixels = np.empty((rows, columns), np.uint8)
    unfilter_8(filtered.reshape(rows, -1), pixels)
    return pixels


def _grey_16(prepared: tuple[bytes, int, int]) -> Values:
    stream, rows, columns = prepared
    filtered = np.frombuffer(deflate.zlib_decompress(stream, rows * (1 + 2 * columns)), np.uint8)
    pixels = np.empty((rows, columns), np.uint16)
    unfilter_16(filtered.reshape(rows, -1), pixels)
    return pixels


def _place(path: Path) -> tuple[Path, int]:
    """Return where the pixel data begin: of an uncompressed film reading is all the decoding."""
    dataset = pydicom.dcmread(path)
    return path, next(element.file_tell or 0 for element in dataset if element.keyword == "PixelData")


def _read(prepared: tuple[Path, int]) -> Values:
    path, start = prepared
    kind = KINDS["vindr"]
    pixels = np.fromfile(path, "<u2", count=kind.rows * kind.columns, offset=start)
    return pixels.reshape(kind.rows, kind.columns)


def _stream(path: Path) -> bytes:
    return next(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1))


def _jpeg(stream: bytes) -> Values:
    decoded: Values = simplejpeg.decode_jpeg(stream, "GRAY", strict=True)
    return decoded[..., 0]


def _jpeg_half(stream: bytes) -> Values:
    decoded: Values = simplejpeg.decode_jpeg(stream, "GRAY", min_height=1024, min_width=1024, min_factor=2)
    return decoded[..., 0]


def _jpeg_2000(stream: bytes) -> Values:
    kind = KINDS["vindr-j2k"]
    options: dict[str, Any] = {
        "rows": kind.rows,
        "columns": kind.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 14,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
    }
    decoder = get_decoder(JPEG2000Lossless)
    pixels, _ = decoder.as_array(encapsulate([stream]), index=0, decoding_plugin="gdcm", **options)
    return pixels


def _jpeg_2000_half(stream: bytes) -> Values:
    image = Image.open(io.BytesIO(stream))
    setattr(image, "reduce", 1)  # noqa: B010 - mypy knows the method only
    return np.asarray(image)


def _scaled(pixels: Values, table: NDArray[np.float64], kind: Kind) -> Values:
    rows, columns = pixels.shape
    if (rows, columns) == (PLAIN.size, PLAIN.size):
        return pixels
    layout = plan_layout(kind.rows, kind.columns, 1.0, PLAIN.size, "crop")
    left, top, right, bottom = layout.box
    down, across = (
        Axis(rows, layout.scaled_rows, top, bottom),
        Axis(columns, layout.scaled_columns, left, right),
    )
    return resample(Grey(pixels, table), down, across, 255)


def _encode(pixels: Values) -> bytes:
    file = io.BytesIO()
    grey = Image.fromarray(pixels)
    Image.merge("RGB", (grey, grey, grey)).save(file, format="JPEG", quality=PLAIN.jpeg_quality)
    return file.getvalue()
