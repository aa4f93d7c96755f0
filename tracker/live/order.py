"""What a device needs to be built anywhere, also in a process of its own; and the building.

An `Order` holds everything by value, so that it can be sent down a socket as bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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
    Gcs,
    Modbus,
    Polaris,
    Rsi,
    XrayPair,
    configured,
)

if TYPE_CHECKING:
    from hal.imaging.xray_geometry import XrayGeometry


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

    @property
    def apart(self) -> bool:
        """Whether it belongs in a process of its own: the robot's 4 ms, and work on pictures."""
        return isinstance(self.wire, Rsi | XrayPair)


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
            patient_to_table(PatientPoint(*place), orientation)
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
    return {
        role: Order(
            device=getattr(controller, role).device,
            wire=wire,
            folder=folder,
            tick_ns=round(1e9 / controller.timing.tick_hz),
            limits=limits,
            planned_mm=planned,
            answer_ms=controller.imager.answer_within_s * 1e3,
        )
        for role, wire in configured(configuration.wires).items()
    }


def starting(order: Order, clock: HostClock) -> Order:
    """The order for a run that counts its time from where ``clock`` does."""
    return msgspec.structs.replace(order, start_ns=clock.start_ns)


def build(order: Order, clock: Callable[[], int], hand_over: HandOver) -> Device:
    """Make the device of an order; raises `DeviceError` for an address or file that is wrong."""
    if isinstance(order.wire, XrayPair):
        return _xray(order, order.wire, clock, hand_over)
    return TimedLink(
        order.device,
        conversation_of(order),
        parse_address(order.wire.address),
        clock,
        hand_over,
    )


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
        case XrayPair():
            raise DeviceError(f"{order.device}: an X-ray pair has two wires")


def _file(order: Order, name: str) -> Path:
    return Path(order.folder) / name


def _xray(order: Order, wire: XrayPair, clock: Callable[[], int], hand_over: HandOver) -> Device:
    from hal.gige.session import GigeSettings
    from hal.imaging.calibration_file import read_calibration
    from hal.imaging.fiducials import FiducialFinder, FiducialSettings
    from hal.imaging.xray_geometry import nominal_pair
    from tracker.live.xray import XrayLink

    if wire.calibration:
        views = read_calibration(_file(order, wire.calibration), "xray").views
    else:
        views = nominal_pair(geometry_of(wire))
    seeds = FiducialSettings(diameter_mm=wire.seed_diameter_mm, length_mm=wire.seed_length_mm)
    panels: list[GigeSettings] = []
    for name, place in (("left", wire.left), ("right", wire.right)):
        host, port = host_and_port(place)
        panels.append(
            GigeSettings(
                device=f"{order.device}-{name}",
                host=host,
                port=port,
                packet_bytes=wire.packet_bytes,
                features={"PixelFormat": "Mono16", "TriggerMode": "On"},
            )
        )
    return XrayLink(
        order.device,
        (panels[0], panels[1]),
        FiducialFinder(views, order.planned_mm, seeds),
        round(wire.trigger_ms * 1e6),
        wire.skew_ms,
        order.answer_ms,
        clock,
        hand_over,
    )


def geometry_of(wire: XrayPair) -> XrayGeometry:
    """The pair as drawn."""
    from hal.imaging.xray_geometry import XrayGeometry

    return XrayGeometry(
        source_isocentre_mm=wire.source_isocentre_mm,
        source_panel_mm=wire.source_panel_mm,
        pixel_mm=wire.pixel_mm,
        width_px=wire.width_px,
        height_px=wire.height_px,
        left_deg=wire.left_deg,
        right_deg=wire.right_deg,
    )


def host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; raises `DeviceError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise DeviceError(f"address {text!r}: write host:port")
    return host, int(port)
