"""What was found in a file and done to it."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Facts:
    """The account of one conversion: flat, of values that JSON knows; None where something does not apply.

    The names are the terms of DICOM (PS3.3) in lower case. Rows run down, columns across; lengths are pixels,
    spacings millimetres, durations milliseconds. Source pixels are counted after the orientation of EXIF data
    is applied. A point (x, y) of the source lies in the picture at
    ``((x - crop_left) * scale_column + pad_left, (y - crop_top) * scale_row + pad_top)``.

    Attributes
    ----------
    source_bytes, source_modified
        Size of the source file, and its time of modification in nanoseconds since 1970; an archive's, for one
        of its members. None when the file could not be looked at.
    source_format
        ``png``, ``jpeg`` or ``dicom``, by content.
    transfer_syntax
        UID of the coding of a DICOM file.
    decoder
        Library and version that decoded the pixels.
    bits_allocated, bits_stored
        Bits of a pixel in the file, and bits in use.
    photometric_interpretation, presentation_lut_shape
        As in the DICOM file, in capitals.
    patient_sex, patient_age, view_position, patient_orientation
        As written in the DICOM file, several values joined by backslashes. None when absent, empty or longer
        than the 16 characters of a code: other text could name somebody. Nothing else that a header says of
        a patient is copied.
    voi_kind
        ``lut``, ``window``, ``full``, ``minmax``, or ``none`` (values taken as they are).
    voi_index
        Which of several windows or tables was used, from 0.
    window_center, window_width, voi_lut_function
        Of the window used.
    rescale_slope, rescale_intercept
        Of the file, when there is no modality look-up table.
    full_scale
        Value of a PNG or JPEG that became white, as all above it.
    inverted
        Whether black and white were exchanged, by photometric interpretation or by configuration.
    native_rows, native_columns
        Size of the source.
    pixel_spacing_row, pixel_spacing_column
        Distance of rows, of columns.
    scale_row, scale_column
        Picture pixels per source pixel, down and across.
    crop_box
        Left, top, right, bottom of what is shown, in source pixels.
    pad_box
        Left, top, right, bottom of the picture inside its black margin, when padded.
    fingerprint
        Of the film, in hexadecimal; see `composer.imaging.fingerprint`. None when it is of one grey level.
    rows, columns
        Size of the picture.
    flags
        Sorted names of what is worth knowing.
    read_ms, decode_ms, tone_ms, encode_ms, write_ms
        Time spent; tone includes geometry.
    """

    source_bytes: int | None = None
    source_modified: int | None = None
    source_format: str = ""
    transfer_syntax: str | None = None
    decoder: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    photometric_interpretation: str | None = None
    presentation_lut_shape: str | None = None
    patient_sex: str | None = None
    patient_age: str | None = None
    view_position: str | None = None
    patient_orientation: str | None = None
    voi_kind: str = "none"
    voi_index: int | None = None
    window_center: float | None = None
    window_width: float | None = None
    voi_lut_function: str | None = None
    rescale_slope: float | None = None
    rescale_intercept: float | None = None
    full_scale: float | None = None
    inverted: bool = False
    native_rows: int = 0
    native_columns: int = 0
    pixel_spacing_row: float | None = None
    pixel_spacing_column: float | None = None
    scale_row: float = 1.0
    scale_column: float = 1.0
    crop_box: list[float] | None = None
    pad_box: list[int] | None = None
    fingerprint: str | None = None
    rows: int = 0
    columns: int = 0
    flags: list[str] = field(default_factory=list)
    read_ms: float = 0.0
    decode_ms: float = 0.0
    tone_ms: float = 0.0
    encode_ms: float = 0.0
    write_ms: float = 0.0

    def flag(self, name: str) -> None:
        """Add ``name`` to the flags, which stay sorted and without repetition."""
        self.flags = sorted({*self.flags, name})

    def as_dict(self) -> dict[str, Any]:
        """Return all facts as a plain dictionary, in the order above."""
        return asdict(self)
