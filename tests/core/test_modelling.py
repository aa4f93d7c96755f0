"""Modelling: exceptions are set aside, real jumps are followed, bad shots are refused in words."""

import math
from collections import deque
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
import pytest

from hal.messages import FiducialShot
from tracker.core.settings import Controller, Correlation, Imager, Session
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target.correlation import CorrelationModel, Shot, fit
from tracker.core.target.modelling import Modelling, near
from tracker.core.target.target_state import TargetState
from tracker.core.types import ModelRefitted, Notice, Observation

S = 1_000_000_000
SPAN = BreathingRange(0.0, 5.0, 8.0)
PLAN = Controller().imager.fiducials_mm
REST = (0.0, 0.0, 0.0)


def breathing(t_s):
    phase = 2 * math.pi * t_s / 4
    return BreathingState(
        round(t_s * S), 5 * math.sin(phase), 7.85 * math.cos(phase), 0.0, 0.0, 0.0, ()
    )


def shot_at(number, t_s, offset=REST, couch=REST, moved=None):
    y = breathing(t_s).amplitude_mm
    target = (0.2 * y + offset[0], -2.0 * y + offset[1], 0.7 * y + offset[2])
    fiducials = []
    for index, plan in enumerate(PLAN):
        extra = 6.0 if index == moved else 0.0
        x, y_, z = (a + b + c for a, b, c in zip(plan, target, couch, strict=True))
        fiducials.append((x + extra, y_, z))
    return FiducialShot("imager", round((t_s + 0.3) * S), round(t_s * S), number, tuple(fiducials))


def modelled(count=10):
    modelling = Modelling(Controller())
    for k in range(count):
        t = 10.0 + 2.3 * k
        taken = modelling.add_shot(shot_at(k, t), REST, breathing(t), SPAN)
        assert taken.used
    assert modelling.complete
    return modelling


def test_shots_make_a_model_that_says_where_the_target_is():
    modelling = modelled()
    assert modelling.model is not None
    state = breathing(41.3)
    said = (
        model_of(modelling)
        .target_at(41 * S, state.amplitude_mm, state.velocity_mm_s, 0.0, 0.0, 0.0)
        .position_mm
    )
    assert said[1] == pytest.approx(-2.0 * state.amplitude_mm, abs=0.3)


def test_couch_motion_is_taken_off_a_shot():
    modelling = Modelling(Controller())
    couch = (3.0, -11.0, 2.0)
    taken = modelling.add_shot(shot_at(1, 10.0, couch=couch), couch, breathing(10.0), SPAN)
    (seen,) = [o for o in taken.outputs if isinstance(o, Observation)]
    assert seen.position_mm == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


def test_few_shots_or_one_phase_are_not_enough():
    modelling = Modelling(Controller())
    for k in range(6):
        t = 10.0 + 2.3 * k
        modelling.add_shot(shot_at(k, t), REST, breathing(t), SPAN)
    assert not modelling.complete
    alike = Modelling(Controller())
    for k in range(12):
        t = 10.0 + 4.05 * k
        alike.add_shot(shot_at(k, t), REST, breathing(t), SPAN)
    assert not alike.complete


def test_one_exception_is_put_aside_and_dropped():
    modelling = modelled()
    before = model_of(modelling)
    odd = modelling.add_shot(shot_at(20, 40.0, (0.0, 9.0, 0.0)), REST, breathing(40.0), SPAN)
    assert odd.judged
    assert not odd.used
    assert "shot 20" in odd.model_wrong
    assert modelling.model is before
    elsewhere = modelling.add_shot(shot_at(21, 42.0), REST, breathing(42.0), SPAN)
    assert elsewhere.used
    assert "elsewhere in the breath" in elsewhere.model_wrong
    assert not elsewhere.agrees
    fine = modelling.add_shot(shot_at(22, 44.2), REST, breathing(44.2), SPAN)
    assert fine.used
    assert fine.model_wrong == ""
    assert modelling.suspect_phase is None


def test_wider_breaths_do_not_let_a_wrong_shot_pass():
    modelling = modelled()
    wide = BreathingRange(0.0, 20.0, 8.0)
    assert modelling.add_shot(shot_at(19, 37.0), REST, breathing(37.0), wide).used
    assert not modelling.complete  # of the wider breath the shots cover too few parts
    odd = modelling.add_shot(shot_at(20, 40.0, (0.0, 9.0, 0.0)), REST, breathing(40.0), wide)
    assert not odd.used
    assert "shot 20" in odd.model_wrong


def test_a_real_jump_is_taken_when_a_second_shot_agrees():
    modelling = modelled()
    jump = (0.0, 9.0, 0.0)
    for k, t in enumerate((40.0, 43.1)):
        taken = modelling.add_shot(shot_at(20 + k, t, jump), REST, breathing(t), SPAN)
    assert taken.used
    assert taken.model_wrong  # one more must agree
    confirmed = modelling.add_shot(shot_at(22, 45.7, jump), REST, breathing(45.7), SPAN)
    assert confirmed.used
    assert confirmed.model_wrong == ""


def test_a_relation_that_changed_makes_the_model_anew():
    modelling = modelled()
    said = []
    for k in range(16):
        t = 40.0 + 2.3 * k
        # Late by a quarter of a breath: off one way inhaling, the other way exhaling.
        late = -2.0 * (breathing(t - 1.0).amplitude_mm - breathing(t).amplitude_mm)
        taken = modelling.add_shot(shot_at(20 + k, t, (0.0, late, 0.0)), REST, breathing(t), SPAN)
        said.append(taken.model_wrong)
    first = next(k for k, words in enumerate(said) if "made anew" in words)
    assert first <= 4
    assert said[-1] == ""
    assert taken.agrees
    assert modelling.complete


def test_a_doubtful_shot_warns_and_is_used():
    modelling = modelled()
    taken = modelling.add_shot(shot_at(20, 40.0, (0.0, 4.0, 0.0)), REST, breathing(40.0), SPAN)
    assert taken.used
    assert "4.0 mm" in taken.model_doubtful


def test_what_is_not_known_at_exposure_is_said():
    modelling = Modelling(Controller())
    blind = modelling.add_shot(shot_at(1, 9.0), None, breathing(9.0), SPAN)
    assert "couch position" in str(blind.outputs)
    assert "breathing state" in str(modelling.add_shot(shot_at(1, 9.0), REST, None, SPAN).outputs)


def test_two_shots_with_moved_fiducials_are_a_fault():
    modelling = modelled()
    first = modelling.add_shot(shot_at(30, 40.0, moved=1), REST, breathing(40.0), SPAN)
    assert first.fiducials_moved == ""
    assert not first.judged
    second = modelling.add_shot(shot_at(31, 43.1, moved=1), REST, breathing(43.1), SPAN)
    assert "2 shots" in second.fiducials_moved


def test_what_shots_find_too_small_is_made_larger():
    """Shots that keep missing by three standard deviations widen the region; near ones do not."""

    def variance_after(offset_mm):
        modelling = modelled(12)
        for k in range(8):
            t = 40.0 + 2.3 * k
            off = (0.0, offset_mm * (-1) ** k, 0.0)
            modelling.add_shot(shot_at(20 + k, t, off), REST, breathing(t), SPAN)
        state = breathing(60.0)
        assert modelling.model is not None
        return (
            model_of(modelling)
            .target_at(round(60.0 * S), state.amplitude_mm, state.velocity_mm_s, 0.0, 0.0, 0.0)
            .variance_mm2
        )

    left, _, _ = variance_after(0.2)
    wider, _, _ = variance_after(2.0)
    assert wider > 1.5 * left  # the axis that never missed: only the inflation widens it


# The model is the fit of the shots that count -----------------------------------------------------

Kind = TypeVar("Kind")
KINDS = ("velocity",)
SETTINGS = Controller(correlation=Correlation(models=KINDS))
"""One kind, which fits the targets of these tests exactly, and is quickly fitted."""


class Placed(NamedTuple):
    """A shot at a phase of the breath (0 to 1, from the middle inhaling), off the true target."""

    t_s: float
    phase: float
    off_mm: tuple[float, float, float] = REST


def state(placed):
    angle = 2.0 * math.pi * placed.phase
    return BreathingState(
        round(placed.t_s * S), 5.0 * math.sin(angle), 8.0 * math.cos(angle), 0.0, 0.0, 0.0, ()
    )


def target(placed):
    """Linear in amplitude and velocity, so that the first model fits every shot that is not off."""
    y, v = state(placed).amplitude_mm, state(placed).velocity_mm_s
    x, y_, z = placed.off_mm
    return (0.3 * y + 0.1 * v + x, -2.0 * y + 0.05 * v + y_ + 1.0, 0.7 * y - 0.1 * v + z - 2.0)


def fiducial_shot(number, placed, moved=None):
    fiducials = [tuple(a + b for a, b in zip(p, target(placed), strict=True)) for p in PLAN]
    if moved is not None:
        x, y, z = fiducials[moved]
        fiducials[moved] = (x + 6.0, y, z)
    return FiducialShot(
        "imager", round((placed.t_s + 0.3) * S), round(placed.t_s * S), number, tuple(fiducials)
    )


def learned(placed, epoch=0):
    """The shot as the model should learn it."""
    at = state(placed)
    return Shot(at.t_ns, at.amplitude_mm, at.velocity_mm_s, target(placed), epoch, ())


def first(count=8):
    """Shots over the whole breath, one every 2.5 s."""
    return [Placed(10.0 + 2.5 * k, 0.03 + 0.375 * k % 1.0) for k in range(count)]


def add(modelling, placed, number=99, span=SPAN):
    return modelling.add_shot(fiducial_shot(number, placed), REST, state(placed), span)


def after(shots, settings=SETTINGS):
    modelling = Modelling(settings)
    for number, placed in enumerate(shots):
        assert add(modelling, placed, number).used
    return modelling


def model_of(modelling) -> CorrelationModel:
    assert modelling.model is not None
    return modelling.model


def only(outputs, kind: type[Kind]) -> Kind:
    """The one output of a kind."""
    (found,) = (each for each in outputs if isinstance(each, kind))
    return found


def same(model, shots, inflation=1.0, kinds=KINDS, span=SPAN):
    """Tell whether a model is the fit of these shots."""
    expected = fit(shots, kinds, span, inflation)
    at = (shots[-1].exposed_ns + 5 * S, 1.0, 3.0, 0.1, 0.1, 0.0)
    ours, theirs = (msgspec.structs.astuple(each.target_at(*at)) for each in (model, expected))
    return (
        all(np.allclose(a, b, rtol=1e-6) for a, b in zip(ours, theirs, strict=True))
        and model.shots == expected.shots
        and model.phase_coverage == expected.phase_coverage
    )


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


# Shots that are off ------------------------------------------------------------------------------


def residual_of(modelling, placed):
    """How far a shot is off the model along y."""
    at = state(placed)
    said = model_of(modelling).target_at(at.t_ns, at.amplitude_mm, at.velocity_mm_s, 0.0, 0.0, 0.0)
    return tuple(a - b for a, b in zip(target(placed), said.position_mm, strict=True))


def off_by(modelling, placed, residual_mm):
    """The shot with exactly this residual."""
    now = residual_of(modelling, placed)
    off = tuple(a - b for a, b in zip(residual_mm, now, strict=True))
    return placed._replace(off_mm=off)


def say(modelling, residual_mm, variance_mm2=(1.0, 1.0, 1.0)):
    """Let the model say for every shot what leaves this residual, with this variance."""
    modelling._expected = lambda new: TargetState(
        tuple(a - b for a, b in zip(new.target_mm, residual_mm, strict=True)), REST, variance_mm2
    )


def test_a_shot_is_doubtful_over_three_millimetres_and_wrong_over_five():
    for off_mm, doubtful, wrong in (
        (2.999, "", ""),
        (3.001, "shot 99 is 3.0 mm off the model, limit 3 mm", ""),
        (4.999, "shot 99 is 5.0 mm off the model, limit 3 mm", ""),
        (5.001, "", "shot 99 is 5.0 mm off the model, limit 5 mm"),
    ):
        modelling = after(first(9))
        share = off_mm / 3.0
        placed = off_by(modelling, Placed(40.0, 0.2), (2.0 * share, -2.0 * share, share))
        result = add(modelling, placed)
        assert (result.model_doubtful, result.model_wrong) == (doubtful, wrong)
        assert result.used == (not wrong)
        assert result.agrees == (off_mm < 3.0)


def test_a_limit_itself_is_not_over_it():
    limit = 4.25
    settings = Controller(
        correlation=Correlation(models=KINDS, residual_rebuild_mm=limit, residual_hold_mm=limit)
    )
    modelling = after(first(9), settings)
    say(modelling, (0.0, limit, 0.0))
    result = add(modelling, Placed(40.0, 0.25))
    assert (result.model_doubtful, result.model_wrong, result.agrees) == ("", "", True)


def test_while_the_first_model_is_made_no_shot_is_judged():
    modelling = after(first(5))
    result = add(modelling, Placed(30.0, 0.2, (0.0, 30.0, 0.0)))
    assert (result.used, result.model_wrong, result.model_doubtful) == (True, "", "")
    assert result.drifts == ""
    assert modelling._surprises == deque()


def test_a_shot_far_off_is_set_aside_and_does_not_change_the_model():
    modelling = after(first(9))
    before = model_of(modelling)
    assert modelling.suspect_phase is None
    placed = Placed(40.0, 0.2, (0.0, 9.0, 0.0))
    result = add(modelling, placed)
    assert modelling.model is before
    assert modelling.suspect_phase == SPAN.phase(
        state(placed).amplitude_mm, state(placed).velocity_mm_s
    )
    seen = only(result.outputs, Observation)
    assert seen.used is False
    assert (result.used, result.agrees, result.left_mm) == (False, False, 0.0)


def test_a_shot_that_fits_from_the_same_part_of_the_breath_drops_the_one_set_aside():
    shots = first(9)
    modelling = after(shots)
    add(modelling, Placed(40.0, 0.2, (0.0, 9.0, 0.0)))
    elsewhere, near_it = Placed(43.0, 0.6), Placed(46.0, 0.22)
    result = add(modelling, elsewhere, 50)
    assert result.model_wrong == "shot 50 fits the model, but elsewhere in the breath"
    assert (result.used, result.agrees) == (True, False)
    assert modelling.suspect_phase is not None
    result = add(modelling, near_it, 51)
    words = "shot 51 fits the model; the one that did not is dropped"
    assert result.outputs[0] == Notice(round(46.3 * S), "info", words)
    assert (result.model_wrong, result.agrees) == ("", True)
    assert modelling.suspect_phase is None
    assert [shot.epoch for shot in modelling._shots] == [0] * 11
    assert same(
        modelling.model,
        [learned(placed) for placed in (*shots, elsewhere, near_it)],
        _inflation_of(modelling),
    )


def test_a_shot_is_compared_with_what_amplitude_velocity_and_markers_say():
    settings = Controller(correlation=Correlation(models=("pls",), phase_coverage=0.0))
    modelling = Modelling(settings)
    for number, placed in enumerate(first(10)):
        at = state(placed)
        own = 3.0 * math.sin(1.7 * number)
        breathing = msgspec.structs.replace(
            at, markers_mm=(at.amplitude_mm + 0.2 * at.velocity_mm_s, own)
        )
        placed = placed._replace(off_mm=(0.0, 0.6 * own, 0.0))
        model = modelling.model
        result = modelling.add_shot(fiducial_shot(number, placed), REST, breathing, SPAN)
    seen = only(result.outputs, Observation)
    assert model is not None
    y, v = seen.amplitude_mm, seen.velocity_mm_s
    apart = model.apart(y, v, breathing.markers_mm)
    assert np.abs(apart).min() > 0.01
    said = model.target_at(seen.exposed_ns, y, v, 0.0, 0.0, 0.0, apart)
    off = np.array(seen.position_mm) - said.position_mm
    assert seen.residual_mm == pytest.approx(off)
    # Its surprise: the mean square of the residual by what the model was unsure of.
    expected = min(9.0, np.mean(off**2 / said.variance_mm2))
    assert modelling._surprises[-1] == pytest.approx(expected)


def _inflation_of(modelling):
    surprises = modelling._surprises
    return 1.0 if len(surprises) < 4 else max(1.0, sum(surprises) / len(surprises))


def test_two_shots_off_the_same_way_are_a_new_epoch_of_the_baseline():
    shots = first(9)
    modelling = after(shots)
    one, two = Placed(40.0, 0.2, (1.0, 9.0, 0.0)), Placed(43.0, 0.7, (-1.0, 9.0, 0.5))
    add(modelling, one)
    result = add(modelling, two)
    assert result.used
    assert "limit 5 mm" in result.model_wrong
    assert modelling.suspect_phase is None
    counted = [*(learned(placed) for placed in shots), learned(one, 1), learned(two, 1)]
    assert same(modelling.model, counted)  # how far off they were says nothing of the variances
    third = Placed(46.0, 0.4, (0.0, 9.0, 0.0))
    assert add(modelling, third).model_wrong == ""
    latest = modelling._shots[-1].epoch
    for k in range(2):
        add(modelling, off_by(modelling, Placed(50.0 + 3 * k, 0.1 + 0.3 * k), (0.0, 9.0, 0.0)))
    assert [shot.epoch for shot in modelling._shots[-2:]] == [latest + 1] * 2


@pytest.mark.parametrize("second", [(0.0, -9.0, 0.0), (9.0, 0.0, 0.0)])
def test_two_shots_off_in_opposite_directions_make_the_model_anew(second):
    """Or at a right angle: the two share no shift of the baseline."""
    modelling = after(first(9))
    before = model_of(modelling)
    say(modelling, (0.0, 8.0, 0.0))
    add(modelling, Placed(40.0, 0.2))
    say(modelling, second)
    result = add(modelling, Placed(43.0, 0.7))
    del modelling._expected
    assert "limit 5 mm" in result.model_wrong
    assert len(modelling._shots) == 2
    assert modelling.model is before
    for k in range(8):
        placed = Placed(46.0 + 2.5 * k, 0.06 + 0.375 * k % 1.0)
        result = add(modelling, placed, k)
        expected = "" if k == 7 else f"the model is made anew, of {k + 2} shots so far"
        if k < 7:
            assert result.model_wrong == expected
            assert (result.used, result.agrees) == (True, False)
            assert result.drifts == ""
    assert modelling.complete


def test_shots_at_a_slant_do_share_a_shift():
    modelling = after(first(9))
    add(modelling, off_by(modelling, Placed(40.0, 0.2), (0.0, 8.0, 0.0)))
    add(modelling, off_by(modelling, Placed(43.0, 0.7), (8.0, 0.1, 0.0)))
    assert len(modelling._shots) == 11


def test_a_drift_rebuilds_the_baseline_from_its_last_two_shots():
    shots = first(9)
    modelling = after(shots)
    one = off_by(modelling, Placed(40.0, 0.2), (0.0, 2.2, 0.0))
    assert add(modelling, one).drifts == ""
    two = off_by(modelling, Placed(43.0, 0.6), (0.0, 2.2, 0.0))
    result = add(modelling, two)
    assert result.drifts == (
        "2 shots in a row off toward +superior, the last by 2.2 mm; limit 2 mm on two"
    )
    assert [shot.epoch for shot in modelling._shots] == [0] * 9 + [1, 1]
    counted = [*(learned(placed) for placed in shots), learned(one, 1), learned(two, 1)]
    assert same(modelling.model, counted)
    again = add(modelling, off_by(modelling, Placed(46.0, 0.4), (0.0, 0.0, 0.0)))
    assert again.drifts == result.drifts
    assert modelling._shots[-1].epoch == 1
    for k in range(2):
        add(modelling, off_by(modelling, Placed(50.0 + 3 * k, 0.1 + 0.3 * k), (0.0, 2.2, 0.0)))
    assert [shot.epoch for shot in modelling._shots[-2:]] == [2, 2]


def test_a_confirmed_jump_ends_what_was_taken_for_a_drift():
    modelling = after(first(9))
    add(modelling, off_by(modelling, Placed(40.0, 0.2), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(43.0, 0.6), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(46.0, 0.1), (0.0, 9.0, 0.0)))
    modelling._drift.found = "something"
    result = add(modelling, off_by(modelling, Placed(49.0, 0.5), (0.0, 9.0, 0.0)))
    assert result.drifts == ""


# Variances that prove too small ------------------------------------------------------------------


def surprised(residuals_mm, variance=(0.09, 0.36, 0.81)):
    """The inflation after shots with these residuals from a model with this variance."""
    modelling = after(first(9))
    modelling._surprises.clear()
    for k, residual in enumerate(residuals_mm):
        say(modelling, residual, variance)
        placed = Placed(40.0 + 2.5 * k, 0.375 * k % 1.0)
        add(modelling, placed)
    at = (model_of(modelling).fitted_ns, 1.0, 3.0, 0.0, 0.0, 0.0)
    plain = fit(modelling._shots, KINDS, SPAN)
    ours, theirs = (each.target_at(*at).variance_mm2 for each in (model_of(modelling), plain))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 3)
    return ratios[0]


def test_variances_grow_by_the_mean_square_of_residuals_over_their_sigma():
    one = (0.45, -0.9, 0.0)  # 2.25 + 2.25 + 0, a third of it: 1.5
    two = (-0.45, 0.9, 1.35)  # 2.25
    assert surprised([one] * 3) == pytest.approx(1.0)  # too few to tell
    assert surprised([one] * 4) == pytest.approx(1.5)
    assert surprised([one, two, one, two]) == pytest.approx(1.875)
    assert surprised([(0.03, 0.06, 0.09)] * 4) == pytest.approx(1.0)  # never smaller


def test_the_last_eight_shots_tell():
    small, large = (0.0, 0.0, 0.0), (0.45, -0.9, 1.35)
    assert surprised([large, *[small] * 7]) == pytest.approx(1.0)
    assert surprised([small] * 2 + [large] * 8) == pytest.approx(2.25)
    assert surprised([large] * 4 + [small] * 4) == pytest.approx(1.125)


def test_a_confirmed_jump_ends_what_was_learned_of_the_variances():
    modelling = after(first(9))
    for k in range(4):
        say(modelling, (0.0, 2.0 * (-1) ** k, 0.0), (0.5, 0.5, 0.5))
        add(modelling, Placed(40.0 + 2.5 * k, 0.375 * k % 1.0))
    assert _inflation_of(modelling) > 2.0
    say(modelling, (0.0, 9.0, 0.0))
    add(modelling, Placed(52.0, 0.2))
    assert add(modelling, Placed(55.0, 0.7)).used
    assert modelling._surprises == deque()
    plain = fit(modelling._shots, KINDS, SPAN)
    at = (plain.fitted_ns, 1.0, 3.0, 0.0, 0.0, 0.0)
    assert model_of(modelling).target_at(*at).variance_mm2 == plain.target_at(*at).variance_mm2


def test_a_shot_that_no_model_can_judge_is_not_off_by_anything():
    strict = Correlation(models=KINDS, residual_rebuild_mm=0.5, residual_hold_mm=0.8)
    result = add(Modelling(Controller(correlation=strict)), first()[0])
    assert (result.used, result.model_doubtful, result.model_wrong) == (True, "", "")
    assert result.agrees


def test_one_shot_counts_nine_at_most():
    assert surprised([(2.0, 0.0, 0.0)] * 4, (0.1, 1.0, 1.0)) == pytest.approx(9.0)
    assert surprised([(2.0, 0.0, 0.0)] * 4, (0.15, 1.0, 1.0)) == pytest.approx(4.0 / 0.45)


# Starting again, and phases ----------------------------------------------------------------------


def test_forgetting_is_like_a_new_start():
    modelling = after(first(9))
    add(modelling, off_by(modelling, Placed(40.0, 0.2), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(43.0, 0.6), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(46.0, 0.1), (0.0, 9.0, 0.0)))
    modelling.forget()
    assert (modelling.model, modelling.suspect_phase, modelling.complete) == (None, None, False)
    new = Modelling(SETTINGS)
    shots = [*first(9), Placed(40.0, 0.2, (0.0, 4.0, 0.0)), Placed(43.0, 0.3, (0.0, -2.0, 0.0))]
    for number, placed in enumerate(shots):
        assert str(add(modelling, placed, number)) == str(add(new, placed, number))
    assert modelling._shots == new._shots
    assert modelling._surprises == new._surprises
    for k, off in enumerate(((0.0, 8.0, 0.0), (0.0, -8.0, 0.0))):
        add(modelling, off_by(modelling, Placed(50.0 + k, 0.2), off))
    modelling.forget()  # while a model is made anew
    for number, placed in enumerate(first(9)):
        assert add(modelling, placed, number).model_wrong == ""


@pytest.mark.parametrize(
    ("phase", "other", "expected"),
    [
        (0.5, 0.5, True),
        (0.5, 0.649, True),
        (0.5, 0.651, False),
        (0.351, 0.5, True),
        (0.349, 0.5, False),
        (0.95, 0.09, True),
        (0.09, 0.95, True),
        (0.95, 0.11, False),
        (0.15, 0.0, True),
        (0.0, 0.5, False),
    ],
)
def test_near_is_fifteen_hundredths_of_the_cycle_around_its_end_too(phase, other, expected):
    assert near(phase, other) is expected
