"""DICOM files (PS3.10): from the bytes of a file to stored values."""

from typing import Any, NamedTuple

import numpy as np
from pydicom import uid
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut

from composer.imaging import codestream, jpeg
from composer.imaging.dicom_file import PIXEL_DATA, pixel_data, read_dataset, transfer_syntax
from composer.imaging.dicom_smaller import decode_smaller
from composer.imaging.facts import Facts
from composer.imaging.header import Header, read_header
from composer.imaging.libraries import (
    GDCM,
    NUMPY,
    PILLOW,
    PYDICOM,
    SIMPLEJPEG,
    check_size,
    guarded,
    quiet,
)
from composer.imaging.picture import Picture, Values
from composer.imaging.raster import luma
from composer.imaging.recipe import PLAIN, Recipe
from composer.imaging.refusal import Reason, Refusal

PixelData = bytes | memoryview


class _Coding(NamedTuple):
    """How pixel data of one transfer syntax is decoded: which plug-in of pydicom, under which syntax."""

    plugin: str
    library: str
    syntax: uid.UID


# One decoder for each, chosen by exactness and by what it does with streams that were cut.
_ENCAPSULATED: dict[str, _Coding] = {
    # GDCM's own RLE decoder accepts a stream without its last bytes.
    uid.RLELossless: _Coding("pydicom", PYDICOM, uid.RLELossless),
    # Colour alone: its channels are read as the header says, after they were decoded once to see damage.
    uid.JPEGBaseline8Bit: _Coding("pillow", PILLOW, uid.JPEGBaseline8Bit),
    # The plug-in refuses 12 bits under this name, because GDCM 2 failed on them. GDCM 3 decodes every process
    # of T.81 by the stream's own header, whatever it is called.
    uid.JPEGExtended12Bit: _Coding("gdcm", GDCM, uid.JPEGLossless),
    uid.JPEGLossless: _Coding("gdcm", GDCM, uid.JPEGLossless),
    uid.JPEGLosslessSV1: _Coding("gdcm", GDCM, uid.JPEGLosslessSV1),
    uid.JPEGLSLossless: _Coding("gdcm", GDCM, uid.JPEGLSLossless),
    uid.JPEGLSNearLossless: _Coding("gdcm", GDCM, uid.JPEGLSNearLossless),
    uid.JPEG2000Lossless: _Coding("gdcm", GDCM, uid.JPEG2000Lossless),
    uid.JPEG2000: _Coding("gdcm", GDCM, uid.JPEG2000),
}
_NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
# Of one sample in the order of this machine: the bytes of the file are the pixels.
_AS_STORED = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian)
# PS3.3 C.7.6.3.1.2, those that can be decoded, by samples per pixel.
_INTERPRETATIONS = {
    1: {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"},
    3: {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"},
}
# How libjpeg, inside GDCM, says on standard error alone that it made up pixels.
_MADE_UP = ("Corrupt JPEG data", "Premature end of JPEG")


def decode(data: bytes, facts: Facts, recipe: Recipe = PLAIN) -> Picture:
    """Decode a DICOM file with one frame.

    Grey values come as stored: masked to BitsStored, sign extended, before any modality or VOI transform.
    Colour comes as luma when its channels agree.

    Raises
    ------
    Refusal
        truncated, damaged, mislabelled, too large, or unsupported (no pixel data, several frames, real
        colour, a transfer syntax without decoder).
    """
    with guarded("the DICOM data set"):
        dataset = read_dataset(data)
        syntax = transfer_syntax(dataset)
        facts.transfer_syntax = str(syntax)
        header = read_header(dataset, dataset.original_encoding[1] is not False, facts)
    _check_interpretation(header)
    check_size(header.rows, header.columns)
    value = pixel_data(dataset, data)
    stream = _checked_stream(value, header, syntax)
    with guarded("the pixel data"):
        if recipe.fast_decode and stream is not None:
            smaller = decode_smaller(stream, syntax, header, recipe, facts)
            if smaller is not None:
                pixels, reduction = smaller
                return Picture(pixels, header, reduction=reduction)
        pixels, interpretation = _decode_pixels(value, stream, header, syntax, facts)
        if header.monochrome:
            return Picture(_stored_values(pixels, header, facts), header)
        return Picture(_grey_of_colour(pixels, interpretation, header, facts), header)


def _check_interpretation(header: Header) -> None:
    known = _INTERPRETATIONS.get(header.samples_per_pixel, set())
    if header.photometric_interpretation in known:
        return
    # What is no term of the standard could be any text, and is not quoted.
    terms = set().union(*_INTERPRETATIONS.values())
    found = header.photometric_interpretation
    term = found if found in terms else "none that is known"
    message = (
        f"PhotometricInterpretation (0028,0004) is {term}, with {header.samples_per_pixel} samples a pixel"
    )
    remedy = "convert the file to MONOCHROME2"
    raise Refusal(Reason.UNSUPPORTED, f"{message}, expected MONOCHROME1 or MONOCHROME2; {remedy}")


def _checked_stream(value: PixelData, header: Header, syntax: uid.UID) -> bytes | None:
    """Check that the value of PixelData is whole; return the only frame of one that is encapsulated."""
    if syntax not in _ENCAPSULATED and syntax not in _NATIVE:
        # What is no UID could be any text.
        found = syntax if syntax.is_valid else "that is no UID"
        message = f"no decoder for a transfer syntax {found}; convert the file to Explicit VR Little Endian"
        raise Refusal(Reason.UNSUPPORTED, message)
    if not value:
        raise Refusal(Reason.TRUNCATED, "PixelData (7FE0,0010) is empty; fetch the file again")
    if syntax in _NATIVE:
        _check_length(value, header)
        return None
    with guarded("the encapsulated pixel data"):
        stream = next(generate_frames(bytes(value), number_of_frames=1))
        _check_stream(stream, header, syntax)
        return stream


def _check_length(value: PixelData, header: Header) -> None:
    samples = header.rows * header.columns * header.samples_per_pixel
    # PS3.3 C.7.6.3.1.2: every second pair of colour samples is left out.
    bits = samples * header.bits_allocated
    expected = bits * 2 // 3 // 8 if header.photometric_interpretation == "YBR_FULL_422" else (bits + 7) // 8
    if len(value) < expected:
        found = f"PixelData (7FE0,0010) has {len(value)} bytes"
        needed = f"{header.columns} x {header.rows} pixels need {expected}"
        raise Refusal(Reason.TRUNCATED, f"{found}, {needed}; fetch the file again")


def _check_stream(stream: bytes, header: Header, syntax: uid.UID) -> None:
    """Compare the size in the stream with the header, which decoders allocate by, and look for the end."""
    if syntax == uid.RLELossless:
        return
    in_jpeg_2000 = syntax in uid.JPEG2000TransferSyntaxes
    frame = codestream.jpeg_2000_frame(stream) if in_jpeg_2000 else codestream.jpeg_frame(stream)
    if (frame.rows, frame.columns) != (header.rows, header.columns):
        found = f"{frame.columns} x {frame.rows} pixels in the stream"
        raise Refusal(
            Reason.DAMAGED, f"{found}, {header.columns} x {header.rows} in the header; fetch the file again"
        )
    # GDCM ends the whole process over 39 bits, and sizes its memory by the header.
    if frame.samples != header.samples_per_pixel or frame.precision > header.bits_allocated:
        found = f"{frame.samples} samples of {frame.precision} bits in the stream"
        expected = f"{header.samples_per_pixel} of at most {header.bits_allocated} bits in the header"
        raise Refusal(Reason.DAMAGED, f"{found}, {expected}; fetch the file again")


def _decode_pixels(
    value: PixelData, stream: bytes | None, header: Header, syntax: uid.UID, facts: Facts
) -> tuple[Values, str]:
    """Return pixels, of shape (rows, columns) or (rows, columns, 3), and their interpretation."""
    if syntax == uid.JPEGBaseline8Bit and stream is not None:
        pixels = jpeg.pixels(stream, codestream.jpeg_frame(stream))
        if header.samples_per_pixel == 1:
            facts.decoder = SIMPLEJPEG
            return pixels.view(np.int8) if header.signed else pixels, header.photometric_interpretation
    if syntax in _AS_STORED and header.samples_per_pixel == 1 and header.bits_allocated in (8, 16):
        facts.decoder = NUMPY
        return _as_stored(value, header), header.photometric_interpretation
    coding = _ENCAPSULATED.get(syntax, _Coding("", PYDICOM, syntax))
    facts.decoder = coding.library
    options: dict[str, Any] = {
        "rows": header.rows,
        "columns": header.columns,
        "number_of_frames": 1,
        "samples_per_pixel": header.samples_per_pixel,
        "bits_allocated": header.bits_allocated,
        "bits_stored": header.bits_stored,
        "pixel_representation": int(header.signed),
        "photometric_interpretation": header.photometric_interpretation,
        "planar_configuration": int(header.dataset.get("PlanarConfiguration") or 0),
        "pixel_keyword": "PixelData",
        # Of one byte each where OB; elsewhere words, whose order counts (PS3.5 8.1.2).
        "pixel_vr": header.dataset.get_item(PIXEL_DATA).VR or "OW",
        "allow_excess_frames": False,
        # Bits above BitsStored are masked here, after they were looked at.
        "correct_unused_bits": False,
    }
    decoder = get_decoder(coding.syntax)
    with quiet() as said:
        pixels, properties = decoder.as_array(bytes(value), index=0, decoding_plugin=coding.plugin, **options)
    for line in said:
        if line.startswith(_MADE_UP):
            raise ValueError(line)
    return pixels, str(properties["photometric_interpretation"])


def _as_stored(value: PixelData, header: Header) -> Values:
    """Return the pixels as they lie in the file, without a copy."""
    kind = np.dtype(f"<{'i' if header.signed else 'u'}{header.bits_allocated // 8}")
    pixels = np.frombuffer(value, kind, count=header.rows * header.columns)
    # A broken element of odd length before them leaves words at odd places, for which nothing is compiled.
    return np.require(pixels, requirements="A").reshape(header.rows, header.columns)


def _stored_values(pixels: Values, header: Header, facts: Facts) -> Values:
    """Return ``pixels`` reduced to the stored bits and sign extended (PS3.5 8.1.1)."""
    lowest, highest = header.stored_range
    shift = header.high_bit + 1 - header.bits_stored
    # Where all bits are stored ones, there is nothing to look for.
    if header.bits_stored == 8 * pixels.itemsize or (
        shift == 0 and lowest <= pixels.min() and pixels.max() <= highest
    ):
        return pixels
    # Above the stored bits of signed data, zeros are as sound as copies of the sign.
    if pixels.max() >= 1 << (header.high_bit + 1) or pixels.min() < lowest << shift:
        facts.flag("bits_conflict")
    unsigned = (pixels.view(pixels.dtype.str.replace("i", "u")) >> shift) & ((1 << header.bits_stored) - 1)
    if not header.signed:
        return np.asarray(unsigned)
    sign = 1 << (header.bits_stored - 1)
    return np.asarray((unsigned.astype(np.int64) ^ sign) - sign)


def _grey_of_colour(pixels: Values, interpretation: str, header: Header, facts: Facts) -> Values:
    """Return the luma of a colour image whose channels agree, as float32 in [0, 1]."""
    facts.flag("colour_source")
    maximum = (1 << header.bits_stored) - 1
    if interpretation == "PALETTE COLOR":
        if not header.little_endian:
            # pydicom reads the words of the palette in the wrong order, and a black picture comes out.
            found = "a palette in big endian order, expected were grey values"
            raise Refusal(Reason.UNSUPPORTED, f"{found}; convert the file to MONOCHROME2")
        pixels = apply_color_lut(pixels, header.dataset)
        maximum = (1 << 8 * pixels.dtype.itemsize) - 1
    colour = pixels[..., :3]
    difference = np.ptp(colour, axis=2) * (255 / maximum)
    if (difference > 2).mean() > 0.01:
        found = "more than 1 % of the pixels are coloured, expected were grey values"
        message = f"{found}; replace the file by the radiograph"
        raise Refusal(Reason.UNSUPPORTED, message)
    return luma(colour, maximum)
