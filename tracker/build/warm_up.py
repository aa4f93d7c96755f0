"""Compile and load everything before the run begins, by running a simulated session once.

A whole session, learning, modelling and tracking, runs in a simulated room on virtual time, with
the engine of the configuration. Nothing of it is kept but compiled kernels and warm caches.
"""

from __future__ import annotations

import dataclasses

import msgspec

from hal.events import Command, Request, Tick
from sim.machines import simulated_machine
from sim.scenario import RoomLinac
from sim.scenario import RoomScenario as RoomSettings
from tracker.build.engine import build_engine
from tracker.build.room import furnish, shortest_run_s
from tracker.build.scripted_operator import Operator
from tracker.build.virtual_time import tick_events
from tracker.config import Configuration
from tracker.core.session import SessionState


def warm(configuration: Configuration) -> SessionState:
    """Run the simulated session; return the state it ended in, STOPPED if all is well."""
    controller = configuration.controller
    actuator = simulated_machine(controller.actuator.kind).typical
    angles = controller.linac
    linac = RoomLinac(
        enabled=angles.enabled,
        gantry_deg=angles.gantry_deg,
        collimator_deg=angles.collimator_deg,
        table_deg=angles.table_deg,
    )
    settings = RoomSettings(
        duration_s=shortest_run_s(configuration) + 10.0, actuator=actuator, linac=linac
    )
    if not controller.belt.enabled:
        belt = msgspec.structs.replace(settings.belt, enabled=False)
        settings = msgspec.structs.replace(settings, belt=belt)
    imager = msgspec.structs.replace(settings.imager, fiducials_mm=controller.imager.fiducials_mm)
    camera = msgspec.structs.replace(
        settings.camera,
        enabled=controller.camera.enabled,
        position_mm=controller.camera.position_mm,
        rotation_deg=controller.camera.rotation_deg,
    )
    settings = msgspec.structs.replace(settings, imager=imager, camera=camera)
    simulated = dataclasses.replace(configuration, room=settings)
    return _last_state(simulated)


def _last_state(configuration: Configuration) -> SessionState:
    """Run engine and room to the end of the patient, then stop; nothing is recorded."""
    room = furnish(configuration, None, 1)
    engine, operator = build_engine(configuration.controller), Operator()
    last_ns = 0
    for now_ns, due_ns, events in tick_events(room, configuration.controller):
        requested = operator.wish(now_ns, engine.state)
        if requested is not None:
            events.append(Request(now_ns, requested))
        for event in (*events, Tick(now_ns, due_ns)):
            for output in engine.handle(event):
                if isinstance(output, Command):
                    room.obey(output)
        last_ns = now_ns
    engine.handle(Request(last_ns, "stop"))
    return engine.state
