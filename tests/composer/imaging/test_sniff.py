"""What a file is, by its content."""

import pytest

from composer.imaging import Reason, Refusal
from composer.imaging.sniff import contradicts_extension, sniff
from tests.composer.imaging.support import reason_with_remedy


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "png"),
        (b"\xff\xd8\xff\xe0....", "jpeg"),
        (bytes(128) + b"DICM....", "dicom"),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", "dicom"),
        (b"\x00\x08\x00\x05CS\x00\x0aISO_IR 100", "dicom"),
        (b"\x02\x00\x10\x00UI\x00\x00....", "dicom"),
    ],
)
def test_images_are_known_by_content(data: bytes, kind: str) -> None:
    assert sniff(data) == kind


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE html><html>Access denied</html>" * 9, Reason.MISLABELLED),
        (b"\n  <html>", Reason.MISLABELLED),
        (b"PK\x03\x04" + b"x" * 400, Reason.MISLABELLED),
        (b"\x1f\x8b\x08" + b"x" * 400, Reason.MISLABELLED),
        (b"version https://git-lfs.github.com/spec/v1\n", Reason.MISLABELLED),
        (b"The quick brown fox", Reason.MISLABELLED),
        (b"GIF89a" + b"x" * 400, Reason.UNSUPPORTED),
        (b"\x89PNG", Reason.TRUNCATED),
        (b"\xff\xd8", Reason.TRUNCATED),
        (bytes(90), Reason.TRUNCATED),
        (bytes(5000), Reason.DAMAGED),
    ],
)
def test_other_content_is_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(Refusal) as caught:
        sniff(data)
    assert reason_with_remedy(caught.value) is reason


def test_extension_is_compared_with_the_content() -> None:
    assert contradicts_extension("a/film.jpg", "png")
    assert not contradicts_extension("a/film.JPEG", "jpeg")
    assert not contradicts_extension("a/film.dicom", "dicom")
    assert not contradicts_extension("a/archive.zip", "png")
    assert not contradicts_extension("a/film", "dicom")
