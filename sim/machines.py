"""List, for each kind of treatment machine, what it moves in the simulated room.

The simulator keeps its own geometry on purpose: it must not share a sign error with the controller
it tests. A test holds the names of this table against those of the controller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from sim.scenario import GIMBAL, JAWS, MLC, ROBOT, RoomActuator


class SimulatedMachine(NamedTuple):
    """What a treatment machine of one kind moves, and how it is judged."""

    moves_patient: bool
    """The patient, and with the patient the target, the markers and the fiducials."""
    moves_beam: bool
    """The beam; where it is not moved it aims at the isocentre."""
    typical: RoomActuator
    """Settings of a machine of this kind, for rooms that do not describe theirs."""
    turns: Literal["", "gantry", "collimator"] = ""
    """The part its axes turn with; empty: they are those of the fixed frame."""
    acts: bool = True
    """Whether there is an actuator, which moves and reports."""
    in_beams_eye: bool = False
    """Whether only what is seen in beam's-eye view counts as an error."""


MACHINES: Final[Mapping[str, SimulatedMachine]] = MappingProxyType(
    {
        "couch": SimulatedMachine(moves_patient=True, moves_beam=False, typical=RoomActuator()),
        "robot": SimulatedMachine(moves_patient=False, moves_beam=True, typical=ROBOT),
        "gate": SimulatedMachine(
            moves_patient=False,
            moves_beam=False,
            typical=RoomActuator(kind="gate"),
            turns="collimator",
            acts=False,
            in_beams_eye=True,
        ),
        "gimbal": SimulatedMachine(
            moves_patient=False,
            moves_beam=True,
            typical=GIMBAL,
            turns="gantry",
            in_beams_eye=True,
        ),
        "mlc": SimulatedMachine(
            moves_patient=False,
            moves_beam=True,
            typical=MLC,
            turns="collimator",
            in_beams_eye=True,
        ),
        "jaws": SimulatedMachine(
            moves_patient=False,
            moves_beam=True,
            typical=JAWS,
            turns="gantry",
            in_beams_eye=True,
        ),
    }
)


def simulated_machine(kind: str) -> SimulatedMachine:
    """Return the row of this kind; raises ``ValueError`` that lists the known kinds."""
    if kind not in MACHINES:
        known = ", ".join(MACHINES)
        raise ValueError(f'room.actuator.kind: "{kind}" is not one of {known}; choose one of them')
    return MACHINES[kind]
