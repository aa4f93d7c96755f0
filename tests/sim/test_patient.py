"""The patient: what a recording says and no more, and never before it says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.patient import SimulatedPatient, axis_matrix, curve
from sim.recording import Recording, load_recording
from sim.scenario import ChestMarker, Derived, RoomScenario
from sim.scenario import RoomPatient as PatientSettings

EXACT = Derived(lag_s=0.0, hysteresis=0.0, wander_mm=0.0)


def wave(rate_hz: float = 5.0, duration_s: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(int(duration_s * rate_hz) + 1) / rate_hz
    return times, np.sin(2 * np.pi * times / 4.3) + 0.2 * np.sin(times)


def record(channels: str, columns: list[np.ndarray], rate_hz: float = 5.0, gaps=()) -> Recording:
    values = np.stack(columns, axis=1)
    times = np.arange(len(values)) / rate_hz
    return Recording("wave", times, tuple(channels.split()), values, tuple(gaps), "")


def internal(rate_hz: float = 5.0) -> Recording:
    _, w = wave(rate_hz)
    return record("int_lr_mm int_si_mm int_ap_mm", [w + 3, -8 * w + 50, 2 * w - 7], rate_hz)


def room(**patient) -> RoomScenario:
    return RoomScenario(patient=PatientSettings(**patient))


def test_target_is_told_from_its_early_mean():
    recording = internal()
    patient = SimulatedPatient.recorded(room(), recording, 1)
    at_samples = patient.internal(recording.times_s)
    early = np.arange(0.0, 30.0, 0.02)
    assert patient.internal(early).mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    assert at_samples + np.array(patient.reference_mm) == pytest.approx(recording.values)
    assert patient.reference_mm[1] == pytest.approx(50.0, abs=1.0)


def test_both_halves_are_used_as_recorded():
    times, w = wave()
    recording = record("int_lr_mm int_si_mm int_ap_mm ext_mm", [0 * w, -9 * w, w, 3 * w + 40])
    patient = SimulatedPatient.recorded(room(), recording, 1)
    chest = patient.belt(times)
    assert np.diff(chest) == pytest.approx(np.diff(3 * w))
    assert abs(chest[:150].mean()) < 0.1


def test_chest_follows_from_a_target_alone():
    recording = internal()
    patient = SimulatedPatient.recorded(room(derived=EXACT), recording, 1)
    chest = patient.belt(recording.times_s)
    moved = patient.internal(recording.times_s)
    direction = np.array([1.0, -8.0, 2.0]) / np.linalg.norm([1.0, -8.0, 2.0])
    assert chest == pytest.approx(0.6 * moved @ direction, abs=1e-6)


def test_target_follows_from_a_chest_alone():
    times, w = wave()
    patient = SimulatedPatient.recorded(room(derived=EXACT), record("ext_mm", [10 * w]), 1)
    chest = patient.belt(times)
    assert patient.internal(times) == pytest.approx(np.outer(chest, (0.15, -1.2, 0.35)))


def test_the_derived_half_is_late_by_its_lag():
    recording = internal(rate_hz=25.0)
    late = Derived(lag_s=0.4, hysteresis=0.0, wander_mm=0.0)
    now = SimulatedPatient.recorded(room(derived=EXACT), recording, 1)
    then = SimulatedPatient.recorded(room(derived=late), recording, 1)
    times = np.arange(5.0, 50.0, 0.1)
    difference = then.belt(times) - now.belt(times - 0.4)
    assert np.ptp(difference) < 1e-9


def test_hysteresis_makes_a_loop_and_wander_a_blur():
    recording = internal(rate_hz=25.0)
    times = np.arange(5.0, 50.0, 0.1)

    def residual(how: Derived) -> float:
        patient = SimulatedPatient.recorded(room(derived=how), recording, 1)
        chest, si = patient.belt(times), patient.internal(times)[:, 1]
        return float(np.std(chest - np.polyval(np.polyfit(si, chest, 1), si)))

    assert residual(EXACT) < 0.001
    assert residual(Derived(lag_s=0.0, hysteresis=0.5, wander_mm=0.0)) > 0.3
    assert 0.1 < residual(Derived(lag_s=0.0, hysteresis=0.0, wander_mm=0.3)) < 0.5


def test_arbitrary_units_are_scaled_by_the_early_swing():
    times, w = wave()
    belt = record("belt_au", [1800 + 40 * w])
    patient = SimulatedPatient.recorded(room(chest_amplitude_mm=10.0), belt, 1)
    low, high = np.percentile(patient.belt(times[:150]), [5, 95])
    assert high - low == pytest.approx(10.0)


def test_recorded_markers_move_as_recorded_in_patient_axes():
    times, w = wave()
    zero = 0 * w
    recording = record(
        "a_x_mm a_y_mm a_z_mm b_x_mm b_y_mm b_z_mm",
        [w - 490, 2 * w, 5 * w + 60, zero - 400, zero + 10, w + 90],
    )
    patient = SimulatedPatient.recorded(room(), recording, 1)
    moved = patient.external(times)
    assert moved.shape == (len(times), 2, 3)
    # Left is -y, superior x, anterior z of the recording.
    assert np.diff(moved[:, 0], axis=0) == pytest.approx(
        np.diff(np.stack([-2 * w, w, 5 * w], axis=1), axis=0)
    )
    rest = np.subtract(patient.marker_rest_mm[1], patient.marker_rest_mm[0])
    assert rest == pytest.approx([-10.0, 90.0, 30.0], abs=0.5)
    assert np.diff(patient.belt(times)) == pytest.approx(np.diff(5 * w))


def test_chest_markers_have_direction_ratio_and_lag():
    marker = ChestMarker(rest_mm=(0, 0, 100), direction=(0, 3, 4), ratio=0.5, lag_s=0.2)
    patient = SimulatedPatient.recorded(room(markers=(marker,)), internal(25.0), 1)
    times = np.arange(1.0, 20.0, 0.1)
    moved = patient.external(times)[:, 0]
    assert moved == pytest.approx(0.5 * np.outer(patient.belt(times - 0.2), (0, 0.6, 0.8)))


def test_missing_samples_are_bridged_and_long_spans_not_scored():
    recording = internal()
    recording.values[40:43] = np.nan
    recording.values[100:125] = np.nan
    patient = SimulatedPatient.recorded(room(), recording, 1)
    times = np.arange(0.0, 60.0, 0.1)
    assert np.isfinite(patient.internal(times)).all()
    assert np.isfinite(patient.external(times)).all()
    unscored = times[~patient.scored(times)]
    assert (unscored.min(), unscored.max()) == pytest.approx((19.8, 25.0))


def test_rows_left_out_count_as_missing():
    recording = internal()
    keep = (recording.times_s < 20.0) | (recording.times_s > 26.0)
    gappy = recording._replace(times_s=recording.times_s[keep], values=recording.values[keep])
    times = np.arange(0.0, 60.0, 0.1)
    patient = SimulatedPatient.recorded(room(), gappy, 1)
    assert (~patient.scored(times)).sum() == pytest.approx(64, abs=2)


def test_marked_gaps_are_not_scored_and_move_with_the_start():
    recording = internal()._replace(gaps=((10.0, 12.0),))
    patient = SimulatedPatient.recorded(room(start_s=5.0), recording, 1)
    assert patient.duration_s == pytest.approx(55.0)
    assert patient.scored(np.array([4.9, 5.0, 6.0, 7.0, 7.1])).tolist() == [
        True, False, False, False, True,
    ]  # fmt: skip
    whole = SimulatedPatient.recorded(room(), recording, 1)
    assert np.diff(patient.internal(np.arange(5.0)), axis=0) == pytest.approx(
        np.diff(whole.internal(5.0 + np.arange(5.0)), axis=0)
    )


def test_start_after_the_end_is_refused():
    with pytest.raises(ValueError, match=r"wave lasts 60 s, but room\.patient\.start_s is 90"):
        SimulatedPatient.recorded(room(start_s=90.0), internal(), 1)


def test_axes_must_be_three_different_ones():
    assert axis_matrix(("-y", "x", "z")) @ [1, 2, 5] == pytest.approx([-2, 1, 5])
    with pytest.raises(ValueError, match="name x, y and z once each"):
        axis_matrix(("x", "-x", "z"))


def test_before_and_after_the_recording_nothing_moves():
    patient = SimulatedPatient.recorded(room(derived=EXACT), internal(), 1)
    ends = patient.internal(np.array([-5.0, 0.0, 60.0, 99.0]))
    assert ends[0].tolist() == ends[1].tolist()
    assert ends[2].tolist() == ends[3].tolist()


@settings(max_examples=40)
@given(
    cut=st.integers(30, 290),
    rate_hz=st.sampled_from([3.0, 5.0, 20.0]),
    which=st.sampled_from(["internal", "external", "both", "markers"]),
    seed=st.integers(0, 10_000),
)
def test_samples_after_a_moment_leave_what_was_two_samples_before_alone(cut, rate_hz, which, seed):
    rng = np.random.default_rng(seed)
    channels = {
        "internal": "int_lr_mm int_si_mm int_ap_mm",
        "external": "ext_mm",
        "both": "int_lr_mm int_si_mm int_ap_mm belt_au",
        "markers": "a_x_mm a_y_mm a_z_mm",
    }[which]
    values = np.cumsum(rng.standard_normal((300, len(channels.split()))), axis=0)
    altered = values.copy()
    altered[cut:] = 100.0 * rng.standard_normal(altered[cut:].shape)
    # All that is normalised must lie before the cut.
    settings_ = room(reference_s=min(30.0, (cut - 3) / rate_hz))
    first, second = (
        SimulatedPatient.recorded(settings_, record(channels, list(v.T), rate_hz), 1)
        for v in (values, altered)
    )
    times = np.linspace(0.0, (cut - 2) / rate_hz, 400)
    assert np.array_equal(first.internal(times), second.internal(times))
    assert np.array_equal(first.belt(times), second.belt(times))
    assert np.array_equal(first.external(times), second.external(times))


def test_between_samples_the_curve_overshoots_nothing():
    _, w = wave()
    joined = curve(np.arange(len(w)) / 5.0, w[:, None])
    fine = joined(np.arange(0.0, 60.0, 0.01))
    assert fine.min() >= w.min()
    assert fine.max() <= w.max()


def test_real_patient_correlates_as_published(data_dir):
    recording = load_recording(data_dir / "interact_lark" / "lark_092.csv")
    patient = SimulatedPatient.recorded(room(), recording, 1)
    times = recording.times_s
    moved, chest = patient.internal(times), patient.belt(times)
    assert np.corrcoef(chest, moved[:, 1])[0, 1] < -0.9
    assert np.corrcoef(chest, moved[:, 2])[0, 1] > 0.9
    assert (~patient.scored(times)).sum() * 0.2 == pytest.approx(4.2, abs=0.3)


def test_generated_patient_is_the_same_for_the_same_seed():
    times = np.arange(0.0, 60.0, 0.1)
    first, same, other = (
        SimulatedPatient.generated(RoomScenario(duration_s=60.0), seed).internal(times)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
