"""The joint model at work in the controller: made of shots, corrected by them, and judged."""

import math

import numpy as np
import pytest

from hal.messages import FiducialShot, ProjectionShot, Triple
from tests.target.breathing_states import SPAN, breathing
from tests.target.test_projection import matrix_at
from tracker.core.settings import Controller, Correlation, Imager, TargetSettings
from tracker.core.target.error_region import radius95_mm
from tracker.core.target.joint.modelling import JointModelling
from tracker.core.target.shot_result import ShotResult
from tracker.core.types import ModelRefitted, Notice, Observation

SECOND = 1_000_000_000
STEP = SECOND // 20
REST: Triple = (0.0, 0.0, 0.0)
SETTINGS = Controller(
    imager=Imager(kind="single", interval_s=1.0),
    target=TargetSettings(model="joint"),
    correlation=Correlation(modelling_shots=12, modelling_interval_s=1.0),
)
TURNS_DEG_S = 4.0


def target_at(t_ns: int) -> np.ndarray:
    return np.array([0.3, -1.5, 0.7]) * breathing(t_ns).amplitude_mm + np.array([2.0, 1.0, -3.0])


class Patient:
    """Feeds a modelling with breathing and with projections from a turning gantry."""

    def __init__(self, settings: Controller = SETTINGS) -> None:
        self.modelling = JointModelling(settings)
        self.now_ns = 0
        self.number = 0

    def breathe(self, seconds: float) -> None:
        for _ in range(round(seconds * SECOND / STEP)):
            self.now_ns += STEP
            self.modelling.remember(breathing(self.now_ns))

    def shot(
        self, off_mm: tuple[float, float, float] = REST, exposed_ns: int | None = None
    ) -> ShotResult:
        """Take a projection now; the target is off its usual way by ``off_mm``."""
        at_ns = self.now_ns if exposed_ns is None else exposed_ns
        self.number += 1
        angle = TURNS_DEG_S * at_ns / SECOND
        matrix = matrix_at(angle)
        places = target_at(at_ns) + np.array(off_mm) + np.array(SETTINGS.imager.fiducials_mm)
        seen = places @ matrix[:, :3].T + matrix[:, 3]
        pairs = tuple((x, y) for x, y in (seen[:, :2] / seen[:, 2:]).tolist())
        numbers = tuple(matrix.ravel().tolist())
        shot = ProjectionShot("imager", at_ns, at_ns, self.number, numbers, pairs, angle)
        return self.modelling.add_shot(shot, REST, breathing(at_ns), SPAN)

    def track(self, shots: int) -> list[ShotResult]:
        results: list[ShotResult] = []
        for _ in range(shots):
            self.breathe(1.1)
            results.append(self.shot())
        return results

    def error_mm(self) -> float:
        now = breathing(self.now_ns)
        model = self.modelling.model
        assert model is not None
        said = model.target_at(self.now_ns, now.amplitude_mm, now.velocity_mm_s, 0.0, 0.0, 0.0)
        return math.dist(said.position_mm, target_at(self.now_ns).tolist())


def test_the_model_is_made_once_there_are_enough_shots_over_the_breath() -> None:
    patient = Patient()
    results = patient.track(12)
    assert not any(type(o) is ModelRefitted for r in results[:-1] for o in r.outputs)
    assert patient.modelling.complete
    assert [type(o) for o in results[-1].outputs] == [ModelRefitted, Observation]
    assert patient.error_mm() < 0.5


def test_a_made_model_follows_and_knows_the_velocity() -> None:
    patient = Patient()
    patient.track(25)
    patient.breathe(0.7)
    now = breathing(patient.now_ns)
    model = patient.modelling.model
    assert model is not None
    said = model.target_at(patient.now_ns, now.amplitude_mm, now.velocity_mm_s, 0.0, 0.0, 0.0)
    assert math.dist(said.position_mm, target_at(patient.now_ns).tolist()) < 0.3
    expected = np.array([0.3, -1.5, 0.7]) * now.velocity_mm_s
    np.testing.assert_allclose(said.velocity_mm_s, expected, atol=0.15 * np.abs(expected).max())
    assert radius95_mm(said.variance_mm2) < 2.0


def test_a_shot_far_off_holds_and_a_near_one_ends_it() -> None:
    patient = Patient()
    patient.track(20)
    patient.breathe(1.1)
    far = patient.shot((0.0, 8.0, 0.0))
    assert "mm off the model, limit 5 mm" in far.model_wrong
    assert not far.agrees
    later = patient.track(6)[-1]
    assert later.model_wrong == later.model_doubtful == ""
    assert later.agrees


def test_a_target_that_has_moved_is_followed() -> None:
    patient = Patient()
    patient.track(20)
    results: list[ShotResult] = []
    for _ in range(8):
        patient.breathe(1.1)
        results.append(patient.shot((0.0, 6.0, 0.0)))
    assert results[0].model_wrong
    assert results[-1].agrees
    assert patient.error_mm() == pytest.approx(6.0, abs=0.5)


def test_an_older_shot_after_a_newer_one_is_not_used() -> None:
    patient = Patient()
    patient.track(15)
    before = patient.error_mm()
    late = patient.shot(exposed_ns=patient.now_ns - SECOND)
    assert not late.used
    (notice,) = late.outputs
    assert isinstance(notice, Notice)
    assert "exposed before the last one used" in notice.text
    assert patient.error_mm() == before


def test_located_pairs_make_the_model_as_well() -> None:
    patient = Patient()
    for number in range(1, 14):
        patient.breathe(1.1)
        places = target_at(patient.now_ns) + np.array(SETTINGS.imager.fiducials_mm)
        found = tuple((x, y, z) for x, y, z in places.tolist())
        shot = FiducialShot("imager", patient.now_ns, patient.now_ns, number, found)
        result = patient.modelling.add_shot(shot, REST, breathing(patient.now_ns), SPAN)
        assert result.used
    assert patient.modelling.complete
    assert patient.error_mm() < 0.5


def test_two_shots_in_a_row_that_fit_no_plan_are_a_fault() -> None:
    patient = Patient()
    patient.track(15)
    matrix = tuple(matrix_at(0.0).ravel().tolist())
    wrong = ((0.0, 0.0), (30.0, 0.0), (0.0, 30.0))
    results: list[ShotResult] = []
    for number in (100, 101):
        patient.breathe(1.1)
        shot = ProjectionShot("imager", patient.now_ns, patient.now_ns, number, matrix, wrong, 0.0)
        results.append(patient.modelling.add_shot(shot, REST, breathing(patient.now_ns), SPAN))
    assert results[0].fiducials_moved == ""
    assert "2 shots in a row: fiducials fit the plan to" in results[1].fiducials_moved
    assert not results[1].judged


def test_without_a_breathing_state_a_shot_says_nothing() -> None:
    modelling = JointModelling(SETTINGS)
    matrix = tuple(matrix_at(0.0).ravel().tolist())
    shot = ProjectionShot("imager", 1, 1, 1, matrix, ((0.0, 0.0),) * 3, 0.0)
    result = modelling.add_shot(shot, REST, None, None)
    assert not result.judged
    assert len(result.outputs) == 1


def test_forgetting_begins_anew() -> None:
    patient = Patient()
    patient.track(14)
    patient.modelling.forget()
    assert patient.modelling.model is None
    assert not patient.modelling.complete


def test_how_far_the_breath_is_outside_the_range_of_the_shots() -> None:
    patient = Patient()
    patient.track(14)
    model = patient.modelling.model
    assert model is not None
    assert model.extrapolation(0.0) == 0.0
    assert model.extrapolation(8.0, 8.0) == pytest.approx(0.5, abs=0.06)
