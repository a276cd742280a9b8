"""Why an image was not converted."""

from enum import StrEnum


class Reason(StrEnum):
    """The closed list of reasons for which an image is refused."""

    # There is no file of that name.
    MISSING = "missing"
    # The file is there, but reading failed: permission, input/output error, a directory.
    UNREADABLE = "unreadable"
    # The file has no bytes.
    EMPTY = "empty"
    # The file ends before the image does.
    TRUNCATED = "truncated"
    # The content contradicts its own format.
    DAMAGED = "damaged"
    # Not the bytes that were published, whatever they decode to.
    CHECKSUM = "wrong checksum"
    # The content is no image at all: a web page, text, an archive.
    MISLABELLED = "mislabelled"
    # A sound file of a kind that is not converted: several frames, real colour, an unknown coding.
    UNSUPPORTED = "unsupported"
    # The file or the image it announces is larger than any radiograph.
    TOO_LARGE = "too large"


class Refusal(Exception):  # noqa: N818  # the outcome of one image, not an error of the program
    """An image that cannot be converted.

    Parameters
    ----------
    reason
        One of the fixed list; the same file always gives the same one.
    message
        What was found, what was expected and what to do, without any value that could identify a patient.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        # Both go to the base class, so that the exception survives pickling between processes.
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message
