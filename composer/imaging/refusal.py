"""Why an image was not converted."""

from enum import StrEnum


class Reason(StrEnum):
    """The closed list of reasons for which an image is refused."""

    MISSING = "missing"
    """There is no file of that name."""
    UNREADABLE = "unreadable"
    """The file is there, but reading failed: permission, input/output error, a directory."""
    EMPTY = "empty"
    """The file has no bytes."""
    TRUNCATED = "truncated"
    """The file ends before the image does."""
    DAMAGED = "damaged"
    """The content contradicts its own format."""
    MISLABELLED = "mislabelled"
    """The content is no image at all: a web page, text, an archive."""
    UNSUPPORTED = "unsupported"
    """A sound file of a kind that is not converted: several frames, real colour, an unknown coding."""
    TOO_LARGE = "too large"
    """The file or the image it announces is larger than any radiograph."""


class Refusal(Exception):  # noqa: N818  # the outcome of one image, not an error of the program
    """An image that cannot be converted.

    Parameters
    ----------
    reason : Reason
        One of the fixed list; the same file always gives the same one.
    message : str
        What was found, what was expected and what to do, without any value that could identify a patient.

    Attributes
    ----------
    reason : Reason
    message : str
    """

    def __init__(self, reason: Reason, message: str) -> None:
        # Both go to the base class, so that the exception survives pickling between processes.
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"
