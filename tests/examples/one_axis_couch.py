"""Example of a new kind of treatment machine: a couch that moves along the table only.

This file and one row of the table of kinds are all that a new kind needs.
"""

from __future__ import annotations

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import MachineAngles, ParallelAxes
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Actuator, Guard


def _axes(orientation: Orientation, angles: MachineAngles) -> ParallelAxes:
    """Return the axes of the fixed frame, of which only +Y (toward the gantry) is followed."""
    return ParallelAxes(-1.0, orientation, follows=(False, True, False))


ONE_AXIS_COUCH = MachineKind(
    name="one-axis-couch",
    words="couch",
    moves_patient=True,
    axes=_axes,
    actuator=Actuator(kind="one-axis-couch", limit_mm=40.0),
    guard=Guard(position_mm=42.0),
    follows="1 axis of the fixed frame, along the table",
)
