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
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from hal.events import Command
from hal.imaging.camera_settings import StereoGeometry
from hal.imaging.xray_geometry import XrayGeometry
from hal.lsl.configuration import confine
from hal.lsl.session import LslSettings
from hal.messages import BadSample, Sample
from hal.openigtlink.session import IgtlSettings
from hal.rsi.configuration import EthernetConfiguration
from sim.bitalino import BitalinoTwin
from sim.dicom import Storing, StoringImager
from sim.gcs import GcsTwin
from sim.lsl import LslTwin
from sim.marker_cameras import GigeOutlet, MarkerCameras, PictureOutlet, VideoOutlet
from sim.modbus import ModbusTwin
from sim.openigtlink import IgtlTwin
from sim.polaris import PolarisTwin
from sim.room import RoomTruth, SimulatedRoom
from sim.rsi import ControllerSettings, RobotTwin
from sim.scenario import RoomActuator as ActuatorSettings
from sim.serve import Twin, serve
from sim.xray_panels import Radiographs, XrayPanels

Driver = Literal[
    "polaris", "openigtlink", "gige-markers", "video-markers", "bitalino", "lsl",
    "gige-xray", "dicom-xray", "rsi", "gcs", "modbus",
]  # fmt: skip
Role = Literal["camera", "belt", "imager", "actuator", "gate"]

RSI_WIRE_MS = 8.0
"""What RSI adds to an actuator's latency: a demand's line takes one period of 10 ms where the
room holds a demand for half of one on average, then comes the cycle it leaves in."""
TRUTH_BLOCK_NS = 500_000_000
RESTART_NS = 1_000_000_000
"""How long after RSI broke off somebody starts it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinPlace:
    """One wire: which driver will come, and where the twin waits for it.

    ``address`` is one of `sim.serve`; a pair of panels or cameras has two, ``host:port``.
    ``ethernet``, ``cycle_ns`` and ``timeout_packets`` are the robot's, ``geometry`` and
    ``seed_mm`` an X-ray pair's, ``stereo`` and ``disc_mm`` a marker camera's.
    """

    driver: Driver
    address: str = ""
    addresses: tuple[tuple[str, int], tuple[str, int]] = (("127.0.0.1", 0), ("127.0.0.1", 0))
    ethernet: EthernetConfiguration | None = None
    cycle_ns: int = 4_000_000
    timeout_packets: int = 100
    geometry: XrayGeometry = field(default_factory=XrayGeometry)
    seed_mm: tuple[float, float] = (1.0, 3.0)
    storing: Storing | None = None
    stereo: StereoGeometry = field(default_factory=StereoGeometry)
    disc_mm: float = 12.0
    igtl: IgtlSettings | None = None
    """What the driver listens for; with the rate of the room's device."""
    lsl: LslSettings = field(default_factory=LslSettings)


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

    def __init__(self, room: SimulatedRoom, clock: Callable[[], int]) -> None:
        self.room = room
        self.places: dict[Role, str] = {}
        """Where each wire is, as a configuration writes it."""
        self.twins: dict[Role, Twin] = {}
        self.imager: XrayPanels | StoringImager | None = None
        self._clock = clock
        self._shown: dict[str, Callable[[Sample], None]] = {}
        self._truth_ns = 0

    def obey(self, command: Command) -> None:
        """A twin was told something: move the room."""
        self.room.obey(command)

    async def run(self, truth: Callable[[RoomTruth], None] | None = None) -> None:
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

    def tell_rest(self, truth: Callable[[RoomTruth], None] | None) -> None:
        """Tell the truth up to now, when the run is ended from outside."""
        self._tell(truth, min(self._clock(), self.room.duration_ns))

    def _tell(self, truth: Callable[[RoomTruth], None] | None, to_ns: int) -> None:
        if truth is not None:
            for record in self.room.truth_between(self._truth_ns, to_ns):
                truth(record)
        self._truth_ns = to_ns

    def _show(self, sample: Sample) -> None:
        if isinstance(sample, BadSample):
            return  # what garbage is on a real wire, the codecs' tests know
        show = self._shown.get(sample.device)
        if show is not None:
            show(sample)

    async def serve(
        self, role: Role, place: TwinPlace, seed: int, stack: contextlib.AsyncExitStack
    ) -> None:
        """Put the twin of one device on its wire until the stack is left."""
        device: str = getattr(self.room.devices, role)
        match place.driver:
            case "gige-xray" | "dicom-xray":
                imager = self.imager = self._imager(device, place, seed)
                stack.push_async_callback(imager.close)
                self._stand(role, device, imager.text, imager.show)
            case "gige-markers" | "video-markers":
                outlet: PictureOutlet
                if place.driver == "gige-markers":
                    outlet = GigeOutlet(place.stereo, place.addresses, self._clock)
                else:
                    outlet = VideoOutlet(place.addresses[0])
                cameras = MarkerCameras(place.stereo, place.disc_mm, seed, outlet)
                stack.push_async_callback(asyncio.to_thread, cameras.close)
                self._stand(role, device, cameras.text, cameras.show)
            case "lsl":
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tidetrack-lsl-"))
                confine(Path(folder))
                belt = stack.enter_context(belt_stream(place.lsl))
                text = f"LSL stream {place.lsl.name or place.lsl.source_id}"
                clock = self._clock
                self._stand(role, device, text, lambda sample: belt.show(sample, clock()))
            case _:
                twin = twin_of(device, place)
                served = await stack.enter_async_context(
                    serve(twin, place.address, self._clock, self.obey)
                )
                self.twins[role] = twin
                text = place.address if place.driver == "rsi" else served.text
                self._stand(role, device, text, served.show)

    def _stand(self, role: Role, device: str, text: str, show: Callable[[Sample], None]) -> None:
        self.places[role] = text
        self._shown[device] = show

    def _imager(self, device: str, place: TwinPlace, seed: int) -> XrayPanels | StoringImager:
        count = len(self.room.settings.imager.fiducials_mm)
        radiographs = Radiographs(place.geometry, count, seed, *place.seed_mm)
        if place.driver == "gige-xray":
            return XrayPanels(device, radiographs, place.addresses, self._clock, self.obey)
        if place.storing is None:
            raise ValueError(f"{device}: an imager on DICOM must be told where to store")
        return StoringImager(device, radiographs, place.storing, self._clock, self.obey)


@contextlib.asynccontextmanager
async def wired_room(
    room: SimulatedRoom, wires: dict[Role, TwinPlace], clock: Callable[[], int], seed: int = 1
) -> AsyncGenerator[WiredRoom]:
    """Put the room's twins on their wires for as long as the context lasts."""
    wired = WiredRoom(room, clock)
    async with contextlib.AsyncExitStack() as stack:
        for role, place in wires.items():
            await wired.serve(role, place, seed, stack)
        yield wired


def belt_stream(settings: LslSettings) -> LslTwin:
    """The outlet a driver with these settings finds."""
    return LslTwin(
        settings.name or "tidetrack belt",
        type_name=settings.type or "RESP",
        rate_hz=settings.rate_hz,
        source_id=settings.source_id or "tidetrack-twin",
        channels=settings.channel + 1,
        channel=settings.channel,
    )


def twin_of(device: str, place: TwinPlace) -> Twin:
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
        case "openigtlink":
            if place.igtl is None:
                raise ValueError(f"{device}: OpenIGTLink needs the names of tools or sensor")
            return IgtlTwin(
                place.igtl.tools,
                sensor=place.igtl.sensor,
                push=None if place.igtl.ask else "TRANSFORM",
                tick_ns=round(1e9 / place.igtl.rate_hz),
            )
        case _:
            raise ValueError(f"{device}: {place.driver} is no single twin on one wire")
