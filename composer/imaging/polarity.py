"""Whether small values are white (PS3.3 C.7.6.3.1.2 and C.11.6.1.2)."""

from composer.imaging.facts import Facts


def inverts(photometric_interpretation: str, facts: Facts) -> bool:
    """Return whether the grey levels after VOI are to be inverted, once.

    PhotometricInterpretation decides. A PresentationLUTShape that contradicts it is flagged and not followed:
    following both would invert twice.

    Parameters
    ----------
    photometric_interpretation
        MONOCHROME1 or MONOCHROME2.
    facts
        Holds ``presentation_lut_shape``; receives the flag.
    """
    inverse = photometric_interpretation == "MONOCHROME1"
    contradiction = "IDENTITY" if inverse else "INVERSE"
    if facts.presentation_lut_shape == contradiction:
        facts.flag("polarity_conflict")
    return inverse
