"""A gimbal that pans and tilts the linac: it moves the beam across itself, along two axes."""

from __future__ import annotations

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import BeamsEyeAxes, MachineAngles
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Actuator, Guard


def _axes(orientation: Orientation, angles: MachineAngles) -> BeamsEyeAxes:
    """Return the axes of the gantry; the gimbal does not turn with the collimator."""
    return BeamsEyeAxes(orientation, angles._replace(collimator_deg=0.0))


GIMBAL = MachineKind(
    name="gimbal",
    words="gimbal",
    moves_patient=False,
    axes=_axes,
    actuator=Actuator(
        kind="gimbal",
        device="gimbal",
        limit_mm=40.0,
        speed_mm_s=90.0,
        acceleration_mm_s2=1500.0,
    ),
    guard=Guard(position_mm=42.0, speed_mm_s=120.0, acceleration_mm_s2=5000.0, step_mm=10.0),
    follows="pan and tilt: the 2 axes of the beam's-eye view",
    turns=True,
    in_beams_eye=True,
)
