"""The other end of every configured wire: which twin waits where for the driver that will come."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from hal.rsi.configuration import read_ethernet
from sim.dicom import Storing
from sim.wired_room import Driver, Role, TwinPlace
from tracker.config import Configuration, ConfigurationError
from tracker.live.devices.pictures import geometry_of, host_and_port
from tracker.wires import (
    AnyWire,
    Bitalino,
    DicomXray,
    Gcs,
    GigeMarkers,
    Lsl,
    Modbus,
    OpenIgtlink,
    Polaris,
    Rsi,
    VideoMarkers,
    XrayPair,
    configured,
)

VIDEO_PATHS = ("/left.mjpg", "/right.mjpg")


def places_of(configuration: Configuration) -> dict[Role, TwinPlace]:
    """The other end of every configured wire; raises `ConfigurationError` for one without."""
    wires = configuration.wires
    if wires is None:
        return {}
    return {
        role: _place(role, wire, configuration)  # pyright: ignore[reportReturnType]
        for role, wire in configured(wires).items()
    }


def _place(role: str, wire: AnyWire, configuration: Configuration) -> TwinPlace:
    controller = configuration.controller
    driver: Driver = wire.__struct_config__.tag  # pyright: ignore[reportAssignmentType]
    match wire:
        case XrayPair():
            return TwinPlace(
                driver=driver,
                addresses=(host_and_port(wire.left), host_and_port(wire.right)),
                geometry=geometry_of(wire),
                seed_mm=(wire.seed_diameter_mm, wire.seed_length_mm),
            )
        case DicomXray():
            every_s = controller.correlation.modelling_interval_s
            return TwinPlace(
                driver=driver,
                storing=_storing(wire, every_s),
                geometry=geometry_of(wire),
                seed_mm=(wire.seed_diameter_mm, wire.seed_length_mm),
            )
        case GigeMarkers() | VideoMarkers():
            return _cameras(role, wire, driver, configuration)
        case OpenIgtlink():
            rate_hz = controller.camera.rate_hz if role == "camera" else controller.belt.rate_hz
            _require_markers(role, "session.tools", len(wire.session.tools), configuration)
            session = msgspec.structs.replace(wire.session, rate_hz=rate_hz)
            return TwinPlace(driver=driver, address=wire.address, igtl=session)
        case Lsl():
            session = msgspec.structs.replace(wire.session, rate_hz=controller.belt.rate_hz)
            return TwinPlace(driver=driver, lsl=session)
        case Rsi():
            folder = configuration.path.parent if configuration.path else Path()
            text = (folder / wire.ethernet).read_text("utf-8")
            return TwinPlace(
                driver=driver,
                address=other_end(wire.address),
                ethernet=read_ethernet(text),
                cycle_ns=wire.session.cycle_ns,
                timeout_packets=wire.session.timeout_packets,
            )
        case Polaris() | Bitalino() | Gcs() | Modbus():
            return TwinPlace(driver=driver, address=other_end(wire.address))


def other_end(address: str) -> str:
    """Where a twin waits for a driver that is given ``address``."""
    if address.startswith("serial://"):
        return "pty://" + address.removeprefix("serial://").partition("?")[0]
    if address.startswith("udp://:"):
        return "udp://127.0.0.1:" + address.removeprefix("udp://:")
    if address.startswith("udp://"):
        return "udp://:" + address.rpartition(":")[2]
    return address


def _storing(wire: DicomXray, every_s: float) -> Storing:
    host, port = host_and_port(wire.listen)
    return Storing(
        host=host,
        port=port,
        called=wire.ae_title,
        title=wire.callers[0] if wire.callers else "TWIN",
        side_keyword=wire.side_keyword,
        labels=(wire.left, wire.right),
        every_s=every_s,
        clock_ms=wire.clock_ms,
    )


def _cameras(
    role: str, wire: GigeMarkers | VideoMarkers, driver: Driver, configuration: Configuration
) -> TwinPlace:
    """Both cameras, drawn as the geometry says; discs only."""
    count = len(wire.markers.arrangement_mm)
    _require_markers(role, "markers.arrangement_mm", count, configuration)
    if isinstance(wire, GigeMarkers):
        addresses = (host_and_port(wire.left), host_and_port(wire.right))
    else:
        left, right = (urlsplit(str(each)) for each in (wire.left, wire.right))
        paths = (left.path, right.path)
        if left.scheme != "http" or left.netloc != right.netloc or paths != VIDEO_PATHS:
            line = f"wires.{role}: a room serves http://host:port/left.mjpg and /right.mjpg of "
            raise ConfigurationError([f"{line}one host; change left and right"])
        address = host_and_port(left.netloc)
        addresses = (address, address)
    return TwinPlace(driver=driver, addresses=addresses, stereo=wire.geometry)


def _require_markers(role: str, key: str, count: int, configuration: Configuration) -> None:
    """A room shows as many markers as the driver expects, or none of them can be named."""
    room = configuration.room
    if role == "camera" and room is not None and count != len(room.patient.markers):
        line = f"wires.{role}.{key}: {count} given, room.patient.markers has "
        raise ConfigurationError([f"{line}{len(room.patient.markers)}; make them as many"])
