"""Write a session's summary as a small table for the terminal."""

from __future__ import annotations

from typing import Any

_ERRORS = {
    "correlation_rms_mm": "correlation error",
    "prediction_rms_mm": "prediction error",
    "actuator_rms_mm": "actuator error",
    "bev_rms_mm": "beam's-eye view",
    "bev_followed_rms_mm": "  of it followed",
    "bev_not_followed_rms_mm": "  of it not followed",
    "along_beam_rms_mm": "along the beam",
}
"""What each error of a summary is called."""


def describe(summary: dict[str, Any]) -> str:
    """Put the summary into a small table for the terminal."""
    untracked, tracked, beam = summary["untracked"], summary["tracked"], summary["beam"]
    lines = [f"{'beam to target, 3-D':<22}{'rms':>9}{'p95':>9}{'max':>9}"]
    for name, spread in (("untracked", untracked), ("tracked", tracked)):
        cells = "".join(f"{_mm(spread[key]):>9}" for key in ("rms_mm", "p95_mm", "max_mm"))
        lines.append(f"{name:<22}{cells}")
    if tracked["rms_mm"] is not None and untracked["rms_mm"]:
        lines.append(f"{'tracked / untracked':<22}{tracked['rms_mm'] / untracked['rms_mm']:>9.2f}")
    for name, value in summary["errors"].items():
        lines.append(f"{_ERRORS[name]:<22}{_mm(value):>9}")
    duty = beam["duty"]
    lines.append(f"{'beam duty':<22}{'-' if duty is None else f'{100 * duty:.1f} %':>9}")
    unsafe = beam["unsafe_ms_longest"]
    lines.append(f"{'longest unsafe':<22}{'-' if unsafe is None else f'{unsafe:.0f} ms':>9}")
    holds = ", ".join(f"{name} {count}" for name, count in beam["holds"].items()) or "none"
    lines.append(f"{'holds':<22}  {holds}")
    lines.append(f"{'realtime factor':<22}{summary['realtime_factor']:>9.0f}")
    return "\n".join(lines)


def _mm(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} mm"
