"""Collections of a few rows without pictures, for tests of patients and folds.

A film is the same radiograph as another where their numbers are the same: `verified_pairs` stands in for the
search that looks at pictures.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from composer.folds import with_folds
from composer.overlap.moves import Folds, folds_before
from composer.overlap.pairs import PAIRS
from composer.overlap.settle import settle

NIH, RSNA, SIIM = FAMILY = ("chex-ray14", "rsna", "siim")
COMMAND = "composer.overlap.settle.verified_pairs"

_TEXTS = ("identity", "patient_id", "study_id", "twin")


@dataclass(frozen=True)
class Film:
    """A film of the radiograph of this number; ``twin`` is as a record has it."""

    radiograph: int
    identity: str
    patient_id: str | None = None
    study_id: str | None = None
    twin: str | None = None


def nih(radiograph: int, patient: int) -> Film:
    return Film(radiograph, f"n{radiograph}", patient_id=str(patient))


def rsna(radiograph: int, patient: int | None = None) -> Film:
    """Return a film that a map ties to NIH when a patient is told."""
    if patient is None:
        return Film(radiograph, f"r{radiograph}")
    return Film(radiograph, f"r{radiograph}", patient_id=str(patient), twin=f"n{radiograph}")


def siim(radiograph: int, study: str | None = None) -> Film:
    return Film(radiograph, f"s{radiograph}", study_id=study)


@dataclass
class World:
    """A collection, and how many pairs its runs compared."""

    collection: Path
    compared: list[tuple[str, str]] = field(default_factory=list)

    def write(self, name: str, films: Iterable[Film]) -> None:
        """Write an index as a run over one dataset does."""
        films = list(films)
        rows = pa.table({key: pa.array([getattr(f, key) for f in films], pa.string()) for key in _TEXTS})
        columns = {
            "id": pa.array(range(len(films)), pa.int32()),
            "dataset": pa.array([name] * len(films), pa.string()),
            "path": pa.array([f"00/{number:06}.jpg" for number in range(len(films))], pa.string()),
            **{key: rows[key] for key in ("identity", "patient_id", "study_id")},
            "split": pa.nulls(len(films), pa.string()),
            "sha256": pa.array([str(film.radiograph) for film in films], pa.string()),
            "fingerprint": pa.array([f"{film.radiograph:064x}" for film in films], pa.string()),
            "flags": pa.array([["upscaled"]] * len(films), pa.list_(pa.string())),
            **with_folds(rows, self.collection, name),
        }
        (self.collection / name).mkdir(parents=True, exist_ok=True)
        table = pa.table(columns).replace_schema_metadata({"machex:labels": "{}"}).combine_chunks()
        pq.write_table(table, self.collection / name / "index.parquet", compression="zstd")

    def run(self, films: dict[str, list[Film]], check: Callable[[], None] = lambda: None) -> list[str]:
        """Write the indexes of some datasets in one run and settle them; return the messages."""
        before = folds_before(self.collection)
        for name, each in films.items():
            self.write(name, each)
        return self.settle(films, before=before, check=check)

    def settle(
        self,
        held: Collection[str],
        *,
        before: Folds | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> list[str]:
        return settle(self.collection, held, 1, before=before or {}, check=check, progress=False)

    def rows(self, *names: str) -> dict[str, dict[str, object]]:
        """Return the rows of datasets, all when none is named, by identity."""
        paths = [self.collection / name / "index.parquet" for name in names or FAMILY]
        tables = [pq.ParquetFile(path).read() for path in paths if path.exists()]
        return {row["identity"]: row for table in tables for row in table.to_pylist()}

    def clusters(self) -> dict[str, object]:
        return {identity: row["patient_cluster"] for identity, row in self.rows().items()}

    def verified_pairs(
        self,
        first: pa.Table,
        second: pa.Table | None,
        known: pa.Table,
        workers: int,
        *,
        progress: bool,
        check: Callable[[], None],
    ) -> pa.Table:
        """Stand in for `composer.overlap.pairs.verified_pairs`."""
        names = ("dataset", "identity", "sha256")
        others = [] if second is None else second.select(names).to_pylist()
        found = []
        for place, one in enumerate(first.select(names).to_pylist()):
            for other in first.select(names).to_pylist()[place + 1 :] if second is None else others:
                if one["sha256"] == other["sha256"]:
                    pair = {f"first_{name}": one[name] for name in names}
                    found.append(pair | {f"second_{name}": other[name] for name in names})
        before = [{name: row[name] for name in found[0]} for row in known.to_pylist()] if found else []
        self.compared += [(p["first_identity"], p["second_identity"]) for p in found if p not in before]
        measured = {"bits": 0, "mean_squared_error": 0.0, "same": True}
        return pa.Table.from_pylist([pair | measured for pair in found], PAIRS)


def state(folder: Path, names: Sequence[str] = ("index.parquet", "pairs.parquet")) -> dict[str, bytes]:
    """Return the bytes of the files of a collection that have these names."""
    files = [path for name in names for path in folder.rglob(name)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}
