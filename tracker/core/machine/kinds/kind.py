"""What the controller must know of a kind of treatment machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import MachineAngles, MachineAxes
from tracker.core.settings import Actuator, Guard


class MachineKind(NamedTuple):
    """One kind of treatment machine: its name, its geometry, and the limits it starts from."""

    name: str
    """The value of ``actuator.kind`` in a configuration."""
    words: str
    """What people call the machine, for sentences, console and report."""
    moves_patient: bool
    """Whether the patient moves with the machine, and the markers and fiducials with the patient.

    If so, the position of the machine is taken away from what cameras and imagers see.
    """
    axes: Callable[[Orientation, MachineAngles], MachineAxes]
    """Gives the machine's axes for a patient in this orientation, with the machine at these angles.

    A kind whose axes do not depend on an angle ignores it.
    """
    actuator: Actuator
    """The section ``[actuator]`` of a configuration that sets only the kind."""
    guard: Guard
    """The section ``[guard]`` of a configuration that sets only the kind."""
    follows: str
    """What it follows of the target, in a few words, for lists and pages."""
    turns: bool = False
    """Whether its axes turn with gantry and collimator, so that it needs their angles."""
    in_beams_eye: bool = False
    """Whether the gate judges the distance of target and beam in beam's-eye view only."""
    moves: bool = True
    """Whether there is an actuator at all; without one, the machine only switches the beam."""
