"""Look-up tables of DICOM: the Modality and the VOI LUT have one encoding (PS3.3 C.11.1.1, C.11.2.1.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class LookUpTable:
    """A look-up table.

    Attributes
    ----------
    entries
        The output values, of shape (n,).
    first
        Input value of the first entry; smaller inputs give the first entry, larger ones the last.
    depth
        Bits per entry, as declared.
    """

    entries: NDArray[np.int64]
    first: int
    depth: int

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the entries for ``values``, of the same shape."""
        index = np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[index]


def read_lut(item: Dataset, signed: bool, little_endian: bool) -> LookUpTable | None:
    """Read the table of a sequence item.

    Parameters
    ----------
    item
        An item of ModalityLUTSequence or VOILUTSequence.
    signed
        Whether the values that go into the table can be negative: then its first input value is signed.
    little_endian
        Byte order of the data set.

    Returns
    -------
    LookUpTable or None
        None when the table is incomplete or contradicts its descriptor.
    """
    try:
        count, first, depth = (int(value) & 0xFFFF for value in item["LUTDescriptor"].value)
        data = item["LUTData"].value
    except Exception:  # pydicom converts on access and raises whatever the broken value provokes
        return None
    count = count or 0x10000
    entries = _entries(data, count, little_endian)
    if entries is None or not 1 <= depth <= 16 or not entries.any():
        return None
    return LookUpTable(entries, first - 0x10000 if signed and first >= 0x8000 else first, depth)


def _entries(data: object, count: int, little_endian: bool) -> NDArray[np.int64] | None:
    """Return ``count`` entries of LUTData, which is bytes (OW), a list (US, SS) or a single number."""
    order = "<" if little_endian else ">"
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], dtype=f"{order}u2").astype(np.int64)
    else:
        words = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
    if len(words) >= count:
        return words[:count]
    if len(words) == (count + 1) // 2:
        # Two entries of 8 bits to a word, the first in its low byte.
        return np.stack([words & 0xFF, words >> 8], axis=1).ravel()[:count]
    return None
