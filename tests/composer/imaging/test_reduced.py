"""JPEG and JPEG 2000 decoded at a reduced size: nearly the same picture, in the same place."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from composer.demo.carriers import write_dicom, write_jpeg
from composer.demo.shapes import Film
from composer.imaging import Conversion, Reason, Recipe, Refusal, Source, convert
from composer.imaging.codestream import jpeg_2000_levels
from composer.imaging.geometry import largest_reduction
from composer.imaging.libraries import GDCM, PILLOW
from tests.composer.imaging.support import picture

FULL = Recipe(size=128, image_format="png", image_mode="L")
FAST = replace(FULL, fast_decode=True)


def smooth(rows: int, columns: int) -> Film:
    """Return waves that every sampling here can hold, none of them the same in a mirror."""
    y, x = np.arange(rows)[:, None] / rows, np.arange(columns)[None, :] / columns
    waves = np.sin(9 * y + 17 * x * x) * np.cos(13 * x - 5 * y) + x - y / 3
    return np.asarray((waves - waves.min()) / np.ptp(waves), np.float32)


def write(path: Path, kind: str, film: Film, **options: Any) -> Source:  # noqa: ANN401 - as write_dicom's
    if kind == "jpeg":
        write_jpeg(path, film, quality=98)
    else:
        syntax = {"jpeg 2000": JPEG2000Lossless, "jpeg in dicom": JPEGBaseline8Bit}[kind]
        bits = 14 if kind == "jpeg 2000" else 8
        write_dicom(path, film, bits_stored=bits, transfer_syntax=syntax, **options)
    return Source(str(path))


def difference(fast: Conversion, full: Conversion) -> NDArray[np.int64]:
    return picture(fast).astype(np.int64) - picture(full).astype(np.int64)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg in dicom", "jpeg 2000"])
@pytest.mark.parametrize(
    ("shape", "size"), [((601, 515), 128), ((517, 1031), 128), ((1033, 1100), 128), ((512, 512), 256)]
)
def test_picture_is_nearly_the_same_and_in_the_same_place(
    tmp_path: Path, kind: str, shape: tuple[int, int], size: int
) -> None:
    source = write(tmp_path / "film", kind, smooth(*shape))
    full = convert(source, replace(FULL, size=size))
    fast = convert(source, replace(FAST, size=size))
    assert fast.facts.flags == ["reduced_decoding"]
    assert full.facts.flags == []
    found = difference(fast, full)
    # A quarter of a pixel of displacement changes these waves by three levels and more.
    assert np.abs(found).max() <= 2
    for fact in ("native_rows", "native_columns", "crop_box", "scale_row", "scale_column", "rows", "columns"):
        assert getattr(fast.facts, fact) == getattr(full.facts, fact)


@pytest.mark.parametrize("resize", ["crop", "pad", "fit", "stretch"])
def test_every_way_to_resize(tmp_path: Path, resize: Any) -> None:  # noqa: ANN401 - a literal
    source = write(tmp_path / "film", "jpeg 2000", smooth(600, 800))
    fast, full = (convert(source, replace(recipe, resize=resize)) for recipe in (FAST, FULL))
    assert "reduced_decoding" in fast.facts.flags
    assert np.abs(difference(fast, full)).max() <= 2
    assert fast.facts.pad_box == full.facts.pad_box


@pytest.mark.parametrize("orientation", [1, 2, 6])
def test_turned_films_are_decoded_in_full(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "film.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    levels = np.rint(255 * smooth(601, 403)).astype(np.uint8)
    Image.fromarray(levels).save(path, quality=98, exif=exif)
    fast, full = (convert(Source(str(path)), recipe) for recipe in (FAST, FULL))
    assert ("reduced_decoding" in fast.facts.flags) == (orientation == 1)
    assert (fast.data == full.data) == (orientation != 1)


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    source = write(tmp_path / "film", "jpeg 2000", smooth(400, 800), attributes={"PixelAspectRatio": [2, 1]})
    fast, full = (convert(source, recipe) for recipe in (FAST, FULL))
    assert fast.facts.flags == ["pixel_aspect", "reduced_decoding"]
    assert np.abs(difference(fast, full)).max() <= 2


@pytest.mark.parametrize(
    ("rows", "columns", "aspect", "resize", "factor"),
    [
        (1024, 1024, 1.0, "crop", 8),
        (1023, 1024, 1.0, "crop", 4),
        (255, 3000, 1.0, "crop", 1),
        (256, 3000, 1.0, "crop", 2),
        (256, 3000, 1.0, "pad", 8),
        (200, 2000, 1.0, "stretch", 1),
        # Rows twice as far apart become as many pixels again.
        (256, 512, 2.0, "crop", 2),
    ],
)
def test_film_stays_as_large_as_its_picture(
    rows: int,
    columns: int,
    aspect: float,
    resize: Any,  # noqa: ANN401 - a literal
    factor: int,
) -> None:
    assert largest_reduction(rows, columns, aspect, replace(FAST, resize=resize)) == factor
    assert largest_reduction(rows, columns, aspect, replace(FULL, resize=resize)) == 1


@pytest.mark.parametrize(
    "attributes", [{"PixelRepresentation": 1}, {"HighBit": 15, "BitsStored": 14}], ids=["signed", "high bit"]
)
def test_values_that_are_left_open_are_decoded_in_full(tmp_path: Path, attributes: dict[str, int]) -> None:
    source = write(tmp_path / "film", "jpeg 2000", smooth(300, 300), attributes=attributes)
    fast, full = (convert(source, recipe) for recipe in (FAST, FULL))
    assert fast.data == full.data
    assert fast.facts.decoder == GDCM


def test_padding_does_not_mix_with_tissue(tmp_path: Path) -> None:
    film = smooth(512, 512) / np.float32(2)
    film[:, :100] = 1
    attributes = {"PixelPaddingValue": 2**14 - 1}
    source = write(tmp_path / "film", "jpeg 2000", film, attributes=attributes)
    fast, full = (convert(source, recipe) for recipe in (FAST, FULL))
    assert fast.data == full.data


@pytest.mark.parametrize("kind", ["jpeg in dicom", "jpeg 2000"])
def test_extremes_are_those_of_the_film(tmp_path: Path, kind: str) -> None:
    film = smooth(512, 512) / np.float32(2)
    film[250, 250] = 1
    source = write(tmp_path / "film", kind, film)
    fast, full = (convert(source, replace(recipe, tone="minmax")) for recipe in (FAST, FULL))
    assert fast.data == full.data


@pytest.mark.parametrize(
    ("options", "is_reduced"),
    [
        ({"tile_size": (256, 256)}, True),
        ({"tile_size": (511, 511)}, False),
        ({"tile_size": (255, 300)}, False),
        ({"offset": (3, 5), "tile_size": (1024, 1024)}, False),
        ({"offset": (1, 1), "tile_size": (1024, 1024)}, False),
    ],
)
def test_tiles_and_offsets(tmp_path: Path, options: dict[str, Any], is_reduced: bool) -> None:
    stream = io.BytesIO()
    levels = np.rint(255 * smooth(768, 768)).astype(np.uint8)
    Image.fromarray(levels).save(stream, format="JPEG2000", no_jp2=True, **options)
    dataset = pydicom.dcmread(write(tmp_path / "film", "jpeg 2000", smooth(768, 768)).path)
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    pydicom.dcmwrite(tmp_path / "tiled", dataset)
    fast, full = (convert(Source(str(tmp_path / "tiled")), recipe) for recipe in (FAST, FULL))
    assert ("reduced_decoding" in fast.facts.flags) == is_reduced
    assert np.abs(difference(fast, full)).max() <= (2 if is_reduced else 0)


def test_what_the_reduced_decoder_cannot_read_is_left_to_the_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("broken data stream")

    source = write(tmp_path / "film", "jpeg 2000", smooth(512, 512))
    full = convert(source, FULL)
    monkeypatch.setattr("composer.imaging.dicom_smaller._jpeg_2000", broken)
    assert convert(source, FAST).data == full.data


def test_other_things_in_the_upper_bits_are_no_overshoot(tmp_path: Path) -> None:
    # Above ten stored bits the stream of fourteen has all others set in half of the film.
    film = smooth(512, 512) / np.float32(16)
    film[:256] += np.float32(15 / 16)
    source = write(tmp_path / "film", "jpeg 2000", film, attributes={"BitsStored": 10, "HighBit": 9})
    fast, full = (convert(source, recipe) for recipe in (FAST, FULL))
    assert fast.data == full.data
    assert "bits_conflict" in fast.facts.flags


def test_levels_of_the_stream_are_the_limit(tmp_path: Path) -> None:
    levels = np.rint(255 * smooth(1024, 1024)).astype(np.uint8)
    for count in (0, 1, 5):
        stream = io.BytesIO()
        Image.fromarray(levels).save(stream, format="JPEG2000", no_jp2=True, num_resolutions=count + 1)
        assert jpeg_2000_levels(stream.getvalue()) == count


def test_overshoot_stays_in_the_stored_bits(tmp_path: Path) -> None:
    """The low band of a sharp edge goes beyond the values of the film, which would wrap round to black."""
    film = np.zeros((512, 512), np.float32)
    film[:, 256:] = 1
    source = write(tmp_path / "film", "jpeg 2000", film)
    fast, full = (convert(source, recipe) for recipe in (FAST, FULL))
    assert fast.facts.decoder == PILLOW
    assert "bits_conflict" not in fast.facts.flags
    assert np.abs(difference(fast, full)).max() < 60
    assert (picture(fast)[:, 80:] > 200).all()


def test_what_has_no_smaller_version_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    write_dicom(path, smooth(600, 600), transfer_syntax=ExplicitVRLittleEndian)
    fast, full = (convert(Source(str(path)), recipe) for recipe in (FAST, FULL))
    assert fast.data == full.data
    assert fast.facts.flags == []


@pytest.mark.parametrize("kind", ["jpeg", "jpeg in dicom", "jpeg 2000"])
def test_cut_streams_are_refused(tmp_path: Path, kind: str) -> None:
    data = Path(write(tmp_path / "film", kind, smooth(600, 600)).path).read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(data[: int(0.6 * len(data))])
    with pytest.raises(Refusal) as refusal:
        convert(Source(str(cut)), FAST)
    assert refusal.value.reason is Reason.TRUNCATED
