"""Build the driver of a device from its plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from hal.errors import DeviceError
from hal.ports import Conversation
from hal.transports import parse_address
from tracker.live.devices.device import Device, HandOver, TimedLink
from tracker.live.devices.device_plan import DevicePlan
from tracker.wires import (
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
)


def build_device(plan: DevicePlan, clock: Callable[[], int], hand_over: HandOver) -> Device:
    """Make the device of an plan; raises `DeviceError` for an address or file that is wrong."""
    wire = plan.wire
    if isinstance(wire, GigeMarkers | VideoMarkers | XrayPair | DicomXray):
        from tracker.live.devices.pictures import picture_link

        return picture_link(plan, wire, clock, hand_over)
    if isinstance(wire, Lsl):
        from tracker.live.devices.lsl_belt import LslBelt

        session = msgspec.structs.replace(wire.session, rate_hz=plan.rate_hz)
        return LslBelt(plan.device, session, wire.scope, wire.peers, clock, hand_over)
    conversation = conversation_of(plan)
    return TimedLink(plan.device, conversation, parse_address(wire.address), clock, hand_over)


def conversation_of(plan: DevicePlan) -> Conversation:
    """The driver of a device with one wire."""
    match plan.wire:
        case Polaris() as wire:
            from hal.polaris.codec import ROM_BYTES
            from hal.polaris.session import PolarisSession

            roms = [_file(plan, name).read_bytes() for name in wire.roms]
            roms += [bytes(ROM_BYTES)] * wire.blank_tools
            return PolarisSession(plan.device, tuple(roms), wire.session)
        case Bitalino() as wire:
            from hal.bitalino.session import BitalinoSession

            return BitalinoSession(plan.device, wire.session)
        case OpenIgtlink() as wire:
            from hal.openigtlink.session import IgtlSession

            session = msgspec.structs.replace(wire.session, rate_hz=plan.rate_hz)
            return IgtlSession(plan.device, session)
        case Modbus() as wire:
            from hal.modbus.session import GateSession

            return GateSession(plan.device, wire.session)
        case Gcs() as wire:
            from hal.gcs.session import GcsSession

            return GcsSession(plan.device, wire.session)
        case Rsi() as wire:
            from hal.rsi.configuration import read_ethernet
            from hal.rsi.session import RsiSession

            ethernet = read_ethernet(_file(plan, wire.ethernet).read_text("utf-8"))
            session = msgspec.structs.replace(wire.session, demand_period_ns=plan.tick_ns)
            return RsiSession(plan.device, ethernet, plan.limits, session)
        case _:
            raise DeviceError(f"{plan.device}: its driver is no conversation on one wire")


def _file(plan: DevicePlan, name: str) -> Path:
    return Path(plan.folder) / name
