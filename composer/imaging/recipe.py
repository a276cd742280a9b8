"""What the pictures shall be."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

Resize = Literal["crop", "pad", "fit", "stretch"]
ImageFormat = Literal["jpg", "png", "png16"]
ImageMode = Literal["RGB", "L"]
Tone = Literal["standard", "minmax"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every setting that touches pixels, and no other.

    Parameters
    ----------
    size
        Side of the picture in pixels.
    resize
        ``crop`` brings the short side to ``size`` and cuts the centre out; ``pad`` brings the long side to
        ``size`` and adds black; ``fit`` does so without padding and never enlarges; ``stretch`` ignores the
        aspect.
    image_format
        JPEG, PNG of 8 bits, or grey PNG of 16 bits.
    image_mode
        Three equal channels, or one. A PNG of 16 bits is always grey.
    jpeg_quality
        1 to 100, as Pillow counts.
    tone
        ``standard`` follows the window or look-up table of a DICOM file; ``minmax`` stretches each DICOM
        image from its own minimum to its own maximum.
    invert
        Exchange black and white of the finished tone.
    fast_decode
        Decode JPEG and JPEG 2000 at a half, a quarter or an eighth of their size where that is no smaller
        than the picture. Levels differ a little.

    Notes
    -----
    ``ARITHMETIC`` is raised by hand when the same file and settings would give other pixels than before.
    """

    ARITHMETIC: ClassVar[int] = 2

    size: int = 1024
    resize: Resize = "crop"
    image_format: ImageFormat = "jpg"
    image_mode: ImageMode = "RGB"
    jpeg_quality: int = 95
    tone: Tone = "standard"
    invert: bool = False
    fast_decode: bool = False

    @property
    def extension(self) -> str:
        """Extension of the written file, without the dot."""
        return "jpg" if self.image_format == "jpg" else "png"

    @property
    def white(self) -> int:
        """Value of a white pixel in the written file."""
        return 65535 if self.image_format == "png16" else 255

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that no other recipe has."""
        return digest_of(self.as_dict())

    def as_dict(self) -> dict[str, str | int | bool]:
        """Return all settings and the version of the arithmetic, in a fixed order, ready for JSON.

        Examples
        --------
        >>> Recipe(size=512).as_dict()["size"]
        512
        """
        settings = asdict(self)
        # It came later than the others: pictures that were made before keep their digest.
        if not self.fast_decode:
            del settings["fast_decode"]
        return {"arithmetic": self.ARITHMETIC, **settings}


# What is read and written where nothing else is said.
PLAIN = Recipe()


def digest_of(recipe: Mapping[str, object]) -> str:
    """Return sixteen hexadecimal digits for a recipe as `Recipe.as_dict` gives it, of whatever version."""
    return hashlib.sha256(json.dumps(dict(recipe)).encode()).hexdigest()[:16]
