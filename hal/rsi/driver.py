"""The driver row of a KUKA robot on RSI."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hal.driver import (
    ACTUATOR,
    AddressedSettings,
    Clock,
    DriverContext,
    DriverRow,
    OnWire,
    Scheduling,
    Text,
)
from hal.errors import DeviceError
from hal.rsi.session import RsiSettings


class RsiWire(AddressedSettings, frozen=True, kw_only=True, tag="rsi"):
    """A KUKA robot; the limits of its corrections are those of the guard.

    ``session.demand_period_ns`` is set to the controller's tick.
    """

    ethernet: Text
    """The controller's own ETHERNET configuration XML."""
    realtime_priority: Annotated[int, Meta(ge=0, le=99)] = 50
    """SCHED_FIFO priority of the process that answers, where the system allows it; 0: none."""
    session: RsiSettings = RsiSettings()


def build(settings: RsiWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation; raises `DeviceError` for a file with which tracking is unsafe."""
    from hal.rsi.ethernet_file import read_ethernet_file
    from hal.rsi.session import RsiSession

    ethernet = read_ethernet_file(context.file(settings.ethernet))
    session = msgspec.structs.replace(settings.session, demand_period_ns=context.tick_ns)
    conversation = RsiSession(context.device, ethernet, context.limits, session)
    return OnWire(conversation, settings.address)


def read_files(settings: RsiWire, context: DriverContext) -> None:
    """Read the controller's file; raises `DeviceError` for one that tracking cannot run on."""
    from hal.rsi.configuration import require_tracking
    from hal.rsi.ethernet_file import read_ethernet_file

    path = context.file(settings.ethernet)
    ethernet = read_ethernet_file(path)
    try:
        require_tracking(ethernet)
    except DeviceError as error:
        raise DeviceError(f"{path}: {error}") from None


def scheduling(settings: RsiWire) -> Scheduling:
    """Return the configured priority: a reply has 4 ms."""
    return Scheduling(realtime_priority=settings.realtime_priority)


RSI = DriverRow(
    does="KUKA robot on RSI",
    roles=(ACTUATOR,),
    settings=RsiWire,
    wires=("udp",),
    build=build,
    read_files=read_files,
    own_process=True,
    scheduling=scheduling,
)
