"""`tidetrack probe`: listen to each configured device for ten seconds and report what it sent.

Nothing is moved and no beam is let through. The imager is asked for one image only with
``--expose``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from hal.clock import HostClock
from hal.driver import IMAGER
from hal.errors import DeviceError
from hal.events import LinkChanged, SendExpose
from hal.messages import BadSample, Sample
from tracker.config import ConfigurationError, load_configuration
from tracker.live.devices.device_plan import DevicePlan, device_plans, starting
from tracker.live.devices.findings import Findings, findings_of
from tracker.live.devices.process_link import connected_device

SECONDS = 10.0
CONNECT_S = 25.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a configuration with [wires]")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help="with each device (default 10)"
    )
    parser.add_argument(
        "--expose", action="store_true", help="have the imager EXPOSE once, to see that it answers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Probe all devices at once and print the table; 1 when one was not there or sent nothing."""
    if not 1.0 <= args.seconds <= 3600.0:
        raise ConfigurationError([f"--seconds {args.seconds:g}: allowed 1 to 3600"])
    configuration = load_configuration(args.config)
    plans = device_plans(configuration)
    if not plans:
        raise ConfigurationError([f"{args.config}: wires: no device is configured; add a section"])
    probed = asyncio.run(probe_all(plans, args.seconds, args.expose))
    print(table_of(probed))
    if args.json is not None:
        found = {each.device: each.as_json() for each in probed}
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if all(each.good for each in probed) else 1


class Probed:
    """What one device sent while it was listened to."""

    def __init__(self, plan: DevicePlan) -> None:
        self.device = plan.device
        self.driver = plan.driver.name
        self.nominal_hz = plan.context.rate_hz or None
        self.up = asyncio.Event()
        self.connected = False
        self.samples: list[Sample] = []
        self.trouble: list[str] = []
        self.identity = ""
        self.expects_samples = True
        """An imager that is not asked to expose sends nothing."""

    def receive(self, event: Sample | LinkChanged) -> None:
        """Note what the device's link hands over."""
        if isinstance(event, LinkChanged):
            if event.up:
                self.connected = True
                self.up.set()
            elif not event.detail.startswith("closed by us"):
                self.trouble.append(event.detail)
        elif isinstance(event, BadSample):
            self.trouble.append(f"{event.what} {event.value}".rstrip())
        else:
            self.samples.append(event)

    @property
    def found(self) -> Findings:
        """Return rate, jitter, loss, drift and noise of its samples."""
        return findings_of(self.samples, self.nominal_hz)

    @property
    def good(self) -> bool:
        """Whether it was there and sent what it should."""
        return self.connected and bool(self.samples or not self.expects_samples)

    def as_json(self) -> dict[str, Any]:
        """Return everything that was found, for a file."""
        return {
            "driver": self.driver,
            "identity": self.identity,
            "connected": self.connected,
            **self.found._asdict(),
            "trouble": self.trouble,
        }


async def probe_all(plans: dict[str, DevicePlan], seconds: float, expose: bool) -> list[Probed]:
    """Listen to all devices at once for so long, once each is connected."""
    clock = HostClock()
    all_probed: list[Probed] = []
    async with asyncio.TaskGroup() as group:
        for plan in plans.values():
            probed = Probed(plan)
            probed.expects_samples = plan.context.role != IMAGER or expose
            all_probed.append(probed)
            group.create_task(_listen(starting(plan, clock), probed, clock, seconds))
    return all_probed


async def _listen(plan: DevicePlan, probed: Probed, clock: HostClock, seconds: float) -> None:
    try:
        device = connected_device(plan, clock, probed.receive)
    except (DeviceError, OSError) as error:
        probed.trouble.append(str(error))
        return
    link = asyncio.create_task(device.run())
    try:
        async with asyncio.timeout(CONNECT_S):
            await probed.up.wait()
        if probed.expects_samples and plan.driver.exposes_on_command:
            device.obey(SendExpose(clock(), plan.device, 1))
        probed.samples.clear()
        await asyncio.sleep(seconds)
    except TimeoutError:
        probed.trouble.append(f"not there in {CONNECT_S:g} s")
    finally:
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        probed.identity = device.figures().identity


COLUMNS = ("samples", "rate", "jitter", "longest gap", "lost", "drift", "noise", "trouble")


def table_of(all_probed: list[Probed]) -> str:
    """Return one line per device, then what each says it is and the first things wrong."""
    lines = ["".join([f"{'device':<12}{'driver':<12}", *(f"{name:>13}" for name in COLUMNS)])]
    for each in all_probed:
        found = each.found
        cells = (
            str(found.samples) if each.connected else "not there",
            _shown(found.rate_hz, "{:.2f} Hz"),
            _shown(found.jitter_ms, "{:.2f} ms"),
            _shown(found.longest_gap_ms, "{:.1f} ms"),
            _shown(found.lost, "{}"),
            _shown(found.drift_ppm, "{:+.0f} ppm"),
            _shown(found.noise, "{:.3f}"),
            str(len(each.trouble)),
        )
        row = "".join(f"{cell:>13}" for cell in cells)
        lines.append(f"{each.device:<12}{each.driver:<12}{row}")
    lines += [f"{each.device} is {each.identity}" for each in all_probed if each.identity]
    for each in all_probed:
        lines += [f"{each.device}: {line}" for line in each.trouble[:3]]
    return "\n".join(lines)


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
