"""The driver row of a beam gate on a Modbus coupler."""

from __future__ import annotations

from hal.driver import (
    GATE,
    AddressedSettings,
    Clock,
    DriverContext,
    DriverRow,
    MonitoredGate,
    OnWire,
)
from hal.errors import LinkError
from hal.modbus.session import GateSettings


class ModbusWire(AddressedSettings, frozen=True, kw_only=True, tag="modbus"):
    """A beam gate on a remote I/O coupler."""

    session: GateSettings = GateSettings()


def build(settings: ModbusWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.modbus.session import GateSession

    return OnWire(GateSession(context.device, settings.session), settings.address)


def monitored(settings: ModbusWire) -> MonitoredGate:
    """Return how the monitor reaches the gate; raises `LinkError` for an address without TCP."""
    from hal.transports import Tcp, parse_address

    address = parse_address(settings.address)
    if not isinstance(address, Tcp):
        raise LinkError(f"{settings.address}: the monitor needs TCP; write tcp://host:port")
    gate = settings.session
    return MonitoredGate(
        host=address.host,
        port=address.port,
        unit=gate.unit,
        coil=gate.coil,
        reads_input=gate.readback == "input",
        readback_address=gate.readback_address,
        trip_coil=gate.trip_coil,
        tripped_input=gate.tripped_input,
        reset_coil=gate.reset_coil,
    )


MODBUS = DriverRow(
    does="beam gate on a Modbus TCP coupler",
    roles=(GATE,),
    settings=ModbusWire,
    wires=("tcp",),
    build=build,
    monitored=monitored,
)
