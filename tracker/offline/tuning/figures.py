"""Draw the figures of the tuning page as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from optuna.trial import FrozenTrial, TrialState

from tracker.offline.tuning.folds import Fold
from tracker.report.svg import PlotFrame, axes, dots, figure, line, note, padded, ticks

COMPLETE = TrialState.COMPLETE


def history(trials: Sequence[FrozenTrial]) -> str:
    """Draw the merit of every complete trial in order, the best so far, and the default's."""
    order = [float(place) for place, trial in enumerate(trials, 1) if trial.state == COMPLETE]
    merits = [trial.value or 1.0 for trial in trials if trial.state == COMPLETE]
    best = [min(merits[: place + 1]) for place in range(len(merits))]
    usual = sorted(merits)[: max(1, int(0.9 * len(merits)))]
    frame = PlotFrame((0.0, len(trials) + 1.0), padded(min(merits), max(*usual, 1.0)))
    shown = [min(merit, frame.y[1]) for merit in merits]
    parts = [
        axes(frame, "trial", "merit"),
        line(frame, list(frame.x), [1.0, 1.0], "untracked-line"),
        dots(frame, order, shown, 2.4, "trial"),
        line(frame, order, best, "tracked-line"),
    ]
    return figure(frame, f"merit by trial; the best is {min(merits):.4f}", parts)


def importance(weights: Mapping[str, float]) -> str:
    """Draw a bar for each parameter."""
    frame = _rows(len(weights), (0.0, max(weights.values()) * 1.1 or 1.0))
    parts = [_scale(frame, "share")]
    for place, (name, share) in enumerate(weights.items()):
        y = frame.py(len(weights) - place - 0.5)
        width = frame.px(share) - frame.left
        parts.append(
            f'<rect class="tracked-bars" x="{frame.left}" y="{y - 6:.1f}" width="{width:.1f}"'
            ' height="12"/>'
        )
        parts.append(note(frame.left - 8, y + 4, name, "title", "end"))
    return figure(frame, "importance of parameters: " + ", ".join(weights), parts)


def subjects(folds: Sequence[Fold]) -> str:
    """Draw the default and tuned relative RMS of each held-out subject, joined by a line."""
    values = [value for fold in folds for value in (fold.default.rms, fold.tuned.rms)]
    frame = _rows(len(folds), (0.0, max(values) * 1.06), width=1060, left=240)
    parts = [_scale(frame, "relative RMS, held out")]
    for place, fold in enumerate(folds):
        y = frame.py(len(folds) - place - 0.5)
        before, after = frame.px(fold.default.rms), frame.px(fold.tuned.rms)
        parts += [
            f'<path class="joint" d="M{before:.1f} {y:.1f}H{after:.1f}"/>',
            f'<circle cx="{before:.1f}" cy="{y:.1f}" r="5" fill="#fff" stroke="#6a747d"'
            ' stroke-width="1.6"/>',
            f'<circle class="tracked-dot" cx="{after:.1f}" cy="{y:.1f}" r="5"/>',
            note(frame.left - 10, y + 4, fold.subject, "title", "end"),
        ]
    means = ", ".join(
        f"{escape(fold.subject)} {fold.default.rms:.3f} to {fold.tuned.rms:.3f}" for fold in folds
    )
    return figure(frame, f"relative RMS by subject: {means}", parts)


def _rows(count: int, span: tuple[float, float], width: int = 520, left: int = 130) -> PlotFrame:
    return PlotFrame(span, (0.0, float(count)), width, 26 * count + 52, left, 12, 12, 40)


def _scale(frame: PlotFrame, title: str) -> str:
    """Draw a horizontal axis for rows with labels on the left."""
    bottom, right = frame.height - frame.bottom, frame.width - frame.right
    parts = [f'<path class="axis" d="M{frame.left} {bottom}H{right}"/>']
    for x in ticks(frame.x, 6):
        at = frame.px(x)
        parts.append(f'<path class="grid" d="M{at:.1f} {frame.top}V{bottom}"/>')
        parts.append(note(at, bottom + 16, f"{x:g}", "tick", "middle"))
    parts.append(note((frame.left + right) / 2, frame.height - 6, title, "title", "middle"))
    return "".join(parts)
