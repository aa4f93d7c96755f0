"""Regular exposures: on a grid, several in flight, sooner in doubt, and never without an end."""

import pytest

from tests.target.breathing_states import SPAN, breathing
from tracker.core.settings import Controller, Correlation, Imager
from tracker.core.target.regular_exposure import RegularImaging

SECOND = 1_000_000_000
TICK = SECOND // 100
SETTINGS = Controller(
    imager=Imager(kind="single", interval_s=0.2, answer_within_s=1.0),
    correlation=Correlation(modelling_interval_s=1.0),
)


def run(
    imaging: RegularImaging, until_s: float, *, modelling: bool = False, rebuild: bool = False
) -> list[float]:
    """When shots are asked for, in seconds, with a tick every 10 ms."""
    asked: list[float] = []
    for now_ns in range(0, round(until_s * SECOND), TICK):
        shot = imaging.next_shot(
            now_ns, breathing(now_ns), SPAN, modelling=modelling, rebuild=rebuild
        )
        if shot is not None:
            assert shot == len(asked) + 1
            asked.append(now_ns / SECOND)
    return asked


def test_shots_are_taken_at_the_interval_while_others_are_on_their_way() -> None:
    asked = run(RegularImaging(SETTINGS), 1.0)
    assert asked == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])


def test_modelling_has_an_interval_of_its_own() -> None:
    assert run(RegularImaging(SETTINGS), 3.0, modelling=True) == pytest.approx([0.0, 1.0, 2.0])


def test_in_doubt_shots_come_twice_as_often() -> None:
    assert run(RegularImaging(SETTINGS), 0.35, rebuild=True) == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_an_operator_gets_a_shot_at_once() -> None:
    imaging = RegularImaging(SETTINGS)
    assert imaging.next_shot(0, breathing(0), None, modelling=False, rebuild=False) == 1
    imaging.request_shot()
    assert imaging.next_shot(TICK, breathing(0), None, modelling=False, rebuild=False) == 2


def test_a_late_tick_does_not_move_the_grid() -> None:
    imaging = RegularImaging(SETTINGS)
    for now_ns in (0, round(0.25 * SECOND), round(0.4 * SECOND)):
        assert imaging.next_shot(now_ns, breathing(0), None, modelling=False, rebuild=False)


def test_nothing_is_exposed_for_a_model_before_the_breathing_is_known() -> None:
    imaging = RegularImaging(SETTINGS)
    for state, span in ((None, SPAN), (breathing(0), None)):
        assert imaging.next_shot(0, state, span, modelling=True, rebuild=False) is None


@pytest.mark.parametrize(
    ("exposed_ms", "arrived_ms", "wrong"), [(10, 300, False), (-100, 300, True), (400, 300, True)]
)
def test_the_exposure_lies_between_request_and_arrival(
    exposed_ms: int, arrived_ms: int, *, wrong: bool
) -> None:
    imaging = RegularImaging(SETTINGS)
    assert imaging.next_shot(SECOND, breathing(0), None, modelling=False, rebuild=False) == 1
    said = imaging.answered(1, SECOND + exposed_ms * 1_000_000, SECOND + arrived_ms * 1_000_000)
    assert bool(said) == wrong


def test_an_unreadable_image_is_the_oldest_waited_for() -> None:
    imaging = RegularImaging(SETTINGS)
    assert not imaging.shot_unreadable()
    assert imaging.next_shot(0, breathing(0), None, modelling=False, rebuild=False) == 1
    assert imaging.shot_unreadable()
    assert not imaging.shot_unreadable()


def test_shots_that_used_and_agreed_are_remembered_until_the_next_model() -> None:
    imaging = RegularImaging(SETTINGS)
    imaging.shot_used(5, drifting=False)
    imaging.shot_agreed(7)
    assert (imaging.last_used_ns, imaging.agreed_ns) == (5, 7)
    imaging.forget()
    assert (imaging.last_used_ns, imaging.agreed_ns) == (-1, -1)


# Limits, to the nanosecond -----------------------------------------------------------------------

SLOW = Controller(
    imager=Imager(kind="single", interval_s=20.0, drift_interval_s=10.0, answer_within_s=1.0),
    correlation=Correlation(modelling_interval_s=30.0),
)


def tick(imaging: RegularImaging, at_s: float, *, modelling: bool = False, early: int = 0) -> bool:
    """Whether a shot is asked for at a moment, or some nanoseconds before it."""
    now_ns = round(at_s * SECOND) - early
    shot = imaging.next_shot(now_ns, breathing(now_ns), SPAN, modelling=modelling, rebuild=False)
    return shot is not None


def test_nothing_was_used_or_agreed_at_first() -> None:
    imaging = RegularImaging(SETTINGS)
    assert (imaging.last_used_ns, imaging.agreed_ns) == (-1, -1)


@pytest.mark.parametrize(
    ("modelling", "drifting", "interval_s"),
    [(False, False, 20.0), (False, True, 10.0), (True, False, 30.0), (True, True, 30.0)],
)
def test_a_shot_is_due_after_its_interval_and_not_before(
    interval_s: float, *, modelling: bool, drifting: bool
) -> None:
    imaging = RegularImaging(SLOW)
    assert tick(imaging, 0.0, modelling=modelling)
    imaging.shot_used(5, drifting=drifting)
    assert not tick(imaging, interval_s, modelling=modelling, early=1)
    assert tick(imaging, interval_s, modelling=modelling)


def test_a_drift_never_makes_shots_rarer_and_ends_with_its_cause() -> None:
    imaging = RegularImaging(SETTINGS)  # whose interval for a drift is the longer one
    imaging.shot_used(5, drifting=True)
    assert run(imaging, 0.5) == pytest.approx([0.0, 0.2, 0.4])
    calm = RegularImaging(SLOW)
    assert tick(calm, 0.0)
    assert not tick(calm, 10.0)
    for ends in (RegularImaging.forget, lambda each: each.shot_used(5, drifting=False)):
        imaging = RegularImaging(SLOW)
        assert tick(imaging, 0.0)
        imaging.shot_used(5, drifting=True)
        ends(imaging)
        assert not tick(imaging, 10.0)


def test_a_request_counts_once_and_only_for_its_model() -> None:
    imaging = RegularImaging(SLOW)
    assert tick(imaging, 0.0)
    imaging.request_shot()
    assert tick(imaging, 1.0)
    assert not tick(imaging, 2.0)
    imaging.request_shot()
    imaging.forget()
    assert not tick(imaging, 3.0)


@pytest.mark.parametrize(("late_s", "next_s"), [(0.39, 0.4), (0.4, 0.6), (0.5, 0.7)])
def test_the_grid_is_kept_for_less_than_two_intervals(late_s: float, next_s: float) -> None:
    for start_s in (0.0, 5.0):
        imaging = RegularImaging(SETTINGS)
        assert tick(imaging, start_s)
        assert tick(imaging, start_s + late_s)
        assert not tick(imaging, start_s + next_s, early=1)
        assert tick(imaging, start_s + next_s)


# Shots that do not come --------------------------------------------------------------------------


@pytest.mark.parametrize(("after_ns", "waited"), [(SECOND, True), (SECOND + 1, False)])
def test_a_shot_is_waited_for_as_long_as_configured(after_ns: int, *, waited: bool) -> None:
    imaging = RegularImaging(SLOW)
    assert tick(imaging, 5.0)
    assert not tick(imaging, 5.0, early=-after_ns)
    assert imaging.shot_unreadable() is waited


@pytest.mark.parametrize(("exposed_ms", "wrong"), [(100, False), (-100, True)])
def test_a_shot_that_comes_too_late_is_judged_by_its_request(
    exposed_ms: int, *, wrong: bool
) -> None:
    imaging = RegularImaging(SLOW)
    assert tick(imaging, 5.0)
    assert not tick(imaging, 7.0)
    said = imaging.answered(1, 5 * SECOND + exposed_ms * 1_000_000, 8 * SECOND)
    assert said.startswith("shot 1 says") if wrong else said == ""


def test_a_shot_that_was_asked_for_at_time_zero_is_judged_by_its_request() -> None:
    imaging = RegularImaging(SLOW)
    assert tick(imaging, 0.0)
    assert imaging.answered(1, -SECOND // 10, SECOND // 2)


@pytest.mark.parametrize(("exposed_s", "wrong"), [(9.1, False), (8.9, True)])
def test_a_shot_that_nobody_knows_must_be_as_young_as_an_answer(
    exposed_s: float, *, wrong: bool
) -> None:
    said = RegularImaging(SLOW).answered(7, round(exposed_s * SECOND), 10 * SECOND)
    assert bool(said) is wrong


def test_of_late_shots_the_last_sixteen_are_remembered() -> None:
    imaging = RegularImaging(SETTINGS)
    asked = run(imaging, 20.0)
    assert sum(20.0 - at > 1.0 for at in asked) == 95
    arrived_ns = 25 * SECOND
    assert imaging.answered(80, round(asked[79] * SECOND), arrived_ns) == ""
    assert imaging.answered(79, round(asked[78] * SECOND), arrived_ns) != ""
