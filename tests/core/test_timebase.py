"""Timebase: jitter averages out, drift is found, late packets and jumps do no harm."""

import numpy as np
import pytest

from tracker.core.surrogate.timebase import JUMP_AFTER, CounterSetError, TickTime, Timebase

PERIOD_NS = 1e9 / 60
TICK_NS = 10_000_000
GATE_NS = 10_000_000
"""Five times the default jitter of 2 ms."""
START_NS = 5_000_000_000


def arrivals(count, *, drift_ppm=0.0, delay_ns=20_000_000, jitter_ns=1_000_000, seed=0):
    noise = np.random.default_rng(seed).normal(0.0, jitter_ns, count)
    ticks = np.arange(count)
    exposures = START_NS + ticks * PERIOD_NS * (1 + drift_ppm * 1e-6)
    return ticks.tolist(), exposures, (exposures + delay_ns + noise).astype(np.int64).tolist()


class KalmanFilter:
    """The two-state filter in matrices, as in any textbook; offset and tick length in ns."""

    def __init__(self, tick_ns, arrival_ns, jitter_ns):
        self.base_ns = arrival_ns
        self.x = np.array([0.0, tick_ns])
        self.P = np.diag([jitter_ns**2, (tick_ns * 200e-6) ** 2])  # crystals: 200 ppm
        self.wander = np.diag([1000.0**2, (tick_ns * 1e-8) ** 2])  # per tick: 1 us and 0.01 ppm
        self.R = np.array([[jitter_ns**2]])

    def step(self, steps, arrival_ns):
        F, H = np.array([[1.0, steps], [0.0, 1.0]]), np.array([[1.0, 0.0]])
        self.x = F @ self.x
        self.P = F @ self.P @ F.T + steps * self.wander
        K = self.P @ H.T @ np.linalg.inv(H @ self.P @ H.T + self.R)
        self.x = self.x + K @ (np.array([arrival_ns - self.base_ns]) - H @ self.x)
        self.P = (np.eye(2) - K @ H) @ self.P
        return self.base_ns + self.x[0]


@pytest.mark.parametrize(
    ("jitter_ns", "gaps"),
    [
        (1000.0, [1, 1, 3, 2, 1, 7, 1, 1]),
        (2e6, [1, 1, 3, 2, 1, 7, 1, 1]),
        (1e6, [1, 2_000_000, 1, 5, 1, 400_000, 2, 3]),  # so long that the tick's wander counts
    ],
)
def test_the_stamps_are_those_of_a_kalman_filter(jitter_ns, gaps):
    delay_ns, tick_ns = 20_000_000, 1_000_000.0
    clock = Timebase(tick_ns, delay_ns, jitter_ns)
    reference = KalmanFilter(tick_ns, START_NS, jitter_ns)
    assert clock.stamp(40, START_NS).t_ns == START_NS - delay_ns
    offsets = [0.4, -1.1, 0.7, 1.9, -0.2, -1.6, 1.3, 0.5]
    ticks = 40
    for gap, offset in zip(gaps, offsets, strict=True):
        ticks += gap
        predicted = reference.base_ns + reference.x[0] + gap * reference.x[1]
        arrival = round(predicted + offset * jitter_ns)
        ours = clock.stamp(ticks, arrival)
        assert ours.jumped is False
        assert ours.t_ns == pytest.approx(reference.step(gap, arrival) - delay_ns, abs=1)
        drift = (reference.x[1] / tick_ns - 1.0) * 1e6
        assert clock.drift_ppm == pytest.approx(drift, rel=1e-7, abs=1e-9)


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
    assert clock.drift_ppm == 0.0
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


def stamps_of(residuals, delay_ns=0):
    """Stamp a first tick in time, then one tick for each residual."""
    clock = Timebase(float(TICK_NS), delay_ns)
    clock.stamp(0, START_NS)
    return [
        clock.stamp(k, START_NS + k * TICK_NS + residual) for k, residual in enumerate(residuals, 1)
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_an_arrival_is_off_the_line_from_five_times_the_jitter_on(sign):
    on, off = stamps_of([sign * GATE_NS]), stamps_of([sign * (GATE_NS + 1)])
    expected = START_NS + TICK_NS
    assert abs(on[0].t_ns - expected) > 1_000_000  # it pulls the line
    # One that is off does not; and no sample is stamped after its arrival.
    assert off[0].t_ns == expected + min(0, sign * (GATE_NS + 1))


def jumps_at(residuals):
    return [k for k, stamp in enumerate(stamps_of(residuals), 1) if stamp.jumped]


def test_a_clock_has_jumped_after_eight_arrivals_that_agree():
    away = GATE_NS + 1
    assert jumps_at([away] * 8) == [8]
    assert jumps_at([-away] * 8) == [8]
    assert jumps_at([away] * 7 + [0] + [away] * 7) == []


def test_arrivals_agree_with_the_first_of_them_within_five_times_the_jitter():
    away = GATE_NS + 1
    assert jumps_at([away] + [away + GATE_NS] * 7) == [8]
    assert jumps_at([away + GATE_NS] + [away] * 7) == [8]
    assert jumps_at([away] + [away + GATE_NS + 1] * 8) == [9]
    assert jumps_at([away + GATE_NS + 1] + [away] * 8) == [9]
    assert jumps_at([away + GATE_NS] * 7 + [-away] * 8) == [15]


def test_after_a_jump_the_clock_is_as_new():
    """The line starts again at the arrival that showed the jump, with the nominal tick."""
    clock, new = Timebase(float(TICK_NS), 3_000_000), Timebase(float(TICK_NS), 3_000_000)
    for k in range(200):  # 150 ppm slow
        clock.stamp(k, START_NS + k * (TICK_NS + 1500))
    at = START_NS + 50_000_000
    for k in range(200, 200 + JUMP_AFTER):
        stamp = clock.stamp(k, at + k * TICK_NS)
    assert (stamp.t_ns, stamp.jumped) == (at + (200 + JUMP_AFTER - 1) * TICK_NS - 3_000_000, True)
    assert clock.drift_ppm == 0.0
    follower = new.stamp(207, at + 207 * TICK_NS)
    assert (follower.t_ns, follower.jumped) == (stamp.t_ns, False)
    late = [50_000_000] * 7  # as far off as before the jump, but not often enough for another
    for k, residual in enumerate([*late, 700_000, -400_000, 1_100_000], 208):
        arrival = at + k * TICK_NS + residual
        assert clock.stamp(k, arrival) == new.stamp(k, arrival)
        assert clock.drift_ppm == new.drift_ppm


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
    exposures = [START_NS + round(k * period_ns) for k in ticks]
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
        with pytest.raises(ValueError, match=f"from 5 to {ticks}; it must advance"):
            clock.stamp(ticks, 200_000_000)
    assert clock.stamp(6, 100 + round(PERIOD_NS)).t_ns == pytest.approx(100 + PERIOD_NS, abs=2)


def test_a_sample_is_never_stamped_after_its_arrival():
    ticks, _, at = arrivals(2000, delay_ns=0)
    clock = Timebase(PERIOD_NS, 0)
    assert all(clock.stamp(k, t).t_ns <= t for k, t in zip(ticks, at, strict=True))


def played(clock, ticks, arrivals):
    """Return the stamps and which samples were refused."""
    stamps, refused = [], []
    for k, (tick, arrival) in enumerate(zip(ticks, arrivals, strict=True)):
        try:
            stamps.append(clock.stamp(tick, arrival))
        except ValueError:
            refused.append(k)
    return stamps, refused


HOUR = 3600 * 100  # ticks of 10 ms


@pytest.mark.parametrize("step", [-HOUR, HOUR, -301, 310, 700_000 * 100, -(10**12), 10**15])
def test_a_counter_that_was_set_is_followed_after_eight_samples_that_agree(step):
    ticks = [k if k < 300 else k + step for k in range(600)]
    arrivals = [START_NS + k * TICK_NS for k in range(600)]
    clock = Timebase(float(TICK_NS), 3_000_000)
    stamps, refused = played(clock, ticks, arrivals)
    assert refused == list(range(300, 300 + JUMP_AFTER - 1))
    assert [s.was_set for s in stamps].index(True) == 300
    assert sum(s.was_set for s in stamps) == 1
    assert not any(s.jumped for s in stamps)
    assert stamps[-1].t_ns == pytest.approx(arrivals[-1] - 3_000_000, abs=1000)


def test_a_counter_that_goes_back_a_little_for_good_has_jumped():
    """Samples before the step may have been timed wrongly, so it counts as a jump."""
    ticks = [k if k < 300 else k - 100 for k in range(600)]
    arrivals = [START_NS + k * TICK_NS for k in range(600)]
    stamps, refused = played(Timebase(float(TICK_NS), 0), ticks, arrivals)
    assert refused == list(range(300, 300 + JUMP_AFTER - 1))
    assert [s.jumped for s in stamps].index(True) == 300
    assert not any(s.was_set for s in stamps)
    assert stamps[-1].t_ns == pytest.approx(arrivals[-1], abs=1000)


def test_a_counter_that_was_set_is_told_apart_from_one_out_of_order():
    clock = Timebase(float(TICK_NS), 0)
    for k in range(100):
        clock.stamp(k, START_NS + k * TICK_NS)
    with pytest.raises(CounterSetError, match=r"from 99 to -359900, -3600.0 s from where"):
        clock.stamp(100 - HOUR, START_NS + 100 * TICK_NS)
    with pytest.raises(
        CounterSetError, match=r"\+3600.0 s from where the arrival puts it, limit 3 s"
    ):
        clock.stamp(100 + HOUR, START_NS + 100 * TICK_NS)
    with pytest.raises(ValueError, match="must advance") as order:
        clock.stamp(98, START_NS + 100 * TICK_NS)
    assert not isinstance(order.value, CounterSetError)


@pytest.mark.parametrize("step", [-HOUR, 700_000 * 100, 10**15])
@pytest.mark.parametrize("wild", [1, 5, JUMP_AFTER - 1])
def test_a_few_wild_counters_change_nothing(step, wild):
    ticks = [k + step if 300 <= k < 300 + wild else k for k in range(600)]
    arrivals = [START_NS + k * TICK_NS for k in range(600)]
    clock, undisturbed = Timebase(float(TICK_NS), 0), Timebase(float(TICK_NS), 0)
    stamps, refused = played(clock, ticks, arrivals)
    assert refused == list(range(300, 300 + wild))
    assert not any(s.jumped for s in stamps)
    others = [undisturbed.stamp(k, arrivals[k]) for k in range(600) if not 300 <= k < 300 + wild]
    assert stamps == others


def test_wild_counters_that_do_not_agree_are_never_followed():
    ticks = [k if k < 100 or k >= 300 else (k * 7919 % 1000) * 10**6 for k in range(400)]
    arrivals = [START_NS + k * TICK_NS for k in range(400)]
    stamps, refused = played(Timebase(float(TICK_NS), 0), ticks, arrivals)
    assert refused == list(range(100, 300))
    assert not any(s.jumped or s.was_set for s in stamps)


def test_a_first_counter_that_was_wrong_is_left_behind():
    ticks = [0] + [10**11 + k for k in range(1, 100)]
    arrivals = [START_NS + k * TICK_NS for k in range(100)]
    stamps, refused = played(Timebase(float(TICK_NS), 0), ticks, arrivals)
    assert refused == list(range(1, JUMP_AFTER))
    assert stamps[-1].t_ns == pytest.approx(arrivals[-1], abs=1000)


def test_old_samples_that_come_twice_are_refused_and_never_followed():
    clock = Timebase(float(TICK_NS), 0)
    for k in range(100):
        clock.stamp(k, START_NS + k * TICK_NS)
    for _ in range(50):
        with pytest.raises(ValueError, match="must advance"):
            clock.stamp(42, START_NS + 100 * TICK_NS)
    assert not clock.stamp(101, START_NS + 101 * TICK_NS).jumped


@pytest.mark.parametrize("size", [2, 5, 12, 30])
@pytest.mark.parametrize("rate_hz", [50.0, 100.0])
def test_a_device_that_delivers_in_bursts_from_the_start_is_spread_over_time(size, rate_hz):
    """The newest of a burst comes in time, the others late: they lie before it, a tick apart."""
    period_ns = 1e9 / rate_hz
    exposures = [START_NS + round(k * period_ns) for k in range(1200)]
    arrivals = [exposures[min(k + size - 1 - k % size, 1199)] + 5_000_000 for k in range(1200)]
    clock = Timebase(period_ns, 5_000_000)
    stamps, refused = played(clock, range(1200), arrivals)
    assert refused == []
    assert not any(s.jumped for s in stamps)
    errors = np.abs([s.t_ns - t for s, t in zip(stamps, exposures, strict=True)])[2 * size :]
    assert errors.max() < 0.4 * period_ns


def test_bursts_that_begin_later_are_spread_over_time():
    exposures = [START_NS + k * TICK_NS for k in range(2400)]
    arrivals = [
        exposures[k if k < 600 else min(k + 11 - k % 12, 2399)] + 5_000_000 for k in range(2400)
    ]
    stamps, refused = played(Timebase(float(TICK_NS), 5_000_000), range(2400), arrivals)
    assert refused == []
    assert not any(s.jumped for s in stamps)
    assert max(abs(s.t_ns - t) for s, t in zip(stamps, exposures, strict=True)) < 500_000


FAR = 300
"""Ticks of 10 ms that are exactly as far ahead as is believed."""


def test_a_counter_is_far_ahead_from_more_than_three_seconds_on():
    clock = Timebase(float(TICK_NS), 0)
    clock.stamp(0, START_NS)
    clock.stamp(1 + FAR, START_NS + TICK_NS)  # exactly 3 s: used, as one that left its line
    clock = Timebase(float(TICK_NS), 0)
    clock.stamp(0, START_NS)
    with pytest.raises(CounterSetError):
        clock.stamp(1 + FAR, START_NS + TICK_NS - 1)


def test_a_counter_is_far_back_from_more_than_three_seconds_on():
    """After 10 s the counter says 7 s: out of order by 3 s exactly, far by any more."""
    for late_ns, far in ((0, False), (1, True)):
        clock = Timebase(float(TICK_NS), 0)
        clock.stamp(1000, START_NS)
        with pytest.raises(ValueError, match="counter went from 1000 to") as refusal:
            clock.stamp(1000 - FAR, START_NS + late_ns)
        assert isinstance(refusal.value, CounterSetError) is far


@pytest.mark.parametrize(
    ("advance", "between_ns", "agrees"),
    [
        (1, TICK_NS, True),
        (1, TICK_NS + 500_000_000, True),
        (1, TICK_NS + 500_000_001, False),
        (51, TICK_NS, True),
        (51, TICK_NS - 1, False),
        (100, TICK_NS, False),
        (100, 100 * TICK_NS, True),
        (0, TICK_NS, False),
        (-1, TICK_NS, False),
    ],
)
def test_refused_samples_agree_when_the_counter_runs_with_the_clock(advance, between_ns, agrees):
    clock = Timebase(float(TICK_NS), 7)
    clock.stamp(0, START_NS)
    stamps, refused = played(
        clock,
        [HOUR + k * advance for k in range(JUMP_AFTER)],
        [START_NS + TICK_NS + k * between_ns for k in range(JUMP_AFTER)],
    )
    assert len(refused) == JUMP_AFTER - agrees
    if agrees:
        (stamp,) = stamps
        at_ns = START_NS + TICK_NS + (JUMP_AFTER - 1) * between_ns
        assert (stamp.t_ns, stamp.jumped, stamp.was_set) == (at_ns - 7, False, True)


def test_a_good_sample_between_begins_the_count_of_refused_ones_again():
    clock = Timebase(float(TICK_NS), 0)
    clock.stamp(0, START_NS)
    for k in range(1, 100):
        ticks = k if k % JUMP_AFTER == 0 else HOUR + k
        if ticks > HOUR:
            with pytest.raises(CounterSetError):
                clock.stamp(ticks, START_NS + k * TICK_NS)
        else:
            assert not clock.stamp(ticks, START_NS + k * TICK_NS).was_set


def test_a_clock_that_was_set_twice_is_followed_twice():
    ticks = [k + (HOUR if 100 <= k < 200 else 0) for k in range(300)]
    arrivals = [START_NS + k * TICK_NS for k in range(300)]
    stamps, refused = played(Timebase(float(TICK_NS), 0), ticks, arrivals)
    assert refused == [*range(100, 100 + JUMP_AFTER - 1), *range(200, 200 + JUMP_AFTER - 1)]
    assert [s.t_ns for s in stamps if s.was_set] == [
        arrivals[100 + JUMP_AFTER - 1],
        arrivals[200 + JUMP_AFTER - 1],
    ]


@pytest.mark.parametrize("first", [0, 10**6])
@pytest.mark.parametrize("apart_ns", [0, 1_000_000, 2_499_999])
def test_while_a_line_is_new_a_sample_that_comes_at_once_begins_it_again(first, apart_ns):
    clock = Timebase(float(TICK_NS), 700)
    clock.stamp(first, START_NS)
    for k in range(1, 51):
        at_ns = START_NS + k * apart_ns
        assert clock.stamp(first + k, at_ns) == TickTime(at_ns - 700, jumped=False)
    # Then the line is not new: the sample seems to come too early, and is stamped at its arrival.
    at_ns = START_NS + 51 * apart_ns
    assert clock.stamp(first + 51, at_ns).t_ns == at_ns


def test_samples_a_quarter_of_a_tick_apart_do_not_come_at_once():
    for apart_ns, stamp_ns in ((TICK_NS // 4 - 1, -700), (TICK_NS // 4, 0), (-1, 0)):
        clock = Timebase(float(TICK_NS), 700)
        clock.stamp(0, START_NS)
        assert clock.stamp(1, START_NS + apart_ns).t_ns == START_NS + apart_ns + stamp_ns


def test_a_late_sample_that_comes_at_once_does_not_begin_a_new_line_again():
    """Two samples come together 60 ms late: the line that is there is the better one."""
    clock = Timebase(float(TICK_NS), 0)
    for k in range(20):
        clock.stamp(k, START_NS + k * TICK_NS)
    for k in (20, 21):
        late_ns = START_NS + 27 * TICK_NS
        assert clock.stamp(k, late_ns).t_ns == pytest.approx(START_NS + k * TICK_NS, abs=10)


def test_a_late_sample_followed_at_once_by_the_next_has_not_moved_the_line():
    """What its arrival changed is taken back: the line is that of a clock that never saw it."""
    one, other = Timebase(float(TICK_NS), 0), Timebase(float(TICK_NS), 0)
    at = [START_NS + k * (TICK_NS + 700) for k in range(400)]
    for k in range(300):
        assert one.stamp(k, at[k]) == other.stamp(k, at[k])
    one.stamp(300, at[300] + 9_000_000)  # late, but on the line
    for k in range(301, 400):
        arrival = at[k] if k > 301 else at[300] + 9_500_000
        mine, its = one.stamp(k, arrival), other.stamp(k, arrival)
        assert mine.t_ns == pytest.approx(its.t_ns, abs=2)
    assert one.drift_ppm == pytest.approx(other.drift_ppm, abs=1e-3)


def test_the_first_samples_of_a_fast_device_may_come_at_once():
    clock = Timebase(1_000_000.0, 0)
    clock.stamp(0, START_NS)
    assert clock.stamp(1, START_NS + 200_000).t_ns == START_NS + 200_000
    assert clock.stamp(2, START_NS + 1_200_000).t_ns == pytest.approx(START_NS + 1_200_000, abs=10)
