"""The page of a campaign: one HTML file with everything in it.

It says first whether every run keeps its limit. Then come the spread of unsafe episodes, a row for
each fault, the worst runs with the command that repeats each, and the versions and settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

import numpy as np

from tracker.offline.campaign.figures import (
    CLEAN_LIMITS,
    DETECTABLE_MS,
    Tally,
    digest_of,
    limit_ms,
)
from tracker.offline.campaign.kinds import CLEAN
from tracker.offline.campaign.ledger import Head
from tracker.offline.campaign.record import RunRecord
from tracker.offline.campaign.table import HEAD, cells_of
from tracker.report import svg
from tracker.report.html_table import html_table

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
header { justify-content: flex-start; }
td.over { color: #9a3b00; font-weight: 650; }
.wide { overflow-x: auto; } .wide table { font-size: 13px; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 28px; }
@media (max-width: 800px) { .two { grid-template-columns: 1fr; } }
"""
_EDGES_MS = (10, 20, 30, 50, 80, 150, 300, 600, 1500, 4000, 10_000, 30_000, 100_000)


def page(
    found: Tally, records: Sequence[RunRecord], head: Head, again: str, interval_s: float
) -> str:
    """Return the whole page."""
    css = (resources.files("tracker.report") / "static" / "report.css").read_text(encoding="utf-8")
    body = "".join(
        [
            '<header><span class="name">tidetrack</span><span class="session">campaign of '
            f"{escape(head.made.commit)}</span></header>",
            _answer(found, records),
            _episodes(records, interval_s),
            _faults(found, interval_s),
            _breaches(found, again),
            _worst(found, again),
            _made(records, head),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        "<title>tidetrack campaign</title>\n"
        f"<style>\n{css}{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _answer(found: Tally, records: Sequence[RunRecord]) -> str:
    hours = sum(each.seconds for each in records) / 3600.0
    seen = max((r.longest_5mm_ms for r in found.rows if not r.image_only), default=0)
    unseen = max((r.longest_5mm_ms for r in found.rows if r.image_only), default=0)
    over = len({each.run for each in found.breaches})
    headline = (
        "Every run keeps its limit" if not over else f"<b>{over}</b> of the runs exceed a limit"
    )
    cells: list[tuple[str, str]] = [
        ("longest unsafe episode at 5 mm, fault seen by sensors or devices", f"{seen} <small>ms"),
        ("the same, seen in X-ray shots alone", f"{unseen / 1e3:.1f} <small>s"),
    ]
    clean = next((row for row in found.rows if row.fault == CLEAN), None)
    if clean is not None:
        cells += [
            ("duty without a mishap", f"{100 * clean.duty:.1f} <small>%"),
            ("nuisance holds in 10 min", f"{clean.nuisance_per_10_min:.2f}<small>"),
            ("unsafe share at 5 mm, without a mishap", f"{100 * clean.share_5mm:.3f} <small>%"),
        ]
    figures = "".join(
        f"<div><dt>{what}</dt><dd>{value}</small></dd></div>" for what, value in cells
    )
    return (
        f"<h1>{headline}</h1>"
        f'<p class="lead">{len(records)} runs, {hours:.1f} hours of treatment in a simulated room, '
        "each with its own patient, chance and mishap.</p>"
        f'<dl class="figures">{figures}</dl>'
        '<p class="about">Unsafe: the beam is permitted and the true target is further from it '
        "than the tolerance, looked at every 10 ms. An episode is an unbroken stretch of it.</p>"
    )


def _episodes(records: Sequence[RunRecord], interval_s: float) -> str:
    parts: list[str] = []
    for title, image_only in (
        ("Seen by sensors or devices", False),
        ("In X-ray shots alone", True),
    ):
        runs = [each for each in records if each.image_only is image_only]
        limit = limit_ms(image_only, interval_s)
        parts.append(
            f"<figure><h3>{title}</h3>{_histogram(runs, limit)}<figcaption>"
            f"Bars: at 5 mm; dashed: at 3 mm. Line: the limit at 5 mm, {limit:g} ms.</figcaption>"
            "</figure>"
        )
    return (
        "<h2>Unsafe episodes</h2>"
        '<p class="about">How many lasted how long, over all runs; both axes logarithmic.</p>'
        f'<div class="two">{"".join(parts)}</div>'
    )


def _histogram(runs: Sequence[RunRecord], limit: float) -> str:
    edges = [float(np.log10(edge)) for edge in _EDGES_MS]
    counts = {
        mm: np.histogram([ms for each in runs for ms in getattr(each, f"episodes_{mm}mm_ms")],
                         _EDGES_MS)[0]
        for mm in (3, 5)
    }  # fmt: skip
    heights = {mm: np.log10(1.0 + count).tolist() for mm, count in counts.items()}
    highest = max(1.0, *heights[3], *heights[5]) * 1.1
    frame = svg.PlotFrame((edges[0], edges[-1]), (0.0, highest), top=22)
    bottom = frame.height - frame.bottom
    parts: list[str] = []
    for power in range(1, 6):
        at = frame.px(float(power))
        words = f"{10**power / 1000:g} s" if power >= 3 else f"{10**power} ms"
        parts.append(f'<path class="axis" d="M{at:.1f} {bottom}v4"/>')
        parts.append(svg.note(at, bottom + 16, words, "tick", "middle"))
    for power in range(int(highest) + 1):
        height = float(np.log10(1.0 + 10**power))
        if height <= highest:
            at = frame.py(height)
            parts.append(
                f'<path class="grid" d="M{frame.left} {at:.1f}H{frame.width - frame.right}"/>'
            )
            parts.append(svg.note(frame.left - 6, at + 3.5, f"{10**power}", "tick", "end"))
    parts.append(f'<path class="axis" d="M{frame.left} {bottom}H{frame.width - frame.right}"/>')
    parts.append(svg.bars(frame, edges, heights[5], "tracked-bars"))
    parts.append(svg.steps(frame, edges, heights[3], "untracked-line"))
    at = frame.px(float(np.log10(limit)))
    parts.append(f'<path class="mark" d="M{at:.1f} {bottom}V{frame.top}"/>')
    parts.append(svg.note(at, frame.top - 4, f"{limit:g} ms", "tracked-note", "middle"))
    label = (
        f"unsafe episodes by length; at 5 mm {int(counts[5].sum())}, at 3 mm {int(counts[3].sum())}"
    )
    return svg.figure(frame, label, parts)


def _faults(found: Tally, interval_s: float) -> str:
    rows: list[list[str]] = []
    for row in found.rows:
        limit = limit_ms(row.image_only, interval_s)
        style = ' class="over"' if row.longest_5mm_ms > limit else ""
        rows.append([*cells_of(row)[:14], f"<td{style}>{row.longest_5mm_ms}</td>",
                     *cells_of(row)[15:-1], f"<code>{escape(row.worst)}</code>"])  # fmt: skip
    return (
        "<h2>Faults</h2>"
        '<p class="about">Detected: onset to the first fault raised. Held: onset to beam off. '
        "Returned: end of the mishap, or of the beam where that is later, to beam on. Nuisance: "
        "holds that no mishap explains and without which the beam would not have missed by 3 mm "
        "within a second.</p>"
        f'<div class="wide">{html_table(HEAD, rows)}</div>'
    )


def _breaches(found: Tally, again: str) -> str:
    if not found.breaches:
        return ""
    rows = [
        [
            f"<code>{escape(again)} {escape(each.run)}</code>" if ":" in each.run else each.run,
            each.what,
            f"{each.value:g}",
            f"{each.limit:g}",
        ]
        for each in found.breaches[:100]
    ]
    return "<h2>Outside a limit</h2>" + html_table(("run", "what", "value", "limit"), rows)


def _worst(found: Tally, again: str) -> str:
    if not found.worst:
        return "<h2>The worst</h2><p>No run was unsafe at 5 mm for as much as 10 ms.</p>"
    rows = [
        [
            f"{each.longest_5mm_ms}",
            escape("; ".join(each.troubles) or "none"),
            escape(each.patient),
            escape(each.held_by or each.detected_by or "-"),
            f"<code>{escape(again)} {escape(each.name)}</code>",
        ]
        for each in found.worst
    ]
    head = ("ms at 5 mm", "mishap", "patient", "held by", "again")
    return (
        "<h2>The worst</h2>"
        '<p class="about">With <code>--report DIR</code> the command writes journal and report.</p>'
        + html_table(head, rows)
    )


def _made(records: Sequence[RunRecord], head: Head) -> str:
    rows = [
        ("commit", head.made.commit),
        ("source, SHA-256", head.identity.code_sha256),
        ("configuration", f"{head.made.config} {head.identity.configuration_sha256[:16]}"),
        ("recordings", head.made.recordings or "none"),
        ("minutes a run", f"{head.identity.minutes:g}"),
        ("digest of all runs", digest_of(records)),
        ("limit of an unsafe episode", f"{DETECTABLE_MS:g} ms at 5 mm, where sensors show it"),
        *(
            (
                f"limits of {name} runs",
                f"duty {limits.duty:g}, {limits.nuisance_per_10_min:g} nuisance holds in 10 min, "
                f"unsafe shares {limits.share_5mm:.1%} at 5 mm and {limits.share_3mm:.0%} at 3 mm",
            )
            for name, limits in CLEAN_LIMITS.items()
        ),
    ]
    return "<h2>With what</h2>" + html_table(
        ("what", "value"), [[name, f"<code>{escape(value)}</code>"] for name, value in rows]
    )
