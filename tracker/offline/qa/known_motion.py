"""Know where a phantom's target was: from the simulated room's truth, a file, or a formula.

A hardware phantom has a clock of its own. Its motion is shifted in time so that it agrees best with
the target in the images (or, without five images, with the estimate). This shift hides a constant
error of time in the images, and the page says so.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.offline.qa.qa_error import QaError
from tracker.report.physicist.gathered import GatheredSession
from tracker.report.records import Table

Vector = NDArray[np.float64]

ALIGN_S = 30.0
"""A file may start this much earlier or later than the run."""
_STEP_S = 0.02
_MOST_AMPLITUDE_MM = 50.0


class KnownTarget(NamedTuple):
    """Where the target was at moments of the run (ns), patient frame, mm; and how that is known."""

    at: Callable[[Vector], Table]
    source: str


def from_truth(session: GatheredSession) -> KnownTarget:
    """Return the truth of a simulated room; raises `QaError` where the journal has none."""
    truth = session.records.truth
    if len(truth) < 2:
        raise QaError(
            f"{session.path}: holds no truth, as of a real room; give the phantom's motion with"
            " --motion FILE.csv or --motion sine:MM:SECONDS"
        )

    def at(t_ns: Vector) -> Table:
        return _columns(truth[:, 0], truth[:, 1:4], t_ns)

    return KnownTarget(at, "truth of the simulated room")


def from_motion(text: str, session: GatheredSession) -> KnownTarget:
    """Return a phantom's motion, aligned in time with the session. Raises `QaError`."""
    if text.startswith("sine:"):
        curve, period_s = _sine(text)
        offsets = np.arange(0.0, period_s, _STEP_S)
    else:
        curve = _file(Path(text))
        offsets = np.arange(-ALIGN_S, ALIGN_S, _STEP_S)
    t_ns, seen = _seen(session)
    best = min(offsets.tolist(), key=lambda offset: _apart(curve(t_ns / 1e9 + offset), seen))
    middle = seen.mean(axis=0) - curve(t_ns / 1e9 + best).mean(axis=0)

    def at(t_ns: Vector) -> Table:
        return curve(t_ns / 1e9 + best) + middle

    where = " / ".join(f"{v:.2f}" for v in middle.tolist())
    return KnownTarget(at, f"{text}, shifted by {best:.2f} s and by {where} mm to fit the images")


def _columns(times: Vector, values: Table, at: Vector) -> Table:
    return np.stack([np.interp(at, times, values[:, k]) for k in range(3)], axis=1)


def _sine(text: str) -> tuple[Callable[[Vector], Table], float]:
    """Read sine:MM:SECONDS: amplitude (half of peak to peak) along superior, and period."""
    try:
        _, amplitude_text, period_text = text.split(":")
        amplitude_mm, period_s = float(amplitude_text), float(period_text)
    except ValueError:
        raise QaError(f"--motion {text}: is not sine:MM:SECONDS, such as sine:10:4") from None
    if not 0.0 < amplitude_mm <= _MOST_AMPLITUDE_MM or not 1.0 <= period_s <= 20.0:
        raise QaError(
            f"--motion {text}: amplitude must be above 0 to {_MOST_AMPLITUDE_MM:g} mm, period 1 to"
            " 20 s"
        )

    def curve(t_s: Vector) -> Table:
        found = np.zeros((len(t_s), 3))
        found[:, 1] = amplitude_mm * np.sin(2.0 * math.pi * t_s / period_s)
        return found

    return curve, period_s


def _file(path: Path) -> Callable[[Vector], Table]:
    """Read a CSV with the columns t_s, lr_mm, si_mm, ap_mm."""
    names = ("t_s", "lr_mm", "si_mm", "ap_mm")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QaError(f"{path}: cannot be read ({error}); give a CSV with {names}") from None
    reader = csv.DictReader(lines)
    if not set(names) <= set(reader.fieldnames or ()):
        raise QaError(f"{path}: lacks a column; needed are {', '.join(names)}")
    rows: list[list[float]] = []
    for number, row in enumerate(reader, 2):
        try:
            values = [float(row[name]) for name in names]
        except (TypeError, ValueError):
            raise QaError(f"{path}:{number}: is not four numbers; correct or remove it") from None
        if not all(map(math.isfinite, values)) or (rows and values[0] <= rows[-1][0]):
            raise QaError(f"{path}:{number}: times must rise and numbers be finite; correct it")
        rows.append(values)
    if len(rows) < 2:
        raise QaError(f"{path}: holds {len(rows)} rows; at least 2 are needed")
    table = np.array(rows)
    return lambda t_s: _columns(table[:, 0], table[:, 1:4], t_s)


def _seen(session: GatheredSession) -> tuple[Vector, Table]:
    """Return where images, or else estimates, saw the target; raises `QaError` without both."""
    shots = session.records.observations
    if len(shots) >= 5:
        return (
            np.array([shot.exposed_ns for shot in shots], dtype=np.float64),
            np.array([shot.position_mm for shot in shots]),
        )
    estimate = session.records.estimate[::10]
    if len(estimate) < 20:
        raise QaError(
            f"{session.path}: has fewer than 5 images and 20 estimates, so the phantom's motion"
            " cannot be aligned; record a longer run"
        )
    return estimate[:, 0], estimate[:, 1:4]


def _apart(one: Table, other: Table) -> float:
    rest = one - other
    return float(((rest - rest.mean(axis=0)) ** 2).sum())
