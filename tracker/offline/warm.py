"""Everything compiled and loaded before time counts: a throwaway session.

A whole session, learning, modelling and tracking, is run in a simulated room on virtual time by
the engine's own build; what it leaves behind is compiled kernels and warm caches.
"""

from __future__ import annotations

import dataclasses

import msgspec

from sim.scenario import ROBOT, Actuator
from sim.scenario import Room as RoomSettings
from tracker.config import Configuration
from tracker.core.session import State
from tracker.offline.closed_loop import ClosedLoop, furnish, shortest_run_s


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
    simulated = dataclasses.replace(configuration, room=settings)
    return ClosedLoop(simulated, furnish(simulated, None, 1)).run().state
