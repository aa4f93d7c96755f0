"""Timebase: jitter drops out, drift is found, late packets and jumps do no harm."""

import numpy as np
import pytest

from tracker.core.surrogate.timebase import JUMP_AFTER, Timebase

PERIOD_NS = 1e9 / 60


def arrivals(count, *, drift_ppm=0.0, delay_ns=20_000_000, jitter_ns=1_000_000, seed=0):
    noise = np.random.default_rng(seed).normal(0.0, jitter_ns, count)
    ticks = np.arange(count)
    exposures = 5_000_000_000 + ticks * PERIOD_NS * (1 + drift_ppm * 1e-6)
    return ticks.tolist(), exposures, (exposures + delay_ns + noise).astype(np.int64).tolist()


def test_jitter_is_averaged_away_and_delay_taken_off():
    ticks, exposures, at = arrivals(3600)
    clock = Timebase(PERIOD_NS, 20_000_000)
    stamps = [clock.stamp(k, t).t_ns for k, t in zip(ticks, at, strict=True)]
    errors = np.array(stamps[600:]) - exposures[600:]
    assert np.abs(errors).max() < 300_000  # 0.3 ms of 1 ms jitter


@pytest.mark.parametrize("drift_ppm", [-80.0, 20.0, 150.0])
def test_drift_is_found(drift_ppm):
    ticks, exposures, at = arrivals(6000, drift_ppm=drift_ppm)
    clock = Timebase(PERIOD_NS, 20_000_000)
    stamps = [clock.stamp(k, t).t_ns for k, t in zip(ticks, at, strict=True)]
    assert clock.drift_ppm == pytest.approx(drift_ppm, abs=10.0)
    assert abs(stamps[-1] - exposures[-1]) < 300_000


def test_one_late_packet_does_not_bend_the_line():
    ticks, exposures, at = arrivals(1200)
    at[900] += 80_000_000
    clock = Timebase(PERIOD_NS, 20_000_000)
    stamps = [clock.stamp(k, t) for k, t in zip(ticks, at, strict=True)]
    assert not any(s.jumped for s in stamps)
    assert abs(stamps[900].t_ns - exposures[900]) < 500_000
    assert abs(stamps[901].t_ns - exposures[901]) < 500_000


def test_a_jump_is_told_and_followed():
    ticks, exposures, at = arrivals(1200)
    at = [t if k < 600 else t + 50_000_000 for k, t in zip(ticks, at, strict=True)]
    clock = Timebase(PERIOD_NS, 20_000_000)
    stamps = [clock.stamp(k, t) for k, t in zip(ticks, at, strict=True)]
    assert [k for k, s in zip(ticks, stamps, strict=True) if s.jumped] == [600 + JUMP_AFTER - 1]
    assert abs(stamps[-1].t_ns - (exposures[-1] + 50_000_000)) < 500_000


@pytest.mark.parametrize("stall_s", [0.2, 0.6, 2.0])
@pytest.mark.parametrize("rate_hz", [60.0, 100.0])
def test_a_backlog_read_at_once_after_a_stall_is_no_jump(stall_s, rate_hz):
    period_ns = 1e9 / rate_hz
    ticks = range(1200)
    exposures = [5_000_000_000 + round(k * period_ns) for k in ticks]
    until = exposures[600] + round(stall_s * 1e9)
    at = [
        max(t + 20_000_000, until) if k >= 600 else t + 20_000_000 for k, t in enumerate(exposures)
    ]
    clock = Timebase(period_ns, 20_000_000)
    stamps = [clock.stamp(k, t) for k, t in zip(ticks, at, strict=True)]
    assert not any(stamp.jumped for stamp in stamps)
    assert max(abs(s.t_ns - t) for s, t in zip(stamps, exposures, strict=True)) < 500_000


def test_missing_ticks_are_bridged():
    ticks, exposures, at = arrivals(1200)
    clock = Timebase(PERIOD_NS, 20_000_000)
    for k in [k for k in ticks if not 700 <= k < 760]:
        stamp = clock.stamp(k, at[k])
        if k >= 760:
            assert abs(stamp.t_ns - exposures[k]) < 600_000


def test_a_counter_that_does_not_advance_is_refused_and_changes_nothing():
    clock = Timebase(PERIOD_NS, 0)
    clock.stamp(5, 100)
    for ticks in (5, 4):
        with pytest.raises(ValueError, match="must advance"):
            clock.stamp(ticks, 200_000_000)
    assert clock.stamp(6, 100 + round(PERIOD_NS)).t_ns == pytest.approx(100 + PERIOD_NS, abs=2)


def test_a_sample_is_never_stamped_after_its_arrival():
    ticks, _, at = arrivals(2000, delay_ns=0)
    clock = Timebase(PERIOD_NS, 0)
    assert all(clock.stamp(k, t).t_ns <= t for k, t in zip(ticks, at, strict=True))
