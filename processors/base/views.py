"""Views of the chest, and how DICOM headers tell them."""

from __future__ import annotations

from collections.abc import Mapping

# "PA or AP" is a frontal film of which no table says more: CheXpert's test set, NIH without its table.
FRONTAL_VIEWS = ("PA", "AP", "AP supine", "PA or AP")
VIEWS = (*FRONTAL_VIEWS, "lateral", "decubitus", "oblique", "other", "unknown")

# Defined terms of ViewPosition (DICOM PS3.3 C.8.7.1, C.8.11.5), and what else is found there.
_VIEW_OF_POSITION = {
    "PA": "PA",
    "POSTEROANTERIOR": "PA",
    "AP": "AP",
    "ANTEROPOSTERIOR": "AP",
    "LL": "lateral",
    "RL": "lateral",
    "LATERAL": "lateral",
    "LARGE LATERAL": "lateral",
    "LLD": "decubitus",
    "RLD": "decubitus",
    **dict.fromkeys(("LLO", "RLO", "LAO", "RAO", "LPO", "RPO"), "oblique"),
}
# Directions of rows and columns (PS3.3 C.7.6.1.1.1): on a frontal film rows run to the left or right of the
# patient, on a lateral one to the front or back.
_VIEW_OF_ROW_DIRECTION = {"L": "PA or AP", "R": "PA or AP", "A": "lateral", "P": "lateral"}


def view_of(
    view_position: str | None,
    patient_orientation: str | None,
    views: Mapping[str, str] | None = None,
) -> str | None:
    r"""Return one of `VIEWS` for ViewPosition, else for PatientOrientation; None when neither tells.

    Parameters
    ----------
    view_position, patient_orientation
        As headers have them, several values joined by backslashes.
    views
        What a release writes for ViewPosition, in upper case, beyond the terms of the standard.

    Examples
    --------
    >>> view_of("LL", None), view_of(None, r"L\F"), view_of(None, None)
    ('lateral', 'PA or AP', None)
    """
    position = (view_position or "").strip().upper()
    view = {**_VIEW_OF_POSITION, **(views or {})}.get(position, "unknown")
    if view == "unknown" and patient_orientation and patient_orientation.upper().endswith("\\F"):
        view = _VIEW_OF_ROW_DIRECTION.get(patient_orientation.upper().removesuffix("\\F"), "unknown")
    return None if view == "unknown" else view


def frontal_view_of(view_position: str | None) -> str | None:
    """Return PA or AP where ViewPosition says so, else None: for releases that hold frontal films alone."""
    view = view_of(view_position, None)
    return view if view in ("PA", "AP") else None
