"""What the leak guard costs a film that is no copy: a look among all the films that NIH holds out.

``python -m benchmarks.guard`` prints how long a worker takes to open the list, how much memory that takes,
and how long one look takes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from composer.imaging import Source
from composer.twins.held_out import HeldOut, HeldOutFilm

# Films in NIH's test_list.txt.
_FILMS = 25_596
_LOOKS = 1_000


def main() -> None:
    """Measure on fingerprints that have nothing to do with each other, as those of different films."""
    chance = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "held_out.jsonl"
        with path.open("wb") as file:
            for number in range(_FILMS):
                identity = f"{number:08d}_000"
                source = Source(f"/releases/chex-ray14/images/{identity}.png")
                print_of_film = chance.bytes(32).hex()
                file.write(
                    HeldOutFilm(
                        "chex-ray14", identity, "test", f"{identity}.png", source, print_of_film
                    ).as_line()
                )
        start = time.perf_counter()
        held_out = HeldOut(str(path))
        opening = time.perf_counter() - start
        tracemalloc.start()
        kept = HeldOut(str(path))
        memory, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        looks = []
        for _ in range(_LOOKS):
            own = chance.bytes(32).hex()
            start = time.perf_counter()
            held_out.near(own)
            looks.append(time.perf_counter() - start)
        del kept
    print(f"{_FILMS:,} held-out films: opened in {opening:.2f} s, {memory / 1e6:.1f} MB")
    print(f"one look: {statistics.median(looks) * 1e3:.2f} ms (median of {_LOOKS:,})")


if __name__ == "__main__":
    main()
