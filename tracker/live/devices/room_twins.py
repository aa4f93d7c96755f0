"""The twin at the other end of every configured wire."""

from __future__ import annotations

from sim.registry import TWINS
from sim.twin import TwinContext, TwinTable
from sim.wired_room import RoomTwin
from tracker.config import Configuration, ConfigurationError
from tracker.wires import DeviceWire, device_section


def room_twins(
    configuration: Configuration, seed: int = 1, twins: TwinTable = TWINS
) -> dict[str, RoomTwin]:
    """Return the twins by section; raises `ConfigurationError` for a wire a room cannot serve."""
    if configuration.wires is None:
        return {}
    found: dict[str, RoomTwin] = {}
    problems: list[str] = []
    for section, wire in configuration.wires.devices.items():
        context = _context(configuration, wire, seed)
        twin = RoomTwin(twins.row(wire.driver.name), wire.settings, context)
        found[section] = twin
        if twin.problem:
            problems.append(f"wires.{section}.{twin.problem}")
    if problems:
        raise ConfigurationError(problems)
    return found


def _context(configuration: Configuration, wire: DeviceWire, seed: int) -> TwinContext:
    controller, room = configuration.controller, configuration.room
    section = device_section(controller, wire.section)
    return TwinContext(
        device=section.device,
        role=wire.role,
        folder=configuration.folder,
        rate_hz=getattr(section, "rate_hz", 0.0),
        markers=None if room is None else len(room.patient.markers),
        fiducials=0 if room is None else len(room.imager.fiducials_mm),
        exposure_every_s=controller.correlation.modelling_interval_s,
        seed=seed,
    )
