"""A gate: it follows nothing, and switches the beam on while the target is where it was planned."""

from __future__ import annotations

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import NO_AXIS, BeamsEyeAxes, MachineAngles
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Actuator, Guard


def _axes(orientation: Orientation, angles: MachineAngles) -> BeamsEyeAxes:
    """Return the axes of the beam's-eye view; none of them is followed."""
    return BeamsEyeAxes(orientation, angles, NO_AXIS)


GATE = MachineKind(
    name="gate",
    words="gate",
    moves_patient=False,
    axes=_axes,
    actuator=Actuator(
        kind="gate",
        device="gate-only",
    ),
    guard=Guard(),
    follows="nothing: the beam is on while the target is where it was planned",
    turns=True,
    in_beams_eye=True,
    moves=False,
)
