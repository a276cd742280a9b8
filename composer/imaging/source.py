"""Where the bytes of one image lie, and what tables tell of its pixels."""

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import partial

from composer.imaging.facts import Facts
from composer.imaging.refusal import Reason, Refusal
from composer.imaging.zip_member import read_member

# Larger files are refused unread: the largest radiographs of the public releases have some 30 MB.
MAXIMUM_BYTES = 1 << 30


@dataclass(frozen=True)
class Source:
    """A file, or one member of an archive.

    Parameters
    ----------
    path
        The file.
    offset
        First byte of the member, of its local header when zipped; without it the image is the whole file.
    size
        Length of the member in bytes, compressed ones when zipped; without it the image reaches to the end of
        the file.
    zipped
        Whether the file is a zip archive.
    original_bits_stored
        BitsStored of the DICOM file of which a 16-bit PNG was made, where a table tells it.
    sha256
        Of the image as it was published, in lower case; without it nothing is compared.
    """

    path: str
    offset: int | None = None
    size: int | None = None
    zipped: bool = False
    original_bits_stored: int | None = None
    sha256: str | None = None

    def read(self, facts: Facts) -> bytes:
        """Return all bytes of the image, read once.

        Parameters
        ----------
        facts
            Size and time of modification of the file are noted here, be the image refused or not.

        Raises
        ------
        Refusal
            missing, unreadable, empty, truncated (an archive that ends inside the member), damaged (a zip
            member whose checksum is wrong), too large, or of a wrong checksum.
        """
        try:
            # The status of an open file is at hand, that of a path is a round trip more on network storage.
            # A pipe is opened without waiting for its writer.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                data = self._read(descriptor, facts)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:
            text = f"there is no such file ({type(error).__name__}); fetch it"
            raise Refusal(Reason.MISSING, text) from error
        except OSError as error:
            text = f"reading failed: {error.strerror or type(error).__name__}; check permissions and the disk"
            raise Refusal(Reason.UNREADABLE, text) from error
        self._compare(data)
        return data

    def _read(self, descriptor: int, facts: Facts) -> bytes:
        status = os.fstat(descriptor)
        facts.source_bytes, facts.source_modified = status.st_size, status.st_mtime_ns
        length = self._length(status)
        # That was for opening: storage that fetches files from tape may refuse readers that do not wait.
        os.set_blocking(descriptor, True)
        os.lseek(descriptor, self.offset or 0, os.SEEK_SET)
        if self.zipped:
            return read_member(partial(_read_all, descriptor), length, MAXIMUM_BYTES)
        data = _read_all(descriptor, length)
        if len(data) < length:
            text = f"the file ends after {len(data)} of {length} bytes; fetch it again"
            raise Refusal(Reason.TRUNCATED, text)
        return data

    def _length(self, status: os.stat_result) -> int:
        if not stat.S_ISREG(status.st_mode):
            found = "this is a directory" if stat.S_ISDIR(status.st_mode) else "this is a device or a pipe"
            raise Refusal(Reason.UNREADABLE, f"{found}, a file was expected; fetch that")
        length = max(0, status.st_size - (self.offset or 0)) if self.size is None else self.size
        if length == 0:
            raise Refusal(Reason.EMPTY, "the file has no bytes; fetch it again")
        if length > MAXIMUM_BYTES:
            found = f"{length} bytes, at most {MAXIMUM_BYTES} are read"
            raise Refusal(Reason.TOO_LARGE, f"{found}; this is no radiograph, fetch the file again")
        return length

    def _compare(self, data: bytes) -> None:
        if self.sha256 is not None and hashlib.sha256(data).hexdigest() != self.sha256:
            text = "these are not the bytes that were published, as their SHA-256 tells; fetch the file again"
            raise Refusal(Reason.CHECKSUM, text)


def _read_all(descriptor: int, length: int) -> bytes:
    """Read ``length`` bytes, fewer only at the end of the file; one call may deliver less on any storage."""
    data = os.read(descriptor, length)
    if len(data) == length:
        return data
    parts = [data]
    missing = length - len(data)
    while missing and (data := os.read(descriptor, missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
