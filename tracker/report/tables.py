"""Write the report's tables: errors by cause, holds, shots, the log, settings and origin."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from tracker.core.types import FaultChanged, Notice, SessionChanged
from tracker.journal import Header
from tracker.report.errors import Errors, length, rms
from tracker.report.records import Records
from tracker.report.words import seconds

_CAUSES = (
    (
        "correlation",
        "Correlation",
        "true target against the estimate for the same moment: what the model does not know, and"
        " what noise in the breathing signal makes of it",
    ),
    (
        "prediction",
        "Prediction",
        "estimate against what had been predicted for that moment, one latency earlier",
    ),
    (
        "actuator",
        "Actuator",
        "predicted target against where the beam then really went through the patient: limits of"
        " speed and acceleration, lag other than the latency predicted for",
    ),
)
_LOG_LINES = 400


def causes(errors: Errors | None) -> str:
    """Return the table of the error that each part of the chain contributes."""
    if errors is None or not errors.split.any():
        return ""
    rows: list[str] = []
    values = {
        name: getattr(errors, name)[errors.split]
        for name in ("correlation", "prediction", "actuator", "tracked")
    }
    largest = max(rms(length(each)) or 0.0 for each in values.values())
    for name, title, meaning in (*_CAUSES, ("tracked", "All together", "target to beam")):
        vectors = values[name]
        lengths = length(vectors)
        total = rms(lengths) or 0.0
        axes = "".join(f'<td class="n">{rms(vectors[:, axis]):.2f}</td>' for axis in range(3))
        rows.append(
            f"<tr{' class=total' if name == 'tracked' else ''}>"
            f"<td>{title}<small>{meaning}</small></td>"
            f'<td style="width:18%"><span class="bar" style="width:{total / largest * 100:.0f}%">'
            f'</span></td><td class="n">{total:.2f}</td>{axes}'
            f'<td class="n">{np.percentile(lengths, 95):.2f}</td>'
            f'<td class="n">{lengths.max():.2f}</td></tr>'
        )
    return (
        "<h2>Where the errors came from</h2>"
        '<p class="about">At each moment the three parts add up, as vectors, to the whole. Their'
        " RMS values do not add up, for one part may cancel another.</p>"
        '<table><thead><tr><th>cause</th><th aria-hidden="true"></th><th class="n">RMS 3-D, mm</th>'
        '<th class="n">LR</th><th class="n">SI</th><th class="n">AP</th>'
        '<th class="n">95 %</th><th class="n">largest</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def holds(records: Records) -> str:
    """Return the table of holds, each with a link to its time."""
    found = records.holds.all()
    title = "<h2>When and why the beam was held</h2>"
    if records.tracking_ns is None:
        return ""
    if not found:
        return f'{title}<p class="about">Never, from the first start of tracking on.</p>'
    end_s = records.end_ns / 1e9
    rows: list[str] = []
    for place, hold in enumerate(found, 1):
        start = hold.start_ns / 1e9
        stop = end_s if hold.end_ns is None else hold.end_ns / 1e9
        lasted = f"{stop - start:.2f}" + ("" if hold.end_ns is not None else " to the end")
        why = escape(hold.reason)
        if hold.reasons[1:]:
            why += f" (with {escape(', '.join(hold.reasons[1:]))})"
        if hold.later:
            why += f", then {escape(', '.join(hold.later))}"
        if hold.detail:
            why += f"<small>{escape(hold.detail)}</small>"
        rows.append(
            f'<tr><td class="n">{place}</td><td class="n">{start:.2f}</td>'
            f'<td class="n">{lasted}</td><td>{why}</td>'
            f'<td class="show"><button type="button" data-from="{start:.3f}"'
            f' data-to="{stop:.3f}" aria-label="show hold {place} in the charts">show</button>'
            "</td></tr>"
        )
    counts = sorted(records.holds.counts().items(), key=lambda item: -item[1])
    words = "; ".join(f"{reason}: {count}" for reason, count in counts)
    table = (
        '<table><thead><tr><th class="n">#</th><th class="n">began, s</th>'
        '<th class="n">lasted, s</th><th>reason</th><th class="show"></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    if len(rows) > 12:
        table = f"<details><summary>All {len(rows)} holds</summary>{table}</details>"
    return f'{title}<p class="about">{len(rows)} in all: {escape(words)}.</p>{table}'


def shots(records: Records) -> str:
    """Return the table of shots, with the model's error and the resulting model."""
    if not records.observations:
        return ""
    models = {model.t_ns: model for model in records.models}
    rows: list[str] = []
    for shot in records.observations:
        off = "–"
        if shot.residual_mm is not None:
            off = f"{float(np.linalg.norm(shot.residual_mm)):.2f}"
        model = models.get(shot.t_ns)
        became = ""
        if model:
            loo = float(np.linalg.norm(model.loo_rms_mm))
            became = f"{' / '.join(model.kinds)}, leave-one-out {loo:.2f} mm"
        rows.append(
            f'<tr><td class="n">{shot.shot_id}</td><td class="n">{shot.exposed_ns / 1e9:.2f}</td>'
            f'<td class="n">{shot.amplitude_mm:.2f}</td><td class="n">{off}</td>'
            f"<td>{'' if shot.used else 'not used'} {escape(became)}</td></tr>"
        )
    return (
        f"<details><summary>All {len(rows)} X-ray shots and what the model became</summary>"
        '<table class="close"><thead><tr><th class="n">shot</th><th class="n">exposed, s</th>'
        '<th class="n">amplitude, mm</th><th class="n">off the model before, mm</th>'
        "<th>model after it (LR / SI / AP)</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )


def log(records: Records) -> str:
    """Return the table of session changes and messages, in their order."""
    lines = records.log
    if not lines:
        return ""
    left_out = len(lines) - _LOG_LINES
    rows = "".join(
        f'<tr><td class="n">{each.t_ns / 1e9:.2f}</td><td>{_said(each)}</td></tr>'
        for each in lines[:_LOG_LINES]
    )
    more = f"<p>{left_out} later lines are in the journal.</p>" if left_out > 0 else ""
    return (
        f"<details><summary>Log: states, faults and notices ({len(lines)})</summary>"
        f'<table class="close"><thead><tr><th class="n">s</th><th>what</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{more}</details>"
    )


def _said(each: SessionChanged | FaultChanged | Notice) -> str:
    match each:
        case SessionChanged():
            return (
                f"<b>{escape(each.after)}</b> after {escape(each.before)}: {escape(each.trigger)}"
            )
        case FaultChanged(active=True):
            detail = f": {escape(each.detail)}" if each.detail else ""
            return f"{escape(each.reaction)}: {escape(each.fault)}{detail}"
        case FaultChanged():
            return f"gone: {escape(each.fault)}"
        case Notice():
            return f"{escape(each.level)}: {escape(each.text)}"


def settings(header: Header, summary: dict[str, Any], records: Records) -> str:
    """Return the table of the settings and versions from which the results can be reproduced."""
    factor = summary["realtime_factor"]
    facts = {
        "trace": summary["trace"] or "–",
        "configuration": summary["config"] or "–",
        "seed": "–" if summary["seed"] is None else summary["seed"],
        "length": seconds(summary["duration_s"]),
        "computed": "–" if factor is None else f"{factor:.0f} times faster than real time",
        "events, outputs": f"{records.events:,}, {records.outputs:,}",
        "digest of all outputs": summary["digest"],
        "SHA-256 of the configuration": header.configuration_sha256,
        "made with": ", ".join(f"{name} {v}" for name, v in sorted(header.versions.items())),
    }
    rows = "".join(
        f"<tr><th>{name}</th><td><code>{escape(str(value))}</code></td></tr>"
        for name, value in facts.items()
    )
    return (
        "<h2>With what this was made</h2>"
        '<p class="about">The journal holds all of this; <code>tidetrack replay</code> runs it'
        f" again and must get the same digest.</p><table>{rows}</table>"
        "<details><summary>The whole configuration</summary>"
        f"<pre>{escape(header.configuration)}</pre></details>"
    )
