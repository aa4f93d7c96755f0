"""Camera, belt and imager on their own: rate, clock, delay, noise."""

from __future__ import annotations

import numpy as np
import pytest

from hal.events import SendExpose
from hal.messages import BeltSample, FiducialShot, MarkerFrame
from sim.patient import SimulatedPatient
from sim.room import SimulatedRoom
from sim.scenario import Derived, RoomBelt, RoomCamera, RoomImager
from sim.scenario import RoomPatient as PatientSettings
from sim.scenario import RoomScenario as RoomSettings

SECOND = 1_000_000_000


@pytest.fixture
def quiet(still):
    """Run a room without breath for 20 s and return the messages of one kind."""

    def run(kind: type, **settings):
        room_settings = RoomSettings(
            patient=PatientSettings(derived=Derived(wander_mm=0.0)), **settings
        )
        room = SimulatedRoom(room_settings, SimulatedPatient.recorded(room_settings, still(), 1), 1)
        for shot in range(60):
            room.obey(SendExpose(shot * 300_000_000, "imager", shot))
        return [s for s in room.advance(25 * SECOND) if isinstance(s, kind)]

    return run


@pytest.mark.parametrize(("rate_hz", "ppm"), [(60.0, 20.0), (25.0, -300.0), (200.0, 0.0)])
def test_camera_keeps_its_own_clock(quiet, rate_hz, ppm):
    frames = quiet(MarkerFrame, camera=RoomCamera(rate_hz=rate_hz, clock_ppm=ppm, jitter_ms=0.0))
    ticks = np.array([frame.ticks for frame in frames])
    arrivals = np.array([frame.t_ns for frame in frames])
    assert ticks[0] == 1000
    assert (np.diff(ticks) == 1).all()
    period_ns = np.polyfit(ticks, arrivals, 1)[0]
    assert 1e9 / period_ns == pytest.approx(rate_hz * (1 + ppm * 1e-6), rel=1e-7)


def test_camera_noise_and_delay(quiet):
    frames = quiet(MarkerFrame, camera=RoomCamera(noise_mm=0.1, delay_ms=20.0, jitter_ms=1.0))
    seen = np.array([frame.markers_mm for frame in frames])
    assert np.std(seen, axis=0) == pytest.approx(np.full((3, 3), 0.1), rel=0.1)
    exposure = (np.arange(len(frames)) + 0.37) / (60.0 * (1 + 20e-6))
    delay_ms = 1000.0 * (np.array([frame.t_ns for frame in frames]) / SECOND - exposure)
    assert np.mean(delay_ms) == pytest.approx(20.0, abs=0.2)
    assert np.std(delay_ms) == pytest.approx(1.0, rel=0.1)
    assert delay_ms.min() >= 17.0


def test_heavy_jitter_keeps_the_order(quiet):
    frames = quiet(MarkerFrame, camera=RoomCamera(rate_hz=200.0, jitter_ms=30.0))
    assert [f.ticks for f in frames] == sorted(f.ticks for f in frames)
    arrivals = [f.t_ns for f in frames]
    assert arrivals == sorted(arrivals)


def test_belt_of_a_still_chest_is_offset_noise_and_drift(quiet):
    samples = quiet(BeltSample, belt=RoomBelt(gain_drift_per_s=0.0))
    values = np.array([sample.value_au for sample in samples])
    assert len(values) == pytest.approx(2000, abs=2)
    assert np.mean(values) == pytest.approx(500.0, abs=0.2)
    assert np.std(values) == pytest.approx(2.0, rel=0.1)
    drifting = quiet(BeltSample, belt=RoomBelt(gain_drift_per_s=0.1, noise_au=0.0))
    steps = np.diff([sample.value_au for sample in drifting])
    # A tenth of the gain per root second, a hundred steps a second.
    assert np.std(steps) == pytest.approx(0.1 * 30.0 / 10.0, rel=0.1)


def test_belt_gain_and_curvature(still):
    chest = np.zeros((201, 4))
    chest[100:, 3] = 4.0
    settings = RoomSettings(
        patient=PatientSettings(reference_s=9.0),
        belt=RoomBelt(noise_au=0.0, gain_drift_per_s=0.0, curvature_au_mm2=0.5),
    )
    room = SimulatedRoom(settings, SimulatedPatient.recorded(settings, still(values=chest), 1), 1)
    last = [s for s in room.advance(19 * SECOND) if isinstance(s, BeltSample)][-1]
    assert last.value_au == pytest.approx(500.0 + 30.0 * 4.0 + 0.5 * 16.0)


def test_imager_answers_every_request_with_its_number(quiet):
    shots = quiet(FiducialShot, imager=RoomImager(trigger_ms=10.0, clock_offset_ms=1000.0))
    assert [shot.shot_id for shot in shots] == list(range(60))
    for shot in shots:
        assert shot.ticks == shot.shot_id * 300_000_000 + 1_010_000_000
        assert abs(shot.t_ns - (shot.ticks - SECOND) - 300_000_000) <= 30_000_000
    found = np.array([shot.fiducials_mm for shot in shots])
    assert np.std(found - found.mean(axis=0)) == pytest.approx(0.3, rel=0.15)
    assert found.mean(axis=0)[0] == pytest.approx((0.0, 12.0, 4.0), abs=0.2)
