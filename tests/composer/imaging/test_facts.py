"""The account of a conversion."""

import json

from composer.imaging import Facts


def test_flags_are_sorted_and_unique() -> None:
    facts = Facts()
    for name in ("upscaled", "bits_conflict", "upscaled"):
        facts.flag(name)
    assert facts.flags == ["bits_conflict", "upscaled"]


def test_dictionary_is_json() -> None:
    known = Facts(crop_box=[0.0, 0.0, 1.0, 1.0]).as_dict()
    assert json.loads(json.dumps(known)) == known
