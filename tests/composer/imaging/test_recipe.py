"""The settings that touch pixels."""

import json
from dataclasses import fields

import pytest

from composer.imaging import Recipe


def test_dictionary_holds_every_setting_and_the_arithmetic() -> None:
    known = Recipe(size=512, fast_decode=True).as_dict()
    assert list(known) == ["arithmetic", *(field.name for field in fields(Recipe))]
    assert known["size"] == 512
    assert json.loads(json.dumps(known)) == known


def test_recipes_of_earlier_versions_keep_their_digest() -> None:
    assert Recipe().digest == "37118e6a5e0c8eb3"
    assert "fast_decode" not in Recipe().as_dict()
    assert Recipe(fast_decode=True).digest != Recipe().digest


@pytest.mark.parametrize(("image_format", "extension"), [("jpg", "jpg"), ("png", "png"), ("png16", "png")])
def test_extension(image_format: str, extension: str) -> None:
    assert Recipe(image_format=image_format).extension == extension  # type: ignore[arg-type]
