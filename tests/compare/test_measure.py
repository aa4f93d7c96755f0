"""What is measured of a technique, held against motion whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from sim.recording import Recording
from tracker.offline.compare.measure import (
    PLANNED_S,
    holds_breath,
    main_channel,
    measure,
    session_minutes,
)
from tracker.offline.compare.techniques import BY_NAME, ITV, TECHNIQUES

RATE_HZ = 10.0


def sine(
    peak_mm: float, seconds: float = 120.0, hold: tuple[float, float] = (0.0, 0.0)
) -> Recording:
    """A target that moves along SI alone, with a chest that moves as it does."""
    times = np.arange(0.0, seconds, 1.0 / RATE_HZ)
    si = -peak_mm / 2.0 * (1.0 - np.cos(2.0 * np.pi * times / 4.0))
    si[(times >= hold[0]) & (times < hold[1])] = 0.0
    values = np.stack([np.zeros_like(si), si, np.zeros_like(si), -si], axis=1)
    channels = ("int_lr_mm", "int_si_mm", "int_ap_mm", "ext_mm")
    return Recording("sine", times, channels, values, (), "both")


def test_without_management_the_error_is_the_motion_about_its_middle() -> None:
    found = measure(BY_NAME[ITV], sine(10.0), "sine", beam_on_s=120.0, seed=1)
    assert found.why_not == ""
    assert found.beams_eye is not None
    assert found.beams_eye.rms_mm == pytest.approx(5.0 / np.sqrt(2.0), rel=0.02)
    assert found.beams_eye.max_mm == pytest.approx(5.0, rel=0.02)
    assert found.along_beam_rms_mm == pytest.approx(0.0, abs=1e-9)
    assert found.motion_mm == pytest.approx((0.0, 10.0, 0.0), abs=0.1)
    assert found.margins_mm[0] == pytest.approx(0.0, abs=1e-6)
    assert 2.0 < found.margins_mm[1] < 5.0
    assert found.duty == 1.0
    assert found.minutes is not None
    assert found.minutes.expected == 2.0


def test_a_trace_that_is_too_short_says_how_long_it_must_be() -> None:
    found = measure(BY_NAME[ITV], sine(10.0, PLANNED_S + 2.0), "sine", 120.0, 1)
    assert found.beams_eye is None
    assert "at least 35 s are needed" in found.why_not
    found = measure(BY_NAME["robot"], sine(10.0, 10.0), "sine", 120.0, 1)
    assert "s are needed" in found.why_not


def test_a_breath_hold_needs_a_patient_who_holds_the_breath() -> None:
    assert not holds_breath(sine(10.0))
    assert holds_breath(sine(10.0, hold=(40.0, 56.0)))
    assert not holds_breath(sine(10.0, hold=(40.0, 44.0)))
    found = measure(BY_NAME["breath-hold"], sine(10.0), "sine", 120.0, 1)
    assert found.why_not == "the patient does not hold the breath in this trace"


def test_the_main_channel_is_the_one_that_moves_most() -> None:
    assert main_channel(sine(10.0)) in (1, 3)


def test_a_session_takes_the_beam_time_over_the_duty_and_its_range_holds_it() -> None:
    step_s = np.full(12_000, 0.01)
    half = np.arange(12_000) % 400 < 200
    steady = session_minutes(half, step_s, beam_on_s=60.0, before_s=30.0)
    assert steady.expected == pytest.approx((30.0 + 120.0) / 60.0, rel=1e-6)
    assert steady.low == pytest.approx(steady.high, rel=0.01)
    first = np.arange(12_000) < 6_000
    uneven = session_minutes(first, step_s, beam_on_s=60.0, before_s=30.0)
    assert uneven.low < uneven.expected < uneven.high


def test_every_technique_has_a_configuration_that_loads() -> None:
    for technique in TECHNIQUES:
        file = technique.configuration
        assert file is None or file.exists(), technique.name
    assert [t.name for t in TECHNIQUES if t.configuration is None] == [ITV]
