"""The objective: filterpy's numbers, plain numpy's errors, and blind to the future."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tuning.breaths import write_archive, write_trace
from tests.tuning.filterpy_objective import filterpy_score
from tracker.offline.bench import command as bench
from tracker.offline.tuning.archive import load_archive, read_trace
from tracker.offline.tuning.objective import (
    TAIL_WEIGHT,
    ScoreJob,
    TraceScorer,
    TuningRoom,
    errors_of,
    predictions,
    prepared,
    steps_ahead,
)


def test_holding_scores_one(tmp_path: Path) -> None:
    job = ScoreJob("hold", 300.0, load_archive([write_archive(tmp_path, subjects=2)], 10.0))
    score = TraceScorer(job).score({}, "patient0")
    assert score.rms == pytest.approx(1.0, abs=0.02)
    assert score.loss == pytest.approx(score.rms + TAIL_WEIGHT * score.tail)


def test_errors_are_those_of_plain_numpy(tmp_path: Path) -> None:
    trace = read_trace(write_trace(tmp_path / "t.csv", 1, channels=3), "s", 10.0)
    draw = np.random.default_rng(2)
    predicted = trace.positions + draw.normal(0.0, 1.0, trace.positions.shape)
    errors = errors_of(trace, predicted, 3)
    rows = np.flatnonzero(trace.scored)
    rows = rows[rows >= 3]
    off = trace.positions[rows] - predicted[rows - 3]
    assert errors.rms == pytest.approx(np.sqrt((off**2).mean()))
    size = np.sqrt((off**2).mean(axis=1))
    assert errors.tail == pytest.approx(np.quantile(size, 0.99, method="higher"))


@pytest.mark.parametrize(
    ("latency_ms", "rate_hz", "ahead"),
    [(150.0, 5.0, 1), (20.0, 10.0, 1), (150.0, 25.0, 4), (500.0, 10.0, 5)],
)
def test_latency_in_whole_samples(
    latency_ms: float, rate_hz: float, ahead: int, tmp_path: Path
) -> None:
    trace = read_trace(write_trace(tmp_path / "t.csv", 1, rate_hz=rate_hz), "s", rate_hz)
    assert steps_ahead(trace, latency_ms) == ahead


def test_the_compiled_objective_is_filterpys(tmp_path: Path) -> None:
    archive = load_archive([write_archive(tmp_path, subjects=2, fractions=2)], 10.0)
    scorer = TraceScorer(ScoreJob("kalman_cv", 200.0, archive))
    for agility in (20.0, 300.0):
        ours = scorer.score({"agility": agility}, "patient1")
        theirs = filterpy_score(archive.of("patient1"), agility, 200.0)
        assert ours.rms == pytest.approx(theirs.rms, rel=1e-6)
        assert ours.tail == pytest.approx(theirs.tail, rel=1e-6)


@pytest.mark.parametrize("predictor", ["kalman_ca", "rls"])
def test_what_comes_later_changes_no_prediction(predictor: str, tmp_path: Path) -> None:
    trace = read_trace(write_trace(tmp_path / "t.csv", 1), "s", 10.0)
    told = predictions(predictor, {}, prepared(trace, 300.0), TuningRoom()).copy()
    changed = trace._replace(positions=trace.positions.copy())
    changed.positions[301:] += 7.0
    other = predictions(predictor, {}, prepared(changed, 300.0), TuningRoom())
    assert np.array_equal(told[:301], other[:301])
    assert not np.array_equal(told[310:], other[310:])


def test_scores_are_the_same_however_often_and_after_whatever(tmp_path: Path) -> None:
    archive = load_archive([write_archive(tmp_path, subjects=2)], 10.0)
    scorer = TraceScorer(ScoreJob("rls", 300.0, archive))
    first = scorer.score({"memory_s": 50.0}, "patient0")
    scorer.score({"memory_s": 500.0}, "patient0")
    scorer.score({}, "patient1")
    assert scorer.score({"memory_s": 50.0}, "patient0")[:3] == first[:3]


def test_parameters_out_of_bounds_are_a_value_error(tmp_path: Path) -> None:
    archive = load_archive([write_archive(tmp_path, subjects=2)], 10.0)
    with pytest.raises(ValueError, match="memory_s = -1"):
        TraceScorer(ScoreJob("rls", 300.0, archive)).score({"memory_s": -1.0}, "patient0")


@pytest.mark.parametrize("predictor", ["kalman_cv", "rls"])
def test_a_score_is_the_benchmarks(predictor: str, tmp_path: Path) -> None:
    files = [write_trace(tmp_path / f"p{n}_1.csv", n, channels=3, length_s=130.0) for n in (0, 1)]
    score = TraceScorer(ScoreJob(predictor, 300.0, load_archive([tmp_path], 10.0))).score({}, "p1")
    told = bench.score_trace(bench.read_trace(files[1]), 300.0, [predictor])[predictor]
    assert score.rms == pytest.approx(told.rel, rel=1e-12)


def test_scores_on_the_development_recordings_are_the_benchmarks(data_dir: Path) -> None:
    archive = load_archive([data_dir], 100.0)
    for name, file in (
        ("lung_TypicalLung", "kimqa_liver/lung_TypicalLung.csv"),
        ("lark_091", "interact_lark/lark_091.csv"),
    ):
        (trace,) = [trace for trace in archive.traces if trace.name == name]
        alone = archive._replace(traces=(trace,))
        score = TraceScorer(ScoreJob("rls", 200.0, alone)).score({}, trace.subject)
        told = bench.score_trace(bench.read_trace(data_dir / file), 200.0, ["rls"])["rls"]
        assert score.rms == pytest.approx(told.rel, rel=1e-12)
