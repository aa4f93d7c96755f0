"""The page of a comparison: what suits each patient, the figures behind it, and the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Final

from tracker.offline.compare.table import HEAD, cells_of, holds_of
from tracker.offline.compare.techniques import TECHNIQUES
from tracker.offline.compare.verdict import (
    LEAST_DUTY,
    LONGEST_MIN,
    LONGEST_UNSAFE_MS,
    MOST_MOTION_MM,
    Verdict,
    minutes_of,
    sentence,
)

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
header { justify-content: flex-start; }
.wide { overflow-x: auto; } .wide table { font-size: 13px; }
td.no { color: #9a3b00; font-weight: 650; } td.yes { color: #14653f; font-weight: 650; }
.bars { display: grid; grid-template-columns: 12em 1fr 9em; gap: 6px 12px; align-items: center; }
.bar { position: relative; height: 16px; background: #e8edf2; border-radius: 3px; }
.bar i { position: absolute; left: 0; top: 0; bottom: 0; border-radius: 3px; background: #2f9e68; }
.bar i.no { background: #c9793a; }
.bar b { position: absolute; top: -4px; bottom: -4px; width: 2px; background: #1c2732; }
"""
_BAR_MM: Final = 12.0


def page(by_trace: Mapping[str, Sequence[Verdict]], tolerance_mm: float, beam_on_s: float) -> str:
    """Return the whole page."""
    css = (resources.files("tracker.report") / "static" / "report.css").read_text(encoding="utf-8")
    body = "".join(
        [
            '<header><span class="name">tidetrack</span><span class="session">comparison of '
            f"techniques, {len(by_trace)} {_plural('trace', len(by_trace))}</span></header>",
            _overview(by_trace) if len(by_trace) > 1 else "",
            *(_trace(name, verdicts, tolerance_mm) for name, verdicts in by_trace.items()),
            _rules(tolerance_mm, beam_on_s),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        "<title>tidetrack comparison</title>\n"
        f"<style>\n{css}{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _overview(by_trace: Mapping[str, Sequence[Verdict]]) -> str:
    """Return the table over patients: error and length of every technique, in one cell."""
    names = [v.outcome.words for v in next(iter(by_trace.values()))]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("trace", *names))
    rows: list[str] = []
    for trace, verdicts in by_trace.items():
        cells = "".join(
            f'<td class="{"yes" if v.suits else "no"}">{escape(_short(v))}</td>' for v in verdicts
        )
        rows.append(f'<tr><td><a href="#{escape(trace)}">{escape(trace)}</a></td>{cells}</tr>')
    return (
        "<section><h2>All patients</h2><p>Error in beam's-eye view (95 %), and length of the "
        f'session. Green suits.</p><div class="wide"><table><tr>{head}</tr>{"".join(rows)}'
        "</table></div></section>"
    )


def _short(verdict: Verdict) -> str:
    seen = verdict.outcome.beams_eye
    return "-" if seen is None else f"{seen.p95_mm:.1f} mm, {minutes_of(verdict.outcome)}"


def _trace(name: str, verdicts: Sequence[Verdict], tolerance_mm: float) -> str:
    rows: list[str] = []
    for verdict in verdicts:
        technique, suits, *rest = cells_of(verdict)
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        rows.append(
            f'<tr><td>{escape(technique)}</td><td class="{suits}">{suits}</td>{cells}'
            f"<td>{escape(holds_of(verdict))}</td></tr>"
        )
    head = "".join(f"<th>{escape(title)}</th>" for title in (*HEAD, "holds"))
    return (
        f'<section id="{escape(name)}"><h2>{escape(name)}</h2>'
        f"<p><b>{escape(sentence(verdicts))}</b></p>{_bars(verdicts, tolerance_mm)}"
        f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div></section>'
    )


def _bars(verdicts: Sequence[Verdict], tolerance_mm: float) -> str:
    """Return the 95 % error of every technique as a bar, with the tolerance as a line."""
    parts: list[str] = []
    for verdict in verdicts:
        seen = verdict.outcome.beams_eye
        if seen is None:
            continue
        share = min(seen.p95_mm / _BAR_MM, 1.0)
        kind = "yes" if verdict.suits else "no"
        parts.append(
            f"<span>{escape(verdict.outcome.words)}</span>"
            f'<span class="bar"><i class="{kind}" style="width:{100 * share:.1f}%"></i>'
            f'<b style="left:{100 * min(tolerance_mm / _BAR_MM, 1.0):.1f}%"></b></span>'
            f"<span>{seen.p95_mm:.1f} mm (95 %)</span>"
        )
    return f'<div class="bars">{"".join(parts)}</div>'


def _rules(tolerance_mm: float, beam_on_s: float) -> str:
    rows = "".join(
        f"<tr><td>{escape(t.words)}</td><td>{escape(t.file or 'no controller')}</td></tr>"
        for t in TECHNIQUES
    )
    return (
        "<section><h2>How to read this</h2>"
        f"<p>A technique suits when its error in beam's-eye view stays within {tolerance_mm:g} mm "
        f"for 95 % of the beam's time, the beam is never more than 5 mm off for longer than "
        f"{LONGEST_UNSAFE_MS / 1e3:g} s, the beam is on for at least {100 * LEAST_DUTY:g} % of the "
        f"session, and the session takes at most {LONGEST_MIN:g} min. The internal target volume "
        f"suits when the target moves by at most {MOST_MOTION_MM:g} mm (AAPM TG-76).</p>"
        f"<p>The session needs {beam_on_s:g} s of beam. Its length has a range of 9 in 10 sessions "
        "put together from blocks of 20 s of this one. The margin is the largest of the three axes "
        "that the errors needed by their own distribution, for motion alone.</p>"
        f"<table><tr><th>technique</th><th>configuration</th></tr>{rows}</table>"
        "<p>Estimate, for research.</p></section>"
    )


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
