"""A live run of one kind of machine on its own wires, without the page: for `tests.live.long_run`.

Room and run are processes of their own. The scripted operator starts and resumes the session.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import tomli_w

from hal.messages import ActuatorStatus, BadSample, LinacStatus
from tests.live.machine_load import MachineLoad
from tests.live.processes import BEAM_ON, SOON, free_ports, serving_room, tidetrack
from tests.live.undisturbed import Undisturbed, read_run, replayed
from tracker.cli import main
from tracker.config import SHIPPED
from tracker.journal import read_journal
from tracker.live.run_figures import RunFigures

Wires = dict[str, dict[str, Any]]
DEMAND_MS = 5.0
"""What a demand, or a permit, may take from the newest sample on at most, p99: as for the robot."""


def _gate_over_modbus() -> Wires:
    # What is read back is the linac's own beam signal, not what was written. The beam of the
    # machine `gate` takes 200 ms to come on and to go off.
    return {
        "gate": {
            "driver": "modbus",
            "address": f"tcp://127.0.0.1:{free_ports(1)[0]}",
            "session": {"readback": "input", "disagree_ms": 400.0},
        }
    }


def _leaves_and_gantry() -> Wires:
    (leaves,) = free_ports(1, socket.SOCK_DGRAM)
    (linac,) = free_ports(1)
    return {
        **_gate_over_modbus(),
        "actuator": {"driver": "bev-udp", "address": f"udp://127.0.0.1:{leaves}"},
        "linac": {"driver": "openigtlink-linac", "address": f"tcp://127.0.0.1:{linac}"},
    }


MACHINE_WIRES: Mapping[str, Callable[[], Wires]] = {
    "gate": _gate_over_modbus,
    "mlc": _leaves_and_gantry,
}
"""By the name of a file in config/machines: the wires of the machine itself."""


def configured(folder: Path, machine: str, duration_s: float, *, soon: bool) -> Path:
    """The shipped configuration of a machine, with wires; ``soon``: tracking begins early."""
    left, right = free_ports(2, socket.SOCK_DGRAM)
    table: dict[str, Any] = {
        "extends": str(SHIPPED / "machines" / f"{machine}.toml"),
        "wires": {
            "camera": {
                "driver": "polaris",
                "address": f"serial://{folder}/camera",
                "blank_tools": 3,
            },
            "belt": {
                "driver": "bitalino",
                "address": f"serial://{folder}/belt",
                "session": {"largest_step_au": 24},
            },
            "imager": {
                "driver": "gige-xray",
                "left": f"127.0.0.1:{left}",
                "right": f"127.0.0.1:{right}",
                "width_px": 512,
                "height_px": 512,
            },
            **MACHINE_WIRES[machine](),
        },
        "service": {"enabled": False},
    }
    if soon:
        table |= {name: keys for name, keys in SOON.items() if name != "gating"}
    table["room"] = {"duration_s": duration_s}
    file = folder / f"{machine}.toml"
    file.write_text(tomli_w.dumps(table))
    return file


class MachineRun(NamedTuple):
    """What was measured."""

    machine: str
    figures: RunFigures
    journal: Undisturbed
    summary: dict[str, Any]
    """As of `tidetrack score`, against what the room really did."""
    messages: Counter[str]
    """Of the machine's own devices, by what they are; bad samples by what was wrong."""
    turned_deg: float
    """How far apart the angles of the gantry are that were reported; 0: none were."""
    replay: str
    taken_ms: float
    """How long, in all, the machine kept a waiting program from a processor."""

    def wrong(self) -> list[str]:
        """What should not be, however busy the machine is."""
        found = [] if self.replay.startswith("identical") else [f"replay: {self.replay}"]
        if not self.journal.tracked_s:
            found.append("the beam was never permitted")
        if not self.figures.sample_to_demand.count:
            found.append("no demand and no permit was measured")
        for sort, device in (("ActuatorStatus", "actuator"), ("LinacStatus", "linac")):
            wanted = device in MACHINE_WIRES[self.machine]()
            if wanted and not self.messages[sort]:
                found.append(f"no {sort} came")
        return found

    def slow(self) -> list[str]:
        """What took too long, where the machine was quiet."""
        p99_ms = self.figures.sample_to_demand.p99_us / 1e3
        late = p99_ms > DEMAND_MS + self.taken_ms
        return [f"sample to demand p99 {p99_ms:.1f} ms, limit {DEMAND_MS:g} ms"] * late

    def describe(self) -> str:
        """For people."""
        figures, summary = self.figures, self.summary
        command = "permit" if self.machine == "gate" else "demand"
        errors, beam = summary["errors"], summary["beam"]
        told = ", ".join(f"{count} {what}" for what, count in sorted(self.messages.items()))
        return "\n".join(
            [
                f"machine {self.machine}: {told}; gantry over {self.turned_deg:.0f} degrees",
                f"sample to {command}  {figures.sample_to_demand.describe()}",
                f"tick to command   {figures.tick.describe()}",
                f"tick lateness     {figures.lateness.describe()}, {figures.skipped_ticks} skipped",
                f"beam permitted {self.journal.tracked_s:.1f} s, duty {_number(beam['duty'])};"
                f" leases missed {len(self.journal.lapses)}, at the gate"
                f" {self.journal.lapsed_at_gate}; holds {self.journal.holds or 'none'}; faults"
                f" {self.journal.faults or 'none'}",
                f"error in beam's-eye view {_number(errors['bev_rms_mm'])} mm RMS (3-D"
                f" {_number(summary['tracked']['rms_mm'])}, untracked"
                f" {_number(summary['untracked']['rms_mm'])})",
                f"replay: {self.replay}",
                f"the machine kept a waiting program from a processor for {self.taken_ms:.0f} ms",
                *(f"WRONG: {each}" for each in (*self.wrong(), *self.slow())),
            ]
        )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def measure_machine(
    folder: Path, machine: str, seconds: float, options: Sequence[object] = (), *, soon: bool
) -> MachineRun:
    """Run a machine for so many seconds from its first beam on; everything ends in order."""
    file = configured(folder, machine, seconds + 400.0, soon=soon)
    journal, truth, figures = (folder / n for n in ("live.mcap", "truth.mcap", "figures.json"))
    files = ("--journal", journal, "--figures", figures)
    with (
        MachineLoad() as load,
        serving_room(file, truth),
        tidetrack("run", file, *files, "--operator", "auto", "--no-self-test", *options) as run,
    ):
        run.until(BEAM_ON)
        began_ns = time.monotonic_ns()
        time.sleep(seconds)
        ended_ns = time.monotonic_ns()
        taken_ms = load.taken_ms(began_ns, ended_ns)
        assert run.stop() == 0, "\n".join(run.lines[-40:])
    summary = folder / "summary.json"
    assert main(["score", str(journal), str(truth), "--json", str(summary)]) == 0
    messages, turned_deg = _messages(journal)
    return MachineRun(
        machine=machine,
        figures=msgspec.json.decode(figures.read_bytes(), type=RunFigures),
        journal=read_run(journal, [(0, sys.maxsize)]),
        summary=json.loads(summary.read_text()),
        messages=messages,
        turned_deg=turned_deg,
        replay=replayed(journal),
        taken_ms=taken_ms,
    )


def _messages(journal: Path) -> tuple[Counter[str], float]:
    """Count what the machine's own devices reported; and how far the gantry turned."""
    counts: Counter[str] = Counter()
    angles: list[float] = []
    for entry in read_journal(journal).entries():
        record = entry.record
        if isinstance(record, ActuatorStatus | LinacStatus):
            counts[type(record).__name__] += 1
        if isinstance(record, LinacStatus):
            angles.append(record.gantry_deg)
        if isinstance(record, BadSample):
            counts[f"bad: {record.device} {record.what}"] += 1
    return counts, max(angles) - min(angles) if angles else 0.0
