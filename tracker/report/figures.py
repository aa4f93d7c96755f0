"""Draw the report's static figures: the whole session, the errors, the correlation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracker.report import svg
from tracker.report.errors import Errors, Mask, Vector, length
from tracker.report.holds import Hold
from tracker.report.records import Records

AXES = ("left – right", "inferior – superior", "posterior – anterior")
AXIS_NAMES = ("LR", "SI", "AP")
MARKS_MM = (1.0, 2.0, 3.0)
"""The distances at which the cumulative share is given."""

BIN_MM = 0.25

_CLOUD_POINTS = 700
_HATCH = (
    '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect class="hold" width="5" height="5"/>'
    '<path class="hatch" d="M0 0V5"/></pattern></defs>'
)


def runs(mask: Mask, t_s: Vector) -> list[tuple[float, float]]:
    """Return the time spans in which ``mask`` is true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    step = float(np.median(np.diff(t_s))) if len(t_s) > 1 else 0.0
    return [
        (float(t_s[start]), float(t_s[stop - 1]) + step)
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def overview(errors: Errors, holds: Sequence[Hold], end_s: float) -> str:
    """Draw the target's distance from beam and from plan over the whole session."""
    tracked = length(errors.tracked)
    untracked = length(errors.untracked)
    since = errors.t_s >= (errors.t_s[errors.counted][0] if errors.counted.any() else 0.0)
    highest = max(3.5, float(np.quantile(untracked, 0.995)) * 1.1)
    frame = svg.PlotFrame((0.0, end_s), (0.0, highest), width=1080, height=230, top=22)
    parts = [_HATCH]
    parts += [
        svg.band(frame, start, stop, "beam") for start, stop in runs(errors.beam_on, errors.t_s)
    ]
    parts += [
        svg.band(frame, start, stop, "unknown") for start, stop in runs(~errors.known, errors.t_s)
    ]
    parts.extend(_hold_bands(frame, holds, end_s))
    parts.append(svg.axes(frame, "time in s", "distance in mm"))
    times, low, high = envelope(errors.t_s, untracked, 540)
    parts.append(_ribbon(frame, times, low, high, highest, "untracked-fill"))
    times, low, high = envelope(errors.t_s[since], tracked[since], 540)
    parts.append(_ribbon(frame, times, low, high, highest, "tracked-fill"))
    return svg.figure(
        frame,
        "Distance of the target from the beam (tracked) and from its planned place (untracked)"
        " over the session; green where the beam is on, hatched where it is held",
        parts,
    )


def envelope(t_s: Vector, values: Vector, columns: int) -> tuple[Vector, Vector, Vector]:
    """Return the lowest and highest value in each of ``columns``, so that no peak is lost."""
    if not len(t_s):
        return t_s, values, values
    starts = np.unique(np.linspace(0, len(t_s), columns, endpoint=False).astype(int))
    return t_s[starts], np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def _ribbon(
    frame: svg.PlotFrame, t_s: Vector, low: Vector, high: Vector, cut: float, style: str
) -> str:
    if not len(t_s):
        return ""
    there = [
        f"{frame.px(t):.1f} {frame.py(min(v, cut)):.1f}" for t, v in zip(t_s, high, strict=True)
    ]
    back = [
        f"{frame.px(t):.1f} {frame.py(min(v, cut)) + 0.8:.1f}"
        for t, v in zip(t_s[::-1], low[::-1], strict=True)
    ]
    return f'<path class="{style}" d="M{"L".join(there + back)}z"/>'


def _hold_bands(frame: svg.PlotFrame, holds: Sequence[Hold], end_s: float) -> list[str]:
    parts: list[str] = []
    free_from = -1.0
    for hold in holds:
        start = hold.start_ns / 1e9
        stop = end_s if hold.end_ns is None else hold.end_ns / 1e9
        parts.append(svg.band(frame, start, stop, "held"))
        at = frame.px(start)
        width = 6.2 * len(hold.reason) + 10
        if at >= free_from and at + width <= frame.width:
            parts.append(svg.note(at, frame.top - 8, hold.reason, "hold-label"))
            free_from = at + width
    return parts


def histogram(errors: Errors) -> str:
    """Draw the histogram of the 3-D distance while the beam was on."""
    tracked = length(errors.tracked[errors.counted])
    untracked = length(errors.untracked[errors.counted])
    top = _reach(untracked)
    edges = np.arange(0.0, top + 1e-9, BIN_MM)
    edges_list = edges.tolist()
    shares = [
        (np.histogram(each, edges)[0] / len(each) * 100).tolist() for each in (tracked, untracked)
    ]
    highest = max(*shares[0], *shares[1]) * 1.08
    frame = svg.PlotFrame((0.0, top), (0.0, highest), top=22)
    parts = [svg.axes(frame, "3-D distance in mm", "share of beam-on time in %")]
    parts.append(svg.bars(frame, edges_list, shares[0], "tracked-bars"))
    parts.append(svg.steps(frame, edges_list, shares[1], "untracked-line"))
    return svg.figure(
        frame,
        "Histogram of the 3-D distance between beam and target: tracked as bars, untracked as line",
        parts,
    )


def cumulative(errors: Errors) -> str:
    """Draw the share of beam-on time in which the distance was within each limit, in mm."""
    top = _reach(length(errors.untracked[errors.counted]))
    frame = svg.PlotFrame((0.0, top), (0.0, 100.0), right=16, top=22)
    parts = [svg.axes(frame, "within … mm (3-D)", "share of beam-on time in %")]
    grid = np.linspace(0.0, top, 201)
    for name, style in (("untracked", "untracked-line"), ("tracked", "tracked-line")):
        lengths = np.sort(length(getattr(errors, name)[errors.counted]))
        shares = np.searchsorted(lengths, grid, side="right") / len(lengths) * 100
        parts.append(svg.line(frame, grid.tolist(), shares.tolist(), style))
    tracked = length(errors.tracked[errors.counted])
    bottom = frame.height - frame.bottom
    for mark in MARKS_MM:
        share = float((tracked <= mark).mean() * 100)
        x = frame.px(mark)
        parts.append(f'<path class="mark" d="M{x:.1f} {bottom}V{frame.top}"/>')
        parts.append(svg.dots(frame, [mark], [share], 3.5, "tracked-dot"))
        parts.append(
            svg.note(x, frame.top - 4, share_within(tracked, mark), "tracked-note", "middle")
        )
    return svg.figure(
        frame,
        "Cumulative share of beam-on time by 3-D distance, tracked and untracked",
        parts,
    )


def within(lengths: Vector) -> str:
    """Return the share of the lengths within each limit, in words."""
    return ", ".join(share_within(lengths, mark) for mark in MARKS_MM)


def share_within(lengths: Vector, mark: float) -> str:
    """Return one share in words, rounded down, so that 100.0 % means all."""
    return f"{np.floor((lengths <= mark).mean() * 1000) / 10:.1f} %"


def beyond(errors: Errors) -> str:
    """Return the share of distances beyond the histogram's right end, in words."""
    untracked = length(errors.untracked[errors.counted])
    tracked = length(errors.tracked[errors.counted])
    top = _reach(untracked)
    left_out = [f"{(each > top).mean() * 100:.1f} %" for each in (tracked, untracked)]
    return f"Beyond {top:g} mm: tracked {left_out[0]}, untracked {left_out[1]}."


def _reach(untracked: Vector) -> float:
    """Return the end of the distance axis, which leaves out the rare largest distances."""
    return float(np.clip(np.ceil(np.quantile(untracked, 0.95)) + 1, 4.0, 8.0))


def correlation(records: Records, axis: int) -> str:
    """Draw the target over the surrogate on one axis: shots, the last model and the truth."""
    shots = [shot for shot in records.observations if shot.used]
    model = records.models[-1] if records.models else None
    cloud_x, cloud_y = _cloud(records, axis)
    shot_x = [shot.amplitude_mm for shot in shots]
    shot_y = [shot.position_mm[axis] for shot in shots]
    curves = [*model.curve_inhale_mm, *model.curve_exhale_mm] if model else []
    amplitudes: tuple[float, ...] = model.curve_amplitude_mm if model else ()
    xs = [*cloud_x, *shot_x, *amplitudes] or [0.0]
    ys = [*cloud_y, *shot_y, *(point[axis] for point in curves)] or [0.0]
    frame = svg.PlotFrame(
        svg.padded(min(xs), max(xs)), svg.padded(min(ys), max(ys)), width=350, height=290
    )
    parts = [svg.axes(frame, "surrogate amplitude in mm", f"target {AXIS_NAMES[axis]} in mm")]
    parts.append(svg.dots(frame, cloud_x, cloud_y, 1.2, "cloud"))
    if model:
        for curve, style in ((model.curve_inhale_mm, "inhale"), (model.curve_exhale_mm, "exhale")):
            values = [point[axis] for point in curve]
            parts.append(svg.line(frame, list(model.curve_amplitude_mm), values, style))
    in_model = model.shots if model else 0
    old = len(shots) - in_model
    parts.append(svg.dots(frame, shot_x[:old], shot_y[:old], 3.2, "shot-old"))
    parts.append(svg.dots(frame, shot_x[old:], shot_y[old:], 3.8, "shot"))
    return svg.figure(
        frame,
        f"Target position {AXES[axis]} against surrogate amplitude: shots, model, true motion",
        parts,
    )


def _cloud(records: Records, axis: int) -> tuple[list[float], list[float]]:
    """Draw the true target over the fused amplitude, thinned, from the start of tracking on."""
    if not len(records.truth) or len(records.surrogate) < 2:
        return [], []
    counts = (records.truth[:, 0] >= (records.tracking_ns or 0)) & (records.truth[:, 15] > 0.5)
    truth = records.truth[counts]
    truth = truth[:: max(1, len(truth) // _CLOUD_POINTS)]
    amplitude = np.interp(truth[:, 0], records.surrogate[:, 0], records.surrogate[:, 1])
    return amplitude.tolist(), truth[:, 1 + axis].tolist()
