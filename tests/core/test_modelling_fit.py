"""The correlation model is the fit of the shots that count, and says what it was made of."""

import math

import msgspec
import numpy as np
import pytest

from hal.messages import FiducialShot
from tests.core.modelling_parts import (
    KINDS,
    PLAN,
    REST,
    SETTINGS,
    SPAN,
    Placed,
    S,
    add,
    after,
    breathing,
    fiducial_shot,
    first,
    learned,
    model_of,
    only,
    same,
    shot_at,
    state,
    target,
)
from tracker.core.settings import Controller, Correlation, Imager, Session
from tracker.core.target.modelling import Modelling
from tracker.core.types import ModelRefitted, Notice, Observation


def test_the_model_is_the_fit_of_the_shots():
    shots = first()
    modelling = after(shots)
    assert same(modelling.model, [learned(placed) for placed in shots])
    markers = (1.5, -0.5)
    modelling = Modelling(SETTINGS)
    for number, placed in enumerate(shots):
        breathing = msgspec.structs.replace(state(placed), markers_mm=markers)
        modelling.add_shot(fiducial_shot(number, placed), REST, breathing, SPAN)
    assert modelling._shots[-1].markers_mm == markers


def test_only_the_newest_shots_count():
    settings = Controller(correlation=Correlation(models=KINDS, capacity_shots=9))
    shots = first(14)
    modelling = after(shots, settings)
    assert same(modelling.model, [learned(placed) for placed in shots[-9:]])
    assert modelling.complete


def test_only_the_kinds_of_the_settings_are_used():
    kinds = ("linear", "quadratic")
    settings = Controller(correlation=Correlation(models=kinds))
    shots = first()
    model = after(shots, settings).model
    assert same(model, [learned(placed) for placed in shots], kinds=kinds)


def test_a_model_is_complete_with_shots_enough_over_enough_of_the_breath():
    assert not after(first(7)).complete
    assert after(first(8)).complete
    half = [Placed(10.0 + 2.5 * k, (k % 6) / 8.0 + 0.03) for k in range(8)]
    modelling = after(half)
    assert model_of(modelling).phase_coverage == 0.75 == SETTINGS.correlation.phase_coverage
    assert modelling.complete
    less = [Placed(10.0 + 2.5 * k, (k % 5) / 8.0 + 0.03) for k in range(8)]
    assert not after(less).complete


def test_before_there_is_a_model_shots_have_no_residual():
    modelling = Modelling(SETTINGS)
    for number, placed in enumerate(first(6)):
        result = add(modelling, placed, number)
        seen = only(result.outputs, Observation)
        assert (seen.residual_mm is None) == (number < 5)
        assert (result.judged, result.used) == (True, True)
        assert (result.model_wrong, result.model_doubtful, result.drifts) == ("", "", "")
        assert result.agrees
        if number < 4:
            assert result.left_mm == 0.0
            assert len(result.outputs) == 1


def test_an_observation_says_what_was_seen_and_what_the_model_had_said():
    modelling = after(first(9))
    model = model_of(modelling)
    placed = Placed(50.0, 0.2, (0.4, -0.7, 0.9))
    at = state(placed)
    said = model.target_at(at.t_ns, at.amplitude_mm, at.velocity_mm_s, 0.0, 0.0, 0.0).position_mm
    result = add(modelling, placed, 31)
    seen, refitted = result.outputs
    assert isinstance(seen, Observation)
    assert seen.position_mm == pytest.approx(target(placed))
    assert seen.residual_mm == pytest.approx(
        [a - b for a, b in zip(target(placed), said, strict=True)]
    )
    assert (seen.t_ns, seen.exposed_ns, seen.shot_id) == (round(50.3 * S), 50 * S, 31)
    assert (seen.amplitude_mm, seen.velocity_mm_s) == (at.amplitude_mm, at.velocity_mm_s)
    assert seen.used is True
    left = model_of(modelling).target_at(at.t_ns, at.amplitude_mm, at.velocity_mm_s, 0.0, 0.0, 0.0)
    assert result.left_mm == pytest.approx(math.dist(target(placed), left.position_mm))
    assert result.left_mm > 0.05
    assert isinstance(refitted, ModelRefitted)


def test_the_model_is_shown_by_fifteen_points_inhaling_and_exhaling():
    modelling = Modelling(Controller())
    for number, placed in enumerate(first(9)):
        at = state(placed)
        off = (0.1 * at.amplitude_mm**2, -0.05 * at.velocity_mm_s, 0.2 * math.sin(7.0 * number))
        result = add(modelling, placed._replace(off_mm=off), number)
    shown, model = result.outputs[-1], model_of(modelling)
    assert isinstance(shown, ModelRefitted)
    low, high = model.lowest_mm, model.highest_mm
    assert shown.curve_amplitude_mm == pytest.approx(np.linspace(low, high, 15))
    speed = math.sqrt(np.mean([state(placed).velocity_mm_s ** 2 for placed in first(9)]))
    for curve, v in ((shown.curve_inhale_mm, speed), (shown.curve_exhale_mm, -speed)):
        said = [
            model.target_at(model.fitted_ns, y, v, 0.0, 0.0, 0.0).position_mm
            for y in shown.curve_amplitude_mm
        ]
        assert np.array(curve) == pytest.approx(np.array(said))
    assert shown.t_ns == round((first(9)[-1].t_s + 0.3) * S)
    assert shown.kinds == tuple(axis.kind for axis in model.axes)
    assert len(set(shown.kinds)) > 1
    assert shown.loo_rms_mm == tuple(axis.loo_rms_mm for axis in model.axes)
    assert (shown.shots, shown.phase_coverage) == (9, model.phase_coverage)


@pytest.mark.parametrize(
    ("couch", "breathing_", "span", "words"),
    [
        (None, breathing(9.0), SPAN, "shot 7: couch position at exposure unknown"),
        (REST, None, SPAN, "shot 7: breathing state at exposure unknown"),
        (REST, breathing(9.0), None, "shot 7: breathing state at exposure unknown"),
    ],
)
def test_what_is_unknown_at_exposure_is_a_warning(couch, breathing_, span, words):
    result = Modelling(SETTINGS).add_shot(shot_at(7, 9.0), couch, breathing_, span)
    assert result.outputs == [Notice(round(9.3 * S), "warning", words)]
    assert (result.judged, result.used, result.agrees) == (False, False, False)
    assert result.left_mm == 0.0


def test_shots_that_do_not_fit_the_plan_are_a_fault_from_the_second_in_a_row():
    modelling = Modelling(SETTINGS)
    placed = Placed(40.0, 0.2)
    words = []
    for moved in (1, None, 1, 1, 1):
        result = modelling.add_shot(fiducial_shot(30, placed, moved), REST, state(placed), SPAN)
        words.append(result.fiducials_moved)
        assert result.judged == (moved is None)
        if moved is not None:
            notice = only(result.outputs, Notice)
            assert (notice.t_ns, notice.level) == (round(40.3 * S), "warning")
            assert notice.text.startswith("shot 30: fiducials fit the plan to 5.5 mm")
    assert words[:3] == ["", "", ""]
    assert words[3].startswith("2 shots in a row: fiducials fit the plan to 5.5 mm")
    assert words[4].startswith("3 shots in a row: ")
    modelling.forget()
    result = modelling.add_shot(fiducial_shot(30, placed, 1), REST, state(placed), SPAN)
    assert result.fiducials_moved == ""


def test_the_limits_of_the_fiducials_come_from_the_settings():
    placed = Placed(40.0, 0.2)
    turned = FiducialShot(
        "imager", 1, 1, 1, tuple((0.95 * x - 0.31 * y, 0.31 * x + 0.95 * y, z) for x, y, z in PLAN)
    )
    for imager, words in (
        (Imager(rigid_residual_mm=20.0), "turned by 18 degrees, limit 15"),
        (Imager(rotation_deg=20.0, rigid_residual_mm=0.01), "limit 0.01 mm"),
        (Imager(fiducials_mm=PLAN[:2]), "3 fiducials reported, 2 planned"),
    ):
        modelling = Modelling(Controller(imager=imager))
        assert words in str(modelling.add_shot(turned, REST, state(placed), SPAN).outputs)
    lying = Modelling(Controller(session=Session(orientation="FFP")))
    add(lying, placed)
    x, y, z = target(placed)
    shot = FiducialShot("imager", 1, 1, 1, tuple((a + x, -(b + y), -(c + z)) for a, b, c in PLAN))
    seen = only(lying.add_shot(shot, REST, state(placed), SPAN).outputs, Observation)
    assert seen.position_mm == pytest.approx((x, y, z))


def test_shots_without_motion_give_no_model_and_say_so():
    modelling = Modelling(SETTINGS)
    for number in range(8):
        result = add(modelling, Placed(10.0 + number, 0.1), number)
        assert modelling.model is None
        if number < 7:
            assert not any(isinstance(each, Notice) for each in result.outputs)
    notice = only(result.outputs, Notice)
    assert (notice.t_ns, notice.level) == (round(17.3 * S), "warning")
    assert notice.text.startswith("no model: the surrogate moved 0.00 mm")
