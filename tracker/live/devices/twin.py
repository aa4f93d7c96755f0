"""`tidetrack twin`: one device's twin on a real wire, for a driver or anybody else's program."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import NamedTuple

from hal.clock import HostClock
from hal.lsl.session import LslSettings
from hal.openigtlink.session import IgtlSettings
from hal.rsi.configuration import read_ethernet
from sim.dicom import Storing
from sim.patient import SimulatedPatient
from sim.room import Devices, SimulatedRoom
from sim.scenario import ROBOT, RoomActuator, RoomCamera
from sim.scenario import RoomScenario as RoomSettings
from sim.wired_room import Driver, Role, TwinPlace, wired_room
from tracker.config import SHIPPED, ConfigurationError, load_configuration
from tracker.live.devices.twin_places import other_end
from tracker.live.ready_file import ReadyFile, add_ready_file


class Kind(NamedTuple):
    """A device one can have: its driver, what it is in the room, and where it waits by default."""

    driver: Driver
    role: Role
    address: str
    does: str


KINDS: dict[str, Kind] = {
    "polaris": Kind("polaris", "camera", "tcp://127.0.0.1:8765", "NDI tracker"),
    "openigtlink": Kind(
        "openigtlink",
        "camera",
        "tcp://127.0.0.1:18944",
        "tracker behind an OpenIGTLink server: Marker1, Marker2, Marker3",
    ),
    "markers": Kind("gige-markers", "camera", "3956", "stereo marker camera on GigE Vision"),
    "video": Kind("video-markers", "camera", "8081", "the same as motion JPEG over HTTP"),
    "bitalino": Kind("bitalino", "belt", "pty:", "breathing belt"),
    "lsl": Kind("lsl", "belt", "", "breathing belt on the Lab Streaming Layer"),
    "xray": Kind("gige-xray", "imager", "3956", "pair of X-ray panels on GigE Vision"),
    "dicom": Kind("dicom-xray", "imager", "11112", "X-ray imager that stores to that port"),
    "rsi": Kind("rsi", "actuator", "udp://127.0.0.1:49152", "KUKA robot, asks that port"),
    "gcs": Kind("gcs", "actuator", "tcp://127.0.0.1:50000", "PI hexapod couch"),
    "modbus": Kind("modbus", "gate", "tcp://127.0.0.1:502", "beam gate"),
}

OVERHEAD = RoomCamera(rate_hz=30.0, position_mm=(0.0, 0.0, 1600.0))
"""Where a stereo camera sees the chest: above it, looking down."""
ON_A_PTY = ("polaris", "openigtlink", "bitalino", "gcs", "modbus")
OTHERWISE: dict[Driver, str] = {
    "gige-markers": "cameras are on UDP, give --port",
    "video-markers": "pictures are on TCP, give --port",
    "lsl": "LSL finds its streams by name",
    "gige-xray": "X-ray panels are on UDP, give --port",
    "dicom-xray": "pictures are stored by TCP, give --port",
    "rsi": "RSI is on UDP, give --port",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "device",
        choices=KINDS,
        metavar="DEVICE",
        help="; ".join(f"{name}: {kind.does}" for name, kind in KINDS.items()),
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, metavar="N", help="TCP or UDP port on this host")
    where.add_argument("--pty", type=Path, metavar="PATH", help="a pseudo-terminal, linked there")
    parser.add_argument(
        "--scenario", type=Path, metavar="FILE", help="a configuration whose [room] it stands in"
    )
    parser.add_argument("--seed", type=int, default=1, help="for all chance (default 1)")
    parser.add_argument(
        "--ethernet",
        type=Path,
        default=SHIPPED / "rsi-ethernet.xml",
        metavar="FILE",
        help="of rsi: the ETHERNET configuration XML",
    )
    parser.add_argument("--duration-s", type=float, metavar="S", help="stop after so long")
    add_ready_file(parser)


def run(args: argparse.Namespace) -> int:
    """Put the twin on its wire and let time pass until told to stop."""
    kind = KINDS[args.device]
    settings = _room_settings(args.scenario, kind.driver, args.duration_s)
    place = _place(kind, args, settings)
    with ReadyFile(args.ready_file, "twin", ("devices",)) as ready:
        asyncio.run(_serve(kind, settings, place, args.seed, args.duration_s, ready))
    return 0


def _room_settings(scenario: Path | None, driver: Driver, duration_s: float | None) -> RoomSettings:
    if scenario is None:
        length_s = 3600.0 if duration_s is None else duration_s + 1.0
        return RoomSettings(
            duration_s=length_s,
            camera=OVERHEAD if driver in ("gige-markers", "video-markers") else RoomCamera(),
            actuator=ROBOT if driver == "rsi" else RoomActuator(),
        )
    room = load_configuration(scenario).room
    if room is None:
        raise ConfigurationError([f"{scenario}: has no [room]; add one"])
    return room


def _place(kind: Kind, args: argparse.Namespace, settings: RoomSettings) -> TwinPlace:
    driver = kind.driver
    if args.pty is not None and driver not in ON_A_PTY:
        raise ConfigurationError([f"--pty: {driver} is on no serial line; {OTHERWISE[driver]}"])
    if driver == "lsl":
        if args.port is not None:
            raise ConfigurationError([f"--port: {OTHERWISE[driver]}"])
        session = LslSettings(name="tidetrack belt", rate_hz=settings.belt.rate_hz)
        return TwinPlace(driver=driver, lsl=session)
    if kind.address.isdigit():
        port = args.port or int(kind.address)
        second = port + 1 if driver.startswith("gige") else port
        return TwinPlace(
            driver=driver,
            addresses=(("127.0.0.1", port), ("127.0.0.1", second)),
            storing=Storing(host="127.0.0.1", port=port),
        )
    if driver == "rsi":
        address = other_end(f"udp://:{args.port}") if args.port else kind.address
        ethernet = read_ethernet(args.ethernet.read_text("utf-8"))
        return TwinPlace(driver=driver, address=address, ethernet=ethernet)
    address = kind.address
    if args.pty is not None:
        address = f"pty://{args.pty.absolute()}"
    elif args.port is not None:
        address = f"tcp://127.0.0.1:{args.port}"
    names = tuple(f"Marker{number + 1}" for number in range(len(settings.patient.markers)))
    igtl = IgtlSettings(tools=names, rate_hz=settings.camera.rate_hz)
    return TwinPlace(driver=driver, address=address, igtl=igtl)


async def _serve(
    kind: Kind,
    settings: RoomSettings,
    place: TwinPlace,
    seed: int,
    duration_s: float | None,
    ready: ReadyFile,
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    device = "robot" if kind.driver == "rsi" else kind.role
    names = Devices(actuator=device) if kind.role == "actuator" else Devices()
    room = SimulatedRoom(settings, SimulatedPatient.generated(settings, seed), seed, devices=names)
    async with wired_room(room, {kind.role: place}, HostClock(), seed) as wired:
        print(f"{kind.driver} at {wired.places[kind.role]}", flush=True)
        ready.add(devices={str(role): at for role, at in wired.places.items()})
        passing = asyncio.create_task(wired.run())
        told = asyncio.create_task(ended.wait())
        await asyncio.wait([passing, told], timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (passing, told):
            task.cancel()
        (outcome, _) = await asyncio.gather(passing, told, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome
