"""The driver row of an Elekta linac that sends its iCOM stream."""

from __future__ import annotations

from hal.driver import LINAC, AddressedSettings, Clock, DriverContext, DriverRow, OnWire
from hal.icom.session import IcomSettings


class IcomWire(AddressedSettings, frozen=True, kw_only=True, tag="icom"):
    """An Elekta linac; it listens on port 1706."""

    session: IcomSettings = IcomSettings()


def build(settings: IcomWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.icom.session import IcomSession

    return OnWire(IcomSession(context.device, settings.session), settings.address)


def period_ms(settings: IcomWire) -> float:
    """Return the time between two messages of the linac."""
    return settings.session.period_ms


ICOM = DriverRow(
    does="angles of an Elekta linac from its iCOM stream",
    roles=(LINAC,),
    settings=IcomWire,
    wires=("tcp",),
    build=build,
    period_ms=period_ms,
)
