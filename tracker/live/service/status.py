"""`tidetrack status`: show the state of a running daemon."""

from __future__ import annotations

import argparse

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker.api.schema import DeviceHealth, Health, Place, State
from tracker.client import Client
from tracker.live.service.ctl import add_connection, address_of

SILENCE_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Show one state; return 1 if a fault holds the beam or would refuse a start, else 0."""
    with Client(address_of(args), args.key) as client:
        state = next(client.states(silence_s=SILENCE_S))
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(state)).decode())
    else:
        show(state, Console())
    return 1 if any(fault.reaction != "WARN" for fault in state.faults) else 0


def show(state: State, console: Console) -> None:
    """Print a state as tables."""
    beam = "permitted" if state.beam.permitted else "held"
    on = {True: "on", False: "off", None: "unknown"}[state.beam.on]
    console.print(f"[bold]{state.session}[/]  beam {beam}, {on}   {escape(state.next_step)}")
    rows = Table.grid(padding=(0, 2))
    rows.add_row("patient, plan", escape(f"{state.patient_id}, {state.plan_id}"))
    if state.surrogate is not None:
        breath = state.surrogate
        rows.add_row("breathing", f"{breath.amplitude_mm:.2f} mm, {breath.age_ms:.0f} ms old")
    rows.add_row("target now", _place(state.estimate))
    rows.add_row("target ahead", _place(state.prediction))
    rows.add_row("demand", _triple(state.demand_mm))
    rows.add_row("actuator", _triple(state.actuator_mm))
    rows.add_row("ticks", _health(state.health))
    rows.add_row("recording", "yes" if state.health.recording else "NO")
    rows.add_row("run", f"{state.run_id}, {state.t_ns / 1e9:.1f} s")
    rows.add_row("page", state.page or "not served by this run")
    console.print(rows)
    devices = Table("device", "link", "rate, Hz", "age, ms", "delay, ms", "lost", "bad")
    for device in state.devices:
        devices.add_row(*_device(device))
    console.print(devices)
    for fault in state.faults:
        console.print(escape(f"{fault.reaction}: {fault.name}: {fault.sentence} {fault.detail}"))


def _place(place: Place | None) -> str:
    if place is None:
        return "not known"
    return f"{_triple(place.position_mm)}, 95 % within {place.radius95_mm:.1f} mm"


def _triple(position_mm: tuple[float, float, float] | None) -> str:
    return "none" if position_mm is None else "({:.1f}, {:.1f}, {:.1f}) mm".format(*position_mm)


def _health(health: Health) -> str:
    return (
        f"{health.tick_hz:.1f} Hz, late p50 {health.late_p50_ms:.1f}  p99 {health.late_p99_ms:.1f}"
        f"  max {health.late_max_ms:.1f} ms, {health.skipped_ticks} skipped"
    )


def _device(device: DeviceHealth) -> list[str]:
    link = "up" if device.up else f"down {device.detail}".rstrip()
    ages = ("" if ms is None else f"{ms:.1f}" for ms in (device.age_ms, device.latency_ms))
    lost = f"{device.lost_share:.1%}" if device.lost_share else ""
    rate = f"{device.rate_hz:.1f}" if device.rate_hz else ""
    return [escape(device.device), escape(link), rate, *ages, lost, str(device.bad or "")]
