"""A multileaf collimator: it shifts its aperture in beam's-eye view while the gantry may turn.

Along the leaves the shift is continuous. Across them it goes in whole leaves.
"""

from __future__ import annotations

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import BeamsEyeAxes, MachineAngles
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Actuator, Guard


def _axes(orientation: Orientation, angles: MachineAngles) -> BeamsEyeAxes:
    """Return the axes of the collimator: X along the leaves, Y across them."""
    return BeamsEyeAxes(orientation, angles)


MLC = MachineKind(
    name="mlc",
    words="MLC",
    moves_patient=False,
    axes=_axes,
    actuator=Actuator(
        kind="mlc",
        device="mlc",
        limit_mm=40.0,
        speed_mm_s=30.0,
        acceleration_mm_s2=500.0,
        quantum_mm=(0.0, 2.5, 0.0),
        follow_error_mm=2.0,
        follow_stop_mm=6.0,
    ),
    guard=Guard(position_mm=42.0, speed_mm_s=36.0, acceleration_mm_s2=2000.0, step_mm=3.0),
    follows="the 2 axes of the beam's-eye view: along the leaves, and across them in whole leaves",
    turns=True,
    in_beams_eye=True,
)
