"""`tidetrack twin`: serve one device's twin on a real wire, for a driver or any other program."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import msgspec

from hal.clock import HostClock
from sim.patient import SimulatedPatient
from sim.registry import TWINS
from sim.room import Devices, SimulatedRoom
from sim.scenario import RoomScenario
from sim.twin import AnyTwin, TwinContext, TwinError, TwinRequest
from sim.wired_room import RoomTwin, wired_room
from tracker.config import SHIPPED, ConfigurationError, load_configuration
from tracker.live.ready_file import ReadyFile, add_ready_file
from tracker.wires import OTHER_SECTIONS, SOURCE_SECTIONS

KINDS: dict[str, AnyTwin] = {row.alone.name: row for row in TWINS.rows}
"""The twins by the names of the command."""
ROLES = {**SOURCE_SECTIONS, **OTHER_SECTIONS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "device",
        choices=KINDS,
        metavar="DEVICE",
        help="; ".join(f"{name}: {row.alone.does}" for name, row in KINDS.items()),
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, metavar="N", help="TCP or UDP port on this host")
    where.add_argument("--pty", type=Path, metavar="PATH", help="link a pseudo-terminal at PATH")
    parser.add_argument(
        "--scenario", type=Path, metavar="FILE", help="the configuration whose [room] it uses"
    )
    parser.add_argument("--seed", type=int, default=1, help="random seed (default 1)")
    parser.add_argument(
        "--ethernet",
        type=Path,
        default=SHIPPED / "rsi-ethernet.xml",
        metavar="FILE",
        help="for rsi: the ETHERNET configuration XML",
    )
    parser.add_argument("--duration-s", type=float, metavar="S", help="stop after S seconds")
    add_ready_file(parser)


def run(args: argparse.Namespace) -> int:
    """Put the twin on its wire and let time pass until told to stop."""
    row = KINDS[args.device]
    scenario = _scenario(args.scenario, row, args.duration_s)
    markers = len(scenario.patient.markers)
    request = TwinRequest(args.port, args.pty, args.ethernet, markers)
    try:
        settings = row.alone.settings(request)
    except TwinError as error:
        raise ConfigurationError([str(error)]) from None
    twin = RoomTwin(row, settings, _context(row, scenario, args.seed))
    with ReadyFile(args.ready_file, "twin", ("devices",)) as ready:
        asyncio.run(_serve(twin, scenario, args.duration_s, ready))
    return 0


def _scenario(file: Path | None, row: AnyTwin, duration_s: float | None) -> RoomScenario:
    """Return the room of a configuration, or one made for the device."""
    if file is None:
        length_s = 3600.0 if duration_s is None else duration_s + 1.0
        return row.alone.furnish(RoomScenario(duration_s=length_s))
    room = load_configuration(file).room
    if room is None:
        raise ConfigurationError([f"{file}: has no [room]; add one"])
    return room


def _context(row: AnyTwin, scenario: RoomScenario, seed: int) -> TwinContext:
    section = row.alone.section
    return TwinContext(
        device=row.alone.device or section,
        role=ROLES[section],
        folder=Path(),
        rate_hz=getattr(getattr(scenario, section, None), "rate_hz", 0.0),
        fiducials=len(scenario.imager.fiducials_mm),
        seed=seed,
    )


async def _serve(
    twin: RoomTwin, scenario: RoomScenario, duration_s: float | None, ready: ReadyFile
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    section, context = twin.row.alone.section, twin.context
    names = msgspec.structs.replace(Devices(), **{section: context.device})
    patient = SimulatedPatient.generated(scenario, context.seed)
    room = SimulatedRoom(scenario, patient, context.seed, devices=names)
    async with wired_room(room, {section: twin}, HostClock()) as wired:
        print(f"{twin.row.driver} at {wired.served[section].text}", flush=True)
        ready.add(devices={section: wired.served[section].text})
        passing = asyncio.create_task(wired.run())
        told = asyncio.create_task(ended.wait())
        await asyncio.wait([passing, told], timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (passing, told):
            task.cancel()
        (outcome, _) = await asyncio.gather(passing, told, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome
