"""Write the page of a tuning run: one HTML file that contains everything.

It says first what tuning gains on subjects that it has not seen. Then come the history of the
search, the importance of each parameter, the scores of each subject, the changed parameters, and
the data.
"""

from __future__ import annotations

from html import escape
from importlib import resources

from optuna.trial import TrialState

from tracker.offline.tuning import figures
from tracker.offline.tuning.folds import CAUTION, ENOUGH, HARM, PROOF
from tracker.offline.tuning.importance import Cost, cost_of, importances
from tracker.offline.tuning.objective import TAIL_WEIGHT
from tracker.offline.tuning.result import Result
from tracker.offline.tuning.study import finished
from tracker.report.html_table import html_table

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
header { justify-content: flex-start; }
td.up { color: #9a3b00; } td.down { color: var(--good); }
svg .trial { fill: #9aa4ad; fill-opacity: .7; } svg .given-up { fill: #e0c9a6; }
svg .joint { stroke: #b9c2ca; stroke-width: 3; fill: none; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 28px; }
@media (max-width: 800px) { .two { grid-template-columns: 1fr; } }
"""


def page(result: Result) -> str:
    """Return the whole page."""
    problem = result.problem
    title = f"tidetrack: {problem.predictor} tuned for {problem.latency_ms:g} ms"
    css = (resources.files("tracker.report") / "static" / "report.css").read_text(encoding="utf-8")
    body = "".join(
        [
            f'<header><span class="name">tidetrack</span><span class="session">'
            f"{escape(problem.predictor)} for {problem.latency_ms:g} ms, {problem.rate_hz:g} Hz: "
            f"study {escape(result.study.study_name)}</span></header>",
            _answer(result),
            _search(result),
            _subjects(result),
            _changes(result),
            _archive(result),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _answer(result: Result) -> str:
    mean, count = result.means, len(result.folds)
    gain = 1.0 - mean.tuned_loss / mean.default_loss
    worse = "none of them is" if mean.worse == 0 else f"{mean.worse} of them {_is(mean.worse)}"
    if result.chosen == result.default:
        headline = "No trial was proved better than the default, and harmless: it is kept"
    else:
        headline = (
            f"On a subject not seen, tuning makes the loss <b>{gain:.1%}</b> "
            f"{'smaller' if gain >= 0 else 'larger (negative)'} than the default parameters do"
        )
    return (
        f"<h1>{headline}</h1>"
        f'<p class="lead">Relative RMS {mean.default_rms:.3f} with the defaults, '
        f"{mean.tuned_rms:.3f} tuned, as the mean over {count} subjects, each scored with the "
        f"parameters the other {count - 1} chose; {worse} more than {HARM:.0%} worse off. 1 is "
        "as bad as holding still.</p>"
        f'<p class="about">Loss: relative RMS + {TAIL_WEIGHT:g} · relative 99th percentile of the '
        "error, mean over a subject’s recordings. Only predictions are scored; what they are worth "
        "to a patient, only the closed loop can tell (<code>tidetrack simulate</code>). Taken is "
        f"what costs none of the choosing subjects more than {HARM:.0%} and they prove better "
        f"(signed-rank test, p &lt; {PROOF:g}): of that, the nearest to the default with "
        f"{ENOUGH:.0%} of the largest gain. Without such, or where a choice made without one of "
        f"its own subjects would have cost that one more than {HARM:.0%}, the default is kept.</p>"
    )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _search(result: Result) -> str:
    trials = finished(result.study)
    given_up = sum(trial.state == TrialState.PRUNED for trial in trials)
    parts = [
        "<h2>The search</h2>",
        f'<p class="about">{len(trials)} trials; {given_up} of them were given up before all '
        "subjects were paid for, being worse than the best on those seen.</p>",
        '<div class="two"><figure><h3>Merit of each trial</h3>',
        figures.history(trials),
        "<figcaption>Mean loss as a share of the default’s, what a subject loses counted "
        f"{1.0 + CAUTION:g} times. Dots: trials evaluated on every subject. Line: the best so far. "
        "Dashed: the default parameters.</figcaption></figure>",
    ]
    weights = importances(result.study)
    if weights:
        parts += [
            "<figure><h3>What the merit depends on</h3>",
            figures.importance(weights),
            "<figcaption>Share of each parameter in telling the best tenth of the trials from the "
            "others (PED-ANOVA, Watanabe 2023).</figcaption></figure>",
        ]
    return "".join([*parts, "</div>"])


def _subjects(result: Result) -> str:
    rows = [
        [
            escape(fold.subject),
            str(len(result.problem.archive.of(fold.subject))),
            f"{fold.default.rms:.3f}",
            f"{fold.tuned.rms:.3f}",
            f"{fold.default.tail:.3f}",
            f"{fold.tuned.tail:.3f}",
            _change(fold.tuned.loss / fold.default.loss - 1.0),
            str(fold.trial),
        ]
        for fold in result.folds
    ]
    head = (
        "held-out subject", "recordings", "RMS, default", "RMS, tuned", "tail, default",
        "tail, tuned", "loss", "trial",
    )  # fmt: skip
    return (
        "<h2>Subjects</h2>"
        '<p class="about">Each was scored with the parameters that the others chose.</p>'
        f"<figure>{figures.subjects(result.folds)}<figcaption>Relative RMS of each held-out subject"
        ": open with the defaults, filled tuned.</figcaption></figure>" + html_table(head, rows)
    )


def _changes(result: Result) -> str:
    rows = [
        [
            escape(name),
            f"{place.default:g}",
            f"<b>{result.parameters[name]:g}</b>",
            _factor(result.parameters[name], place.default),
            f"{place.low:g} to {place.high:g}",
        ]
        for name, place in result.problem.ranges.items()
    ]
    return (
        "<h2>What changed against the default</h2>"
        f'<p class="about">Trial {result.chosen} of the study, the best over all subjects.</p>'
        + html_table(("parameter", "default", "tuned", "factor", "searched"), rows)
    )


def _factor(value: float, default: float) -> str:
    if default == 0.0:
        return f"+{value:g}" if value else "1"
    return f"{value / default:.3g}"


def _archive(result: Result) -> str:
    rows = [
        [
            escape(trace.name),
            escape(trace.subject),
            str(trace.positions.shape[1]),
            f"{trace.times_ns[-1] * 1e-9:.0f}",
            f"{trace.native_hz:.3g}",
            f"{trace.rate_hz:.3g}",
            f"<code>{trace.sha256[:12]}</code>",
        ]
        for trace in result.problem.archive.traces
    ]
    head = ("recording", "subject", "channels", "s", "Hz recorded", "Hz used", "SHA-256")
    cost: Cost = cost_of(result.study)
    dearest = max(cost.by_subject, key=lambda name: cost.by_subject[name])
    return (
        "<h2>What it rests on</h2>"
        f'<p class="about">One evaluation of all subjects takes {cost.trial_s:.2f} s of processor '
        f"time, {cost.by_subject[dearest]:.2f} s of it for {escape(dearest)}; the whole study took "
        f"{cost.total_s:.0f} s.</p>" + html_table(head, rows)
    )


def _change(share: float) -> str:
    style = "up" if share > 0.0 else "down"
    return f'<td class="{style}">{share:+.1%}</td>'
