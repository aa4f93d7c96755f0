"""`tidetrack room`: serve the whole simulated room on real wires, in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
import sys
import time
from pathlib import Path

from hal.clock import HostClock
from sim.recording import Recording, load_recording
from sim.registry import TWINS
from sim.room import SimulatedRoom
from sim.wired_room import RoomTwin, less_wire, wired_room
from tracker.build.recording_notes import tell_notes
from tracker.build.room import furnish
from tracker.config import Configuration, ConfigurationError, altered, load_configuration
from tracker.journal import JournalWriter, make_header
from tracker.live.devices.room_twins import room_twins
from tracker.live.ready_file import ReadyFile, add_ready_file
from tracker.live.scheduling import SWITCH_S, prefer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="a configuration with [room] and [wires]"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="a recorded breath instead of a generated one"
    )
    parser.add_argument("--seed", type=int, default=1, help="random seed (default 1)")
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="record the true motion, for tidetrack score"
    )
    parser.add_argument("--duration-s", type=float, metavar="S", help="length of the patient's run")
    parser.add_argument(
        "--priority", type=int, default=0, metavar="N", help="SCHED_FIFO priority, where allowed"
    )
    add_ready_file(parser)


def run(args: argparse.Namespace) -> int:
    """Furnish the room, put it on its wires, and let time pass until told to stop."""
    configuration = load_configuration(args.config)
    wires = configuration.wires
    if wires is None:
        raise ConfigurationError([f"{args.config}: has no [wires] to serve; add a section each"])
    if args.duration_s is not None:
        configuration = altered(configuration, {"room": {"duration_s": args.duration_s}})
    recording = None if args.trace is None else load_recording(args.trace)
    tell_notes(() if recording is None else recording.notes)
    room = room_for_wires(configuration, recording, args.seed)
    twins = room_twins(configuration, args.seed)
    start_ns = time.monotonic_ns()
    further = {"run": "room", "config": str(args.config), "monotonic_start_ns": str(start_ns)}
    header = make_header(configuration.text, args.seed, further)
    opened = (
        contextlib.nullcontext()
        if args.truth is None
        else JournalWriter(args.truth, header, overwrite=True)
    )
    sys.setswitchinterval(SWITCH_S)
    prefer(args.priority)
    with opened as truth, ReadyFile(args.ready_file, "room", ("devices",)) as ready:
        asyncio.run(_serve(room, twins, HostClock(start_ns), truth, ready))
    return 0


def room_for_wires(
    configuration: Configuration, recording: Recording | None, seed: int
) -> SimulatedRoom:
    """Return the configured room; its actuator's latency is reduced by what its wire adds."""
    wires, settings = configuration.wires, configuration.room
    if settings is None or wires is None:
        raise ConfigurationError([f"{configuration.path}: needs [room] and [wires]; add them"])
    wire = wires.devices.get("actuator")
    if wire is not None:
        actuator = less_wire(settings.actuator, TWINS.row(wire.driver.name).wire_ms)
        changes = {"latency_ms": actuator.latency_ms, "dead_time_ms": actuator.dead_time_ms}
        configuration = altered(configuration, {"room.actuator": changes})
    return furnish(configuration, recording, seed)


async def _serve(
    room: SimulatedRoom,
    twins: dict[str, RoomTwin],
    clock: HostClock,
    truth: JournalWriter | None,
    ready: ReadyFile,
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    write = None if truth is None else truth.truth
    async with wired_room(room, twins, clock) as wired:
        for section, served in wired.served.items():
            print(f"{section:<9} {twins[section].context.device:<9} {served.text}")
        print("ready", flush=True)
        ready.add(devices={section: served.text for section, served in wired.served.items()})
        gc.collect()
        gc.freeze()
        passing = asyncio.create_task(wired.run(write))
        told = asyncio.create_task(ended.wait())
        await asyncio.wait([passing, told], return_when=asyncio.FIRST_COMPLETED)
        for task in (passing, told):
            task.cancel()
        await asyncio.gather(told, return_exceptions=True)
        (outcome,) = await asyncio.gather(passing, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome
        wired.tell_rest(write)
        print("\n".join(["stopped", *wired.summaries()]), flush=True)
