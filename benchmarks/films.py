"""Made-up outcomes of films, for measurements that convert none."""

from __future__ import annotations

import hashlib
import random

from composer.imaging import Facts
from composer.worker import Outcome


def film(number: int, draw: random.Random) -> Outcome:
    """Return what comes of a DICOM film, with all its facts."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    rows, columns = draw.randint(1500, 3500), draw.randint(1500, 3500)
    facts = Facts(
        source_bytes=draw.randint(5_000_000, 20_000_000),
        source_modified=1_700_000_000_000_000_000 + draw.randint(0, 10**15),
        source_format="dicom",
        transfer_syntax="1.2.840.10008.1.2.4.90",
        decoder="python-gdcm 3.2.6",
        bits_allocated=16,
        bits_stored=12,
        photometric_interpretation="MONOCHROME2",
        presentation_lut_shape="IDENTITY",
        patient_sex="F",
        patient_age="040Y",
        view_position="PA",
        patient_orientation="L\\F",
        voi_kind="window",
        voi_index=0,
        window_center=2048.0,
        window_width=4095.0,
        voi_lut_function="LINEAR",
        rescale_slope=1.0,
        rescale_intercept=0.0,
        native_rows=rows,
        native_columns=columns,
        pixel_spacing_row=0.139,
        pixel_spacing_column=0.139,
        scale_row=1024 / rows,
        scale_column=1024 / columns,
        crop_box=[0.0, draw.random() * 300, float(columns), rows - draw.random() * 300],
        rows=1024,
        columns=1024,
        flags=["upscaled"],
        read_ms=round(draw.random() * 50, 3),
        decode_ms=round(draw.random() * 300, 3),
        tone_ms=round(draw.random() * 50, 3),
        encode_ms=round(draw.random() * 50, 3),
    )
    name = f"files/p{number % 100:02d}/p{number:08d}/s{number:08d}/images_of_this_study/{digest[:32]}.dicom"
    return Outcome(
        number, digest[:32], "", name, bytes=draw.randint(150_000, 300_000), sha256=digest, facts=facts
    )
