"""`tidetrack machines`: list the kinds of treatment machine, and what each of them follows."""

from __future__ import annotations

import argparse

from tracker.config import SHIPPED, load_configuration
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.machine.kinds.table import MACHINE_KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: there are none."""


def run(args: argparse.Namespace) -> int:
    """Print one line a kind: name, what it follows, latency and speed of its shipped file."""
    rows = [("machine", "latency", "speed", "follows"), *map(_row, MACHINE_KINDS.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, latency, speed, follows in rows:
        print(f"{name:<{widths[0]}}  {latency:>{widths[1]}}  {speed:>{widths[2]}}  {follows}")
    return 0


def _row(kind: MachineKind) -> tuple[str, str, str, str]:
    shipped = SHIPPED / "machines" / f"{kind.name}.toml"
    controller = load_configuration(shipped).controller
    speed = f"{controller.actuator.speed_mm_s:g} mm/s" if kind.moves else "-"
    return kind.name, f"{controller.timing.latency_ms:g} ms", speed, kind.follows
