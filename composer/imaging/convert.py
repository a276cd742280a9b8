"""The way of one image from source to picture."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from composer.imaging import dicom, jpeg, png
from composer.imaging.encode import encode
from composer.imaging.facts import Facts
from composer.imaging.fingerprint import fingerprint
from composer.imaging.geometry import reshape
from composer.imaging.header import pixel_aspect
from composer.imaging.oddities import note_oddities
from composer.imaging.picture import Picture, Pixels
from composer.imaging.recipe import Recipe
from composer.imaging.sniff import Kind, contradicts_extension, sniff
from composer.imaging.source import Source
from composer.imaging.tone import render

_DECODERS: dict[Kind, Callable[[bytes, Facts, Recipe], Picture]] = {
    "png": png.decode,
    "jpeg": jpeg.decode,
    "dicom": dicom.decode,
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """A finished picture.

    Attributes
    ----------
    data
        The whole file.
    facts
        What was found and done.
    """

    data: bytes
    facts: Facts


@dataclass(frozen=True, slots=True)
class Loaded:
    """A source whose bytes were read.

    Attributes
    ----------
    source
        Where they come from.
    data
        The whole image.
    facts
        What was found so far; conversion adds to them.
    """

    source: Source
    data: bytes
    facts: Facts


def convert(source: Source, recipe: Recipe) -> Conversion:
    """Read one image and convert it.

    The bytes depend on nothing but the content of the source and the recipe.

    Parameters
    ----------
    source
        A PNG, JPEG or DICOM file; what it is is read from its content, not from its name.
    recipe
        What the picture shall be.

    Returns
    -------
    Conversion

    Raises
    ------
    Refusal
        The image is missing, broken or of a kind that is not converted.
    """
    return convert_loaded(load(source), recipe)


def load(source: Source, facts: Facts | None = None) -> Loaded:
    """Read one image, which takes as long as the storage wants.

    Parameters
    ----------
    facts
        What is found is noted here, also when the image is refused.

    Raises
    ------
    Refusal
        The image is missing, or cannot be read as a whole.
    """
    facts = facts or Facts()
    with _timed(facts, "read_ms"):
        data = source.read(facts)
    return Loaded(source, data, facts)


def convert_loaded(loaded: Loaded, recipe: Recipe) -> Conversion:
    """Convert one image that was read: pure computation.

    Raises
    ------
    Refusal
        The image is broken or of a kind that is not converted.
    """
    return write_pixels(pixels_of(loaded, recipe), recipe, loaded.facts)


def pixels_of(loaded: Loaded, recipe: Recipe) -> Pixels:
    """Return the pixels of the picture, the first half of `convert_loaded`.

    Returns
    -------
    Array of shape (rows, columns)
        uint8, or uint16 for pictures of 16 bits; 0 is black.

    Raises
    ------
    Refusal
        The image is broken or of a kind that is not converted.
    """
    facts = loaded.facts
    with _timed(facts, "decode_ms"):
        picture = _decoded(loaded, recipe)
    with _timed(facts, "tone_ms"):
        grey = render(picture, recipe, facts)
        note_oddities(grey, facts)
        found = fingerprint(grey)
        facts.fingerprint = found.hex() if any(found) else None
        aspect = 1.0 if picture.header is None else pixel_aspect(picture.header.dataset, facts)
        return reshape(grey, aspect, recipe, facts, picture.reduction)


def _decoded(loaded: Loaded, recipe: Recipe) -> Picture:
    kind = sniff(loaded.data)
    loaded.facts.source_format = kind
    if contradicts_extension(loaded.source.path, kind):
        loaded.facts.flag("extension_mismatch")
    picture = _DECODERS[kind](loaded.data, loaded.facts, recipe)
    picture.original_bits_stored = loaded.source.original_bits_stored
    return picture


def write_pixels(pixels: Pixels, recipe: Recipe, facts: Facts) -> Conversion:
    """Return the file of a picture, the second half of `convert_loaded`."""
    with _timed(facts, "encode_ms"):
        written = encode(pixels, recipe)
    return Conversion(written, facts)


@contextmanager
def _timed(facts: Facts, name: str) -> Iterator[None]:
    """Note how long the block takes, also when it refuses the image."""
    start = perf_counter()
    try:
        yield
    finally:
        setattr(facts, name, round((perf_counter() - start) * 1000, 3))
