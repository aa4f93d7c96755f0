"""The driver row of a BITalino belt."""

from __future__ import annotations

from hal.bitalino.session import BitalinoSettings
from hal.driver import BELT, AddressedSettings, Clock, DriverContext, DriverRow, OnWire


class BitalinoWire(AddressedSettings, frozen=True, kw_only=True, tag="bitalino"):
    """A BITalino belt."""

    session: BitalinoSettings = BitalinoSettings()


def build(settings: BitalinoWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.bitalino.session import BitalinoSession

    return OnWire(BitalinoSession(context.device, settings.session), settings.address)


BITALINO = DriverRow(
    does="BITalino breathing belt",
    roles=(BELT,),
    settings=BitalinoWire,
    wires=("serial", "tcp"),
    build=build,
)
