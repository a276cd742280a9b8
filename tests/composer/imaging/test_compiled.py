"""Compiled functions work where nothing can be kept, and where what was kept is of no use."""

from typing import Any

import numba
import pytest

from composer.imaging.compiled import Compiled


def twice(value: int) -> int:
    return 2 * value


def test_compiles_at_the_first_use() -> None:
    compiled = Compiled(twice)
    assert not compiled.dispatcher.signatures
    assert compiled(21) == 42
    assert len(compiled.dispatcher.signatures) == 1


def test_works_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    true_njit = numba.njit

    def njit(**options: Any) -> object:  # noqa: ANN401 - whatever numba takes
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return true_njit(**options)

    monkeypatch.setattr(numba, "njit", njit)
    assert Compiled(twice)(21) == 42


def test_works_when_what_was_kept_is_damaged() -> None:
    def damaged(*_: int) -> int:
        raise EOFError

    compiled = Compiled(twice)
    compiled.dispatcher = damaged
    assert compiled(21) == 42
    assert compiled.dispatcher is not damaged
