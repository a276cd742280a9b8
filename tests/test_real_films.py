"""Real films through the whole tool: a chest and a leg of the package pydicom-data, as VinDr files."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from tests.conftest import machex_here

# Two films by two vendors, uncompressed and as lossless JPEG 2000: both carriers hold the same pixels.
FILMS = ("RG1_UNCR.dcm", "RG1_J2KR.dcm", "RG3_UNCR.dcm", "RG3_J2KR.dcm")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    (folder / "vindr/train").mkdir(parents=True)
    for name in FILMS:
        path = get_testdata_file(name, download=False)
        assert isinstance(path, str), f"{name} is not in the package pydicom-data"
        (folder / "vindr/train" / name).write_bytes(Path(path).read_bytes())
    config = folder / "config.yml"
    config.write_text(f"MACHEX_PATH: {folder}/out\nVINDRCXR_ROOT: {folder}/vindr\nIMAGE_FORMAT: png\n")
    result = machex_here("-c", str(config))
    assert result.returncode == 0, result.stderr
    return folder / "out/vindrcxr"


def grey(collection: Path, name: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    index = json.loads((collection / "index.json").read_text(encoding="utf-8"))
    (path,) = [entry["path"] for entry in index.values() if entry["key"] == name]
    with Image.open(path) as image:
        assert image.size == (1024, 1024)
        return np.asarray(image.convert("L"), dtype=np.float64)


def test_chest_has_dark_air_and_bright_mediastinum_and_nothing_clipped(collection: Path) -> None:
    film = grey(collection, "RG1_UNCR.dcm")
    lung, mediastinum = film[300:500, 230:330], film[560:700, 480:560]
    assert lung.mean() + 40 < mediastinum.mean()
    assert (film == 0).mean() < 0.001
    assert (film == 255).mean() < 0.001
    assert np.unique(film).size > 150


def test_leg_has_dark_air_beside_bright_bone(collection: Path) -> None:
    film = grey(collection, "RG3_UNCR.dcm")
    # The collimation at both sides is white in the film itself.
    air, bone = film[200:800, 270:320], film[860:940, 440:520]
    assert air.mean() < 30
    assert bone.mean() > 150


@pytest.mark.parametrize("film", ["RG1", "RG3"])
def test_both_carriers_give_the_same_picture(collection: Path, film: str) -> None:
    np.testing.assert_array_equal(grey(collection, f"{film}_UNCR.dcm"), grey(collection, f"{film}_J2KR.dcm"))


def test_index_says_how_they_were_converted(collection: Path) -> None:
    rows = {row["key"]: row for row in pq.read_table(collection / "index.parquet").to_pylist()}
    chest, leg = rows["RG1_UNCR.dcm"], rows["RG3_UNCR.dcm"]
    assert (chest["native_rows"], chest["native_columns"], chest["bits_stored"]) == (1955, 1841, 15)
    assert (chest["window_center"], chest["window_width"], chest["inverted"]) == (15000, 30000, True)
    assert (leg["window_center"], leg["window_width"], leg["bits_stored"]) == (550, 1024, 10)
    assert chest["photometric_interpretation"] == leg["photometric_interpretation"] == "MONOCHROME1"
    assert rows["RG1_J2KR.dcm"]["decoder"].startswith("gdcm")
