"""What a device driver is to the rest of the program: one row of a table, with all it needs.

A row names the driver, the roles it can have, the settings a configuration may give it, and the
function that builds it. The rows stand in the folders of their devices (``hal/<device>/driver.py``)
and are listed in `hal.registry`. A row must be cheap to import: it imports cameras, pictures and
other libraries only when the driver is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, cast

import msgspec
from msgspec import Meta

from hal.errors import DeviceError
from hal.messages import Triple
from hal.motion_limits import MotionLimits
from hal.ports import Apparatus, Conversation, HandOver, LibraryDevice

Clock = Callable[[], int]
"""Returns nanoseconds since the start of the run."""

Text = Annotated[str, Meta(min_length=1, max_length=400)]

MARKERS = "markers"
BELT = "belt"
IMAGER = "imager"
ACTUATOR = "actuator"
GATE = "gate"
LINAC = "linac"

ROLES: Mapping[str, str] = {
    MARKERS: "measures markers on the chest (sends `MarkerFrame`)",
    BELT: "measures breathing with a belt (sends `BeltSample`)",
    IMAGER: "takes X-ray images and locates the fiducials (sends `FiducialShot`)",
    ACTUATOR: "follows the target: couch or robot (sends `ActuatorStatus`, obeys `SendDemand`)",
    GATE: "lets the beam through (sends `BeamStatus`, obeys `SendPermit` and `SendHold`)",
    LINAC: "tells gantry, collimator and table angle (sends `LinacStatus`)",
}
"""Every role a device can have in the room, and what it does there.

The role of a surrogate source has the name of its kind.
"""


class DriverSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="driver"
):
    """The keys of one section ``[wires.NAME]``; each driver's own record derives from it.

    The record's tag is the name of the driver, as the configuration's key ``driver`` gives it.
    """


class AddressedSettings(DriverSettings, frozen=True, kw_only=True):
    """The settings of a driver that talks over one wire."""

    address: Text
    """Of the wire: ``tcp://host:port``, ``udp://host:port``, ``udp://:port`` or
    ``serial:///dev/name?baud=9600``."""


class CalibratedSettings(DriverSettings, frozen=True, kw_only=True):
    """The settings of a driver whose geometry is calibrated."""

    calibration: str = ""
    """The pair's calibration file; empty: the geometry given here is used as it is."""


class DriverContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver must know besides its settings; plain values, so that they can be sent."""

    device: str
    """The name that the device's messages carry."""
    role: str
    folder: str
    """The configuration's folder: files named in the settings are relative to it."""
    tick_ns: int
    """Time between two demands."""
    limits: MotionLimits = MotionLimits()
    """What an actuator may be asked for."""
    planned_mm: tuple[Triple, ...] = ()
    """The planned places of the fiducials, fixed frame (IEC 61217)."""
    answer_ms: float = 2000.0
    """How long an imager may take to answer."""
    rate_hz: float = 0.0
    """Samples a second of a surrogate source, as configured; 0: the configuration has none."""

    def file(self, name: str) -> Path:
        """Return the path of a file that the settings name."""
        return Path(self.folder) / name


class OnWire(NamedTuple):
    """A driver without I/O and the address of its wire; the program owns wire and clock."""

    conversation: Conversation
    address: str


class WithThreads(NamedTuple):
    """A driver that reads cameras or a network service in threads of its own."""

    apparatus: Apparatus


class WithLibrary(NamedTuple):
    """A driver whose library connects by itself, made once it is known who takes its samples."""

    make: Callable[[HandOver], LibraryDevice]


BuiltDriver = OnWire | WithThreads | WithLibrary


class Scheduling(NamedTuple):
    """How the process of a driver asks the system to be run."""

    realtime_priority: int = 0
    """SCHED_FIFO priority, where the system allows it; 0: none."""
    gives_way: bool = False
    """Whether every other process may run first."""


class MonitoredGate(NamedTuple):
    """How a gate on Modbus TCP is reached by a process beside its driver: the monitor."""

    host: str
    port: int
    unit: int
    coil: int
    """Lets the beam through while it is on."""
    reads_input: bool
    """Whether the beam is read back from an input instead of a coil."""
    readback_address: int
    trip_coil: int | None
    """Sets the gate's latch; ``None``: the gate has none."""
    tripped_input: int
    """Reads the latch."""
    reset_coil: int | None
    """Resets the latch; ``None``: only a key at the gate does."""


Kept = TypeVar("Kept", bound=DriverSettings)


def ordinary_scheduling(settings: DriverSettings) -> Scheduling:
    """Return the scheduling of a driver that needs nothing special."""
    return Scheduling()


def no_problems(settings: DriverSettings, role: str) -> Iterator[str]:
    """Yield nothing: the settings' own bounds say all that must hold."""
    yield from ()


def no_period(settings: DriverSettings) -> float:
    """Return 0: the settings do not say how often the device reports."""
    return 0.0


def no_files(settings: DriverSettings, context: DriverContext) -> None:
    """Read nothing: the settings name no file."""


@dataclass(frozen=True, kw_only=True)
class DriverRow(Generic[Kept]):
    """One driver: what it can be in the room, what it can be told, and how it is built."""

    does: str
    """What it connects, in a few words."""
    roles: tuple[str, ...]
    settings: type[Kept]
    wires: tuple[str, ...]
    """How the device is reached. A driver on one wire names the schemes of its addresses."""
    build: Callable[[Kept, DriverContext, Clock], BuiltDriver]
    """Makes the driver; raises `DeviceError` for an address, a file or a setting that is wrong."""
    problems: Callable[[Kept, str], Iterator[str]] = no_problems
    """Yields what is wrong with the settings for a role, each line beginning with the key."""
    read_files: Callable[[Kept, DriverContext], None] = no_files
    """Reads every file that the settings name; raises `DeviceError` for the first wrong one."""
    period_ms: Callable[[Kept], float] = no_period
    """Returns the time between two reports, where the settings say it; 0: they do not."""
    own_process: bool = False
    """Whether it needs a process of its own: it must answer in milliseconds, computes for long,
    or uses a library with threads."""
    scheduling: Callable[[Kept], Scheduling] = ordinary_scheduling
    """How that process is scheduled."""
    calibrated_as: Literal["camera", "xray"] | None = None
    """The kind of its calibration file; ``None``: it has none."""
    exposes_on_command: bool = False
    """Whether `SendExpose` makes the device expose."""
    monitored: Callable[[Kept], MonitoredGate] | None = None
    """Returns how the monitor reaches the gate; raises `LinkError` for an address it cannot use.
    ``None``: the monitor cannot reach this device."""

    @property
    def name(self) -> str:
        """The name of the driver: the value of the key ``driver``."""
        return cast(str, self.settings.__struct_config__.tag)


AnyDriver = DriverRow[Any]


@dataclass(frozen=True)
class DriverTable:
    """All drivers a configuration may name; every name stands there once."""

    rows: tuple[AnyDriver, ...]

    def __post_init__(self) -> None:
        """Refuse two rows of one name."""
        names = [row.name for row in self.rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"drivers {', '.join(twice)}: named twice; give each its own name")

    def row(self, name: str) -> AnyDriver:
        """Return the row of a driver; raises `DeviceError` where there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        known = ", ".join(row.name for row in self.rows)
        raise DeviceError(f'driver "{name}" is not known; choose one of {known}')

    def with_role(self, role: str) -> tuple[AnyDriver, ...]:
        """Return the rows of the drivers that can have a role."""
        return tuple(row for row in self.rows if role in row.roles)
