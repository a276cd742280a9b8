"""Refusals."""

import pickle

from composer.imaging import Reason, Refusal


def test_refusal_survives_the_way_between_processes() -> None:
    refusal = pickle.loads(pickle.dumps(Refusal(Reason.EMPTY, "no bytes")))  # noqa: S301
    assert (refusal.reason, refusal.message, str(refusal)) == (Reason.EMPTY, "no bytes", "no bytes")
