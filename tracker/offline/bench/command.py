"""``tidetrack bench``: score every predictor causally on recorded traces, and compare with hold.

The protocol is that of the project's independent reference benchmark. With rate = 1 / median
interval, sample j is predicted from what is known at sample j - round(horizon * rate), for the
exact interval between their times. Scores count from 60 s on, or from 40 % of a trace shorter than
120 s. Only motion channels (``_mm``, ``_au``) are scored. The reference draws straight lines over
blank cells, which uses the value after the gap. Here a row with a blank is a sample that did not
come, and blanks are not scored. Without blanks both give the same scores.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sim.recording import RecordingError
from tracker.build.recording_notes import tell_notes
from tracker.core.prediction.registry import (
    HORIZON_S,
    METHODS,
    parameter_record,
)
from tracker.offline.bench.score import Score, points_of, score
from tracker.offline.bench.traces import (
    FEWEST_SCORED,
    WARMUP_S,
    BenchError,
    Replayed,
    Trace,
    read_trace,
    replay,
    steps_ahead,
    trace_files,
)
from tracker.plugins.loading import PluginError, is_plugin, load_plugin

Results = dict[str, dict[str, dict[str, Score]]]

DEFAULT_HORIZONS_MS = (100.0, 200.0, 400.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="recordings (CSV) or folders of them"
    )
    parser.add_argument(
        "--horizons-ms",
        default=",".join(f"{ms:g}" for ms in DEFAULT_HORIZONS_MS),
        metavar="MS,..",
        help="how far ahead to predict (default %(default)s)",
    )
    parser.add_argument(
        "--predictors",
        default="mix",
        metavar="NAME,..",
        help=f"which ones, or 'all' (default mix): {', '.join(METHODS)}",
    )
    parser.add_argument(
        "--warmup-s",
        type=float,
        default=WARMUP_S,
        metavar="S",
        help="seconds at the start that are not scored (default %(default)g)",
    )
    parser.add_argument(
        "--check",
        metavar="NAME",
        help="check a predictor of your own: ./file.py:Class, package.module:Class; with PATH also"
        " that it does not read the recordings",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write plots into DIR")
    parser.add_argument("--speed", action="store_true", help="time steps beside other libraries")
    parser.add_argument(
        "--against",
        choices=["reference"],
        help="also run padasip, filterpy, river and statsmodels on the same traces",
    )
    parser.add_argument(
        "--protocol",
        choices=["causal", "published"],
        default="causal",
        help="'published' also shows the table whose labels come too early, marked as such",
    )


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks; 0 done, 1 nothing could be scored, 2 wrong input."""
    try:
        return _run(args)
    except (BenchError, RecordingError) as error:
        print(f"tidetrack bench: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    if args.speed:
        from tracker.offline.bench.speed import print_speed

        print_speed()
        if not args.paths:
            return 0
    if args.check is not None:
        return _check_plugin(args.check, args.paths)
    if not args.paths:
        raise BenchError("no PATH given; name recordings or folders, or use --speed alone")
    horizons_ms = _horizons(args.horizons_ms)
    predictors = _predictors(args.predictors)
    check_warmup(args.warmup_s, "--warmup-s")
    if args.json is not None and not args.json.resolve().parent.is_dir():
        raise BenchError(f"--json {args.json}: its folder does not exist; make it first")
    rivals: tuple[str, ...] = ()
    if args.against:
        from tracker.offline.bench.rivals import RIVALS, check_installed

        check_installed()
        rivals = tuple(RIVALS)
    traces = _read_all(args.paths, args.warmup_s)
    results: Results = {}
    for trace in traces:
        results[trace.name] = {}
        for ms in horizons_ms:
            results[trace.name][f"{ms:g}"] = score_trace(trace, ms, predictors, rivals)
        print(f"{trace.name}: {len(trace.channels)} channels, {trace.rate_hz:.3g} Hz", flush=True)
    _print_table(results, [f"{ms:g}" for ms in horizons_ms])
    if args.protocol == "published":
        from tracker.offline.bench.published import print_published

        print_published(traces, horizons_ms)
    if args.json is not None:
        args.json.write_text(json.dumps(as_json(results), indent=1) + "\n")
    if args.plots is not None:
        from tracker.offline.bench.plots import draw

        args.plots.mkdir(parents=True, exist_ok=True)
        draw(traces, horizons_ms, predictors, results, args.plots)
    return 0


def _check_plugin(name: str, paths: Sequence[Path]) -> int:
    """Print what each check found; 1 when one failed."""
    check_predictors([name], "--check")
    if not is_plugin(name):
        raise BenchError(f"--check {name}: is one of the program's own; name ./file.py:Class")
    from tracker.plugins.checks import CheckedTrace, check_plugin

    traces = [
        CheckedTrace(trace.name, trace.times_ns, trace.positions, trace.rate_hz)
        for trace in _read_all(paths, WARMUP_S)
    ]
    findings = check_plugin(name, lambda: load_plugin(name), traces)
    for finding in findings:
        print(f"{finding.check}: {'failed at ' + finding.problem if finding.problem else 'passed'}")
    return int(any(finding.problem for finding in findings))


def _read_all(paths: Sequence[Path], warmup_s: float) -> list[Trace]:
    """Read all traces; a file name that repeats is told apart by its folder."""
    files = list(trace_files(paths))
    traces = [read_trace(path, warmup_s) for path in files]
    tell_notes(note for trace in traces for note in trace.notes)
    names = [trace.name for trace in traces]
    return [
        trace
        if names.count(trace.name) == 1
        else trace._replace(name=f"{path.resolve().parent.name}/{trace.name}")
        for path, trace in zip(files, traces, strict=True)
    ]


def _horizons(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise BenchError(f"--horizons-ms {text!r}: not numbers; write e.g. 100,200,400") from None
    check_horizons(values, "--horizons-ms")
    return values


def check_horizons(values_ms: Sequence[float], name: str) -> None:
    """Raise `BenchError` for a horizon outside the limits; ``name`` is what the user calls it."""
    for ms in values_ms:
        if not HORIZON_S[0] * 1e3 <= ms <= HORIZON_S[1] * 1e3:
            limits = f"{HORIZON_S[0] * 1e3:g} to {HORIZON_S[1] * 1e3:g} ms"
            raise BenchError(f"{name} {ms:g} is outside {limits}; choose one inside")


def check_warmup(warmup_s: float, name: str) -> None:
    """Raise `BenchError` for seconds without a score that are outside the limits."""
    if not (math.isfinite(warmup_s) and 0.0 <= warmup_s <= 3600.0):
        raise BenchError(f"{name} {warmup_s:g} is outside 0 to 3600; choose one inside")


def _predictors(text: str) -> list[str]:
    names = list(METHODS) if text == "all" else text.split(",")
    check_predictors(names, "--predictors")
    return names


def check_predictors(names: Sequence[str], option: str) -> None:
    """Raise `BenchError` for a name that is no predictor; ``option`` is what the user calls it."""
    for name in names:
        try:
            if is_plugin(name):
                load_plugin(name)
            else:
                parameter_record(name)
        except ValueError as error:
            raise BenchError(f"{option}: {error}") from None


def score_trace(
    trace: Trace, horizon_ms: float, predictors: Sequence[str], rivals: Sequence[str] = ()
) -> dict[str, Score]:
    """Score predictors (and rivals of other libraries) on one trace at one horizon."""
    ahead = steps_ahead(trace, horizon_ms)
    counted = trace.scored.copy()
    counted[:ahead] = False
    counted &= np.isfinite(trace.positions).any(axis=1)
    if int(counted.sum()) < FEWEST_SCORED:
        raise BenchError(
            f"{trace.name}: {int(counted.sum())} samples to score at {horizon_ms:g} ms, at least "
            f"{FEWEST_SCORED} are needed; name a longer recording or lower --warmup-s"
        )
    rows = np.flatnonzero(counted)
    measured = trace.positions[rows]
    held = replay(trace, "hold", ahead).means[rows - ahead]
    points = points_of(trace.channels)
    scores: dict[str, Score] = {}
    for name in (*predictors, *rivals):
        try:
            said = _replayed(trace, name, ahead)
        except PluginError as error:
            print(f"{trace.name} at {horizon_ms:g} ms: {error}", file=sys.stderr)
            scores[name] = Score(*([math.nan] * len(Score._fields)))
            continue
        scores[name] = score(
            measured,
            said.means[rows - ahead],
            said.covariances[rows - ahead],
            held,
            points,
            said.step_us,
        )
    return scores


def _replayed(trace: Trace, name: str, ahead: int) -> Replayed:
    """Run a predictor of ours, or a rival of another library, over the trace."""
    if name in METHODS or is_plugin(name):
        return replay(trace, name, ahead)
    from tracker.offline.bench.rivals import replay_rival

    return replay_rival(trace, name, ahead)


def as_json(results: Results) -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
    """Return ``{trace: {horizon_ms: {predictor: {rmse, rel, ..}}}}``, with null for NaN."""
    return {
        trace: {
            ms: {
                name: {
                    key: value if math.isfinite(value) else None
                    for key, value in figures._asdict().items()
                }
                for name, figures in scores.items()
            }
            for ms, scores in horizons.items()
        }
        for trace, horizons in results.items()
    }


def _print_table(results: Results, horizons: Sequence[str]) -> None:
    """Print means over traces for each predictor and horizon."""
    first = next(iter(results.values()))
    names = list(first[horizons[0]])
    width = max(len(name) for name in names)
    print(f"\nmean over {len(results)} trace(s); rel is RMSE relative to hold, 1 is no better")
    print(
        f"{'predictor':<{width}}  {'ms':>6}  {'rel':>6} {'worst':>6}  {'rmse':>8} {'mae':>8} "
        f"{'p95':>8} {'max':>8} {'jitter':>8}  {'cover95':>13}  {'us/step':>8}"
    )
    for name in names:
        for ms in horizons:
            all_scores = [horizon[ms][name] for horizon in results.values()]
            mean = Score(*(float(np.mean(column)) for column in zip(*all_scores, strict=True)))
            covered = [figures.coverage95 for figures in all_scores]
            span = f"{min(covered):.3f}-{max(covered):.3f}"
            worst = max(figures.rel for figures in all_scores)
            print(
                f"{name:<{width}}  {ms:>6}  {mean.rel:6.3f} {worst:6.3f}  {mean.rmse:8.4g} "
                f"{mean.mae:8.4g} {mean.p95:8.4g} {mean.max:8.4g} {mean.jitter:8.4g}  "
                f"{span:>13}  {mean.step_us:8.1f}"
            )
