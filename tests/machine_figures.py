"""Measure the machines and the gating window on recorded patients, beside published figures.

    python -m tests.machine_figures gating [TRACE ...]
    python -m tests.machine_figures machines [TRACE ...]
    python -m tests.machine_figures jaws [TRACE ...]

``gating`` tracks each recording with config/machines/gate.toml, with crossings predicted and
without: duty, share of the beam within the window, and how long the target was outside with the
beam on. ``machines`` tracks each with every file of config/machines, or with one of them: errors in
beam's-eye view.
Recordings default to all with an internal channel of liver, and to the three of LARK.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim.recording import load_recording
from tracker.build.room import furnish
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.core.machine.kinds.table import judges_in_beams_eye
from tracker.offline.closed_loop import ClosedLoop
from tracker.report import About, summary_of
from tracker.report.errors import Errors, errors_of, length

DATA = Path(os.environ.get("TRACKER_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
LARK = [f"interact_lark/lark_09{number}.csv" for number in (1, 2, 3)]
LIVER = [
    *LARK,
    "interact_qa6dof/liver_1.csv",
    "interact_qa6dof/liver_2.csv",
    "kimqa_liver/liver_BaselineWanderWithCardiac.csv",
    "kimqa_liver/liver_LargeSI.csv",
    "kimqa_liver/liver_LargeSIandAP.csv",
    "kimqa_liver/liver_RegularBreathing.csv",
]
MACHINES = ("couch", "robot", "gate", "gimbal", "mlc", "jaws")


def tracked(configuration: Configuration, trace: Path | None) -> tuple[Errors, dict[str, Any]]:
    """Track one recording, or the generated breath; return errors and summary."""
    recording = None if trace is None else load_recording(trace)
    controller = configuration.controller
    finished = ClosedLoop(configuration, furnish(configuration, recording, 1)).run()
    kind, orientation = controller.actuator.kind, controller.session.orientation
    errors = errors_of(finished.records, orientation, in_beams_eye=judges_in_beams_eye(kind))
    assert errors is not None
    about = About("", "", 1, None, finished.digest, orientation, kind)
    return errors, summary_of(finished.records, about)


class GatingFigures(NamedTuple):
    """What one recording came to with a gate."""

    duty: float
    within: float
    """Share of the time with beam in which the target was within the window."""
    outside_s: float
    """Time with beam and the target outside it."""
    exits: int
    """How often the target left the window with the beam on."""

    @property
    def after_exit_ms(self) -> float:
        """How long the beam stayed on after an exit, in the mean."""
        return 1e3 * self.outside_s / max(1, self.exits)


def gated(trace: Path | None, *, predict: bool, **room: Any) -> GatingFigures:
    """Track one recording with the gate, with or without predicted crossings."""
    configuration = altered(
        load_configuration(SHIPPED / "machines" / "gate.toml"),
        {"window": {"predict": predict}, "room": room},
    )
    errors, summary = tracked(configuration, trace)
    far = length(errors.in_beams_eye)
    outside = errors.counted & (far > configuration.controller.window.leave)
    within = 1.0 - outside.sum() / max(1, errors.counted.sum())
    begins = outside[1:] & ~outside[:-1] & errors.counted[:-1]
    step_s = float(np.median(errors.step_s))
    duty = summary["beam"]["duty"] or 0.0
    return GatingFigures(duty, float(within), float(outside.sum() * step_s), int(begins.sum()))


def show_gating(traces: list[Path]) -> None:
    """Print the gate's figures, with and without prediction."""
    print("recording  duty within ms/exit exits | without prediction: duty within ms/exit exits")
    for trace in traces:
        a, b = gated(trace, predict=True), gated(trace, predict=False)
        print(
            f"{trace.stem:38s} {a.duty:5.1%} {a.within:6.1%} {a.after_exit_ms:4.0f} {a.exits:4d} | "
            f"{b.duty:5.1%} {b.within:6.1%} {b.after_exit_ms:4.0f} {b.exits:4d} | "
            f"outside {a.outside_s:.1f} s of {b.outside_s:.1f} s",
            flush=True,
        )


def show_machines(traces: list[Path | None], machines: Sequence[str]) -> None:
    """Print each machine's errors, for the recordings and for the generated breath."""
    print(
        "recording, machine: 3-D, beam's-eye view, its 95 %, its part along the patient, along the"
        " beam; duty; longest unsafe"
    )
    for trace in traces:
        for name in machines:
            configuration = load_configuration(SHIPPED / "machines" / f"{name}.toml")
            errors, summary = tracked(configuration, trace)
            print(f"{trace.stem if trace else 'generated'} {name}: {_figures(errors, summary)}")
            sys.stdout.flush()


def _figures(errors: Errors, summary: dict[str, Any]) -> str:
    """Return the figures of one session in one line."""
    beam = summary["beam"]
    if not errors.counted.any():
        return f"no beam, duty {beam['duty']}"
    seen = errors.in_beams_eye[errors.counted]
    found = summary["errors"]
    return (
        f"{summary['tracked']['rms_mm']:.2f} {found['bev_rms_mm']:.2f} "
        f"{np.percentile(length(seen), 95):.2f} {np.sqrt(np.mean(seen[:, 1] ** 2)):.2f} "
        f"{found['along_beam_rms_mm']:.2f} {beam['duty']:.1%} {beam['unsafe_ms_longest']:.0f} ms"
    )


def main() -> int:
    """Print what is asked for."""
    what, *names = sys.argv[1:] or [""]
    if what not in ("gating", "machines", *MACHINES):
        print(__doc__)
        return 2
    if what == "gating":
        show_gating([DATA / name for name in names or LIVER])
    else:
        machines = MACHINES if what == "machines" else (what,)
        show_machines([None, *(DATA / name for name in names or LARK)], machines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
