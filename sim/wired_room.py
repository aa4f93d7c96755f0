"""The simulated room behind real wires, on real time: what a driver meets instead of hardware.

    async with wired_room(room, wires, clock) as wired:
        await wired.run(truth)          # until cancelled, or the patient's time is over

Each wire is served by the twin of its driver. What the room's devices report is shown to the
twins, what drivers ask of the twins moves the room: couch and robot carry the patient or the
beam, the gate lets the beam through. The room's latency of an actuator includes its wire.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from hal.events import Command
from hal.imaging.xray_geometry import XrayGeometry
from hal.messages import BadSample, FiducialShot, Sample
from hal.rsi.configuration import EthernetConfiguration
from sim.bitalino import BitalinoTwin
from sim.gcs import GcsTwin
from sim.modbus import ModbusTwin
from sim.polaris import PolarisTwin
from sim.room import Room, Truth
from sim.rsi import ControllerSettings, RobotTwin
from sim.scenario import Actuator as ActuatorSettings
from sim.serve import Served, Twin, serve
from sim.xray_panels import Radiographs, XrayPanels

Driver = Literal["polaris", "bitalino", "gige-xray", "rsi", "gcs", "modbus"]
Role = Literal["camera", "belt", "imager", "actuator", "gate"]

RSI_WIRE_MS = 8.0
"""What RSI adds to an actuator's latency: a demand's line takes one period of 10 ms where the
room holds a demand for half of one on average, then comes the cycle it leaves in."""
TRUTH_BLOCK_NS = 500_000_000
RESTART_NS = 1_000_000_000
"""How long after RSI broke off somebody starts it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One wire: which driver will come, and where the twin waits for it.

    ``address`` is one of `sim.serve`; an X-ray pair has two, ``host:port``. ``ethernet`` and
    ``cycle_ns`` are the robot's.
    """

    driver: Driver
    address: str = ""
    addresses: tuple[tuple[str, int], tuple[str, int]] = (("127.0.0.1", 0), ("127.0.0.1", 0))
    ethernet: EthernetConfiguration | None = None
    cycle_ns: int = 4_000_000
    timeout_packets: int = 100
    geometry: XrayGeometry = field(default_factory=XrayGeometry)
    seed_mm: tuple[float, float] = (1.0, 3.0)


def with_wire(settings: ActuatorSettings, driver: Driver) -> ActuatorSettings:
    """The actuator less what its wire adds, so that both together have the set latency."""
    if driver != "rsi":
        return settings
    added = min(RSI_WIRE_MS, settings.dead_time_ms)
    return msgspec.structs.replace(
        settings,
        latency_ms=settings.latency_ms - added,
        dead_time_ms=settings.dead_time_ms - added,
    )


class WiredRoom:
    """A room and its twins on their wires; made by `wired_room`."""

    def __init__(self, room: Room, clock: Callable[[], int]) -> None:
        self.room = room
        self.places: dict[Role, str] = {}
        """Where each wire is, as a configuration writes it."""
        self.twins: dict[Role, Twin] = {}
        self.panels: XrayPanels | None = None
        self._clock = clock
        self._served: dict[str, Served] = {}
        self._truth_ns = 0

    def obey(self, command: Command) -> None:
        """A twin was told something: move the room."""
        self.room.obey(command)

    async def run(self, truth: Callable[[Truth], None] | None = None) -> None:
        """Let time pass until the patient's is over; ``truth`` is told what really was."""
        room, clock = self.room, self._clock
        end_ns = room.duration_ns
        while (now_ns := clock()) < end_ns:
            for sample in room.advance(now_ns):
                self._show(sample)
            if now_ns - self._truth_ns >= TRUTH_BLOCK_NS:
                self._tell(truth, now_ns)
            due_ns = min(room.next_due_ns(), end_ns, self._truth_ns + TRUTH_BLOCK_NS)
            await asyncio.sleep(max(0, due_ns - clock()) / 1e9)
        self._tell(truth, end_ns)

    def tell_rest(self, truth: Callable[[Truth], None] | None) -> None:
        """Tell the truth up to now, when the run is ended from outside."""
        self._tell(truth, min(self._clock(), self.room.duration_ns))

    def _tell(self, truth: Callable[[Truth], None] | None, to_ns: int) -> None:
        if truth is not None:
            for record in self.room.truth_between(self._truth_ns, to_ns):
                truth(record)
        self._truth_ns = to_ns

    def _show(self, sample: Sample) -> None:
        if isinstance(sample, BadSample):
            return  # what garbage is on a real wire, the codecs' tests know
        if isinstance(sample, FiducialShot):
            if self.panels is not None:
                self.panels.show(sample)
            return
        served = self._served.get(sample.device)
        if served is not None:
            served.show(sample)


@contextlib.asynccontextmanager
async def wired_room(
    room: Room, wires: dict[Role, Place], clock: Callable[[], int], seed: int = 1
) -> AsyncIterator[WiredRoom]:
    """Put the room's twins on their wires for as long as the context lasts."""
    wired = WiredRoom(room, clock)
    names = room.devices
    async with contextlib.AsyncExitStack() as stack:
        for role, place in wires.items():
            device: str = getattr(names, role)
            if place.driver == "gige-xray":
                wired.panels = _panels(wired, device, place, clock, seed)
                stack.push_async_callback(wired.panels.close)
                ports = wired.panels.ports
                wired.places[role] = f"gige 127.0.0.1:{ports[0]} and 127.0.0.1:{ports[1]}"
                continue
            twin = twin_of(device, place)
            served = await stack.enter_async_context(serve(twin, place.address, clock, wired.obey))
            wired.twins[role] = twin
            wired._served[device] = served
            wired.places[role] = place.address if place.driver == "rsi" else served.text
        yield wired


def _panels(
    wired: WiredRoom, device: str, place: Place, clock: Callable[[], int], seed: int
) -> XrayPanels:
    count = len(wired.room.settings.imager.fiducials_mm)
    radiographs = Radiographs(place.geometry, count, seed, *place.seed_mm)
    return XrayPanels(device, radiographs, place.addresses, clock, wired.obey)


def twin_of(device: str, place: Place) -> Twin:
    """The twin a driver finds at a place; raises ``ValueError`` where a robot has no file."""
    match place.driver:
        case "polaris":
            return PolarisTwin()
        case "bitalino":
            return BitalinoTwin()
        case "modbus":
            return ModbusTwin(device)
        case "gcs":
            return GcsTwin(device)
        case "rsi":
            if place.ethernet is None:
                raise ValueError(f"{device}: RSI needs the ETHERNET configuration XML")
            controller = ControllerSettings(
                cycle_ns=place.cycle_ns,
                timeout_packets=place.timeout_packets,
                restart_ns=RESTART_NS,
                lower_mm=(-50.0, -50.0, -50.0),
                upper_mm=(50.0, 50.0, 50.0),
            )
            return RobotTwin(device, place.ethernet, controller)
        case "gige-xray":
            raise ValueError(f"{device}: an X-ray pair is no single twin")
