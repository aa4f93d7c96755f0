"""Build a device from its plan: the driver, and the link that the shape of the driver needs."""

from __future__ import annotations

from collections.abc import Callable

from hal.driver import OnWire, WithLibrary, WithThreads
from hal.errors import DeviceError
from hal.ports import Conversation
from hal.transports import parse_address, scheme_of
from tracker.live.devices.device import Device, HandOver, TimedLink
from tracker.live.devices.device_plan import DevicePlan
from tracker.live.devices.library_link import LibraryLink
from tracker.live.devices.picture_link import PictureLink


def build_device(plan: DevicePlan, clock: Callable[[], int], hand_over: HandOver) -> Device:
    """Make the device of a plan; raises `DeviceError` for an address or file that is wrong."""
    match plan.driver.build(plan.settings, plan.context, clock):
        case OnWire(conversation, address):
            return _on_wire(plan, conversation, address, clock, hand_over)
        case WithThreads(apparatus):
            return PictureLink(plan.device, apparatus, clock, hand_over)
        case WithLibrary(make):
            return LibraryLink(make(hand_over))


def conversation_of(plan: DevicePlan, clock: Callable[[], int] = lambda: 0) -> Conversation:
    """Return the driver of a device on one wire; raises `DeviceError` for any other driver."""
    built = plan.driver.build(plan.settings, plan.context, clock)
    if not isinstance(built, OnWire):
        raise DeviceError(f"{plan.device}: {plan.driver.name} is no conversation on one wire")
    return built.conversation


def _on_wire(
    plan: DevicePlan,
    conversation: Conversation,
    text: str,
    clock: Callable[[], int],
    hand_over: HandOver,
) -> TimedLink:
    address = parse_address(text)
    scheme, allowed = scheme_of(address), plan.driver.wires
    if scheme not in allowed:
        names = " or ".join(f"{name}://" for name in allowed)
        raise DeviceError(
            f"{plan.device}: address {text!r}: {plan.driver.name} does not speak over {scheme}; "
            f"write {names}…"
        )
    return TimedLink(plan.device, conversation, address, clock, hand_over)
