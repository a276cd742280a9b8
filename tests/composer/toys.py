"""A source of a few lines, and outcomes of a few words, for tests that need records and no files."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from composer import results
from composer.folder import DatasetFolder, image_name
from composer.imaging import Facts, Recipe
from composer.ledger import Ledger, read_ledger
from composer.plan import make_plan
from composer.records import table_of
from composer.settings import Settings, settings_model
from composer.worker import Outcome
from processors.base import KnownBad, Location, Processor, Record, Release, Report


class Toy(Processor):
    """A processor whose records the test sets."""

    name = "Toy"
    folder = "toy"
    config_key = "TOY_ROOT"
    licence = access = citation = "none"
    homepage = "https://example.org"
    releases = (Release("all", 3),)
    known_bad = (
        KnownBad("unreadable", "unreadable", "cut", "a test"),
        KnownBad("odd", "suspicious", "odd", "a test"),
    )

    machex_fields = ("report", "class_label")

    def recognise(self) -> str:
        return "made up"

    def records(self) -> Iterator[Record]:
        raise NotImplementedError

    def read_report(self, report_file: str) -> Report:
        if report_file == "absent":
            raise FileNotFoundError
        return Report(f"text of {report_file}", "found", None)


def record(identity: str, **values: Any) -> Record:  # noqa: ANN401 - any field of a record
    defaults: dict[str, Any] = {"key": f"{identity}.png", "file": Location(f"{identity}.png"), "view": "PA"}
    return Record(identity=identity, **{**defaults, **values})


def settings(**values: Any) -> Settings:  # noqa: ANN401 - any key of the configuration
    keys = {key.upper(): value for key, value in values.items()}
    return settings_model().model_validate({"MACHEX_PATH": str(Path("unused").absolute()), **keys})


def written(identity: str, size: int = 10) -> Outcome:
    # A film of 5 x 7 pixels, twice enlarged, of which the left column is cut off.
    facts = Facts(
        source_format="png",
        native_rows=5,
        native_columns=7,
        rows=10,
        columns=12,
        scale_row=2.0,
        scale_column=2.0,
        crop_box=[1.0, 0.0, 7.0, 5.0],
        flags=["upscaled"],
    )
    return Outcome(ord(identity[0]), identity, "", f"{identity}.png", bytes=size, sha256="ab", facts=facts)


def failed(identity: str, reason: str = "truncated") -> Outcome:
    return Outcome(ord(identity[0]), identity, "", f"{identity}.png", reason=reason, message="cut — short")


def joined(
    folder: DatasetFolder, records: Iterable[Record], outcomes: Iterable[Outcome], deleted: Iterable[int] = ()
) -> pa.Table:
    """Return the results of records and outcomes; every image is there but for the deleted numbers."""
    plan = make_plan(table_of(records), settings(), Toy, None)
    numbers = dict(zip(plan["identity"].to_pylist(), plan["number"].to_pylist(), strict=True))
    with Ledger(folder.ledger, Recipe().digest) as ledger:
        for outcome in outcomes:
            ledger.append(replace(outcome, number=numbers.get(outcome.identity, -1)))
    present = [image_name(n, "jpg") for n in plan["number"].to_pylist() if n not in set(deleted)]
    return results.join(plan, read_ledger(folder.ledger), pa.array(present, pa.string()), Recipe())
