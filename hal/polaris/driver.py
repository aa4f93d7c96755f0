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
from hal.errors import DeviceError
from hal.polaris.session import PolarisSettings


class PolarisWire(AddressedSettings, frozen=True, kw_only=True, tag="polaris"):
    """An NDI tracker: one marker per tool definition, in the order given."""

    roms: tuple[Text, ...] = ()
    """Files of tool definitions, relative to the configuration's folder."""
    blank_tools: Annotated[int, Meta(ge=0, le=12)] = 0
    """The number of empty definitions used instead of files; a twin does not read them."""
    session: PolarisSettings = PolarisSettings()


def build(settings: PolarisWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation; raises `DeviceError` without tools, or for a lost file."""
    from hal.polaris.codec import ROM_BYTES
    from hal.polaris.session import PolarisSession

    roms = [_rom(context, name) for name in settings.roms]
    roms += [bytes(ROM_BYTES)] * settings.blank_tools
    session = PolarisSession(context.device, tuple(roms), settings.session)
    return OnWire(session, settings.address)


def read_files(settings: PolarisWire, context: DriverContext) -> None:
    """Read every tool definition; raises `DeviceError` for one that cannot be read."""
    for name in settings.roms:
        _rom(context, name)


def _rom(context: DriverContext, name: str) -> bytes:
    """Return a tool definition as it lies on disk."""
    from hal.polaris.codec import ROM_BYTES

    path = context.file(name)
    try:
        with path.open("rb") as stream:
            data = stream.read(ROM_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DeviceError(f"{path}: {why}; name a tool definition of the tracker") from None
    if not 0 < len(data) <= ROM_BYTES:
        size = "is empty" if not data else f"is larger than {ROM_BYTES} bytes"
        raise DeviceError(f"{path}: {size}; name a tool definition of the tracker")
    return data


POLARIS = DriverRow(
    does="NDI Polaris tracker",
    roles=(MARKERS,),
    settings=PolarisWire,
    wires=("tcp", "serial"),
    build=build,
    read_files=read_files,
)
