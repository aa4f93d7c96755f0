"""Say what is wrong with the wires of a configuration whose keys are right one by one.

A driver's settings must suit the role of their device, the angles of a linac must come often enough
for their limit of age, and an address must be of a kind that the driver speaks over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hal.driver import AddressedSettings
from hal.errors import DeviceError
from tracker.config import Configuration
from tracker.wires import DeviceWire

_USUAL_READBACK_MS: Final = 150.0


def wire_problems(configuration: Configuration) -> Iterator[str]:
    """Yield a line for each setting that does not suit its device's role or another setting."""
    name = configuration.path or "configuration"
    if configuration.wires is None:
        return
    for wire in configuration.wires.devices.values():
        for problem in wire.driver.problems(wire.settings, wire.role):
            yield f"{name}: wires.{wire.section}.{problem}"
        if wire.section == "linac":
            yield from (f"{name}: {line}" for line in _slow_angles(wire, configuration))
        if wire.section == "gate" and configuration.operation.monitor.start != "off":
            yield from (f"{name}: {line}" for line in _monitor_and_beam(configuration))


def address_problems(configuration: Configuration) -> Iterator[str]:
    """Yield a line for each address that its driver cannot use."""
    from hal.transports import parse_address, scheme_of

    name = configuration.path or "configuration"
    devices = () if configuration.wires is None else configuration.wires.devices.values()
    for wire in devices:
        if not isinstance(wire.settings, AddressedSettings):
            continue
        allowed = wire.driver.wires
        try:
            scheme = scheme_of(parse_address(wire.settings.address))
        except DeviceError as error:
            yield f"{name}: wires.{wire.section}: {error}"
            continue
        if scheme not in allowed:
            yield (
                f"{name}: wires.{wire.section}.address: {wire.settings.address!r}: "
                f"{wire.driver.name} does not speak over {scheme}; "
                f"write {' or '.join(f'{each}://' for each in allowed)}…"
            )


def _monitor_and_beam(configuration: Configuration) -> Iterator[str]:
    """Yield a line where the monitor waits less than the beam takes to go off, or needlessly long.

    At 150 ms the beam is off within the 200 ms that the monitor promises. Only a beam that is slow
    itself may have more, and then no more than the engine allows.
    """
    controller, limit_ms = configuration.controller, configuration.operation.monitor.readback_ms
    off_ms = 0.0 if controller.window.on == "nothing" else controller.window.off_ms
    most_ms = _USUAL_READBACK_MS
    if off_ms > most_ms:
        most_ms = max(most_ms, controller.gate.readback_ms)
    if limit_ms < off_ms:
        yield (
            f"monitor.readback_ms: too small: {limit_ms:g}, at least {off_ms:g} "
            "(window.off_ms: the beam takes so long to go off); raise it"
        )
    if limit_ms > most_ms:
        yield (
            f"monitor.readback_ms: too large: {limit_ms:g}, at most {most_ms:g} "
            "(gate.readback_ms, or 150); lower it"
        )


def _slow_angles(wire: DeviceWire, configuration: Configuration) -> Iterator[str]:
    """Yield a line where the angles come too seldom for their limit of age; one may be lost."""
    linac = configuration.controller.linac
    period_ms = wire.driver.period_ms(wire.settings)
    if linac.enabled and linac.stale_ms < 2 * period_ms:
        yield (
            f"linac.stale_ms: too small: {linac.stale_ms:g}, at least {2 * period_ms:g} "
            f"(wires.linac: {wire.driver.name} reports every {period_ms:g} ms); raise it"
        )
