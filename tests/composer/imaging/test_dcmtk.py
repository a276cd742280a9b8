"""Our tone against that of DCMTK, pixel by pixel, on every grey picture that pydicom and pydicom-data hold.

Both sides read the same file, in which one window or table is left and nothing that DCMTK treats otherwise.
`make dcmtk` installs DCMTK and runs this. Where it departs from what is done here, a test says so:

* PresentationLUTShape that contradicts PhotometricInterpretation: DCMTK follows the former.
* LINEAR_EXACT: release 3.6.7 does not know it and takes LINEAR.
* Padding: DCMTK shows it as the grey of its value and counts it for the minimum and maximum.
* Headers of more bits than the pixels use: DCMTK spreads what the header says, and the picture is dark.
* SmallestImagePixelValue and LargestImagePixelValue: they do not narrow DCMTK's full range.
* Modality values that are no whole numbers: DCMTK keeps them as whole ones, which shows where there are few.
* Full range of 1 bit: DCMTK shows 0 and 128.
* Pixels of 32 bits in Big Endian: DCMTK exchanges their halves.
"""

import copy
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from composer.imaging import Facts, Recipe, Refusal
from composer.imaging.dicom import decode
from composer.imaging.recipe import Tone
from composer.imaging.tone import render
from tests.composer.imaging.support import file_bytes, lut_sequence, make_dataset, real_file
from tests.composer.imaging.test_tone import RAMP, STORED, VECTORS

Levels = NDArray[np.float64]
Kind = Literal["window", "table", "full", "minmax"]

# From 3.6.9 one program replaces three: for native and run-length pixels, JPEG, and JPEG-LS.
ONE_PROGRAM = shutil.which("dcm2img")
pytestmark = pytest.mark.skipif(
    not (ONE_PROGRAM or shutil.which("dcm2pnm")), reason="DCMTK is not installed: `make dcmtk` does that"
)

OPTIONS: dict[Kind, list[str]] = {
    "window": ["+Wi", "1"],
    "table": ["+Wl", "1"],
    "full": [],
    "minmax": ["+Wm"],
}
# How many comparisons there are; fewer would mean that some files are no longer read.
COMPARISONS: dict[Kind, int] = {"window": 65, "table": 1, "full": 66, "minmax": 77}
# Removed before both sides read the file: what DCMTK ignores, and what would make us resample.
REMOVED = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelAspectRatio",
    "PixelSpacing",
    "ImagerPixelSpacing",
)
MAXIMUM, MEAN = 1, 0.5
# DCMTK cuts off where we round. Levels are float32: one that is whole may lie this much below itself.
WHOLE = 1e-3


class Comparison(NamedTuple):
    """Grey levels of one picture, less those of DCMTK."""

    name: str
    pixels: int
    maximum: float
    mean: float


def _dcmtk(folder: Path, dataset: Dataset, *options: str) -> Levels:
    syntax = dataset.file_meta.TransferSyntaxUID
    program = "dcm2pnm"
    if ONE_PROGRAM:
        program = ONE_PROGRAM
    elif syntax in JPEGTransferSyntaxes:
        program = "dcmj2pnm"
    elif syntax in JPEGLSTransferSyntaxes:
        program = "dcml2pnm"
    source, target = folder / "source.dcm", folder / "target.pgm"
    source.write_bytes(file_bytes(dataset))
    target.unlink(missing_ok=True)
    command = [program, "-O", *options, "+op", str(source), str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert target.exists(), result.stderr
    return np.asarray(Image.open(target)).astype(np.float64)


def _ours(dataset: Dataset, tone: Tone = "standard") -> Levels:
    facts = Facts()
    grey = render(decode(file_bytes(dataset), facts), Recipe(tone=tone), facts)
    return 255 * grey.levels.astype(np.float64)


def _compare(folder: Path, name: str, dataset: Dataset, kind: Kind) -> Comparison:
    ours = _ours(dataset, "minmax" if kind == "minmax" else "standard")
    if dataset.file_meta.TransferSyntaxUID in JPEG2000TransferSyntaxes:
        # DCMTK has no decoder for it.
        dataset = _native(dataset)
    theirs = _dcmtk(folder, dataset, *OPTIONS[kind])
    difference = np.abs(np.rint(ours) - theirs)
    return Comparison(name, theirs.size, float(difference.max()), float(difference.mean()))


def _native(dataset: Dataset) -> Dataset:
    stored = decode(file_bytes(dataset), Facts()).stored
    native = copy.copy(dataset)
    native.file_meta = copy.copy(dataset.file_meta)
    native.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    native.add_new(
        "PixelData", "OW", stored.astype("<i2" if dataset.PixelRepresentation else "<u2").tobytes()
    )
    return native


def _with_one_voi(dataset: Dataset, kind: Kind) -> Iterator[Dataset]:
    """Yield the data set once for each of its windows, or tables, or once without any."""
    centers, widths = (_list(dataset.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    tables = list(dataset.get("VOILUTSequence") or [])
    for keyword in (*REMOVED, "WindowCenter", "WindowWidth", "VOILUTSequence"):
        if keyword in dataset:
            del dataset[keyword]
    if kind in {"full", "minmax"}:
        yield dataset
    for table in tables if kind == "table" else []:
        dataset.VOILUTSequence = [table]
        yield dataset
    for center, width in zip(centers, widths, strict=True) if kind == "window" else []:
        dataset.WindowCenter, dataset.WindowWidth = center, width
        yield dataset


def _list(value: Any) -> list[Any]:  # noqa: ANN401  # none, one number or several
    if value is None:
        return []
    return list(value) if isinstance(value, MultiValue) else [value]


def _corpus() -> list[Path]:
    """Return the files of both packages."""
    folders = (real_file("CT_small.dcm").parent, real_file("RG1_UNCR.dcm").parent)
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


@cache
def _grey_picture(path: Path) -> bool:
    """Whether the file holds one grey picture that is decoded."""
    try:
        picture = decode(path.read_bytes(), Facts())
    except Refusal:
        return False
    assert picture.header is not None
    return picture.header.monochrome


def _departs(dataset: Dataset, kind: Kind) -> bool:
    """Whether DCMTK is known to show this file otherwise."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if dataset.BitsAllocated == 32 and syntax == ExplicitVRBigEndian:
        return True
    if kind != "full":
        return False
    facts = Facts()
    render(decode(file_bytes(dataset), facts), Recipe(), facts)
    return dataset.BitsStored == 1 or "range_repaired" in facts.flags


@pytest.mark.parametrize(
    "kind", [kind if kind == "window" else pytest.param(kind, marks=pytest.mark.long) for kind in OPTIONS]
)
def test_corpus(tmp_path: Path, kind: Kind) -> None:
    found = [
        _compare(tmp_path, path.name, dataset, kind)
        for path in filter(_grey_picture, _corpus())
        for dataset in _with_one_voi(pydicom.dcmread(path, force=True), kind)
        if not _departs(dataset, kind)
    ]
    assert len(found) >= COMPARISONS[kind]
    assert max(found, key=lambda each: each.maximum).maximum <= MAXIMUM, found
    # Of the corpus: some of its pictures have 256 pixels, or few greys, which may all fall on one side.
    assert sum(each.mean * each.pixels for each in found) / sum(each.pixels for each in found) <= MEAN


@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "RG3_UNCR.dcm"])
def test_radiographs_differ_by_the_rounding_alone(tmp_path: Path, name: str) -> None:
    dataset = pydicom.dcmread(real_file(name))
    theirs = _dcmtk(tmp_path, dataset, *OPTIONS["window"])
    difference = np.abs(np.floor(_ours(dataset) + WHOLE) - theirs)
    assert difference.max() <= 1
    assert difference.mean() <= 0.001


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(tmp_path: Path, name: str) -> None:
    elements, expected = VECTORS[name]
    options = OPTIONS["full"]
    if "VOILUTSequence" in elements:
        # DCMTK takes the depth of a table from its entries only when asked to.
        options = [*OPTIONS["table"], "+Mv"]
    elif "WindowCenter" in elements:
        options = OPTIONS["window"]
    theirs = _dcmtk(tmp_path, make_dataset(STORED, **elements), *options)
    np.testing.assert_allclose(theirs[0], expected, rtol=0, atol=MAXIMUM)


def _random_values(random: np.random.Generator) -> tuple[NDArray[Any], int, int]:
    """Return pixels of any depth and sign, and the lowest and the highest value, which occur."""
    bits = int(random.choice([8, 10, 12, 14, 16]))
    signed = bits > 8 and bool(random.integers(2))
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = random.integers(lowest, highest + 1, (24, 24))
    values[0, :2] = lowest, highest
    dtype = np.int16 if signed else np.uint8 if bits == 8 else np.uint16
    return values.astype(dtype), lowest, highest


def _random_elements(random: np.random.Generator, kind: Kind, lowest: int, highest: int) -> dict[str, Any]:
    """Return the elements of a tone of that kind, after a whole rescaling or a modality table."""
    depth = int(random.choice([8, 12, 16]))
    if kind == "table":
        entries = np.sort(random.integers(0, 1 << depth, 200))
        entries[-1] = (1 << depth) - 1
        return {"VOILUTSequence": lut_sequence(entries.tolist(), max(0, lowest) + 20, depth)}
    elements: dict[str, Any] = {
        "RescaleSlope": int(random.choice([1, 2, -1])),
        "RescaleIntercept": int(random.choice([0, -1024, 100])),
    }
    if random.integers(3) == 0:
        entries = random.integers(0, 1 << depth, 256)
        entries[:2] = 0, (1 << depth) - 1
        elements = {"ModalityLUTSequence": lut_sequence(entries.tolist(), max(lowest, -100), depth)}
        elements["ModalityLUTSequence"][0].ModalityLUTType = "US"
    if kind == "window":
        elements["WindowCenter"] = int(random.integers(lowest, highest))
        elements["WindowWidth"] = int(random.integers(1, 2 * (highest - lowest)))
        elements["VOILUTFunction"] = str(random.choice(["LINEAR", "SIGMOID"]))
    return elements


@pytest.mark.parametrize("kind", OPTIONS)
def test_random_headers(tmp_path: Path, kind: Kind) -> None:
    random = np.random.default_rng(7)
    tone: Tone = "minmax" if kind == "minmax" else "standard"
    for _ in range(40):
        values, lowest, highest = _random_values(random)
        elements = _random_elements(random, kind, lowest, highest)
        interpretation = str(random.choice(["MONOCHROME1", "MONOCHROME2"]))
        bits = int(highest - lowest).bit_length()
        dataset = make_dataset(values, BitsStored=bits, PhotometricInterpretation=interpretation, **elements)
        theirs = _dcmtk(tmp_path, dataset, *OPTIONS[kind])
        difference = np.abs(np.rint(_ours(dataset, tone)) - theirs).max()
        assert difference <= MAXIMUM, (dataset.BitsStored, dataset.PixelRepresentation, elements)


@pytest.mark.parametrize(
    ("interpretation", "shape", "same"),
    [
        ("MONOCHROME2", None, True),
        ("MONOCHROME2", "IDENTITY", True),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        # They contradict each other; DCMTK follows the shape.
        ("MONOCHROME2", "INVERSE", False),
        ("MONOCHROME1", "IDENTITY", False),
    ],
)
def test_polarity(tmp_path: Path, interpretation: str, shape: str | None, same: bool) -> None:
    elements = {} if shape is None else {"PresentationLUTShape": shape}
    dataset = make_dataset(STORED, PhotometricInterpretation=interpretation, **elements)
    theirs = _dcmtk(tmp_path, dataset)
    np.testing.assert_allclose(theirs if same else 255 - theirs, _ours(dataset), rtol=0, atol=MAXIMUM)


def test_linear_exact_is_exact_or_unknown(tmp_path: Path) -> None:
    stored = np.arange(20, dtype=np.uint16).reshape(1, -1)
    window = {"WindowCenter": 10, "WindowWidth": 5}
    exact = make_dataset(stored, **window, VOILUTFunction="LINEAR_EXACT")
    linear = make_dataset(stored, **window)
    theirs = _dcmtk(tmp_path, exact, *OPTIONS["window"])
    assert np.abs(_ours(exact) - _ours(linear)).max() > 20
    assert any(np.abs(theirs - _ours(each)).max() <= MAXIMUM for each in (exact, linear))


@pytest.mark.parametrize("kind", ["full", "minmax"])
def test_padding_counts_in_dcmtk(tmp_path: Path, kind: Kind) -> None:
    stored = np.array([[0, 1000, 1500, 2000]], dtype=np.uint16)
    padded, plain = make_dataset(stored, PixelPaddingValue=2000), make_dataset(stored)
    theirs = _dcmtk(tmp_path, padded, *OPTIONS[kind])
    tone: Tone = "minmax" if kind == "minmax" else "standard"
    np.testing.assert_allclose(theirs, _ours(plain, tone), rtol=0, atol=MAXIMUM)
    assert _ours(padded, tone)[0, -1] == 0 < theirs[0, -1]


def test_unused_bits_leave_the_picture_of_dcmtk_dark(tmp_path: Path) -> None:
    dataset = make_dataset(STORED, BitsStored=16)
    assert np.rint(_ours(dataset))[0].tolist() == RAMP
    assert _dcmtk(tmp_path, dataset).max() < 16


def test_stated_range_is_not_heeded_by_dcmtk(tmp_path: Path) -> None:
    stored = np.array([[100, 200, 300]], dtype=np.uint16)
    dataset = make_dataset(stored, SmallestImagePixelValue=100, LargestImagePixelValue=300)
    assert np.rint(_ours(dataset))[0].tolist() == [0, 128, 255]
    assert _dcmtk(tmp_path, dataset)[0].max() < 20
