"""Which driver meets which device over which wire: the sections ``[wires.…]`` of a configuration.

Each section names its driver; what else it may hold is that driver's. Paths are relative to the
configuration's own folder. Where a section is missing, the device is not there.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hal.bitalino.session import BitalinoSettings
from hal.gcs.session import GcsSettings
from hal.imaging.camera_settings import MarkerSettings, StereoGeometry
from hal.lsl.configuration import Scope
from hal.lsl.session import LslSettings
from hal.modbus.session import GateSettings
from hal.openigtlink.session import IgtlSettings
from hal.polaris.session import PolarisSettings
from hal.rsi.session import RsiSettings

Text = Annotated[str, Meta(min_length=1, max_length=400)]


class WireSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="driver"
):
    """Common to every wire: it names its driver, and knows no other key than that driver's."""


class Polaris(WireSettings, frozen=True, kw_only=True, tag="polaris"):
    """An NDI tracker: one marker per tool definition, in the order given."""

    address: Text
    roms: tuple[Text, ...] = ()
    blank_tools: Annotated[int, Meta(ge=0, le=12)] = 0
    """So many empty definitions instead of files: a twin does not read them."""
    session: PolarisSettings = PolarisSettings()


class Bitalino(WireSettings, frozen=True, kw_only=True, tag="bitalino"):
    """A BITalino belt."""

    address: Text
    session: BitalinoSettings = BitalinoSettings()


class OpenIgtlink(WireSettings, frozen=True, kw_only=True, tag="openigtlink"):
    """A tracker or a belt behind an OpenIGTLink server: PLUS, 3D Slicer.

    ``session.rate_hz`` is set to that of the section it serves.
    """

    address: Text
    session: IgtlSettings


class Lsl(WireSettings, frozen=True, kw_only=True, tag="lsl"):
    """A belt on the Lab Streaming Layer; ``session.rate_hz`` is set to the belt's."""

    scope: Scope = "machine"
    """How far the search reaches beyond ``peers``."""
    peers: tuple[Text, ...] = ()
    session: LslSettings = LslSettings()


class StereoCameraWire(WireSettings, frozen=True, kw_only=True):
    """Common to marker cameras of two views: how they stand and what they look for."""

    calibration: str = ""
    """The pair's calibration file; empty: the geometry below is taken for true."""
    geometry: StereoGeometry = StereoGeometry()
    markers: MarkerSettings
    apart_ms: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """How far apart one exposure's pictures may arrive; 0: half a frame."""


class GigeMarkers(StereoCameraWire, frozen=True, kw_only=True, tag="gige-markers"):
    """Two free-running or cable-triggered GigE Vision cameras."""

    left: Text
    """Address of the left camera's control port, ``host:port``."""
    right: Text
    packet_bytes: Annotated[int, Meta(ge=576, le=16_000)] = 1400
    features: dict[str, int | float | str | bool] = {}
    """GenICam features set before the stream starts, in this order, after PixelFormat Mono8."""


class VideoMarkers(StereoCameraWire, frozen=True, kw_only=True, tag="video-markers"):
    """Two sources OpenCV's VideoCapture opens: local cameras by number, files, URLs."""

    left: int | Text
    right: int | Text
    silence_s: Annotated[float, Meta(gt=0, le=60)] = 2.0


class StereoXray(WireSettings, frozen=True, kw_only=True):
    """Common to X-ray pairs: where sources and panels stand, and the seeds they show."""

    calibration: str = ""
    """The pair's calibration file; empty: the geometry below is taken for true."""
    source_isocentre_mm: Annotated[float, Meta(gt=100, le=10_000)] = 2650.0
    source_panel_mm: Annotated[float, Meta(gt=100, le=20_000)] = 3680.0
    pixel_mm: Annotated[float, Meta(gt=0.01, le=5)] = 0.388
    width_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    height_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    left_deg: float = 45.0
    right_deg: float = -45.0
    skew_ms: Annotated[float, Meta(gt=0, le=1000)] = 60.0
    """How far apart both pictures may arrive (DICOM: may have been exposed)."""
    seed_diameter_mm: Annotated[float, Meta(gt=0.1, le=10)] = 1.0
    seed_length_mm: Annotated[float, Meta(ge=0, le=30)] = 3.0


class XrayPair(StereoXray, frozen=True, kw_only=True, tag="gige-xray"):
    """Two software-triggered GigE Vision panels; where they stand, by calibration or as drawn."""

    left: Text
    """Address of the left panel's control port, ``host:port``."""
    right: Text
    packet_bytes: Annotated[int, Meta(ge=576, le=16_000)] = 1400
    trigger_ms: Annotated[float, Meta(ge=0, le=5000)] = 10.0
    """Trigger received to the middle of the exposure, by the panel's data sheet."""


class DicomXray(StereoXray, frozen=True, kw_only=True, tag="dicom-xray"):
    """An imager that stores its radiographs here by DICOM; its own console exposes."""

    listen: Text = "127.0.0.1:11112"
    """Where it stores to, ``host:port`` of this machine."""
    ae_title: Annotated[str, Meta(min_length=1, max_length=16)] = "TIDETRACK"
    callers: tuple[Text, ...] = ()
    """Application entities that may store; empty: any."""
    side_keyword: Text = "DetectorID"
    """The attribute that tells the sides apart, holding one of the next two."""
    left: Text = "LEFT"
    right: Text = "RIGHT"
    clock_ms: Annotated[float, Meta(ge=-50_400_000, le=50_400_000)] = 0.0
    """The imager's clock less this machine's (both kept by NTP: its zone's offset, or 0)."""
    oldest_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """An exposure longer ago than this on arrival is refused: a wrong clock, or an old picture."""


class Rsi(WireSettings, frozen=True, kw_only=True, tag="rsi"):
    """A KUKA robot; limits of its corrections are those of the guard."""

    address: Text
    ethernet: Text
    """The controller's own ETHERNET configuration XML."""
    realtime_priority: Annotated[int, Meta(ge=0, le=99)] = 50
    """SCHED_FIFO priority of the process that answers, where the system allows it; 0: none."""
    session: RsiSettings = RsiSettings()


class Gcs(WireSettings, frozen=True, kw_only=True, tag="gcs"):
    """A couch on a PI hexapod."""

    address: Text
    session: GcsSettings = GcsSettings()


class Modbus(WireSettings, frozen=True, kw_only=True, tag="modbus"):
    """A beam gate on a remote I/O coupler."""

    address: Text
    session: GateSettings = GateSettings()


class Gateway(WireSettings, frozen=True, kw_only=True, tag="openigtlink"):
    """What the run shows to OpenIGTLink clients; no device, and none is obeyed."""

    listen: Text = "127.0.0.1:18944"
    """Where clients connect, ``host:port`` of this machine."""
    period_ms: Annotated[float, Meta(ge=5, le=1000)] = 33.0
    """Least time between two positions of one name."""
    version: Literal[1, 2] = 2
    """Of the header: 1 for clients older than OpenIGTLink 3."""


AnyWire = (
    Polaris
    | OpenIgtlink
    | GigeMarkers
    | VideoMarkers
    | Bitalino
    | Lsl
    | XrayPair
    | DicomXray
    | Rsi
    | Gcs
    | Modbus
)


class Wires(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The room's wires, one section a device."""

    camera: Polaris | OpenIgtlink | GigeMarkers | VideoMarkers | None = None
    belt: Bitalino | OpenIgtlink | Lsl | None = None
    imager: XrayPair | DicomXray | None = None
    actuator: Rsi | Gcs | None = None
    gate: Modbus | None = None
    gateway: Gateway | None = None
    latency_file: str = ""
    """What ``tidetrack latency --out`` wrote; a start is refused where it disagrees."""


ROLES = ("camera", "belt", "imager", "actuator", "gate")


def configured(wires: Wires) -> dict[str, AnyWire]:
    """The wires that are there, by the section of the controller that uses them."""
    found = {role: getattr(wires, role) for role in ROLES}
    return {role: wire for role, wire in found.items() if wire is not None}
