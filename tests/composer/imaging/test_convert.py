"""The way from source to picture."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer.imaging import (
    Facts,
    Reason,
    Recipe,
    Refusal,
    Source,
    convert,
    convert_loaded,
    load,
)
from tests.composer.imaging.support import (
    convert_bytes,
    dicom_bytes,
    film,
    image_bytes,
    picture,
    real_file,
)

GREY = (film() >> 4).astype(np.uint8)


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for data in (dicom_bytes(film()), image_bytes(Image.fromarray(GREY), "PNG")):
        first, second = (convert_bytes(tmp_path, data, Recipe(size=48)) for _ in range(2))
        assert first.data == second.data


def test_member_of_an_archive_equals_the_file(tmp_path: Path) -> None:
    data = image_bytes(Image.fromarray(GREY), "PNG")
    (tmp_path / "a.zip").write_bytes(b"x" * 100 + data + b"y" * 100)
    inside = convert(Source(str(tmp_path / "a.zip"), 100, len(data)), Recipe(size=48))
    assert inside.data == convert_bytes(tmp_path, data, Recipe(size=48)).data
    assert inside.facts.flags == []


def test_content_decides_and_a_wrong_extension_is_flagged(tmp_path: Path) -> None:
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(GREY), "PNG"), name="film.jpg")
    np.testing.assert_array_equal(picture(conversion), GREY)
    assert conversion.facts.flags == ["extension_mismatch"]


def test_source_of_the_right_size_is_not_resampled(tmp_path: Path) -> None:
    square = np.random.default_rng(3).integers(0, 256, (1024, 1024), dtype=np.uint8)
    recipe = Recipe(image_format="png", image_mode="L")
    conversion = convert_bytes(tmp_path, image_bytes(Image.fromarray(square), "PNG"), recipe)
    np.testing.assert_array_equal(picture(conversion), square)


def test_facts_of_a_chest_film() -> None:
    conversion = convert(Source(str(real_file("RG1_UNCR.dcm"))), Recipe())
    facts = conversion.facts
    assert Image.open(io.BytesIO(conversion.data)).size == (1024, 1024)
    assert (facts.source_format, facts.bits_stored, facts.inverted) == ("dicom", 15, True)
    assert (facts.voi_kind, facts.window_center, facts.window_width) == ("window", 15000, 30000)
    assert (facts.native_rows, facts.native_columns, facts.rows, facts.columns) == (1955, 1841, 1024, 1024)
    assert facts.crop_box == pytest.approx([0, 57.5529, 1841, 1899.2456], abs=1e-4)
    assert facts.flags == []
    assert min(facts.read_ms, facts.decode_ms, facts.tone_ms, facts.encode_ms) > 0


def test_time_is_noted_also_of_what_is_refused(tmp_path: Path) -> None:
    data = image_bytes(Image.fromarray(GREY), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    facts = Facts()
    loaded = load(Source(str(tmp_path / "cut.jpg")), facts)
    with pytest.raises(Refusal):
        convert_loaded(loaded, Recipe())
    assert min(facts.read_ms, facts.decode_ms) > 0
    assert facts.tone_ms == facts.encode_ms == 0
    missing = Facts()
    with pytest.raises(Refusal):
        load(Source(str(tmp_path / "none.jpg")), missing)
    assert missing.read_ms > 0


def test_pixel_aspect_is_corrected_on_the_way(tmp_path: Path) -> None:
    recipe = Recipe(size=160, resize="fit", image_format="png")
    conversion = convert_bytes(tmp_path, dicom_bytes(film(80, 80), PixelSpacing=[0.2, 0.1]), recipe)
    assert picture(conversion).shape[:2] == (160, 80)
    assert conversion.facts.flags == ["pixel_aspect"]


def test_what_is_no_image_is_mislabelled(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        convert_bytes(tmp_path, b"<html>Please log in</html>", name="film.dcm")
    assert caught.value.reason is Reason.MISLABELLED


def test_no_value_of_the_header_reaches_a_message_or_a_stream(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    data = bytearray(dicom_bytes(film(), PatientName="Secret^Name", PatientBirthDate="19990101"))
    data[data.index(b"19990101") : data.index(b"19990101") + 8] = b"SECRET!!"
    convert_bytes(tmp_path, bytes(data))
    with pytest.raises(Refusal) as caught:
        convert_bytes(tmp_path, bytes(data[:-500]))
    output = "".join(capfd.readouterr()) + str([str(warning.message) for warning in recwarn])
    assert "ecret" not in str(caught.value).lower() + output.lower()


def test_random_damage_gives_a_picture_or_a_refusal(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    originals = [
        dicom_bytes(film(32, 32), WindowCenter=2000, WindowWidth=1000),
        real_file("MR_small_jp2klossless.dcm").read_bytes(),
        real_file("MR_small_RLE.dcm").read_bytes(),
        image_bytes(Image.fromarray(GREY), "JPEG"),
    ]
    refused = 0
    for original in originals:
        for _ in range(40):
            data = bytearray(original)
            for position in random.integers(0, len(data), 20):
                data[position] = random.integers(0, 256)
            try:
                convert_bytes(tmp_path, bytes(data), Recipe(size=16))
            except Refusal:
                refused += 1
    assert 0 < refused < 160


def test_import_is_light() -> None:
    program = "import sys, composer.imaging; print({'torch', 'pandas', 'pyarrow'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
