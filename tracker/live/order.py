"""What a device needs to be built anywhere, also in a process of its own; and the building.

An `Order` holds everything by value, so that it can be sent down a socket as bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from hal.clock import HostClock
from hal.errors import DeviceError
from hal.messages import Triple
from hal.ports import Conversation
from hal.rsi.interpolation import MotionLimits
from hal.transports import parse_address
from tracker.config import Configuration, ConfigurationError
from tracker.live.device import Device, HandOver, TimedLink
from tracker.wires import (
    AnyWire,
    Bitalino,
    DicomXray,
    Gcs,
    GigeMarkers,
    Lsl,
    Modbus,
    OpenIgtlink,
    Polaris,
    Rsi,
    VideoMarkers,
    XrayPair,
    configured,
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
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


def orders_of(configuration: Configuration) -> dict[str, Order]:
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
        role: Order(
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


def starting(order: Order, clock: HostClock) -> Order:
    """The order for a run that counts its time from where ``clock`` does."""
    return msgspec.structs.replace(order, start_ns=clock.start_ns)


def build(order: Order, clock: Callable[[], int], hand_over: HandOver) -> Device:
    """Make the device of an order; raises `DeviceError` for an address or file that is wrong."""
    wire = order.wire
    if isinstance(wire, GigeMarkers | VideoMarkers | XrayPair | DicomXray):
        from tracker.live.imaging import picture_link

        return picture_link(order, wire, clock, hand_over)
    if isinstance(wire, Lsl):
        from tracker.live.lsl_belt import LslBelt

        session = msgspec.structs.replace(wire.session, rate_hz=order.rate_hz)
        return LslBelt(order.device, session, wire.scope, wire.peers, clock, hand_over)
    conversation = conversation_of(order)
    return TimedLink(order.device, conversation, parse_address(wire.address), clock, hand_over)


def conversation_of(order: Order) -> Conversation:
    """The driver of a device with one wire."""
    match order.wire:
        case Polaris() as wire:
            from hal.polaris.codec import ROM_BYTES
            from hal.polaris.session import PolarisSession

            roms = [_file(order, name).read_bytes() for name in wire.roms]
            roms += [bytes(ROM_BYTES)] * wire.blank_tools
            return PolarisSession(order.device, tuple(roms), wire.session)
        case Bitalino() as wire:
            from hal.bitalino.session import BitalinoSession

            return BitalinoSession(order.device, wire.session)
        case OpenIgtlink() as wire:
            from hal.openigtlink.session import IgtlSession

            session = msgspec.structs.replace(wire.session, rate_hz=order.rate_hz)
            return IgtlSession(order.device, session)
        case Modbus() as wire:
            from hal.modbus.session import GateSession

            return GateSession(order.device, wire.session)
        case Gcs() as wire:
            from hal.gcs.session import GcsSession

            return GcsSession(order.device, wire.session)
        case Rsi() as wire:
            from hal.rsi.configuration import read_ethernet
            from hal.rsi.session import RsiSession

            ethernet = read_ethernet(_file(order, wire.ethernet).read_text("utf-8"))
            session = msgspec.structs.replace(wire.session, demand_period_ns=order.tick_ns)
            return RsiSession(order.device, ethernet, order.limits, session)
        case _:
            raise DeviceError(f"{order.device}: its driver is no conversation on one wire")


def _file(order: Order, name: str) -> Path:
    return Path(order.folder) / name
