"""Build the simulated room that a configuration describes."""

from __future__ import annotations

from sim.patient import SimulatedPatient
from sim.recording import Recording
from sim.room import Devices, SimulatedRoom
from tracker.config import Configuration, ConfigurationError


def furnish(configuration: Configuration, recording: Recording | None, seed: int) -> SimulatedRoom:
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
    )
    return SimulatedRoom(
        settings, patient, seed, devices=names, orientation=controller.session.orientation
    )


def shortest_run_s(configuration: Configuration) -> float:
    """Say how long a run must last for modelling to end and some tracking to follow."""
    controller = configuration.controller
    correlation = controller.correlation
    shots_s = correlation.modelling_shots * correlation.modelling_interval_s
    return controller.fusion.learning_s + shots_s + 5.0
