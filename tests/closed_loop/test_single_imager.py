"""A couch tracked with single projections from a turning gantry, and no stereo."""

import itertools
import math

import pytest

from hal.events import SendExpose
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.core.session import SessionState
from tracker.core.target.error_region import radius95_mm
from tracker.core.types import Observation, TargetEstimate

from .room_run import RoomRun


@pytest.fixture(scope="module")
def arc() -> Configuration:
    return altered(load_configuration(SHIPPED / "arc.toml"), {"room": {"duration_s": 75.0}})


@pytest.fixture(scope="module")
def run(arc: Configuration) -> RoomRun:
    room = RoomRun(arc)
    room.run_until(SessionState.TRACKING)
    room.run_s(20.0)
    return room


def test_the_target_is_tracked_in_all_three_axes(run: RoomRun) -> None:
    truth = {record.t_ns: record.target_mm for record in run.room.truth_between(0, run.now_ns)}
    said = [o for o in run.outputs if isinstance(o, TargetEstimate)][-1500:]
    errors = [math.dist(each.position_mm, truth[each.t_ns]) for each in said if each.t_ns in truth]
    assert len(errors) > 1000
    assert math.sqrt(sum(e * e for e in errors) / len(errors)) < 1.0
    inside = [
        error
        <= radius95_mm((each.covariance_mm2[0], each.covariance_mm2[3], each.covariance_mm2[5]))
        for each, error in zip(said, errors, strict=False)
    ]
    assert sum(inside) / len(inside) > 0.9


def test_one_projection_a_second_is_asked_for_and_used(run: RoomRun) -> None:
    times = [o.t_ns * 1e-9 for o in run.outputs if isinstance(o, SendExpose)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert all(gap <= 1.011 for gap in gaps)
    used = [o for o in run.outputs if isinstance(o, Observation)]
    assert len(used) >= len(times) - 2
    assert all(each.used for each in used)


def test_pictures_of_the_beam_give_a_second_view_while_it_is_on(run: RoomRun) -> None:
    portals = [o for o in run.outputs if isinstance(o, Observation) and o.shot_id == 0]
    assert len(portals) >= 7
    tracking_ns = run.now_ns - 20_000_000_000
    assert all(each.exposed_ns >= tracking_ns for each in portals)
