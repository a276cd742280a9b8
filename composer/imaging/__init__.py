"""What an image is: bytes, pixels, tone, geometry and bytes again.

This package knows one image and never a dataset. `convert` is the whole of it: a pure function from a
`Source` and a `Recipe` to the bytes of the picture and the `Facts` about how they came to be; `load` and
`convert_loaded`, which is `pixels_of` and `write_pixels`, are its steps. What cannot be converted raises
`Refusal` with one `Reason`.
"""

from composer.imaging.convert import (
    Conversion,
    Loaded,
    convert,
    convert_loaded,
    load,
    pixels_of,
    write_pixels,
)
from composer.imaging.facts import Facts
from composer.imaging.recipe import Recipe
from composer.imaging.refusal import Reason, Refusal
from composer.imaging.scan import scan_header
from composer.imaging.source import Source

__all__ = [
    "Conversion",
    "Facts",
    "Loaded",
    "Reason",
    "Recipe",
    "Refusal",
    "Source",
    "convert",
    "convert_loaded",
    "load",
    "pixels_of",
    "scan_header",
    "write_pixels",
]
