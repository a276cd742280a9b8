"""Dataset folders of a collection, with pictures of choice and an index of what matters to overlap."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from composer.demo.phantom import film
from composer.folder import DatasetFolder, image_name
from composer.imaging.fingerprint import fingerprint
from composer.imaging.picture import Grey, Pixels

NIH, RSNA, SIIM, OPENI = "chex-ray14", "rsna", "siim", "openi"


def made_up(seed: int, side: int = 512) -> NDArray[np.uint8]:
    return np.asarray(np.rint(255 * film(seed, rows=side, columns=side)), dtype=np.uint8)


def print_of(picture: Pixels) -> str | None:
    white = np.iinfo(picture.dtype).max
    found = fingerprint(Grey(picture, np.arange(white + 1) / white))
    return found.hex() if any(found) else None


def write_dataset(
    folder: Path, pictures: Mapping[str, Pixels], extension: str = "png", **columns: Sequence[Any]
) -> None:
    """Write pictures by identity, and an index with further columns."""
    (folder / "00").mkdir(parents=True)
    paths = [image_name(number, extension) for number in range(len(pictures))]
    for path, picture in zip(paths, pictures.values(), strict=True):
        Image.fromarray(picture).save(folder / path)
    index = {
        "id": pa.array(range(len(paths)), pa.int32()),
        "dataset": [folder.name] * len(paths),
        "path": paths,
        "identity": list(pictures),
        "split": pa.nulls(len(paths), pa.string()),
        "sha256": [hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths],
        "fingerprint": pa.array(map(print_of, pictures.values()), pa.string()),
        **columns,
    }
    pq.write_table(pa.table(index), DatasetFolder(folder).index_parquet)
