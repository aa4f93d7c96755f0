"""Everything compiled and loaded before time counts: a throwaway session.

A whole session, learning, modelling and tracking, is run in a simulated room on virtual time by
the engine's own build; what it leaves behind is compiled kernels and warm caches.
"""

from __future__ import annotations

import msgspec

from sim.patient import Patient
from sim.room import Devices, Room
from sim.scenario import ROBOT, Actuator
from sim.scenario import Room as RoomSettings
from tracker.config import Configuration
from tracker.core.session import State
from tracker.offline.closed_loop import ClosedLoop, shortest_run_s


def warm(configuration: Configuration) -> State:
    """Run the throwaway session; returns where it ended, STOPPED when all went its way."""
    controller = configuration.controller
    actuator = ROBOT if controller.actuator.kind == "robot" else Actuator()
    settings = RoomSettings(duration_s=shortest_run_s(configuration) + 10.0, actuator=actuator)
    if not controller.belt.enabled:
        belt = msgspec.structs.replace(settings.belt, enabled=False)
        settings = msgspec.structs.replace(settings, belt=belt)
    imager = msgspec.structs.replace(settings.imager, fiducials_mm=controller.imager.fiducials_mm)
    camera = msgspec.structs.replace(
        settings.camera,
        position_mm=controller.camera.position_mm,
        rotation_deg=controller.camera.rotation_deg,
    )
    settings = msgspec.structs.replace(settings, imager=imager, camera=camera)
    names = Devices(
        camera=controller.camera.device,
        belt=controller.belt.device,
        imager=controller.imager.device,
        actuator=controller.actuator.device,
        gate=controller.gate.device,
    )
    room = Room(
        settings,
        Patient.generated(settings, 1),
        1,
        devices=names,
        orientation=controller.session.orientation,
    )
    return ClosedLoop(configuration, room).run().state
