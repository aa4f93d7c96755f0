"""Jaws and binary leaves of a helical unit: they shift the fan beam while the gantry turns fast.

The jaws move along the table, continuously. The leaves across shift by whole leaves.
"""

from __future__ import annotations

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import BeamsEyeAxes, MachineAngles
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Actuator, Guard


def _axes(orientation: Orientation, angles: MachineAngles) -> BeamsEyeAxes:
    """Return the axes of the gantry: X across in whole leaves, Y along the table."""
    return BeamsEyeAxes(orientation, angles._replace(collimator_deg=0.0))


JAWS = MachineKind(
    name="jaws",
    words="jaws and binary leaves",
    moves_patient=False,
    axes=_axes,
    actuator=Actuator(
        kind="jaws",
        device="jaws",
        limit_mm=25.0,
        speed_mm_s=30.0,
        acceleration_mm_s2=500.0,
        quantum_mm=(6.25, 0.0, 0.0),
        follow_error_mm=4.0,
        follow_stop_mm=13.0,
    ),
    guard=Guard(position_mm=27.0, speed_mm_s=36.0, acceleration_mm_s2=2000.0, step_mm=7.0),
    follows="the 2 axes of the beam's-eye view: jaws along, binary leaves across in whole leaves",
    turns=True,
    in_beams_eye=True,
)
