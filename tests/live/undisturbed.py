"""What the journal of a live run says about whether anything disturbed it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hal.events import SendHold, SendPermit, Tick
from hal.messages import BeamStatus
from tracker.cli import main
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, SessionChanged
from tracker.journal import read_journal

Span = tuple[int, int]
"""From and to, by the run's clock, in nanoseconds."""


class Undisturbed(NamedTuple):
    """Lateness of the ticks, and everything that must not be."""

    late_ms: list[float]
    """Of every tick of the spans, sorted."""
    skipped: int
    """Ticks that were missed whole."""
    lapses: list[float]
    """When, in seconds, a lease ran out that nobody meant to end."""
    lapsed_at_gate: int
    """How often the gate itself said so."""
    holds: list[str]
    """Every way out of TRACKING and what for."""
    faults: list[str]
    """Every fault that appeared."""
    tracked_s: float
    """How long the beam was permitted."""

    def quantile_ms(self, share: float) -> float:
        """The lateness that this share of the ticks does not exceed."""
        last = len(self.late_ms) - 1
        return self.late_ms[min(last, int(share * len(self.late_ms)))]

    def describe(self) -> str:
        """The lateness in one line."""
        shares = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
        words = "  ".join(f"{name} {self.quantile_ms(share):.2f}" for name, share in shares)
        return f"{words} ms ({len(self.late_ms)} ticks, {self.skipped} skipped)"

    @property
    def quiet(self) -> bool:
        """No lease missed and no hold."""
        return not (self.lapses or self.lapsed_at_gate or self.holds)


def read_run(journal: Path, spans: Sequence[Span]) -> Undisturbed:
    """Look at these spans of a journal."""
    late_ms: list[float] = []
    lapses: list[float] = []
    holds: list[str] = []
    faults: list[str] = []
    skipped = lapsed_at_gate = permitted_ns = 0
    due_ns = until_ns = period_ns = 0
    lapsed = False
    for entry in read_journal(journal).entries():
        record = entry.record
        inside = any(since <= entry.handled_ns < to for since, to in spans)
        if isinstance(record, Tick):
            step_ns, due_ns = record.due_ns - due_ns, record.due_ns
            period_ns = min(period_ns or step_ns, step_ns)
            if inside:
                late_ms.append((record.t_ns - record.due_ns) / 1e6)
                skipped += max(0, step_ns // period_ns - 1)
            if until_ns and record.t_ns > until_ns:
                lapses += [until_ns / 1e9] * inside
                until_ns = 0
        elif isinstance(record, SendPermit):
            if inside and until_ns:
                permitted_ns += max(0, record.until_ns - until_ns)
            until_ns = record.until_ns
        elif isinstance(record, SendHold):
            until_ns = 0
        elif isinstance(record, BeamStatus):
            lapsed_at_gate += inside and record.lapsed and not lapsed
            lapsed = record.lapsed
        elif isinstance(record, SessionChanged) and inside:
            if record.before == SessionState.TRACKING.value:
                holds.append(f"{record.t_ns / 1e9:.2f} s: {record.trigger}")
        elif isinstance(record, FaultChanged) and inside and record.active:
            faults.append(f"{record.t_ns / 1e9:.2f} s: {record.fault} {record.detail}".rstrip())
    late_ms.sort()
    return Undisturbed(late_ms, skipped, lapses, lapsed_at_gate, holds, faults, permitted_ns / 1e9)


def replayed(journal: Path) -> str:
    """What `tidetrack replay` says of it."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(["replay", str(journal)])
    return said.getvalue().strip()
