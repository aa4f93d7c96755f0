"""A couch: it moves the patient against the target, so that the target stays at the isocentre."""

from __future__ import annotations

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import MachineAngles, ParallelAxes
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Actuator, Guard


def _axes(orientation: Orientation, angles: MachineAngles) -> ParallelAxes:
    """Return the axes of the fixed frame; the couch moves along them at every gantry angle."""
    return ParallelAxes(-1.0, orientation)


COUCH = MachineKind(
    name="couch",
    words="couch",
    moves_patient=True,
    axes=_axes,
    actuator=Actuator(),
    guard=Guard(),
    follows="3 axes of the fixed frame, the patient moved against the target",
)
