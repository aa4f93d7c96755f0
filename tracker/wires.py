"""Which driver meets which device over which wire: the sections ``[wires.…]`` of a configuration.

Each section names its driver; what else it may hold is that driver's. Paths are relative to the
configuration's own folder. Where a section is missing, the device is not there.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hal.bitalino.session import BitalinoSettings
from hal.gcs.session import GcsSettings
from hal.modbus.session import GateSettings
from hal.polaris.session import PolarisSettings
from hal.rsi.session import RsiSettings

Text = Annotated[str, Meta(min_length=1, max_length=400)]


class Polaris(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="driver",
    tag="polaris",
):
    """An NDI tracker: one marker per tool definition, in the order given."""

    address: Text
    roms: tuple[Text, ...] = ()
    blank_tools: Annotated[int, Meta(ge=0, le=12)] = 0
    """So many empty definitions instead of files: a twin does not read them."""
    session: PolarisSettings = PolarisSettings()


class Bitalino(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="driver",
    tag="bitalino",
):
    """A BITalino belt."""

    address: Text
    session: BitalinoSettings = BitalinoSettings()


class XrayPair(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="driver",
    tag="gige-xray",
):
    """Two software-triggered GigE Vision panels; where they stand, by calibration or as drawn."""

    left: Text
    """Address of the left panel's control port, ``host:port``."""
    right: Text
    calibration: str = ""
    """The pair's calibration file; empty: the geometry below is taken for true."""
    source_isocentre_mm: Annotated[float, Meta(gt=100, le=10_000)] = 2650.0
    source_panel_mm: Annotated[float, Meta(gt=100, le=20_000)] = 3680.0
    pixel_mm: Annotated[float, Meta(gt=0.01, le=5)] = 0.388
    width_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    height_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    left_deg: float = 45.0
    right_deg: float = -45.0
    packet_bytes: Annotated[int, Meta(ge=576, le=16_000)] = 1400
    trigger_ms: Annotated[float, Meta(ge=0, le=5000)] = 10.0
    """Trigger received to the middle of the exposure, by the panel's data sheet."""
    skew_ms: Annotated[float, Meta(gt=0, le=1000)] = 60.0
    """How far apart both pictures may arrive."""
    seed_diameter_mm: Annotated[float, Meta(gt=0.1, le=10)] = 1.0
    seed_length_mm: Annotated[float, Meta(ge=0, le=30)] = 3.0


class Rsi(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="driver",
    tag="rsi",
):
    """A KUKA robot; limits of its corrections are those of the guard."""

    address: Text
    ethernet: Text
    """The controller's own ETHERNET configuration XML."""
    realtime_priority: Annotated[int, Meta(ge=0, le=99)] = 50
    """SCHED_FIFO priority of the process that answers, where the system allows it; 0: none."""
    session: RsiSettings = RsiSettings()


class Gcs(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="driver",
    tag="gcs",
):
    """A couch on a PI hexapod."""

    address: Text
    session: GcsSettings = GcsSettings()


class Modbus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="driver",
    tag="modbus",
):
    """A beam gate on a remote I/O coupler."""

    address: Text
    session: GateSettings = GateSettings()


AnyWire = Polaris | Bitalino | XrayPair | Rsi | Gcs | Modbus


class Wires(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The room's wires, one section a device."""

    camera: Polaris | None = None
    belt: Bitalino | None = None
    imager: XrayPair | None = None
    actuator: Rsi | Gcs | None = None
    gate: Modbus | None = None
    latency_file: str = ""
    """What ``tidetrack latency --out`` wrote; a start is refused where it disagrees."""


ROLES = ("camera", "belt", "imager", "actuator", "gate")


def configured(wires: Wires) -> dict[str, AnyWire]:
    """The wires that are there, by the section of the controller that uses them."""
    found = {role: getattr(wires, role) for role in ROLES}
    return {role: wire for role, wire in found.items() if wire is not None}
