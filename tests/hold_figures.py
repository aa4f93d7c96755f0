"""Measure breath holds: when the beam comes on in a hold, goes off after it, and what a sag does.

    python -m tests.hold_figures [TRACE ...]

Each line is one hold of the patient, as the room knows it: how long it lasted, the time from its
beginning to the beam, from leaving the window to no beam, the largest distance of the target from
where it was planned with the beam on, and the largest error of the estimate meanwhile. A hold
begins when the target comes within the window and moves slower than a held target may, but not
while the patient is asked to rest. Generated patients hold at the end of expiration and in deep
inspiration; on recorded ones (three of LARK by default) time stands still at an end of expiration.
A sagging hold rises by 2 or 6 mm in 15 s while the chest stands still: only images show that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.events import Event
from sim.recording import Recording, load_recording
from sim.room import RoomTruth
from tests.machine_figures import DATA, LARK
from tracker.build.room import furnish
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.core.types import FaultChanged, GuideChanged, Output
from tracker.offline.closed_loop import ClosedLoop
from tracker.report.records import Records

STEP_S = 0.01
_LOOKED_AT = 100
"""Steps after a hold in which its end is looked for."""
HOLD_S = 18.0
"""Length of the holds that a recorded patient makes."""
FROM_S = 50.0
"""When the first one may begin."""
APART_S = 40.0

Floats = NDArray[np.float64]


class HoldFigures(NamedTuple):
    """One hold of the patient, and what the beam did."""

    begins_s: float
    lasts_s: float
    on_after_s: float | None
    """From the beginning to the beam; ``None``: it did not come on."""
    off_after_ms: float | None
    """From leaving the window to no beam; ``None``: it was off before, or never on."""
    furthest_mm: float
    """Of the target from where it was planned, with the beam on."""
    estimate_off_mm: float
    """Largest error of the estimate in beam's-eye view, with the beam on."""

    @property
    def in_words(self) -> str:
        """One line of the table."""
        came = "no beam" if self.on_after_s is None else f"on after {self.on_after_s:.2f} s"
        went = "-" if self.off_after_ms is None else f"off after {self.off_after_ms:.0f} ms"
        return (
            f"at {self.begins_s:5.1f} s for {self.lasts_s:4.1f} s: {came}, {went}, "
            f"furthest {self.furthest_mm:.1f} mm, estimate off {self.estimate_off_mm:.1f} mm"
        )


def holds_of(
    records: Records, configuration: Configuration, rests: Sequence[tuple[float, float]] = ()
) -> list[HoldFigures]:
    """Find the holds that lasted long enough for beam since tracking began, and measure each.

    ``rests``: from when to when (s) the patient was asked to rest.
    """
    settings, truth = configuration.controller.breath_hold, records.truth
    t_s, place, on = truth[:, 0] / 1e9, truth[:, 4:6], truth[:, 14] > 0.5
    far = np.hypot(place[:, 0], place[:, 1])  # across the beam, at gantry 0
    speed = np.linalg.norm(np.gradient(place, t_s, axis=0), axis=1)
    still = (far <= settings.window_mm) & (speed <= settings.still_mm_s)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], still.astype(np.int8), [0]))))
    tracking_s = 1e9 if records.tracking_ns is None else records.tracking_ns / 1e9
    estimates = _estimate_error(records)
    found: list[HoldFigures] = []
    for first, last in edges.reshape(-1, 2).tolist():
        lasts_s = (last - first) * STEP_S
        asked = [rest for rest in rests if rest[0] < t_s[first] < rest[1]]
        if asked:  # the patient holds the breath before it is asked for
            first = int(np.searchsorted(t_s, asked[0][1]))
            lasts_s = (last - first) * STEP_S
        if t_s[first] < tracking_s or lasts_s < settings.settle_s + 1.0:
            continue
        inside = np.arange(first, min(last + _LOOKED_AT, len(t_s)))
        beam = inside[on[inside]]
        outside = inside[(far[inside] > settings.window_mm) & (inside >= last)]
        found.append(
            HoldFigures(
                float(t_s[first]),
                lasts_s,
                float(t_s[beam[0]] - t_s[first]) if len(beam) else None,
                _off_after_ms(on, outside),
                float(far[beam].max()) if len(beam) else 0.0,
                float(np.nanmax(estimates[beam])) if len(beam) else 0.0,
            )
        )
    return found


def _off_after_ms(on: NDArray[np.bool_], outside: NDArray[np.int64]) -> float | None:
    """Return how long after the first step outside the beam was on; ``None``: it was off before."""
    if not len(outside) or not on[outside[0] - 2 : outside[0] + 1].any():
        return None
    off = np.flatnonzero(~on[outside[0] :])
    return 1e3 * STEP_S * float(off[0]) if len(off) else None


def _estimate_error(records: Records) -> Floats:
    """Return the error of the estimate across the beam at every step of the truth, (N,)."""
    truth, seen = records.truth, records.estimate
    error = np.full(len(truth), np.nan)
    if len(seen):
        at = np.searchsorted(seen[:, 0], truth[:, 0], side="right") - 1
        known = at >= 0
        error[known] = np.linalg.norm(seen[at[known], 1:3] - truth[known, 1:3], axis=1)
    return error


class _Rests:
    """Takes the place of a journal, and notes from when to when the patient is asked to rest."""

    digest = ""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def outputs(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, GuideChanged) and output.asks == "rest":
                self.spans.append((output.t_ns / 1e9, output.until_ns / 1e9))

    def event(self, event: Event) -> None:
        """Keep nothing of an event."""

    def truth(self, record: RoomTruth) -> None:
        """Keep nothing of the truth."""


def held(
    configuration: Configuration, recording: Recording | None, seed: int = 1
) -> tuple[Records, list[tuple[float, float]]]:
    """Track one patient; return the records, and when the patient was asked to rest."""
    rests = _Rests()
    room = furnish(configuration, recording, seed)
    return ClosedLoop(configuration, room, rests).run().records, rests.spans


def with_holds(trace: Path, sag_mm: float) -> tuple[Configuration, Recording]:
    """Return a recorded patient who holds the breath at ends of expiration."""
    recording = load_recording(trace)
    shipped = load_configuration(SHIPPED / "machines" / "breath-hold.toml")
    truth = held(shipped, recording)[0].truth
    t_s, place = truth[:, 0] / 1e9, truth[:, 4:6]
    speed = np.linalg.norm(np.gradient(place, t_s, axis=0), axis=1)
    quiet = (np.linalg.norm(place, axis=1) < 1.0) & (speed < 2.0)
    mishaps: list[dict[str, Any]] = []
    next_s = FROM_S
    for at_s in t_s[quiet]:
        if at_s >= next_s and len(mishaps) < 3:
            kind, size = ("sag", sag_mm) if sag_mm else ("hold", 1.0)
            # Patient time stands still meanwhile, so what follows comes later by as much.
            shift_s = HOLD_S * len(mishaps)
            mishaps.append(
                {
                    "kind": kind, "on": "patient", "at_s": round(float(at_s) + shift_s, 2),
                    "duration_s": HOLD_S, "size": size,
                }
            )  # fmt: skip
            next_s = float(at_s) + APART_S
    return altered(shipped, {"room": {"mishaps": mishaps}}), recording


def show(words: str, configuration: Configuration, recording: Recording | None) -> None:
    """Track one patient and print the figures of each hold."""
    records, rests = held(configuration, recording)
    for hold in holds_of(records, configuration, rests):
        print(f"{words:34s} {hold.in_words}", flush=True)
    drifts = [f for f in records.log if isinstance(f, FaultChanged) and f.active]
    names = dict.fromkeys(f.fault for f in drifts)
    print(f"{words:34s} faults: {', '.join(names) or 'none'}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Print the figures of generated and recorded holds."""
    for name in ("breath-hold", "deep-inspiration"):
        show(name, load_configuration(SHIPPED / "machines" / f"{name}.toml"), None)
    for trace in arguments or LARK:
        for sag_mm in (0.0, 2.0, 6.0):
            words = f"{Path(trace).stem}{f', sags {sag_mm:g} mm' if sag_mm else ''}"
            show(words, *with_holds(DATA / trace, sag_mm * HOLD_S / 15.0))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
