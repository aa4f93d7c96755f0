"""The table of a comparison, for the terminal and the page: one row a technique."""

from __future__ import annotations

from typing import Final

from tracker.offline.compare.verdict import Verdict, minutes_of

HEAD: Final = (
    "technique", "suits", "BEV rms", "BEV p95", "in 2 mm", "in 3 mm", "in 5 mm", "margin",
    "duty", "session", "limited by",
)  # fmt: skip
MOST_HOLDS: Final = 3


def cells_of(verdict: Verdict) -> tuple[str, ...]:
    """Return the cells of one technique's row, in the order of `HEAD`."""
    found = verdict.outcome
    seen = found.beams_eye
    if seen is None:
        return (found.words, "no", *[""] * (len(HEAD) - 3), found.why_not)
    return (
        found.words,
        "yes" if verdict.suits else "no",
        f"{seen.rms_mm:.2f} mm",
        f"{seen.p95_mm:.2f} mm",
        *(f"{100 * share:.0f} %" for share in found.within),
        f"{found.margin_mm:.1f} mm",
        f"{100 * found.duty:.0f} %",
        minutes_of(found),
        found.limited_by,
    )


def holds_of(verdict: Verdict) -> str:
    """Return the most frequent reasons of holds with their number; "none" without any."""
    counts = sorted(verdict.outcome.holds.items(), key=lambda item: -item[1])
    told = [f"{name} {count}" for name, count in counts[:MOST_HOLDS]]
    return ", ".join(told) or "none"


def as_text(rows: list[tuple[str, ...]]) -> str:
    """Return rows under their head, in columns as wide as they need."""
    lines = [HEAD, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    last = len(HEAD) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
