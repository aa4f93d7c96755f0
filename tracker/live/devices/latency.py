"""`tidetrack latency`: move the actuator through a chirp and measure the delay of its motion.

Without ``--wires`` the simulated actuator is moved on virtual time. With ``--wires`` the
configured actuator is moved, twin or hardware, and nobody may be in its way.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from hal.clock import HostClock
from hal.events import Command, LinkChanged, SendDemand, SendStop
from hal.messages import ActuatorStatus, BadSample, Sample
from tracker.config import Configuration, ConfigurationError, altered, load_configuration
from tracker.live.devices.device_plan import DevicePlan, device_plans, starting
from tracker.live.devices.latency_analysis import (
    AXIS,
    Chirp,
    Latency,
    chirp_for,
    demanded,
    latency_of,
    measure_in_room,
    reported,
    triple,
)
from tracker.live.devices.latency_file import TOLERATED_MS, MeasuredLatency, write_latency
from tracker.live.devices.process_link import connected_device

CONNECT_S = 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a configuration")
    parser.add_argument(
        "--wires",
        action="store_true",
        help="MOVE the actuator on its wire (default: the simulated one, on virtual time)",
    )
    parser.add_argument("--amplitude-mm", type=float, metavar="A", help="amplitude of the chirp")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the measured figures")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; 1 when the configuration gives another latency."""
    configuration = load_configuration(args.config)
    actuator, timing = configuration.controller.actuator, configuration.controller.timing
    chirp = chirp_for(actuator.speed_mm_s, actuator.acceleration_mm_s2, actuator.limit_mm)
    if args.amplitude_mm is not None:
        if not 0.2 <= args.amplitude_mm <= actuator.limit_mm:
            line = f"--amplitude-mm {args.amplitude_mm:g}: allowed 0.2 to {actuator.limit_mm:g} mm"
            raise ConfigurationError([f"{line}; choose one inside"])
        chirp = Chirp(args.amplitude_mm)
    try:
        found = _on_wires(configuration, chirp) if args.wires else in_room(configuration, chirp)
    except ValueError as error:
        raise ConfigurationError([f"{args.config}: not measured: {error}"]) from None
    measured = MeasuredLatency(
        device=actuator.device,
        latency_ms=round(found.slow_ms, 2),
        error_ms=round(found.error_ms, 2),
        breathing_ms=round(found.breathing_ms, 2),
        gain=round(found.gain, 4),
        configured_ms=timing.latency_ms,
        made=time.strftime("%Y-%m-%d %H:%M:%S"),
        where="wires" if args.wires else "room",
    )
    print(describe(measured))
    if args.out is not None:
        write_latency(args.out, measured)
        print(args.out)
    return 0 if measured.agrees else 1


def describe(measured: MeasuredLatency) -> str:
    """Return the result in words."""
    off_ms = measured.latency_ms - measured.configured_ms
    verdict = "agrees" if measured.agrees else "DISAGREES: correct timing.latency_ms"
    return "\n".join(
        [
            f"{measured.device}, by its {measured.where}",
            f"{'demand to motion':<24}{measured.latency_ms:8.1f} ms, "
            f"standard error {measured.error_ms:.1f} ms",
            f"{'at 0.25 Hz':<24}{measured.breathing_ms:8.1f} ms, gain {measured.gain:.3f}",
            f"{'timing.latency_ms':<24}{measured.configured_ms:8.1f} ms, {off_ms:+.1f} ms off, "
            f"limit {TOLERATED_MS:g} ms: {verdict}",
        ]
    )


def in_room(configuration: Configuration, chirp: Chirp) -> Latency:
    """Measure in the simulated room, on virtual time."""
    from tracker.build.room import furnish

    if configuration.room is not None:
        length_s = chirp.duration_s + 1.0
        configuration = altered(configuration, {"room": {"duration_s": length_s}})
    controller = configuration.controller
    tick_ns = round(1e9 / controller.timing.tick_hz)
    room = furnish(configuration, None, 1)
    return measure_in_room(room, chirp, tick_ns, controller.actuator.status_delay_ms)


def _on_wires(configuration: Configuration, chirp: Chirp) -> Latency:
    plan = device_plans(configuration).get("actuator")
    if plan is None:
        raise ValueError("[wires.actuator] is missing")
    controller = configuration.controller
    chirping = Chirping(plan, chirp, round(1e9 / controller.timing.tick_hz))
    commands, statuses = asyncio.run(chirping.run())
    return latency_of(demanded(commands), reported(statuses, controller.actuator.status_delay_ms))


class Chirping:
    """Moves one actuator on its wire through a chirp, from where it is, and stops it."""

    def __init__(self, plan: DevicePlan, chirp: Chirp, tick_ns: int) -> None:
        self._clock = HostClock()
        self._plan = starting(plan, self._clock)
        self._chirp = chirp
        self._tick_ns = tick_ns
        self._statuses: list[ActuatorStatus] = []
        self._reports = asyncio.Event()
        self._trouble: list[str] = []

    async def run(self) -> tuple[list[SendDemand], list[ActuatorStatus]]:
        """Connect, move, stop; raises ``ValueError`` when the actuator is not there or is lost."""
        device = connected_device(self._plan, self._clock, self._arrived)
        async with asyncio.TaskGroup() as group:
            link = group.create_task(device.run())
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._reports.wait()
                self._trouble.clear()
                commands = await self._move(device.obey)
            except TimeoutError:
                why = "; ".join(self._trouble[-2:])
                raise ValueError(f"no actuator in {CONNECT_S:g} s {why}".rstrip()) from None
            finally:
                device.obey(SendStop(self._clock(), self._plan.device))
                link.cancel()
        return commands, self._statuses

    async def _move(self, obey: Callable[[Command], None]) -> list[SendDemand]:
        stood = self._statuses[-1].position_mm
        began_ns = self._clock()
        commands: list[SendDemand] = []
        due_ns = began_ns
        while (now_ns := self._clock()) - began_ns < self._chirp.duration_s * 1e9:
            if self._trouble:
                raise ValueError("; ".join(self._trouble))
            place = list(stood)
            place[AXIS] += self._chirp.at((now_ns - began_ns) / 1e9)
            command = SendDemand(now_ns, self._plan.device, triple(place))
            commands.append(command)
            obey(command)
            due_ns += self._tick_ns
            await asyncio.sleep(max(0, due_ns - self._clock()) / 1e9)
        return commands

    def _arrived(self, event: Sample | LinkChanged) -> None:
        if isinstance(event, ActuatorStatus):
            self._statuses.append(event)
            self._reports.set()
            if event.fault:
                self._trouble.append(event.fault)
        elif isinstance(event, BadSample):
            self._trouble.append(f"{event.what} {event.value}")
        elif isinstance(event, LinkChanged) and not event.up:
            self._trouble.append(event.detail)
