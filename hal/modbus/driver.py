"""The driver row of a beam gate on a Modbus coupler."""

from __future__ import annotations

from hal.driver import GATE, AddressedSettings, Clock, DriverContext, DriverRow, OnWire
from hal.modbus.session import GateSettings


class ModbusWire(AddressedSettings, frozen=True, kw_only=True, tag="modbus"):
    """A beam gate on a remote I/O coupler."""

    session: GateSettings = GateSettings()


def build(settings: ModbusWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.modbus.session import GateSession

    return OnWire(GateSession(context.device, settings.session), settings.address)


MODBUS = DriverRow(
    does="beam gate on a Modbus TCP coupler",
    roles=(GATE,),
    settings=ModbusWire,
    wires=("tcp",),
    build=build,
)
