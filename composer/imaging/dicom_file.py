"""The outside of DICOM files (PS3.10): a data set that is complete, and where its pixel data lie."""

import io
import zlib

from pydicom import dcmread, uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from composer.imaging.libraries import MAXIMUM_PIXELS
from composer.imaging.refusal import Reason, Refusal

PIXEL_DATA = 0x7FE00010
# The length of an element that ends with a delimiter (PS3.5 7.1), and that delimiter.
_UNDEFINED = 0xFFFFFFFF
_DELIMITERS = (b"\xfe\xff\xdd\xe0", b"\xff\xfe\xe0\xdd")
# Longer elements are not copied out of the file: pixel data, for the largest tables have 128 KiB.
_LONGEST_COPIED = 1 << 20
# Bytes of the largest deflated data set: as many pixels as are decoded at most, of 16 bits.
MAXIMUM_INFLATED = 2 * MAXIMUM_PIXELS
_INFLATED_AT_ONCE = 1 << 24


def read_dataset(data: bytes) -> Dataset:
    """Return the data set of a file; of its pixel data `pixel_data` alone may be asked.

    Raises
    ------
    Refusal
        truncated, mislabelled, too large when inflated, or unsupported (no pixel data).
    Exception
        Whatever pydicom raises over damage: to be called under `composer.imaging.libraries.guarded`.
    """
    # Places in a data set that was inflated are no places in the file.
    longest = None if _is_deflated(data) else _LONGEST_COPIED
    dataset = dcmread(io.BytesIO(data), force=True, defer_size=longest)
    _check_complete(dataset, data)
    return dataset


def pixel_data(dataset: Dataset, data: bytes) -> bytes | memoryview:
    """Return the value of PixelData as it lies in the file; encapsulated data may be followed by others."""
    # By its tag pydicom would read it, into memory of its own.
    element = next(each for each in dataset.values() if each.tag == PIXEL_DATA)
    value = element.value
    if value is None and isinstance(element, RawDataElement):
        start = element.value_tell
        if element.length != _UNDEFINED:
            return memoryview(data)[start : start + element.length]
        # pydicom takes encapsulated data as bytes only; they are small, compared with the time of decoding.
        return data[start : _last_delimiter(data, start)]
    return value if isinstance(value, bytes) else b""


def _is_deflated(data: bytes) -> bool:
    """Return whether the data set is deflated; refuse it if it would fill the memory when inflated.

    pydicom inflates it without a limit.
    """
    # The group length, always the first element, says where the data set starts (PS3.10 7.1).
    start = 144 + int.from_bytes(data[140:144], "little")
    if uid.DeflatedExplicitVRLittleEndian.encode() not in data[144:start]:
        return False
    inflater, rest, inflated = zlib.decompressobj(-zlib.MAX_WBITS), data[start:], 0
    while rest and inflated <= MAXIMUM_INFLATED:
        inflated += len(inflater.decompress(rest, _INFLATED_AT_ONCE))
        rest = inflater.unconsumed_tail
    if inflated > MAXIMUM_INFLATED:
        message = f"the data set inflates to more than {MAXIMUM_INFLATED} bytes; this is hardly a radiograph"
        raise Refusal(Reason.TOO_LARGE, f"{message}; fetch the file again")
    return True


def _check_complete(dataset: Dataset, data: bytes) -> None:
    """Refuse what pydicom reads without complaint: an element shorter than it says, or no image."""
    for element in dataset.values():
        if isinstance(element, RawDataElement) and _is_short(element, data):
            message = f"the file ends after {len(data)} bytes inside element {element.tag}; fetch it again"
            raise Refusal(Reason.TRUNCATED, message)
    if PIXEL_DATA in dataset:
        return
    if data[128:132] != b"DICM" and "Rows" not in dataset and "SOPClassUID" not in dataset:
        raise Refusal(
            Reason.MISLABELLED,
            "the content is of no known format, expected were PNG, JPEG or DICOM; fetch the file again",
        )
    # pydicom drops the whole data set when encapsulated pixel data lacks its delimiter, and stops without a
    # word inside the header of an element.
    last = list(dataset.values())[-1] if len(dataset) else None
    if last is None or (isinstance(last, RawDataElement) and last.value_tell + last.length < len(data)):
        raise Refusal(Reason.TRUNCATED, "the file ends inside the DICOM data set; fetch it again")
    message = "the DICOM file holds no PixelData (7FE0,0010), a radiograph was expected; replace it by one"
    raise Refusal(Reason.UNSUPPORTED, message)


def _is_short(element: RawDataElement, data: bytes) -> bool:
    value, start = element.value, element.value_tell
    if element.length != _UNDEFINED:
        if value is None:
            return start + element.length > len(data)
        return isinstance(value, bytes) and len(value) < element.length
    # The delimiter behind it has 8 bytes, of which pydicom reads 4 and takes the rest for granted.
    end = start + len(value) if isinstance(value, bytes) else _last_delimiter(data, start)
    return end + 8 > len(data)


def _last_delimiter(data: bytes, start: int) -> int:
    return max(data.rfind(delimiter, start) for delimiter in _DELIMITERS)


def transfer_syntax(dataset: Dataset) -> uid.UID:
    """Return the coding of a data set, found out by pydicom where the file does not name it."""
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if syntax:
        return uid.UID(syntax)
    implicit, little_endian = dataset.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little_endian else uid.ExplicitVRBigEndian
