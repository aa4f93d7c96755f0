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
