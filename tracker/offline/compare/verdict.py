"""Which techniques suit a patient, and why: rules with their limits, and one plain sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tracker.offline.compare.outcome import TechniqueOutcome

LEAST_DUTY: Final = 0.2
LONGEST_MIN: Final = 30.0
"""Patients lie still for about half an hour."""
MOST_MOTION_MM: Final = 5.0
"""AAPM TG-76 (2006): respiratory motion beyond 5 mm in any direction is to be managed."""
LONGEST_UNSAFE_MS: Final = 500.0


class Verdict(NamedTuple):
    """Whether a technique suits; ``reasons`` say why it does not, each with value and limit."""

    outcome: TechniqueOutcome
    suits: bool
    reasons: tuple[str, ...]


def judge(outcome: TechniqueOutcome, tolerance_mm: float) -> Verdict:
    """Return whether a technique keeps the tolerance in beam's-eye view, in a bearable time."""
    if outcome.why_not or outcome.beams_eye is None or outcome.minutes is None:
        return Verdict(outcome, False, (outcome.why_not,))
    reasons: list[str] = []
    p95_mm = outcome.beams_eye.p95_mm
    if outcome.motion_mm is not None:
        if max(outcome.motion_mm) > MOST_MOTION_MM:
            reasons.append(
                f"the target moves {max(outcome.motion_mm):.1f} mm, limit {MOST_MOTION_MM:g} mm "
                f"(AAPM TG-76), and needs a margin of {outcome.margin_mm:.1f} mm"
            )
    elif p95_mm > tolerance_mm:
        reasons.append(f"error {p95_mm:.1f} mm (95 %), tolerance {tolerance_mm:g} mm")
    if outcome.unsafe_ms > LONGEST_UNSAFE_MS:
        reasons.append(
            f"once {outcome.unsafe_ms / 1e3:.1f} s beyond 5 mm, limit {LONGEST_UNSAFE_MS / 1e3:g} s"
        )
    if outcome.duty < LEAST_DUTY:
        on, limit = 100 * outcome.duty, 100 * LEAST_DUTY
        reasons.append(f"beam on {on:.0f} % of the time, limit {limit:g} %")
    if outcome.minutes.expected > LONGEST_MIN:
        reasons.append(f"{outcome.minutes.expected:.0f} min, limit {LONGEST_MIN:g} min")
    return Verdict(outcome, not reasons, tuple(reasons))


def sentence(verdicts: Sequence[Verdict]) -> str:
    """Return what suits this patient and what does not, the smallest error first."""
    good = sorted((v for v in verdicts if v.suits), key=lambda v: _p95(v.outcome))
    bad = [v for v in verdicts if not v.suits]
    parts = [_good(good)] if good else ["No technique keeps the tolerance for this breathing."]
    parts += [f"{_capital(v.outcome.words)} does not suit: {'; '.join(v.reasons)}." for v in bad]
    return " ".join(parts)


def _good(verdicts: Sequence[Verdict]) -> str:
    told = [
        f"{v.outcome.words} ({_p95(v.outcome):.1f} mm, {minutes_of(v.outcome)})" for v in verdicts
    ]
    verb = "suits" if len(told) == 1 else "suit"
    return f"{_capital(_listed(told))} {verb} this patient."


def minutes_of(outcome: TechniqueOutcome) -> str:
    """Return the session's length as words: "4 min", or "9 to 12 min"."""
    minutes = outcome.minutes
    if minutes is None:
        return "-"
    low, high = f"{minutes.low:.0f}", f"{minutes.high:.0f}"
    return f"{low} min" if low == high else f"{low} to {high} min"


def _p95(outcome: TechniqueOutcome) -> float:
    return float("inf") if outcome.beams_eye is None else outcome.beams_eye.p95_mm


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
