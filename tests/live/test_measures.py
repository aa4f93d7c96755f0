"""What a run counts about itself and its devices: durations, clocks, findings."""

from __future__ import annotations

import numpy as np
import pytest

from hal.gige.imager_clock import ImagerClock
from hal.messages import ActuatorStatus, BeltSample, MarkerFrame
from tracker.live.devices.findings import findings_of
from tracker.live.durations import DurationFigures, Durations

MS = 1_000_000


def test_quantiles_are_upper_edges_and_the_longest_is_exact() -> None:
    durations = Durations()
    assert durations.figures() == DurationFigures()
    for number in range(1, 1001):
        durations.add(number * 10_000)
    durations.add(3_000_000_123)
    durations.add(-5)  # a stamp from the future counts as nothing
    found = durations.figures()
    assert found.count == 1002
    assert found.p50_us == pytest.approx(5_000, abs=30)
    assert found.p99_us == pytest.approx(9_910, abs=30)
    assert found.max_us == pytest.approx(3_000_000.123)


def test_the_imager_s_clock_is_read_from_the_shot_that_waited_least() -> None:
    ahead_ns = 77_000 * MS
    clock = ImagerClock(10 * MS)
    waits_ms = [3.0, 0.4, 9.0, 1.0]
    found = []
    for shot, wait_ms in enumerate(waits_ms):
        pulled_ns = shot * 15_000 * MS
        exposed_ns = pulled_ns + round((10.0 + wait_ms) * MS)
        clock.pulled(shot, pulled_ns)
        moment = clock.exposed_ns(shot, exposed_ns + ahead_ns)
        assert moment is not None
        found.append((moment - exposed_ns) / MS)
    assert found[0] == pytest.approx(-3.0)  # the first shot knows no better
    assert found[1] == pytest.approx(-0.4)
    assert np.abs(found[2:]).max() < 2.0  # drift allowed for: 50 ppm over 15 and 30 s
    assert clock.exposed_ns(99, 5) is None
    assert clock.exposed_ns(0, 5) is None, "a shot is answered once"


def test_findings_of_a_camera_know_rate_loss_drift_and_noise() -> None:
    rng = np.random.default_rng(1)
    samples = []
    for number in range(600):
        if number in (100, 101, 400):
            continue
        t_s = number / (60.0 * (1 + 100e-6))
        arrival_ns = round((t_s + 0.001 * rng.standard_normal() + 5.0) * 1e9)
        moved = 8.0 * np.sin(2 * np.pi * t_s / 4.0)
        noise = 0.1 * rng.standard_normal(2)
        places = ((1.0, moved + float(noise[0]), 0.0), (2.0, moved + float(noise[1]), 0.0))
        samples.append(MarkerFrame("camera", arrival_ns, 1000 + number, places))
    found = findings_of(samples, 60.0)
    assert found.samples == 597
    assert found.lost == 3
    assert found.rate_hz == pytest.approx(59.7, abs=0.1)
    assert found.jitter_ms == pytest.approx(1.0, abs=0.1)
    assert found.drift_ppm == pytest.approx(100.0, abs=60.0)
    assert found.noise == pytest.approx(0.1 / np.sqrt(3), rel=0.15)
    assert found.longest_gap_ms == pytest.approx(50.0, abs=5.0)


def test_findings_of_devices_without_a_counter_claim_none() -> None:
    statuses = [ActuatorStatus("robot", n * 10 * MS, (0.0, 0.0, 0.0)) for n in range(100)]
    found = findings_of(statuses)
    assert (found.lost, found.drift_ppm) == (None, None)
    assert found.rate_hz == pytest.approx(100.0)
    assert found.jitter_ms == pytest.approx(0.0)
    assert findings_of([BeltSample("belt", 0, 0, 1.0)]).rate_hz is None
    assert findings_of([]).samples == 0


@pytest.mark.parametrize("step_s", [-3600, 3600, 700_000, -10])
def test_an_imager_whose_clock_was_set_is_followed_with_the_next_shot(step_s: int) -> None:
    clock = ImagerClock(10 * MS)
    panel_ns = 77 * 10**12
    for shot in range(30):
        pulled_ns = shot * 3_000 * MS
        clock.pulled(shot, pulled_ns)
        at_ns = panel_ns + pulled_ns + 10 * MS + (step_s * 1000 * MS if shot >= 15 else 0)
        exposed_ns = clock.exposed_ns(shot, at_ns)
        assert exposed_ns is not None
        assert abs(exposed_ns - (pulled_ns + 10 * MS)) < 5 * MS


@pytest.mark.parametrize("step_s", [-3600, 700_000])
def test_one_wild_stamp_of_an_imager_costs_no_other_shot(step_s: int) -> None:
    clock = ImagerClock(10 * MS)
    for shot in range(30):
        pulled_ns = shot * 3_000 * MS
        clock.pulled(shot, pulled_ns)
        at_ns = 77 * 10**12 + pulled_ns + 10 * MS + (step_s * 1000 * MS if shot == 15 else 0)
        exposed_ns = clock.exposed_ns(shot, at_ns)
        assert exposed_ns is not None
        assert abs(exposed_ns - (pulled_ns + 10 * MS)) < 5 * MS
