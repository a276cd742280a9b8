"""The file formats: what is written displays the film, and is the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from composer.demo.carriers import PngMode, write_dicom, write_jpeg, write_png
from composer.demo.phantom import film

# Odd in both directions: padding and strides show.
FILM = film(1234, rows=129, columns=101)
DECODERS = {
    RLELossless: "pydicom",
    JPEG2000Lossless: "gdcm",
}
SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    *DECODERS,
)


def levels(bits: int) -> NDArray[np.float64]:
    rounded: NDArray[np.float64] = np.rint(FILM.astype(np.float64) * (2**bits - 1))
    return rounded


def pixels(path: Path) -> NDArray[np.generic]:
    dataset = pydicom.dcmread(path)
    dataset.pixel_array_options(decoding_plugin=DECODERS.get(dataset.file_meta.TransferSyntaxUID, ""))
    return dataset.pixel_array


def test_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "film.jpg"
    write_jpeg(path, FILM, quality=95)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (101, 129))
        assert np.abs(np.asarray(image) - levels(8)).mean() < 3


def test_quality_of_a_jpeg(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "good.jpg", FILM, quality=95)
    write_jpeg(tmp_path / "poor.jpg", FILM, quality=30)
    assert (tmp_path / "poor.jpg").stat().st_size < (tmp_path / "good.jpg").stat().st_size / 2


@pytest.mark.parametrize("mode", get_args(PngMode))
def test_png(tmp_path: Path, mode: PngMode) -> None:
    path = tmp_path / "new" / "film.png"
    write_png(path, FILM, mode=mode)
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", mode)
        if mode == "I;16":
            np.testing.assert_array_equal(np.asarray(image), levels(16))
        else:
            red, green, blue, alpha = np.moveaxis(np.asarray(image.convert("RGBA")), -1, 0)
            for channel in (red, green, blue):
                np.testing.assert_array_equal(channel, levels(8))
            assert (alpha == 255).all()


def test_the_indices_of_a_palette_are_no_grey_values(tmp_path: Path) -> None:
    write_png(tmp_path / "film.png", FILM, mode="P")
    with Image.open(tmp_path / "film.png") as image:
        np.testing.assert_array_equal(np.asarray(image), 255 - levels(8))


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dicom(
    tmp_path: Path, syntax: str, bits: int, photometric: Literal["MONOCHROME1", "MONOCHROME2"]
) -> None:
    path = tmp_path / "new" / "film.dcm"
    write_dicom(path, FILM, bits_stored=bits, photometric_interpretation=photometric, transfer_syntax=syntax)
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == syntax
    assert dataset.PhotometricInterpretation == photometric
    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (
        8 if bits == 8 else 16,
        bits,
        bits - 1,
    )
    shown = pixels(path).astype(np.float64)
    if photometric == "MONOCHROME1":
        shown = 2**bits - 1 - shown
    np.testing.assert_array_equal(shown, levels(bits))
    assert (shown.min(), shown.max()) == (0, 2**bits - 1)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_the_same_call_gives_the_same_bytes(tmp_path: Path, syntax: str) -> None:
    for folder in ("one", "two"):
        write_dicom(tmp_path / folder / "film.dcm", FILM, transfer_syntax=syntax, window=(2048, 4096))
    assert (tmp_path / "one" / "film.dcm").read_bytes() == (tmp_path / "two" / "film.dcm").read_bytes()


def test_uids_differ_with_name_and_pixels(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", FILM)
    write_dicom(tmp_path / "b.dcm", FILM)
    write_dicom(tmp_path / "c" / "a.dcm", 1 - FILM)
    read = [pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "b.dcm", "c/a.dcm")]
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert len({dataset[keyword].value for dataset in read}) == 3
    assert len({read[0].SOPInstanceUID, read[0].StudyInstanceUID, read[0].SeriesInstanceUID}) == 3


def test_window_and_further_attributes(tmp_path: Path) -> None:
    write_dicom(
        tmp_path / "film.dcm",
        FILM,
        window=(1500, 2500.5),
        attributes={"PatientSex": "F", "ViewPosition": None, "SOPInstanceUID": "1.2.3", "BitsStored": 10},
    )
    dataset = pydicom.dcmread(tmp_path / "film.dcm")
    assert (dataset.WindowCenter, dataset.WindowWidth) == (1500, 2500.5)
    assert (dataset.PatientSex, dataset["ViewPosition"].is_empty, dataset.BitsStored) == ("F", True, 10)
    assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID == "1.2.3"


def test_no_window_unless_asked(tmp_path: Path) -> None:
    write_dicom(tmp_path / "film.dcm", FILM)
    assert "WindowCenter" not in pydicom.dcmread(tmp_path / "film.dcm")


def test_no_date_is_written(tmp_path: Path) -> None:
    write_dicom(tmp_path / "film.dcm", FILM)
    assert not [
        element for element in pydicom.dcmread(tmp_path / "film.dcm") if element.VR in ("DA", "TM", "DT")
    ]


def test_a_name_that_is_no_keyword(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'PatientsSex' is no DICOM keyword"):
        write_dicom(tmp_path / "film.dcm", FILM, attributes={"PatientsSex": "F"})
    assert not (tmp_path / "film.dcm").exists()


def test_a_transfer_syntax_without_an_encoder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no encoder for JPEG-LS"):
        write_dicom(tmp_path / "film.dcm", FILM, bits_stored=8, transfer_syntax=JPEGLSLossless)
