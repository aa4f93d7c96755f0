"""What befalls the patient: chest and target together, or the target alone."""

from __future__ import annotations

import numpy as np
import pytest

from sim.patient import SimulatedPatient
from sim.scenario import Breathing, Mishap
from sim.scenario import RoomPatient as PatientSettings
from sim.scenario import RoomScenario as RoomSettings
from tests.sim.mishap_parts import AT_S, END_S, mishap


def patient_with(*befall: Mishap) -> SimulatedPatient:
    return SimulatedPatient.generated(RoomSettings(duration_s=20.0, mishaps=befall), 1)


TIMES = np.arange(0.0, 20.0, 0.01)


def test_hold_stops_the_patients_time():
    held, free = patient_with(mishap("hold", "patient")), patient_with()
    assert np.ptp(held.belt(np.arange(AT_S, END_S, 0.01))) == 0.0
    later = np.arange(END_S, 18.0, 0.1)
    assert held.internal(later) == pytest.approx(free.internal(later - 2.0))


def test_target_shift_is_hidden_from_the_chest():
    shifted, free = patient_with(mishap("target_shift", "patient")), patient_with()
    assert np.array_equal(shifted.belt(TIMES), free.belt(TIMES))
    moved = shifted.internal(TIMES) - free.internal(TIMES)
    assert moved[-1] == pytest.approx([0.0, -3.0, 0.0])


def test_shift_moves_chest_and_target_together():
    shifted, free = patient_with(mishap("shift", "patient")), patient_with()
    assert (shifted.belt(TIMES) - free.belt(TIMES))[-1] == pytest.approx(3.0)
    moved = (shifted.internal(TIMES) - free.internal(TIMES))[-1]
    assert moved == pytest.approx([0.3, -3.0, 0.9])


def test_apnoea_and_sigh_change_the_depth_of_chest_and_target():
    free = patient_with()
    inside = (TIMES > AT_S + 1.0) & (TIMES < END_S - 1.0)
    still = patient_with(mishap("apnoea", "patient", duration_s=6.0))
    at_rest = still.belt(np.arange(AT_S + 1.0, AT_S + 5.0, 0.01))
    assert np.ptp(at_rest) < 1e-9
    deep = patient_with(mishap("sigh", "patient", size=2.5))
    exhaled = at_rest[0]
    assert exhaled == pytest.approx(free.belt(TIMES).min(), abs=0.05 * np.ptp(free.belt(TIMES)))
    from_exhale = free.belt(TIMES)[inside] - exhaled
    assert deep.belt(TIMES)[inside] == pytest.approx(exhaled + 2.5 * from_exhale)
    ends = still.internal(np.array([AT_S + 3.0]))[0]
    assert ends == pytest.approx(free.internal(TIMES)[free.internal(TIMES)[:, 1].argmax()], abs=0.5)
    beyond = free.internal(TIMES)[inside] - ends
    assert deep.internal(TIMES)[inside] == pytest.approx(ends + 2.5 * beyond)


@pytest.mark.parametrize(("kind", "size"), [("apnoea", 1.0), ("sigh", 2.5)])
def test_a_deeper_breath_leaves_the_drift_of_the_baseline_alone(kind, size):
    drifting = PatientSettings(
        breathing=Breathing(chest_drift_mm_min=1.5, target_drift_mm_min=(0.0, -1.5, 0.0))
    )
    befallen = mishap(kind, "patient", at_s=100.0, duration_s=20.0, size=size)
    room = RoomSettings(duration_s=130.0, mishaps=(befallen,), patient=drifting)
    patient = SimulatedPatient.generated(room, 1)
    before, within = np.arange(94.0, 100.0, 0.01), np.arange(101.0, 107.0, 0.01)
    low, high = patient.belt(before).min(), patient.internal(before)[:, 1].max()
    # Both have drifted by 2.5 mm.
    assert patient.belt(within).min() == pytest.approx(low, abs=1.2)
    assert patient.internal(within)[:, 1].max() == pytest.approx(high, abs=1.2)


def test_a_target_that_lags_the_chest_lags_it_when_breath_becomes_deeper_too():
    lag_s = 0.4
    late = Breathing(target_lag_s=(lag_s, lag_s, lag_s), wander_mm=0.0)
    for kind in ("apnoea", "sigh"):
        room = RoomSettings(
            duration_s=20.0,
            mishaps=(mishap(kind, "patient", duration_s=6.0, size=2.5),),
            patient=PatientSettings(breathing=late),
        )
        patient = SimulatedPatient.generated(room, 1)
        chest, target = patient.belt(TIMES - lag_s), patient.internal(TIMES)[:, 1]
        line = np.polynomial.Polynomial.fit(chest[TIMES > 1.0], target[TIMES > 1.0], 1)
        assert target[TIMES > 1.0] == pytest.approx(line(chest[TIMES > 1.0]), abs=0.5), kind


def test_a_period_jump_runs_the_breath_faster_and_goes_on_from_there():
    fast, free = patient_with(mishap("period_jump", "patient", size=2.0)), patient_with()
    during = np.arange(AT_S, END_S, 0.01)
    assert fast.belt(during) == pytest.approx(free.belt(AT_S + 2.0 * (during - AT_S)))
    later = np.arange(END_S, 17.0, 0.1)
    assert fast.internal(later) == pytest.approx(free.internal(later + END_S - AT_S))


def test_phase_shift_and_target_drift_are_hidden_from_the_chest():
    free = patient_with()
    lagging = patient_with(mishap("phase_shift", "patient", size=200.0))
    drifting = patient_with(mishap("target_drift", "patient", size=30.0))
    later = np.arange(END_S, 19.0, 0.1)
    for patient in (lagging, drifting):
        assert np.array_equal(patient.belt(TIMES), free.belt(TIMES))
    assert lagging.internal(later) == pytest.approx(free.internal(later - 0.2))
    moved = drifting.internal(later) - free.internal(later)
    assert moved == pytest.approx(np.tile([0.0, -1.0, 0.0], (len(later), 1)))
