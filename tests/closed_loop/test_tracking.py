"""The closed loop tracks: generated and recorded breath, couch and robot."""

import itertools
import math

import pytest

from hal.events import SendDemand, SendExpose, SendPermit
from sim.recording import load_recording
from tracker.core.target.error_region import radius95_mm
from tracker.core.types import Observation, SessionChanged, TargetPrediction

from .conftest import session


def test_a_calm_session_goes_through_its_states(calm):
    assert [c.after for c in calm.outputs(SessionChanged)][:3] == ["MODELLING", "READY", "TRACKING"]
    assert calm.finished.state == "STOPPED"


def test_a_calm_session_is_tracked(calm):
    summary = calm.summary
    assert summary["tracked"]["rms_mm"] < 0.25 * summary["untracked"]["rms_mm"]
    assert summary["tracked"]["rms_mm"] < 1.2
    assert summary["beam"]["duty"] > 0.9
    assert summary["beam"]["unsafe_ms_longest"] == 0


def test_no_permit_before_tracking_and_every_demand_after_it(calm):
    start = next(c.t_ns for c in calm.outputs(SessionChanged) if c.after == "TRACKING")
    assert all(p.t_ns >= start for p in calm.outputs(SendPermit))
    assert all(d.t_ns >= start for d in calm.outputs(SendDemand))


def test_shots_come_often_while_modelling_and_within_the_interval_later():
    calm = session(room__patient__breathing__amplitude_sd=0.0)
    start = next(c.t_ns for c in calm.outputs(SessionChanged) if c.after == "TRACKING")
    exposures = [e.t_ns for e in calm.outputs(SendExpose)]
    assert len([t for t in exposures if t < start]) >= 8
    later = [t for t in exposures if t > start]
    gaps = [(b - a) * 1e-9 for a, b in itertools.pairwise(later)]
    assert gaps
    assert all(9.0 <= gap <= 15.0 for gap in gaps)


def test_shots_are_learned_at_their_exposure(calm):
    """The surrogate a shot is paired with is that of its exposure, 0.3 s before it arrives."""
    truth = calm.records.truth
    known = [o for o in calm.outputs(Observation) if o.residual_mm is not None]
    assert len(known) > 5
    for shot in known:
        row = truth[round(shot.exposed_ns / 1e7)]
        assert shot.position_mm == pytest.approx(tuple(row[1:4]), abs=1.0)
        assert shot.t_ns - shot.exposed_ns > 200_000_000


def test_the_robot_tracks_too():
    summary = session(60.0, config="robot.toml").summary
    assert summary["tracked"]["rms_mm"] < 0.25 * summary["untracked"]["rms_mm"]
    assert summary["beam"]["duty"] > 0.9


@pytest.mark.parametrize("orientation", ["HFP", "FFS", "FFP"])
def test_every_way_of_lying_is_tracked(orientation):
    summary = session(50.0, session__orientation=orientation).summary
    assert summary["tracked"]["rms_mm"] < 0.3 * summary["untracked"]["rms_mm"]


@pytest.mark.parametrize(("config", "most"), [("couch.toml", 0.45), ("robot.toml", 0.42)])
@pytest.mark.parametrize("trace", ["lark_091", "lark_092", "lark_093"])
def test_a_liver_patient_is_tracked(data_dir, trace, config, most):
    recording = load_recording(data_dir / "interact_lark" / f"{trace}.csv")
    summary = session(config=config, recording=recording).summary
    assert summary["tracked"]["rms_mm"] <= most * summary["untracked"]["rms_mm"]
    assert summary["beam"]["duty"] >= 0.7


@pytest.mark.parametrize(
    "trace",
    [
        "kimqa_liver/liver_LargeSI.csv",
        "kimqa_liver/liver_BaselineWanderWithCardiac.csv",
        "extmarker/seq2.csv",
        "extmarker/original/201205101522-LAC-1-N-138-6.csv",
    ],
)
def test_half_recorded_patients_run_to_the_end(data_dir, trace):
    summary = session(recording=load_recording(data_dir / trace)).summary
    assert all(value is not None for value in summary["errors"].values())
    assert summary["tracked"]["rms_mm"] < summary["untracked"]["rms_mm"]


def test_the_error_region_holds_what_it_promises(calm):
    """The truth lies in the predicted 95 % region about as often as that says, or more."""
    truth = calm.records.truth
    start = next(c.t_ns for c in calm.outputs(SessionChanged) if c.after == "TRACKING")
    inside = [
        math.dist(p.position_mm, tuple(truth[p.at_ns // 10_000_000][1:4]))
        <= radius95_mm((p.covariance_mm2[0], p.covariance_mm2[3], p.covariance_mm2[5]))
        for p in calm.outputs(TargetPrediction)
        if p.made_ns >= start and p.at_ns // 10_000_000 < len(truth)
    ]
    assert len(inside) > 2000
    assert sum(inside) / len(inside) > 0.93
