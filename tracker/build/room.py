"""Build the simulated room that a configuration describes."""

from __future__ import annotations

import msgspec

from sim.patient import SimulatedPatient
from sim.recording import Recording
from sim.room import Devices, SimulatedRoom
from sim.scenario import RoomScenario
from sim.source_twins import SOURCE_TWINS, SourceTwins
from tracker.config import Configuration, ConfigurationError
from tracker.core.settings import Controller
from tracker.core.surrogate.sources.table import SourceKinds, kind_of


def furnish(
    configuration: Configuration,
    recording: Recording | None,
    seed: int,
) -> SimulatedRoom:
    """Make the simulated room a configuration describes, with a recorded or generated patient.

    Raises `ConfigurationError` when it has no ``[room]`` and ``ValueError`` for a recording that
    cannot be a patient.
    """
    settings = configuration.room
    if settings is None:
        raise ConfigurationError(
            [f"{configuration.path or 'configuration'}: has no [room] to simulate; add one"]
        )
    controller = configuration.controller
    kinds = configuration.sources.kinds
    twins = SOURCE_TWINS if configuration.sources.twins is None else configuration.sources.twins
    settings = _with_every_source(settings, controller, kinds, twins)
    patient = (
        SimulatedPatient.generated(settings, seed)
        if recording is None
        else SimulatedPatient.recorded(settings, recording, seed)
    )
    names = Devices(
        camera=controller.camera.device,
        belt=controller.belt.device,
        imager=controller.imager.device,
        actuator=controller.actuator.device,
        gate=controller.gate.device,
        linac=controller.linac.device,
        sources={name: source.device for name, source in controller.sources.items()},
    )
    return SimulatedRoom(
        settings,
        patient,
        seed,
        devices=names,
        orientation=controller.session.orientation,
        source_twins=twins,
    )


def _with_every_source(
    room: RoomScenario, controller: Controller, kinds: SourceKinds, twins: SourceTwins
) -> RoomScenario:
    """Give every further source of the controller a twin in the room.

    A source that the room does not describe has a twin that is as the controller believes it to
    be: the keys that both records have are the same.
    """
    by_name = {twin.name: twin.settings for twin in twins}
    sources = dict(room.sources)
    for name, source in controller.sources.items():
        if name in sources:
            continue
        kind = kind_of(source, kinds).name
        if kind not in by_name:
            raise ValueError(f"sources.{name}: the simulated room has no twin of kind {kind}")
        known = msgspec.to_builtins(source)
        keys = {key: known[key] for key in by_name[kind].__struct_fields__ if key in known}
        sources[name] = msgspec.convert(keys, by_name[kind])
    return msgspec.structs.replace(room, sources=sources)


def shortest_run_s(configuration: Configuration) -> float:
    """Say how long a run must last for modelling to end and some tracking to follow."""
    controller = configuration.controller
    correlation = controller.correlation
    shots_s = correlation.modelling_shots * correlation.modelling_interval_s
    return controller.fusion.learning_s + shots_s + 5.0
