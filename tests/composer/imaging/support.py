"""Small images made in memory, and the real files that come with pydicom."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from composer.imaging import Conversion, Reason, Recipe, Refusal, Source, convert

NATIVE = Recipe(size=1 << 16, resize="fit", image_format="png", image_mode="L")
"""A recipe that neither scales nor loses anything but the last rounding."""

CUTS = (0.02, 0.1, 0.5, 0.9, 0.99)
"""Where files are cut, as parts of their length."""


def real_file(name: str) -> Path:
    """Return a file of the packages pydicom and pydicom-data, which are installed and never fetched here."""
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), f"{name} is missing: install pydicom-data"
    return Path(found)


def make_dataset(pixels: NDArray[Any], **elements: Any) -> Dataset:  # noqa: ANN401  # as many types as VRs
    """Return a grey data set of 12 stored bits; `elements` replaces or, with None, removes attributes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = 12 if pixels.dtype.itemsize == 2 else dataset.BitsAllocated
    dataset.HighBit = elements.get("BitsStored") or dataset.BitsStored
    dataset.HighBit -= 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    dataset.PixelData = data + b"\x00" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def file_bytes(dataset: Dataset) -> bytes:
    """Return `dataset` as the bytes of a DICOM file."""
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def dicom_bytes(pixels: NDArray[Any], **elements: Any) -> bytes:  # noqa: ANN401
    """Return a DICOM file of `make_dataset`."""
    return file_bytes(make_dataset(pixels, **elements))


def lut_sequence(entries: Sequence[int], first: int, depth: int) -> DicomSequence:
    """Return a sequence with one look-up table of unsigned entries."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries) % 65536, first, depth])
    item.add_new("LUTData", "US", list(entries))
    return DicomSequence([item])


def image_bytes(image: Image.Image, image_format: str, **options: Any) -> bytes:  # noqa: ANN401
    """Return `image` as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, format=image_format, **options)
    return file.getvalue()


def convert_bytes(folder: Path, data: bytes, recipe: Recipe = NATIVE, name: str = "image.bin") -> Conversion:
    """Write `data` to a file and convert that."""
    path = folder / name
    path.write_bytes(data)
    return convert(Source(str(path)), recipe)


def picture(conversion: Conversion) -> NDArray[Any]:
    """Return the pixels of a written picture."""
    return np.asarray(Image.open(io.BytesIO(conversion.data)))


def reason_of(folder: Path, data: bytes, recipe: Recipe = NATIVE) -> Reason | None:
    """Return why `data` is refused, or None when a picture comes out."""
    try:
        convert_bytes(folder, data, recipe)
    except Refusal as refusal:
        return reason_with_remedy(refusal)
    return None


def reason_with_remedy(refusal: Refusal) -> Reason:
    """Return the reason, after checking that the message ends with what to do."""
    found, _, remedy = refusal.message.rpartition("; ")
    assert found, f"what is the user to do? {refusal.message}"
    assert remedy.split()[0] in {"fetch", "convert", "save", "replace", "check", "this"}, remedy
    return refusal.reason


def film(rows: int = 96, columns: int = 80, bits: int = 12) -> NDArray[np.uint16]:
    """Return a smooth picture with grain that fills the range of `bits`; always the same."""
    grain = np.random.default_rng(7).normal(0, 0.02, (rows, columns))
    down, across = np.mgrid[0:rows, 0:columns]
    y = 0.5 + 0.4 * np.sin(down / rows * 5) * np.cos(across / columns * 4) + grain
    return np.asarray(np.rint(np.clip(y, 0, 1) * ((1 << bits) - 1)), dtype=np.uint16)
