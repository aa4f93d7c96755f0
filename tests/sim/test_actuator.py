"""The couch and the robot: the lag they promise, the limits they keep."""

from __future__ import annotations

import numpy as np
import pytest

from hal.events import SendDemand, SendStop
from hal.messages import ActuatorStatus
from sim.actuator import SimulatedActuator
from sim.scenario import ROBOT
from sim.scenario import RoomActuator as ActuatorSettings

MS = 1_000_000
SECOND = 1_000_000_000


def make(settings: ActuatorSettings, duration_s: float = 10.0) -> SimulatedActuator:
    return SimulatedActuator(settings, "couch", (), 1, duration_s)


def track(actuator: SimulatedActuator, duration_s: float) -> np.ndarray:
    actuator.run_to(round(duration_s * 1000))
    return actuator.positions[: round(duration_s * 1000) + 1]


@pytest.mark.parametrize("settings", [ActuatorSettings(), ROBOT], ids=["couch", "robot"])
def test_a_ramp_is_followed_late_by_the_latency(settings):
    actuator = make(settings)
    speed_mm_s = 4.0
    for step in range(5000):
        along = speed_mm_s * step / 1000.0
        actuator.obey(SendDemand(step * MS, "couch", (along, -along, 0.5 * along)))
    x, y, z = actuator.position_at(4 * SECOND)
    late_ms = [1000.0 * (4.0 - abs(v) / s) for v, s in ((x, 4.0), (y, 4.0), (z, 2.0))]
    assert late_ms == pytest.approx([settings.latency_ms] * 3, abs=1.5)


@pytest.mark.parametrize("settings", [ActuatorSettings(), ROBOT], ids=["couch", "robot"])
@pytest.mark.parametrize("size_mm", [0.5, 5.0, 40.0, -40.0])
def test_a_step_keeps_speed_and_acceleration_and_arrives(settings, size_mm):
    actuator = make(settings)
    actuator.obey(SendDemand(0, "couch", (0.0, size_mm, 0.0)))
    along = track(actuator, 9.0)[:, 1]
    speed = np.diff(along) * 1000.0
    assert np.abs(speed).max() <= settings.speed_mm_s * (1 + 1e-9)
    assert np.abs(np.diff(speed)).max() * 1000.0 <= settings.acceleration_mm_s2 * (1 + 1e-6)
    assert along[-1] == pytest.approx(size_mm, abs=1e-3)
    assert np.abs(along).max() <= abs(size_mm) * 1.05


def test_nothing_moves_before_the_dead_time_is_over():
    actuator = make(ActuatorSettings(dead_time_ms=20.0))
    actuator.obey(SendDemand(100 * MS, "couch", (5.0, 0.0, 0.0)))
    along = track(actuator, 1.0)[:, 0]
    assert not along[:121].any()
    assert along[121] > 0.0


def test_a_stop_brakes_at_the_limit_and_forgets_what_was_asked():
    settings = ActuatorSettings()
    actuator = make(settings)
    actuator.obey(SendDemand(0, "couch", (0.0, 60.0, 0.0)))
    actuator.run_to(1000)
    before = actuator.positions[1000, 1]
    actuator.obey(SendDemand(990 * MS, "couch", (0.0, 70.0, 0.0)))
    actuator.obey(SendStop(1000 * MS, "couch"))
    along = track(actuator, 5.0)[:, 1]
    way = settings.speed_mm_s**2 / (2 * settings.acceleration_mm_s2)
    assert along[-1] - before == pytest.approx(way, rel=0.05)
    assert along[1200] == along[-1]


def test_what_a_stop_forgets_does_not_depend_on_how_far_the_motion_was_worked_out():
    def path(*looked_at_ms):
        actuator = make(ActuatorSettings(dead_time_ms=20.0))
        actuator.obey(SendDemand(0, "couch", (0.0, 5.0, 0.0)))
        actuator.obey(SendDemand(275 * MS, "couch", (5.0, 0.0, 0.0)))
        for ms in looked_at_ms:
            actuator.run_to(ms)
        actuator.obey(SendStop(300 * MS, "couch"))
        return track(actuator, 1.0)

    assert (path(100, 200, 299) == path()).all()
    assert path()[300, 0] > 0.0


def test_a_demand_after_a_stop_is_obeyed():
    actuator = make(ActuatorSettings())
    actuator.obey(SendStop(0, "couch"))
    actuator.obey(SendDemand(SECOND, "couch", (3.0, 0.0, 0.0)))
    assert track(actuator, 5.0)[-1, 0] == pytest.approx(3.0, abs=1e-3)


def test_end_stops_are_the_end():
    actuator = make(ActuatorSettings(stroke_mm=10.0))
    actuator.obey(SendDemand(0, "couch", (50.0, -50.0, 0.0)))
    x, y, z = actuator.position_at(9 * SECOND)
    assert (x, y, z) == (10.0, -10.0, 0.0)


def test_between_grid_steps_the_position_is_on_the_line():
    actuator = make(ActuatorSettings())
    actuator.obey(SendDemand(0, "couch", (5.0, 0.0, 0.0)))
    low, high = actuator.position_at(200 * MS)[0], actuator.position_at(201 * MS)[0]
    assert actuator.position_at(200 * MS + 250_000)[0] == pytest.approx(low + (high - low) / 4)


def test_status_tells_the_true_position_of_its_moment_with_little_noise():
    settings = ActuatorSettings(encoder_noise_mm=0.01, status_hz=100.0, status_delay_ms=5.0)
    actuator = make(settings)
    actuator.obey(SendDemand(0, "couch", (8.0, -6.0, 2.0)))
    out: list = []
    actuator.collect(5 * SECOND, out)
    assert len(out) == 500
    assert all(isinstance(status, ActuatorStatus) for status in out)
    error = [
        np.subtract(status.position_mm, actuator.position_at(status.t_ns - 5 * MS))
        for status in out
    ]
    assert np.std(error) == pytest.approx(0.01, rel=0.1)
    assert abs(float(np.mean(error))) < 0.002


def test_dead_time_longer_than_the_latency_is_refused():
    with pytest.raises(ValueError, match=r"dead_time_ms is 200; keep it below latency_ms"):
        make(ActuatorSettings(latency_ms=150.0, dead_time_ms=200.0))
