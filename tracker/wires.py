"""Read the sections ``[wires.NAME]``: which driver connects which device, and over which wire.

NAME is the device's own section of the configuration: ``camera``, ``belt``, ``imager``,
``actuator``, ``gate``, ``linac``, or the name of a further source (``[sources.NAME]``). The key
``driver`` names a row of the driver table; that row's record says which further keys the section
has. Paths are relative to the configuration's folder. A device without a section is not connected.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import msgspec

from hal.driver import (
    ACTUATOR,
    BELT,
    GATE,
    IMAGER,
    LINAC,
    MARKERS,
    AnyDriver,
    DriverSettings,
    DriverTable,
)
from hal.openigtlink.driver import IgtlGatewaySettings
from tracker.core.settings import Controller
from tracker.core.surrogate.sources.source import is_source_name

SOURCE_SECTIONS: Mapping[str, str] = {"camera": MARKERS, "belt": BELT}
"""The surrogate sources with a section of their own, and their roles."""
OTHER_SECTIONS: Mapping[str, str] = {
    "imager": IMAGER,
    "actuator": ACTUATOR,
    "gate": GATE,
    "linac": LINAC,
}
"""The other devices of a room, and their roles."""

SectionRoles = tuple[tuple[str, str], ...]
"""Section and role of every device a configuration has, sources first."""


class DeviceWire(NamedTuple):
    """The wire of one device: its section, its role, its driver and that driver's settings."""

    section: str
    role: str
    driver: AnyDriver
    settings: DriverSettings


@dataclass(frozen=True, slots=True)
class Wires:
    """The wires of a room: the devices by section, and what is shown to other programs."""

    devices: Mapping[str, DeviceWire]
    gateway: IgtlGatewaySettings | None = None
    latency_file: str = ""
    """What ``tidetrack latency --out`` wrote; a start is refused where it disagrees."""

    def settings(self, section: str) -> DriverSettings | None:
        """Return the settings of a device's driver; ``None`` where it has no wire."""
        wire = self.devices.get(section)
        return None if wire is None else wire.settings

    def as_table(self) -> dict[str, Any]:
        """Return the section ``[wires]`` as a configuration has it."""
        table: dict[str, Any] = {
            section: msgspec.to_builtins(wire.settings) for section, wire in self.devices.items()
        }
        if self.gateway is not None:
            table["gateway"] = msgspec.to_builtins(self.gateway)
        table["latency_file"] = self.latency_file
        return table


def section_roles(table: Mapping[str, Any]) -> SectionRoles:
    """Return the section and role of every device of a configuration, given as it was read.

    The role of a further source is its ``kind``. What is wrong with ``[sources]`` is not said
    here: such an entry is left out.
    """
    sources = table.get("sources")
    named = cast("dict[str, object]", sources) if isinstance(sources, dict) else {}
    further: dict[str, str] = {}
    for name, source in named.items():
        kind = cast("dict[str, object]", source).get("kind") if isinstance(source, dict) else None
        if isinstance(kind, str) and is_source_name(name):
            further[name] = kind
    return tuple({**SOURCE_SECTIONS, **further, **OTHER_SECTIONS}.items())


def device_section(controller: Controller, section: str) -> Any:
    """Return the controller's settings of a device, by its section's name."""
    if section in SOURCE_SECTIONS or section in OTHER_SECTIONS:
        return getattr(controller, section)
    return cast(Any, controller).sources[section]


@functools.lru_cache(maxsize=32)
def wires_record(roles: SectionRoles, drivers: DriverTable) -> type[msgspec.Struct]:
    """Make the record of the section ``[wires]`` for a configuration with these devices.

    Each device's field takes the settings of any driver that can have the device's role.
    """
    fields: list[tuple[str, Any, Any]] = []
    for section, role in roles:
        settings: Any = None
        for row in drivers.with_role(role):
            settings = row.settings if settings is None else settings | row.settings
        if settings is not None:
            fields.append((section, settings | None, None))
    fields.append(("gateway", IgtlGatewaySettings | None, None))
    fields.append(("latency_file", str, ""))
    return msgspec.defstruct(
        "WireSections", fields, frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def read_wires(sections: msgspec.Struct, roles: SectionRoles, drivers: DriverTable) -> Wires:
    """Return the wires that a record of `wires_record` holds, in the order of the sections."""
    devices: dict[str, DeviceWire] = {}
    for section, role in roles:
        settings: DriverSettings | None = getattr(sections, section, None)
        if settings is not None:
            name = cast(str, settings.__struct_config__.tag)
            devices[section] = DeviceWire(section, role, drivers.row(name), settings)
    gateway: IgtlGatewaySettings | None = getattr(sections, "gateway", None)
    return Wires(devices, gateway, getattr(sections, "latency_file", ""))
