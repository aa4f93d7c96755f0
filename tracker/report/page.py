"""Write the report's page: one HTML file that contains everything.

It says the result first. Then come the session over time, the correlation, the spread of the errors
and their causes, the holds, and the settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from importlib import resources
from typing import Any, NamedTuple

from tracker.core.machine.kinds.table import judges_in_beams_eye, words_for
from tracker.journal import Header
from tracker.report import figures, tables
from tracker.report.errors import UNSAFE_MM, Errors, length
from tracker.report.records import Records
from tracker.report.setting import Setting
from tracker.report.timeline import packed
from tracker.report.words import millimetres, percent, seconds

Summary = dict[str, Any]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


class SessionPage(NamedTuple):
    """The content of a page. ``notice`` says what is wrong with the journal, if anything.

    ``sections`` are further parts as HTML, made by a layer above this one, such as the dose.
    """

    records: Records
    errors: Errors | None
    summary: Summary
    header: Header
    setting: Setting
    notice: str = ""
    sections: tuple[str, ...] = ()


def page(session: SessionPage) -> str:
    """Return the whole page."""
    title = f"tidetrack session: {session.setting.patient_id}"
    curves = packed(session.records, session.errors)
    data = _data(session, curves)
    body = "".join(
        [
            _head(session),
            _answer(session),
            _glance(session),
            _timeline(session),
            _correlation(session),
            _spread(session),
            tables.causes(session.errors),
            *session.sections,
            tables.holds(session.records),
            tables.shots(session.records),
            tables.log(session.records),
            tables.settings(session.header, session.summary, session.records),
            _foot(session, curves["stray"]),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>\n{_static('uPlot.min.css')}\n{_static('report.css')}</style>\n</head>\n<body>\n"
        f"{body}\n"
        f'<script type="application/json" id="data">{data}</script>\n'
        f"<script>\n/* {_one_line(_static('uPlot.LICENSE'))} */\n"
        f"{_static('uPlot.iife.min.js')}\n</script>\n"
        f"<script>\n{_static('report.js')}</script>\n</body>\n</html>\n"
    )


def _static(name: str) -> str:
    return (resources.files("tracker.report") / "static" / name).read_text(encoding="utf-8")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _data(session: SessionPage, data: dict[str, Any]) -> str:
    data["charts"] = list(_charts(session))
    return json.dumps(data, separators=(",", ":")).replace("</", "<\\/")


def _head(session: SessionPage) -> str:
    who = session.setting
    parts = [f"patient {who.patient_id}", f"plan {who.plan_id}", who.orientation]
    if session.summary["trace"]:
        parts.append(f"breathing: {session.summary['trace']}")
    parts.append(f"{seconds(session.summary['duration_s'])} long")
    return (
        '<header><span class="name">tidetrack session report</span>'
        f'<span class="session">{escape(" · ".join(parts))}</span></header>'
    )


def _answer(session: SessionPage) -> str:
    summary = session.summary
    tracked, untracked = summary["tracked"]["rms_mm"], summary["untracked"]["rms_mm"]
    beam = summary["beam"]
    if session.records.tracking_ns is None:
        line = "Tracking was never started in this session."
        lead = "The beam was therefore never allowed. The log below says what happened instead."
    elif session.errors is None:
        line = "What the beam really hit is not known: this was a real room."
        lead = (
            "Only a simulation knows the true target. How well the correlation model did can be"
            " read from the X-ray shots below, each compared with what the model had said."
        )
    elif tracked is None:
        line = "The beam was never on while tracking."
        lead = "There is no error to speak of. The list of holds says why the beam was kept off."
    else:
        less = 1 - tracked / untracked if untracked else 0.0
        change = f"{percent(less)} less" if less >= 0 else f"{percent(-less)} more"
        line = (
            f"While the beam was on, it missed the target by <b>{millimetres(tracked)}</b>;"
            f" without tracking it would have been <i>{millimetres(untracked)}</i>."
        )
        lead = (
            f"Root mean square of the 3-D distance, {change} with tracking. The beam was on for"
            f" {percent(beam['duty'])} of the time from the first start of tracking to the end."
        )
        if judges_in_beams_eye(session.setting.actuator):
            seen = millimetres(summary["errors"]["bev_rms_mm"])
            lead += f" In beam's-eye view, which is what the gate judges here, it missed by {seen}."
    simulated = (
        "The room, its devices and the patient are simulated, so the true target is known."
        if session.errors
        else ""
    )
    return (
        f'<main><h1>{line}</h1><p class="lead">{lead}</p>{_numbers(session)}'
        '<p class="caution" role="note"><strong>Research software, not a medical device.</strong>'
        " tidetrack is a real-time controller that keeps a radiotherapy beam on a tumour moving"
        f" with the breath. {simulated} Nothing here may be used to treat a person.</p>"
        + (
            f'<p class="caution torn" role="alert">{escape(session.notice)}</p>'
            if session.notice
            else ""
        )
    )


def _numbers(session: SessionPage) -> str:
    summary = session.summary
    tracked, untracked, beam = summary["tracked"], summary["untracked"], summary["beam"]
    held = sum(beam["holds"].values())
    longest = beam["unsafe_ms_longest"]
    cells = [
        ("Tracked error, RMS", _value(tracked["rms_mm"]), _against(untracked["rms_mm"])),
        ("95 % of the time within", _value(tracked["p95_mm"]), _against(untracked["p95_mm"])),
        ("Largest error", _value(tracked["max_mm"]), _against(untracked["max_mm"])),
        (
            f"Longest beam-on stretch above {UNSAFE_MM:g} mm",
            "–" if longest is None else f"{longest:.0f}<small>ms</small>",
            "",
        ),
        (
            "Beam on while tracking",
            "–" if beam["duty"] is None else f"{beam['duty'] * 100:.1f}<small>%</small>",
            f"{held} hold{'' if held == 1 else 's'}",
        ),
    ]
    return (
        '<dl class="figures">'
        + "".join(
            f"<div><dt>{name}</dt><dd>{value}<span>{under}</span></dd></div>"
            for name, value, under in cells
        )
        + "</dl>"
    )


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}<small>mm</small>"


def _against(value: float | None) -> str:
    return "" if value is None else f"untracked {millimetres(value)}"


def _glance(session: SessionPage) -> str:
    if session.errors is None:
        return ""
    end_s = session.records.end_ns / 1e9
    figure = figures.overview(session.errors, session.records.holds.all(), end_s)
    return (
        "<h2>The session at a glance</h2>"
        '<p class="about">How far the target was from the beam, and how far it was from where it'
        " was planned to be, which is what an untracked beam would have missed it by.</p>"
        + _key(
            ("box", "--tracked", "target to beam, from the start of tracking"),
            ("box", "--untracked", "target to its planned place"),
            ("box", "--beam", "beam on"),
            ("hatch", "--hold", "beam held, with the reason"),
            *_unknown(session.errors),
        )
        + f"<figure>{figure}</figure>"
    )


def _unknown(errors: Errors | None) -> list[tuple[str, str, str]]:
    """Return the legend of the spans that do not count, if there are any."""
    if errors is None or errors.known.all():
        return []
    return [("box", "--unknown", "gap in the recording: truth not known, not counted")]


def _timeline(session: SessionPage) -> str:
    charts = "".join(
        f'<div class="chart" id="chart-{chart["id"]}" role="img"'
        f' aria-label="{escape(chart["title"])}, {escape(chart["unit"])}, over time">'
        f'<div class="top"><h3>{escape(chart["title"])}'
        f"<small>{escape(chart['unit'])}</small></h3></div></div>"
        for chart in _charts(session)
    )
    buttons = "".join(
        f'<button type="button" data-do="{do}"{extra}>{name}</button>'
        for do, name, extra in (
            ("all", "Whole session", ""),
            ("tracking", "While tracking", ""),
            ("start", "Start of tracking", ""),
            ("closer", "+", ' aria-label="zoom in"'),
            ("wider", "\N{MINUS SIGN}", ' aria-label="zoom out"'),
            ("earlier", "←", ' aria-label="earlier"'),
            ("later", "→", ' aria-label="later"'),
        )
    )
    return (
        '<h2 id="timeline">What happened when</h2>'
        '<p class="about">Drag across a chart to look closer, double-click to see everything;'
        " all charts move together. Green: the beam is on. Orange: it is held.</p>"
        + _key(("dot", "--shot", "X-ray shot: the target as the fiducials showed it"))
        + f'<div class="toolbar">{buttons}<span id="range" aria-live="polite"></span></div>'
        '<noscript><p class="noscript">The charts need JavaScript; nothing is loaded from'
        f" elsewhere.</p></noscript>{charts}"
    )


def _charts(session: SessionPage) -> Iterable[dict[str, Any]]:
    """Return the charts in their order, with the curves of each."""

    def line(curve: str, label: str, colour: str, **more: Any) -> dict[str, Any]:
        return {"curve": curve, "label": label, "colour": f"--{colour}", **more}

    if session.errors is not None:
        yield {
            "id": "error", "title": "Distance of target and beam", "unit": "mm, 3-D",
            "height": 190, "fromZero": True, "labels": True,
            "lines": [
                line("untracked", "untracked", "untracked", width=1.3),
                line("tracked", "tracked", "tracked", width=1.8),
            ],
        }  # fmt: skip
    yield {
        "id": "surrogate", "title": "Breathing signal", "unit": "mm, fused from markers and belt",
        "height": 130, "labels": session.errors is None,
        "lines": [line("surrogate", "amplitude", "truth")],
    }  # fmt: skip
    for axis, name in enumerate("xyz"):
        yield {
            "id": f"target-{name}", "title": f"Target {figures.AXES[axis]}",
            "unit": f"mm, + {('left', 'superior', 'anterior')[axis]}", "height": 160, "shots": axis,
            "lines": [
                line(f"truth_{name}", "truth", "truth", width=3.2),
                line(f"estimate_{name}", "estimate", "estimate", width=1.6),
                line(f"prediction_{name}", "prediction", "prediction", width=1.6, dash=[6, 3]),
            ],
        }  # fmt: skip
    kind = words_for(session.setting.actuator).capitalize()
    for name in "xyz":
        yield {
            "id": f"actuator-{name}", "title": f"{kind} {name.upper()}",
            "unit": "mm, fixed frame (IEC 61217)", "height": 120,
            "lines": [
                line(f"demand_{name}", "demand", "demand", width=1.8, dash=[6, 3]),
                line(f"status_{name}", "status", "status", width=1.6),
            ],
        }  # fmt: skip


def _correlation(session: SessionPage) -> str:
    records = session.records
    if not records.observations:
        return ""
    parts = "".join(
        f"<figure><h3>{figures.AXES[axis].capitalize()}</h3>{figures.correlation(records, axis)}"
        f"{_model_caption(records, axis)}</figure>"
        for axis in range(3)
    )
    keys: list[tuple[str, str, str]] = [
        ("dot", "--shot", "shot the last model was fitted to"),
        ("ring", "--soft", "earlier shot"),
        ("", "--inhale", "last model, inhaling"),
        ("dash", "--exhale", "last model, exhaling"),
    ]
    if session.errors:
        keys.append(("dot", "--untracked", "true target during tracking"))
    return (
        "<h2>From breathing signal to target</h2>"
        '<p class="about">The tumour cannot be seen all the time, the chest can. A few X-ray shots'
        " teach a model where the target is for each breathing signal; two lines, because breathing"
        " in and breathing out may follow different paths.</p>"
        + _key(*keys)
        + f'<div class="three">{parts}</div>'
    )


def _model_caption(records: Records, axis: int) -> str:
    if not records.models:
        return "<figcaption>no model was made</figcaption>"
    model = records.models[-1]
    return (
        f"<figcaption>{escape(model.kinds[axis])} model of {model.shots} shots,"
        f" leave-one-out error {millimetres(model.loo_rms_mm[axis])}</figcaption>"
    )


def _spread(session: SessionPage) -> str:
    errors = session.errors
    if errors is None or not errors.counted.any():
        return ""
    tracked = figures.within(length(errors.tracked[errors.counted]))
    untracked = figures.within(length(errors.untracked[errors.counted]))
    return (
        "<h2>How large the errors were, and how often</h2>"
        '<p class="about">All moments with the beam on after tracking was first started.</p>'
        + _key(
            ("box", "--tracked", "tracked: target to beam"),
            ("dash", "--untracked", "untracked: target to its planned place"),
        )
        + f'<div class="pair"><figure>{figures.histogram(errors)}'
        f"<figcaption>{figures.beyond(errors)}</figcaption></figure>"
        f"<figure>{figures.cumulative(errors)}<figcaption>Within 1, 2 and 3 mm: tracked {tracked}"
        f" of the beam-on time, untracked {untracked}.</figcaption></figure></div>"
    )


def _key(*entries: tuple[str, str, str]) -> str:
    """Return the legend of a figure: shape, colour, words."""
    items: list[str] = []
    for shape, colour, words in entries:
        paint = (
            f"background:var({colour})"
            if shape in ("box", "dot", "hatch")
            else f"color:var({colour})"
        )
        items.append(f'<li><i class="{shape}" style="{paint}"></i>{escape(words)}</li>')
    return f'<ul class="key">{"".join(items)}</ul>'


def _foot(session: SessionPage, stray_mm: float) -> str:
    version = session.header.versions.get("tidetrack", "")
    return (
        f"</main><footer>Made by tidetrack {escape(version)} from the session's journal. Research"
        " software, not a medical device. Charts drawn with uPlot 1.6.32 (MIT licence,"
        " © Leon Sorokin), which is inside this file; nothing is loaded from elsewhere. In the"
        f" zoomable charts lines are thinned and stray at most {stray_mm:g} mm from the"
        " recorded values.</footer>"
    )
