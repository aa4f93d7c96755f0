"""A robot that carries the beam: it moves with the target, and the patient lies still."""

from __future__ import annotations

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import MachineAngles, ParallelAxes
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Actuator, Guard


def _axes(orientation: Orientation, angles: MachineAngles) -> ParallelAxes:
    """Return the axes of the fixed frame; a robot has no gantry."""
    return ParallelAxes(1.0, orientation)


ROBOT = MachineKind(
    name="robot",
    words="robot",
    moves_patient=False,
    axes=_axes,
    actuator=Actuator(kind="robot", device="robot", speed_mm_s=200.0, acceleration_mm_s2=2000.0),
    guard=Guard(speed_mm_s=250.0, acceleration_mm_s2=5000.0, step_mm=20.0),
    follows="3 axes of the fixed frame, the beam moved with the target",
)
