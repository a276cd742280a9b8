"""What the labels of the miniatures come to, and how long a whole release takes.

``python -m benchmarks.labels`` prints the table of ``docs/labels.md``, and the seconds for 377,110 images
with as many different sets of labels as are asked for by ``--sets``. ``--nih-table`` counts a real table.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from composer.demo import make_miniatures
from composer.demo.carriers import write_png
from composer.demo.phantom import film
from composer.labels import TERM_COLUMNS, harmonise
from composer.records import LABEL, table_of
from processors import all_processors
from processors.base.chexpert_labels import OBSERVATIONS
from processors.chexray14 import ChestXray14

_IMAGES = 377_110
# Of 1,000 cells of the CheXpert labeller about so many are blank, 1, 0 and -1.
_SHARES = {None: 780, 1: 130, 0: 60, -1: 30}


def main() -> None:
    """Print the table and the time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=40_000, help="different sets of labels")
    parser.add_argument("--nih-table", type=Path, help="a real Data_Entry_2017 table: its counts alone")
    arguments = parser.parse_args()
    if arguments.nih_table:
        print(table_of_nih(arguments.nih_table))
        return
    print(table_of_miniatures())
    labels = _labels_of_mimic(arguments.sets)
    start = time.perf_counter()
    harmonise(labels, "mimic")
    seconds = time.perf_counter() - start
    print(f"{_IMAGES:,} images with {arguments.sets:,} different sets of labels: {seconds:.1f} s")


def table_of_miniatures() -> str:
    """Return, in Markdown, how many images of each miniature show a term, do not, and are uncertain."""
    with tempfile.TemporaryDirectory() as folder:
        roots = make_miniatures(Path(folder))
        counts = {
            each.folder: _counts(table_of(each(roots[each.config_key]).records()), each.folder)
            for each in all_processors()
        }
    lines = [["term", *(f"`{dataset}`" for dataset in counts)], ["---"] * (1 + len(counts))]
    for name in TERM_COLUMNS:
        lines.append([f"`{name}`", *(of_dataset[name] for of_dataset in counts.values())])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def table_of_nih(table: Path) -> str:
    """Return, in Markdown, how many images of a ChestX-ray14 table show a term, do not, are unknown."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copy(table, root / "Data_Entry_2017.csv")
        # A folder without any image is none of the release.
        write_png(root / "images/00000001_000.png", film(1, rows=32, columns=32))
        records = table_of(ChestXray14(root).records())
    columns = harmonise(records["labels"], ChestXray14.folder).columns
    lines = [["term", "present", "absent", "unknown"], ["---"] * 4]
    for name in TERM_COLUMNS:
        if columns[name].null_count < columns.num_rows:
            counts = {each["values"]: each["counts"] for each in columns[name].value_counts().to_pylist()}
            lines.append([f"`{name}`", *(f"{counts.get(value, 0):,}" for value in (1, 0, None))])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _counts(records: pa.Table, dataset: str) -> dict[str, str]:
    columns = harmonise(records["labels"], dataset).columns
    found = {name: columns[name].to_pylist() for name in TERM_COLUMNS}
    return {
        name: " / ".join(str(values.count(value)) for value in (1, 0, -1))
        if any(map(_is_known, values))
        else ""
        for name, values in found.items()
    }


def _is_known(value: int | None) -> bool:
    return value is not None


def _labels_of_mimic(sets: int) -> pa.ChunkedArray:
    """Return labels of two labellers who mostly agree."""
    rng = random.Random(0)  # noqa: S311 -- a benchmark
    values, weights = list(_SHARES), list(_SHARES.values())
    different = []
    for _ in range(sets):
        stated = dict(zip(OBSERVATIONS, rng.choices(values, weights, k=len(OBSERVATIONS)), strict=True))
        other = stated | {rng.choice(OBSERVATIONS): rng.choice(values)}
        different.append(
            [
                {"label": label, "value": value, "labeller": labeller}
                for labeller, of_labeller in (("chexpert", stated), ("negbio", other))
                for label, value in of_labeller.items()
                if value is not None
            ]
        )
    places = np.random.default_rng(0).integers(0, sets, _IMAGES)
    return pa.chunked_array([pa.array(different, pa.list_(LABEL)).take(pa.array(places))])


if __name__ == "__main__":
    main()
