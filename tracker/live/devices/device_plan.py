"""What a device needs to be built anywhere, also in a process of its own.

A `DevicePlan` holds everything by value, so that it can be sent down a socket as bytes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hal.clock import HostClock
from hal.messages import Triple
from hal.rsi.interpolation import MotionLimits
from tracker.config import Configuration, ConfigurationError
from tracker.wires import (
    AnyWire,
    DicomXray,
    GigeMarkers,
    Lsl,
    OpenIgtlink,
    Rsi,
    VideoMarkers,
    XrayPair,
    configured,
)


class DevicePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One device to be met: its name, its wire, and what else its driver must know.

    ``planned_mm`` are the fiducials as planned, in the fixed frame; ``start_ns`` is the moment
    of the system's monotonic clock the run counts from.
    """

    device: str
    wire: AnyWire
    folder: str
    tick_ns: int
    limits: MotionLimits
    start_ns: int = 0
    planned_mm: tuple[Triple, ...] = ()
    answer_ms: float = 2000.0
    rate_hz: float = 60.0
    """Of the device's samples, as the configuration has it."""

    @property
    def apart(self) -> bool:
        """Whether it belongs in a process of its own.

        The robot has 4 ms to answer in, pictures are work, and liblsl has threads of its own.
        """
        return isinstance(self.wire, Rsi | GigeMarkers | VideoMarkers | XrayPair | DicomXray | Lsl)


def device_plans(configuration: Configuration) -> dict[str, DevicePlan]:
    """The orders of a configuration by section; raises `ConfigurationError` when it has none."""
    # Imported here: a process that merely serves a robot needs none of the frames.
    from tracker.core.frames import PatientPoint, patient_to_table

    controller = configuration.controller
    if configuration.wires is None:
        name = configuration.path or "configuration"
        raise ConfigurationError([f"{name}: has no [wires]; add a section for each device"])
    orientation = controller.session.orientation
    planned = tuple(
        (float(x), float(y), float(z))
        for x, y, z in (
            patient_to_table(PatientPoint(place), orientation)
            for place in controller.imager.fiducials_mm
        )
    )
    guard, reach = controller.guard, controller.actuator.limit_mm
    limits = MotionLimits(
        (-reach, -reach, -reach),
        (reach, reach, reach),
        guard.speed_mm_s,
        guard.acceleration_mm_s2,
    )
    folder = str(configuration.path.parent if configuration.path else Path())
    _require_names(configuration)
    rates = {"camera": controller.camera.rate_hz, "belt": controller.belt.rate_hz}
    return {
        role: DevicePlan(
            device=getattr(controller, role).device,
            wire=wire,
            folder=folder,
            tick_ns=round(1e9 / controller.timing.tick_hz),
            limits=limits,
            planned_mm=planned,
            answer_ms=controller.imager.answer_within_s * 1e3,
            rate_hz=rates.get(role, 60.0),
        )
        for role, wire in configured(configuration.wires).items()
    }


def _require_names(configuration: Configuration) -> None:
    """Refuse an OpenIGTLink camera without tools, and a belt without sensor."""
    wires = configuration.wires
    for role, key in (("camera", "tools"), ("belt", "sensor")):
        wire = getattr(wires, role)
        if isinstance(wire, OpenIgtlink) and not getattr(wire.session, key):
            name = configuration.path or "configuration"
            line = f"{name}: wires.{role}.session.{key}: is empty; name what the server sends"
            raise ConfigurationError([line])


def starting(order: DevicePlan, clock: HostClock) -> DevicePlan:
    """The order for a run that counts its time from where ``clock`` does."""
    return msgspec.structs.replace(order, start_ns=clock.start_ns)
