"""The driver rows on Modbus TCP: a beam gate, and the angles of a linac."""

from __future__ import annotations

from hal.driver import (
    GATE,
    LINAC,
    AddressedSettings,
    Clock,
    DriverContext,
    DriverRow,
    MonitoredGate,
    OnWire,
)
from hal.errors import LinkError
from hal.modbus.linac_registers import LinacRegisters
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


class ModbusLinacWire(AddressedSettings, frozen=True, kw_only=True, tag="modbus-linac"):
    """A device that holds the angles of a linac, and its monitor units, in registers."""

    session: LinacRegisters


def build_linac(settings: ModbusLinacWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.modbus.linac_session import ModbusLinacSession

    return OnWire(ModbusLinacSession(context.device, settings.session), settings.address)


def linac_period_ms(settings: ModbusLinacWire) -> float:
    """Return the time between two readings."""
    return settings.session.period_ms


MODBUS_LINAC = DriverRow(
    does="angles of a linac in the registers of a Modbus TCP device",
    roles=(LINAC,),
    settings=ModbusLinacWire,
    wires=("tcp",),
    build=build_linac,
    period_ms=linac_period_ms,
)
