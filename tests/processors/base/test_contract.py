"""The form that every processor fills in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.base import FRONTAL_VIEWS, VIEWS, KnownBad, Processor, Record, Release, SourceError

FORM = {
    "name": "Invented",
    "folder": "invented",
    "config_key": "INVENTED_ROOT",
    "licence": "none",
    "access": "open",
    "homepage": "https://example.org",
    "citation": "Nobody. Nothing.",
    "releases": (Release("only", 1),),
    "known_bad": (KnownBad("1", "absent", "lost", "nobody"),),
}


def recognise(self: Processor) -> str:
    if not self.root.is_dir():
        raise SourceError(f"{self.root}: no such folder")
    self.tables.append("table.csv")
    return "flat"


def records(self: Processor) -> Iterator[Record]:
    return iter(())


def declare(**parts: object) -> type[Processor]:
    return type("Invented", (Processor,), {"recognise": recognise, "records": records, **parts})


def test_a_complete_form_is_accepted(tmp_path: Path) -> None:
    processor = declare(**FORM)(tmp_path)
    assert (processor.root, processor.layout) == (tmp_path, "flat")
    assert (processor.tables, processor.warnings) == (["table.csv"], [])


@pytest.mark.parametrize("part", FORM)
def test_a_blank_in_the_form_is_an_error_of_the_module(part: str) -> None:
    with pytest.raises(TypeError, match=f"Invented does not declare {part}$"):
        declare(**{name: value for name, value in FORM.items() if name != part})


def test_all_blanks_are_named_at_once() -> None:
    with pytest.raises(TypeError, match=r"does not declare name, folder, .*known_bad"):
        declare()


def test_a_base_for_several_processors_needs_no_form() -> None:
    class Family(Processor):
        @abstractmethod
        def shared(self) -> None: ...

    parts = {"recognise": recognise, "records": records, "shared": records}
    with pytest.raises(TypeError, match="Relative does not declare"):
        type("Relative", (Family,), parts)


def test_an_unusable_root_is_found_out_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        declare(**FORM)(tmp_path / "absent")


def test_two_processors_share_no_lists(tmp_path: Path) -> None:
    invented = declare(**FORM)
    first, second = invented(tmp_path), invented(tmp_path)
    first.warnings.append("first only")
    assert second.warnings == []
    assert first.tables == second.tables == ["table.csv"]


def test_two_records_share_no_lists() -> None:
    first = Record(identity="1", key="1.png", file=None, view="PA")
    second = Record(identity="1", key="1.png", file=None, view="PA")
    assert first == second
    first.native["Age"] = "47"
    assert second.native == {}


def test_frontal_views_are_views() -> None:
    assert set(FRONTAL_VIEWS) < set(VIEWS)
    assert not {"lateral", "unknown"} & set(FRONTAL_VIEWS)


def test_known_bad_images_of_one_reason() -> None:
    assert KnownBad.each("absent", "lost", "nobody", "\n  a b\n  c\n") == tuple(
        KnownBad(identity, "absent", "lost", "nobody") for identity in "abc"
    )
