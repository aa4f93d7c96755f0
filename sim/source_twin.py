"""Define the twin of a surrogate source, and one row of the table of their kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from hal.messages import Sample
from sim.actuator import SimulatedActuator
from sim.patient import SimulatedPatient
from sim.scenario import Mishap, Orientation, SourceTwinSettings, Twin


class SourceTwin(Protocol):
    """A sensor on the simulated patient."""

    @property
    def due_ns(self) -> int:
        """The time at which its next message arrives."""
        ...

    def collect(self, to_ns: int, couch: SimulatedActuator | None, out: list[Sample]) -> None:
        """Append the messages that arrive at or before ``to_ns``; ``couch`` carries the patient."""
        ...


class Surroundings(NamedTuple):
    """The values from which a source's twin is made, besides its own settings."""

    name: str
    """Its section in the configuration; mishaps name it, and its random numbers depend on it."""
    device: str
    """The name its messages carry."""
    patient: SimulatedPatient
    orientation: Orientation
    mishaps: Sequence[Mishap]
    seed: int


class MakeSourceTwin(Protocol):
    """Makes a twin from an instance of the kind's own settings."""

    def __call__(self, settings: Any, around: Surroundings) -> SourceTwin:
        """Make the twin for one run."""
        ...


class SourceTwinKind(NamedTuple):
    """One row of the table: the twin of one kind of source."""

    name: str
    """The kind's name in the configuration, the controller's own table has the same."""
    befalls: Twin
    """Mishaps of this twin can happen to a source of this kind."""
    settings: type[SourceTwinSettings]
    make: MakeSourceTwin
