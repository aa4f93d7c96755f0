"""The driver row of an NDI Polaris tracker."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hal.driver import (
    MARKERS,
    AddressedSettings,
    Clock,
    DriverContext,
    DriverRow,
    OnWire,
    Text,
)
from hal.polaris.session import PolarisSettings


class PolarisWire(AddressedSettings, frozen=True, kw_only=True, tag="polaris"):
    """An NDI tracker: one marker per tool definition, in the order given."""

    roms: tuple[Text, ...] = ()
    """Files of tool definitions, relative to the configuration's folder."""
    blank_tools: Annotated[int, Meta(ge=0, le=12)] = 0
    """The number of empty definitions used instead of files; a twin does not read them."""
    session: PolarisSettings = PolarisSettings()


def build(settings: PolarisWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation; raises `DeviceError` without tools, ``OSError`` for a lost file."""
    from hal.polaris.codec import ROM_BYTES
    from hal.polaris.session import PolarisSession

    roms = [context.file(name).read_bytes() for name in settings.roms]
    roms += [bytes(ROM_BYTES)] * settings.blank_tools
    session = PolarisSession(context.device, tuple(roms), settings.session)
    return OnWire(session, settings.address)


POLARIS = DriverRow(
    does="NDI Polaris tracker",
    roles=(MARKERS,),
    settings=PolarisWire,
    wires=("tcp", "serial"),
    build=build,
)
