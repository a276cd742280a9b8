"""The settings that touch pixels."""

import json
from dataclasses import fields

import pytest

from composer.imaging import Recipe


def test_dictionary_holds_every_setting_and_the_arithmetic() -> None:
    known = Recipe(size=512).as_dict()
    assert list(known) == ["arithmetic", *(field.name for field in fields(Recipe))]
    assert known["size"] == 512
    assert json.loads(json.dumps(known)) == known


@pytest.mark.parametrize(("image_format", "extension"), [("jpg", "jpg"), ("png", "png"), ("png16", "png")])
def test_extension(image_format: str, extension: str) -> None:
    assert Recipe(image_format=image_format).extension == extension  # type: ignore[arg-type]
