"""DICOM files of every transfer syntax that occurs."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames

from composer.imaging import Facts, Reason, Refusal
from composer.imaging.dicom import decode
from tests.composer.imaging.support import (
    CUTS,
    convert_bytes,
    dicom_bytes,
    file_bytes,
    film,
    make_dataset,
    picture,
    real_file,
    reason_of,
)

# Files and their uncompressed twins.
TWINS = {
    "MR_small_implicit.dcm": "MR_small.dcm",
    "MR_small_bigendian.dcm": "MR_small.dcm",
    "MR_small_expb.dcm": "MR_small.dcm",
    "MR_small_padded.dcm": "MR_small.dcm",
    "MR_small_RLE.dcm": "MR_small.dcm",
    "MR_small_jpeg_ls_lossless.dcm": "MR_small.dcm",
    "MR_small_jp2klossless.dcm": "MR_small.dcm",
    "JPEG2000.dcm": "JPEG2000_UNC.dcm",
    "693_J2KR.dcm": "693_UNCR.dcm",
    "RG3_J2KI.dcm": "RG3_UNCI.dcm",
}
ENCAPSULATED = [
    "MR_small_RLE.dcm",
    "JPEG-LL.dcm",
    "JPGExtended.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "MR_small_jp2klossless.dcm",
    "JPEG2000.dcm",
    "RG3_J2KI.dcm",
]


def _stored(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(decode(data, Facts()).stored, dtype=np.int64)


def _baseline() -> bytes:
    """Return a film as JPEG baseline, 1.2.840.10008.1.2.4.50, which pydicom's files have in colour only."""
    stream = io.BytesIO()
    Image.fromarray((film() >> 4).astype(np.uint8)).save(stream, "JPEG", quality=95)
    dataset = make_dataset((film() >> 4).astype(np.uint8), PixelData=encapsulate([stream.getvalue()]))
    dataset.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    return file_bytes(dataset)


@pytest.mark.parametrize("name", TWINS)
def test_coded_file_equals_its_uncompressed_twin(name: str) -> None:
    twin = _stored(real_file(TWINS[name]).read_bytes())
    np.testing.assert_array_equal(_stored(real_file(name).read_bytes()), twin)


def test_lossy_and_lossless_coding_of_12_bits() -> None:
    # Values that other decoders give for this file.
    for name in ("JPGExtended.dcm", "JPEG-lossy.dcm"):
        stored = _stored(real_file(name).read_bytes())
        assert (stored[420, 140], stored[230, 120]) == (244, 95)


def test_stream_of_other_sign_than_the_header() -> None:
    stored = _stored(real_file("J2K_pixelrep_mismatch.dcm").read_bytes())
    assert (stored.min(), stored.max(), stored[0, 0]) == (-2000, 1896, -2000)


def test_baseline_jpeg(tmp_path: Path) -> None:
    conversion = convert_bytes(tmp_path, _baseline())
    assert np.abs(picture(conversion).astype(int) - (film() >> 4)).max() < 8
    assert conversion.facts.transfer_syntax == "1.2.840.10008.1.2.4.50"
    assert conversion.facts.decoder.startswith("simplejpeg ")


def test_decoders_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ENCAPSULATED:
        data = bytearray(real_file(name).read_bytes())
        assert reason_of(tmp_path, bytes(data)) is None
        # Near the end of the stream, clear of its end marker.
        data[-600:-300] = bytes(300)
        reason_of(tmp_path, bytes(data))
    assert capfd.readouterr() == ("", "")


def test_deflated_bomb_is_refused_by_its_inflated_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = real_file("image_dfl.dcm").read_bytes()
    # 512 x 512 pixels of 8 bits, and a header.
    monkeypatch.setattr("composer.imaging.dicom_file.MAXIMUM_INFLATED", 512 * 512)
    assert reason_of(tmp_path, data) == Reason.TOO_LARGE
    monkeypatch.setattr("composer.imaging.dicom_file.MAXIMUM_INFLATED", 512 * 512 + 5000)
    assert reason_of(tmp_path, data) is None


def test_deflated_file(tmp_path: Path) -> None:
    conversion = convert_bytes(tmp_path, real_file("image_dfl.dcm").read_bytes())
    assert picture(conversion).mean() == pytest.approx(127.1160, abs=1e-4)


@pytest.mark.parametrize(("implicit", "little_endian"), [(True, True), (False, True), (False, False)])
def test_data_set_without_preamble(implicit: bool, little_endian: bool) -> None:
    dataset = make_dataset(film())
    dataset.PatientID = "1"
    file = io.BytesIO()
    if not little_endian:
        dataset.PixelData = film().astype(">u2").tobytes()
    pixels = film().astype(np.int64)
    del dataset.file_meta
    pydicom.dcmwrite(file, dataset, implicit_vr=implicit, little_endian=little_endian)
    np.testing.assert_array_equal(_stored(file.getvalue()), pixels)


def test_bits_between_low_and_high_bit_are_taken() -> None:
    shifted = (film(bits=10) << 4).astype(np.uint16) | 3
    stored = _stored(dicom_bytes(shifted, BitsStored=10, HighBit=13))
    np.testing.assert_array_equal(stored, film(bits=10))


@pytest.mark.parametrize("extended", [True, False])
def test_signed_values_with_and_without_copies_of_the_sign(extended: bool) -> None:
    signed = film().astype(np.int16) - 2048
    facts = Facts()
    data = dicom_bytes(signed if extended else (signed & 0x0FFF).astype(np.int16))
    np.testing.assert_array_equal(decode(data, facts).stored, signed)
    assert facts.flags == []


def test_grey_in_three_samples_is_accepted_and_colour_refused(tmp_path: Path) -> None:
    grey = (film() >> 4).astype(np.uint8)
    data = dicom_bytes(grey[..., None].repeat(3, axis=2))
    conversion = convert_bytes(tmp_path, data)
    np.testing.assert_array_equal(picture(conversion), grey)
    assert conversion.facts.flags == ["colour_source"]
    assert reason_of(tmp_path, real_file("SC_rgb.dcm").read_bytes()) is Reason.UNSUPPORTED
    assert reason_of(tmp_path, real_file("OBXXXX1A.dcm").read_bytes()) is Reason.UNSUPPORTED
    assert reason_of(tmp_path, real_file("SC_rgb_small_odd_jpeg.dcm").read_bytes()) is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("emri_small.dcm", Reason.UNSUPPORTED),
        ("rtplan.dcm", Reason.UNSUPPORTED),
        ("test-SR.dcm", Reason.UNSUPPORTED),
        ("MR_truncated.dcm", Reason.TRUNCATED),
        ("README.txt", Reason.MISLABELLED),
    ],
)
def test_real_files_that_are_refused(tmp_path: Path, name: str, reason: Reason) -> None:
    assert reason_of(tmp_path, real_file(name).read_bytes()) is reason


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_implicit.dcm", "image_dfl.dcm", *ENCAPSULATED])
@pytest.mark.parametrize("cut", CUTS)
def test_cut_file_gives_no_picture(tmp_path: Path, name: str, cut: float) -> None:
    data = real_file(name).read_bytes()
    assert reason_of(tmp_path, data[: int(len(data) * cut)]) is not None


@pytest.mark.parametrize("name", ["MR_small.dcm", "image_dfl.dcm", *ENCAPSULATED])
def test_file_cut_in_its_pixels_is_truncated(tmp_path: Path, name: str) -> None:
    data = real_file(name).read_bytes()
    assert reason_of(tmp_path, data[: len(data) * 9 // 10]) is Reason.TRUNCATED


@pytest.mark.parametrize("name", [*ENCAPSULATED, "baseline"])
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
def test_cut_stream_in_a_whole_file_gives_no_picture(tmp_path: Path, name: str, cut: float) -> None:
    whole = _baseline() if name == "baseline" else real_file(name).read_bytes()
    dataset = pydicom.dcmread(io.BytesIO(whole))
    assert reason_of(tmp_path, file_bytes(dataset)) is None
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([stream[: int(len(stream) * cut)]])
    assert reason_of(tmp_path, file_bytes(dataset)) in {Reason.TRUNCATED, Reason.DAMAGED}


def test_fewer_pixels_than_announced_are_truncated(tmp_path: Path) -> None:
    data = dicom_bytes(film(), PixelData=film().tobytes()[:-2])
    assert reason_of(tmp_path, data) is Reason.TRUNCATED


def test_stream_of_another_size_than_the_header_is_damaged(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(io.BytesIO(_baseline()))
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows
    assert reason_of(tmp_path, file_bytes(dataset)) is Reason.DAMAGED


def test_header_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    data = dicom_bytes(film(), Rows=65535, Columns=65535)
    assert reason_of(tmp_path, data) is Reason.TOO_LARGE


def test_unknown_transfer_syntax_is_refused(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(io.BytesIO(_baseline()))
    dataset.file_meta.TransferSyntaxUID = uid.HTJ2KLossless
    assert reason_of(tmp_path, file_bytes(dataset)) is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    "name", ["JPEG-LL.dcm", "JPGExtended.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "baseline"]
)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_damage_that_decoders_only_warn_of_gives_no_picture(tmp_path: Path, name: str, part: float) -> None:
    dataset = pydicom.dcmread(io.BytesIO(_baseline() if name == "baseline" else real_file(name).read_bytes()))
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    place = int(len(stream) * part)
    dataset.PixelData = encapsulate([stream[:place] + b"\xff\xd9"])
    assert reason_of(tmp_path, file_bytes(dataset)) is Reason.TRUNCATED
    dataset.PixelData = encapsulate([stream[:place] + stream[place + 500 :]])
    assert reason_of(tmp_path, file_bytes(dataset)) in {Reason.TRUNCATED, Reason.DAMAGED}


def test_gap_in_jpeg_2000_gives_no_picture(tmp_path: Path) -> None:
    data = bytearray(real_file("RG3_J2KI.dcm").read_bytes())
    data[100_000:105_000] = bytes(5000)
    assert reason_of(tmp_path, bytes(data)) is Reason.DAMAGED


@pytest.mark.parametrize(("offset", "value"), [(42, 38), (42, 16), (41, 3)])
def test_stream_of_more_bits_or_samples_than_the_header_is_damaged(
    tmp_path: Path, offset: int, value: int
) -> None:
    # Ssiz and Csiz of T.800 A.5.1; GDCM kills the process over the first.
    data = bytearray(real_file("JPEG2000.dcm").read_bytes())
    data[data.index(b"\xff\x4f\xff\x51") + offset] = value
    assert reason_of(tmp_path, bytes(data)) is Reason.DAMAGED


@pytest.mark.parametrize(
    ("interpretation", "samples"),
    [("MONOCHROME3", 1), ("MONO", 1), ("RGB", 1), ("ARGB", 4), ("HSV", 3), ("MONOCHROME2", 3)],
)
def test_unknown_interpretation_is_unsupported(tmp_path: Path, interpretation: str, samples: int) -> None:
    pixels = film()[..., None].repeat(samples, axis=2) if samples > 1 else film()
    data = dicom_bytes(pixels, PhotometricInterpretation=interpretation)
    assert reason_of(tmp_path, data) is Reason.UNSUPPORTED


def test_interpretation_that_is_no_term_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        convert_bytes(tmp_path, dicom_bytes(film(), PhotometricInterpretation="DOE^JOHN"))
    assert "DOE" not in caught.value.message


def test_baseline_jpeg_of_signed_values_and_of_wide_words() -> None:
    plain = _stored(_baseline())
    dataset = pydicom.dcmread(io.BytesIO(_baseline()))
    dataset.BitsAllocated = 16
    np.testing.assert_array_equal(_stored(file_bytes(dataset)), plain)
    dataset.BitsAllocated, dataset.PixelRepresentation = 8, 1
    np.testing.assert_array_equal(_stored(file_bytes(dataset)), plain.astype(np.uint8).view(np.int8))


def test_pixels_without_size_are_damaged(tmp_path: Path) -> None:
    assert reason_of(tmp_path, dicom_bytes(film(), Rows=None)) is Reason.DAMAGED
