"""The leak guard: what one source officially holds out enters by no other source that has the same film."""

from composer.guard.films import FOR_THE_GUARD, Guard, lines_that_count, uncompared
from composer.guard.fingerprints import Guarded, fingerprint_held_out
from composer.guard.relatives import Relative, guard_of, with_leaks

__all__ = [
    "FOR_THE_GUARD",
    "Guard",
    "Guarded",
    "Relative",
    "fingerprint_held_out",
    "guard_of",
    "lines_that_count",
    "uncompared",
    "with_leaks",
]
