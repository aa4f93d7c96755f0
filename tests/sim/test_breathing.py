"""The generated breath: Lujan's shape, its variety, and what happens when it is told to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.breathing import breathe, chest_at, cough, lay_cycles, shift
from sim.chance import stream
from sim.scenario import BreathEvent, Breathing


def generate(breathing: Breathing, duration_s: float = 120.0, seed: int = 1):
    return breathe(
        breathing, duration_s, stream(seed, "patient", "cycles"), stream(seed, "patient", "wander")
    )


EVEN = Breathing(period_sd=0.0, amplitude_sd=0.0, inhale_share=0.5, wander_mm=0.0)


@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_even_breath_is_lujans_formula(exponent):
    breath = generate(Breathing(**{**parts(EVEN), "exponent": exponent}))
    # z = z0 - b cos^2n(pi t / T - phi), with inhale as the peak: phi = pi / 2.
    expected = 8.0 * np.cos(np.pi * breath.times_s / 4.0 - np.pi / 2) ** (2 * exponent)
    assert breath.chest_mm == pytest.approx(expected, abs=1e-9)


def parts(breathing: Breathing) -> dict:
    return {name: getattr(breathing, name) for name in breathing.__struct_fields__}


def test_more_time_is_spent_near_exhale_than_near_inhale():
    chest = generate(Breathing(**{**parts(EVEN), "exponent": 3})).chest_mm
    assert (chest < 2.0).mean() > 2.0 * (chest > 6.0).mean()


def test_cycles_vary_as_much_as_asked():
    breathing = Breathing(period_sd=0.1, amplitude_sd=0.2)
    cycles = lay_cycles(breathing, 4000.0, stream(3, "patient", "cycles"))
    periods = cycles.inhale_s + cycles.exhale_s
    assert np.std(np.log(periods)) == pytest.approx(0.1, rel=0.1)
    assert np.std(np.log(cycles.amplitude_mm)) == pytest.approx(0.2, rel=0.1)
    assert np.median(periods) == pytest.approx(4.0, rel=0.02)
    assert cycles.start_s[1:] == pytest.approx((cycles.start_s + periods)[:-1])


def test_inhale_lowers_si_and_raises_ap_in_proportion():
    breath = generate(Breathing(**{**parts(EVEN), "target_lag_s": (0.0, 0.0, 0.0)}))
    assert np.ptp(breath.target_mm, axis=0) == pytest.approx([2.0, 15.0, 4.0], rel=1e-3)
    share = breath.chest_mm / 8.0
    assert breath.target_mm == pytest.approx(np.outer(share, (2.0, -15.0, 4.0)), abs=1e-9)


def test_target_need_not_be_in_proportion():
    bent = {"target_exponent": 2.0, "target_lag_s": (0.0, 0.0, 0.0)}
    breath = generate(Breathing(**{**parts(EVEN), **bent}))
    share = breath.chest_mm / 8.0
    assert breath.target_mm[:, 1] == pytest.approx(-15.0 * share**2, abs=1e-9)


def test_unequal_lags_make_a_loop():
    def loop_area(lag_s):
        breath = generate(Breathing(**{**parts(EVEN), "target_lag_s": lag_s}), duration_s=4.0)
        si, ap = breath.target_mm[:401, 1], breath.target_mm[:401, 2]
        return abs(float(np.sum(si[:-1] * np.diff(ap) - ap[:-1] * np.diff(si)))) / 2

    assert loop_area((0.0, 0.0, 0.0)) < 0.01
    assert loop_area((0.0, 0.3, 0.0)) > 5.0


def test_drift_is_told_apart_for_chest_and_target():
    breathing = Breathing(
        **{**parts(EVEN), "chest_drift_mm_min": 1.0, "target_drift_mm_min": (0.0, -3.0, 0.5)}
    )
    still, moved = generate(EVEN), generate(breathing)
    assert (moved.chest_mm - still.chest_mm)[6000] == pytest.approx(1.0)
    assert (moved.target_mm - still.target_mm)[6000] == pytest.approx([0.0, -3.0, 0.5])


def at(breath, time_s: float) -> float:
    return float(breath.chest_mm[round(time_s * 100)])


def with_event(**event):
    return generate(Breathing(**{**parts(EVEN), "events": (BreathEvent(**event),)}))


def test_hold_rests_at_inhale_and_breath_goes_on():
    breath = with_event(kind="hold", at_s=20.0, duration_s=10.0, size=1.2)
    assert breath.chest_mm[2210:3190] == pytest.approx(1.2 * 8.0)
    assert at(breath, 34.0) == pytest.approx(0.0, abs=1e-6)
    assert at(breath, 36.0) == pytest.approx(8.0)


def test_apnoea_rests_at_exhale():
    breath = with_event(kind="apnoea", at_s=20.0, duration_s=10.0)
    assert np.abs(breath.chest_mm[2001:2999]).max() == 0.0
    assert at(breath, 32.0) == pytest.approx(8.0)


def test_sigh_is_one_deep_breath():
    breath = with_event(kind="sigh", at_s=20.0, size=2.0)
    assert breath.chest_mm[2000:2600].max() == pytest.approx(16.0, rel=1e-3)
    assert breath.chest_mm[2700:].max() == pytest.approx(8.0)


def test_cough_passes_and_shift_stays():
    still = generate(EVEN).chest_mm
    coughed = with_event(kind="cough", at_s=20.0, size=6.0).chest_mm - still
    assert not coughed[:1970].any()
    assert np.abs(coughed).max() == pytest.approx(6.0, rel=0.05)
    assert np.abs(coughed[2250:]).max() < 1e-6
    shifted = with_event(kind="shift", at_s=20.0, duration_s=2.0, size=-3.0).chest_mm - still
    assert not shifted[:2000].any()
    assert shifted[2100] == pytest.approx(-1.5)
    assert shifted[2200:] == pytest.approx(-3.0)


def test_cough_and_shift_do_not_reach_back():
    times = np.arange(0.0, 20.0, 0.01)
    assert not cough(times, 10.0, 5.0)[times < 9.7].any()
    assert not shift(times, 10.0, 1.0, 5.0)[times <= 10.0].any()


@settings(max_examples=60)
@given(
    period_s=st.floats(1.5, 15),
    period_sd=st.floats(0, 0.4),
    amplitude_sd=st.floats(0, 0.6),
    exponent=st.integers(1, 6),
    inhale_share=st.floats(0.2, 0.8),
    seed=st.integers(0, 2**32),
)
def test_any_breath_is_finite_smooth_and_never_below_exhale(seed, **how):
    breathing = Breathing(**how)
    rng = stream(seed, "patient", "cycles")
    cycles = lay_cycles(breathing, 60.0, rng)
    times = np.arange(0.0, 60.0, 0.001)
    chest = chest_at(cycles, times, breathing.exponent)
    assert np.isfinite(chest).all()
    assert chest.min() >= 0.0
    assert chest.max() <= cycles.amplitude_mm.max() + 1e-9
    steepest = np.pi * breathing.exponent * cycles.amplitude_mm.max()
    shortest = np.minimum(cycles.inhale_s, cycles.exhale_s).min()
    assert np.abs(np.diff(chest)).max() <= 0.001 * steepest / shortest + 1e-9
