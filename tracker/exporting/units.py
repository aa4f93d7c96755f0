"""Say in which unit and in which frame the numbers of a record's field are.

The unit is the end of the field's name. The frame is a row of `FRAMES`; the axes of the frames are
described in `tracker.core.frames`.
"""

from __future__ import annotations

from typing import Final

UNITS: Final = {
    "_mm_s": "mm/s",
    "_mm2": "mm2",
    "_mm": "mm",
    "_ns": "ns",
    "_deg": "deg",
    "_au": "au",
    "_hz": "Hz",
}
"""How a name ends, and the unit; a longer ending stands before a shorter one."""

NAMED_UNITS: Final = {"monitor_units": "MU"}
"""Units of fields whose name does not end in one."""

PATIENT: Final = "patient"
FIXED: Final = "fixed"

FRAMES: Final = {
    ("TargetEstimate", "position_mm"): PATIENT,
    ("TargetEstimate", "covariance_mm2"): PATIENT,
    ("TargetPrediction", "position_mm"): PATIENT,
    ("TargetPrediction", "covariance_mm2"): PATIENT,
    ("Observation", "position_mm"): PATIENT,
    ("Observation", "residual_mm"): PATIENT,
    ("ModelRefitted", "loo_rms_mm"): PATIENT,
    ("ModelRefitted", "curve_inhale_mm"): PATIENT,
    ("ModelRefitted", "curve_exhale_mm"): PATIENT,
    ("Truth", "target_mm"): PATIENT,
    ("Truth", "target_fixed_mm"): FIXED,
    ("Truth", "beam_fixed_mm"): FIXED,
    ("Truth", "actuator_mm"): FIXED,
    ("Truth", "to_source"): FIXED,
    ("FiducialShot", "fiducials_mm"): FIXED,
    ("ActuatorStatus", "position_mm"): FIXED,
    ("MarkerFrame", "markers_mm"): "camera",
    ("ProjectionShot", "fiducials_mm"): "picture",
    ("SendDemand", "position_mm"): "machine axes",
}
"""The frame of each field that is a position, by record and field."""


def split_unit(field: str) -> tuple[str, str]:
    """Return a field's name without the ending that is its unit, and that ending."""
    ending = next((each for each in UNITS if field.endswith(each)), "")
    return field.removesuffix(ending), ending


def unit_of(field: str) -> str:
    """Return the unit of a field; empty: it has none."""
    _, ending = split_unit(field)
    return NAMED_UNITS.get(field, UNITS.get(ending, ""))
