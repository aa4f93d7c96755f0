"""When a shot is asked for: over the breath while modelling, then at an interval, and on demand."""

import math

import pytest
from msgspec.structs import replace

from tests.core.situations import COUCH, MS, S
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target.exposure import Imaging

SETTINGS = replace(
    COUCH,
    correlation=replace(COUCH.correlation, modelling_interval_s=3.0),
    imager=replace(COUCH.imager, interval_s=30.0, drift_interval_s=12.0, answer_within_s=2.0),
)
SPAN = BreathingRange(1.0, 5.0, 8.0)


def breath(phase):
    """The breathing state at a part of the cycle."""
    angle = 2.0 * math.pi * (phase - 0.5)
    y, v = 1.0 + 5.0 * math.cos(angle), 8.0 * math.sin(angle)
    return BreathingState(0, y, v, 0.01, 0.01, 0.0, (y,))


def in_bin(number):
    """The middle of one of the eight parts of the cycle."""
    return (number + 0.5) / 8.0


class Shots:
    """Shots that are asked for and answered at once, in nanoseconds of the run."""

    def __init__(self, settings=SETTINGS):
        self.imaging = Imaging(settings)

    def due(
        self, t_ns, phase: float | None = in_bin(0), *, modelling=False, rebuild=False, suspect=None
    ):
        """The number of the shot that is asked for now, or nothing."""
        breathing = None if phase is None else breath(phase)
        span = None if phase is None else SPAN
        return self.imaging.next_shot(
            t_ns, breathing, span, modelling=modelling, rebuild=rebuild, suspect_phase=suspect
        )

    def take(self, t_ns, phase: float | None = in_bin(0), took_ns=0, **options):
        """Take a shot that is due, and answer it."""
        number = self.due(t_ns, phase, **options)
        assert number is not None
        assert self.imaging.answered(number, t_ns + took_ns, t_ns + took_ns) == ""
        return number


# The interval -----------------------------------------------------------------------------------


@pytest.mark.parametrize("start_ns", [0, 40 * S])
def test_the_first_shot_is_due_at_once_and_the_next_after_the_interval(start_ns):
    shots = Shots()
    assert shots.take(start_ns) == 1
    assert shots.due(start_ns + 30 * S - 1) is None
    assert shots.take(start_ns + 30 * S) == 2
    assert shots.due(start_ns + 60 * S - 1) is None
    assert shots.due(start_ns + 60 * S) == 3


def test_another_part_of_the_breath_is_due_five_seconds_earlier():
    for phase in (in_bin(1), None):
        shots = Shots()
        shots.take(0)
        assert shots.due(25 * S - 1, phase) is None
        assert shots.due(25 * S, phase) == 2


def test_a_part_of_the_breath_that_is_unknown_is_seen_like_any_other():
    shots = Shots()
    shots.take(0, in_bin(1))
    assert shots.take(25 * S, None) == 2
    shots = Shots()
    shots.take(0, None)
    assert shots.due(25 * S, None) is None
    assert shots.due(30 * S, None) == 2


def test_a_breath_without_a_known_range_is_unknown():
    shots = Shots()
    shots.take(0, None)
    for breathing, span in ((breath(0.3), None), (None, SPAN)):
        assert (
            shots.imaging.next_shot(25 * S, breathing, span, modelling=False, rebuild=False) is None
        )


def test_a_short_interval_waits_a_third_of_itself_for_another_part():
    shots = Shots(replace(SETTINGS, imager=replace(SETTINGS.imager, interval_s=9.0)))
    shots.take(0)
    assert shots.due(6 * S - 1, in_bin(1)) is None
    assert shots.due(6 * S, in_bin(1)) == 2


def test_a_target_that_drifts_has_an_interval_of_its_own():
    shots = Shots()
    shots.take(0)
    shots.imaging.shot_used(0, drifting=True)
    assert shots.due(8 * S - 1, in_bin(1)) is None
    assert shots.due(12 * S - 1) is None
    shots.take(12 * S)
    shots.imaging.shot_used(12 * S, drifting=False)
    assert shots.due(42 * S - 1) is None
    assert shots.due(42 * S) == 2 + 1


def test_a_shot_is_asked_for_earlier_by_the_time_that_the_last_one_took():
    shots = Shots()
    shots.take(10 * S, took_ns=S)
    assert shots.due(39 * S - 1) is None
    assert shots.due(39 * S) == 2


def test_the_last_six_parts_of_the_breath_count_as_seen():
    for others, due in ((5, None), (6, 8)):
        shots = Shots()
        for k in range(others + 1):
            shots.take(30 * S * k, in_bin(k))
        assert shots.due(30 * S * others + 25 * S, in_bin(0)) == due


def test_the_cycle_has_eight_parts():
    for k in range(8):
        shots = Shots()
        shots.take(0, (k + 0.02) / 8.0)
        assert shots.due(25 * S, (k + 0.98) / 8.0) is None
        assert shots.due(25 * S, ((k + 1.02) % 8) / 8.0) == 2


# While modelling --------------------------------------------------------------------------------


def test_while_modelling_another_part_is_due_after_one_interval_and_the_same_after_two():
    shots = Shots()
    assert shots.take(0, modelling=True) == 1
    assert shots.due(3 * S - 1, in_bin(1), modelling=True) is None
    assert shots.take(3 * S, in_bin(1), modelling=True) == 2
    assert shots.due(9 * S - 1, in_bin(1), modelling=True) is None
    assert shots.due(9 * S, in_bin(1), modelling=True) == 3


def test_while_modelling_no_shot_is_taken_of_an_unknown_breath():
    shots = Shots()
    assert shots.due(0, None, modelling=True) is None
    assert shots.due(99 * S, None, modelling=True) is None
    assert shots.due(99 * S, modelling=True) == 1


def test_how_long_a_shot_took_does_not_matter_while_modelling():
    shots = Shots()
    shots.take(0, took_ns=S, modelling=True)
    assert shots.due(3 * S - 1, in_bin(1), modelling=True) is None


# On demand --------------------------------------------------------------------------------------


def test_an_operator_has_one_shot_at_once():
    shots = Shots()
    shots.take(0)
    assert shots.due(MS) is None
    shots.imaging.request_shot()
    assert shots.take(2 * MS) == 2
    assert shots.due(3 * MS) is None


def test_a_shot_to_rebuild_the_model_is_due_after_two_and_a_half_seconds():
    shots = Shots()
    shots.take(0)
    assert shots.due(2500 * MS - 1, rebuild=True) is None
    assert shots.due(2500 * MS) is None
    assert shots.due(2500 * MS, in_bin(3)) is None
    assert shots.due(2500 * MS, rebuild=True) == 2


def test_a_shot_of_a_suspect_part_waits_for_that_part_for_five_seconds():
    shots = Shots()
    shots.take(0)
    here, away = in_bin(2), in_bin(6)
    assert shots.due(2500 * MS, here, rebuild=True, suspect=away) is None
    assert shots.due(5 * S - 1, here, rebuild=True, suspect=away) is None
    assert shots.due(5 * S, here, rebuild=True, suspect=away) == 2
    shots = Shots()
    shots.take(0)
    assert shots.due(2500 * MS - 1, here, rebuild=True, suspect=here) is None
    assert shots.due(2500 * MS, here, rebuild=True, suspect=here) == 2


def test_a_suspect_part_alone_has_its_shot_after_five_seconds():
    shots = Shots()
    shots.take(0)
    here, away = in_bin(0), in_bin(4)
    assert shots.due(4 * S, here, suspect=here) is None
    assert shots.due(5 * S - 1, away, suspect=here) is None
    assert shots.due(5 * S, away, suspect=here) == 2


# Answers ----------------------------------------------------------------------------------------


def test_a_shot_that_is_not_answered_in_time_is_asked_for_again():
    shots = Shots()
    assert shots.due(0) == 1
    shots.imaging.request_shot()
    assert shots.due(2 * S) is None
    assert shots.due(2 * S + 1) == 2
    assert shots.due(2 * S + 2) is None


def test_an_answer_that_comes_too_late_does_not_move_the_next_shot():
    shots = Shots()
    assert shots.due(0) == 1
    assert shots.due(2 * S + 1) is None
    assert shots.imaging.answered(1, 0, 3 * S) == ""
    assert shots.imaging.shot_unreadable() is False
    assert shots.due(30 * S - 1) is None
    assert shots.due(30 * S) == 2


def test_only_the_shot_that_is_waited_for_ends_the_wait():
    shots = Shots()
    assert shots.due(0) == 1
    shots.imaging.request_shot()
    assert shots.imaging.answered(7, S, S) == ""
    assert shots.due(S) is None
    assert shots.imaging.answered(1, S, S) == ""
    assert shots.due(S) == 2
    assert shots.imaging.answered(1, S, S) == ""
    shots.imaging.request_shot()
    assert shots.due(S + MS) is None


def test_an_unreadable_image_ends_the_wait():
    shots = Shots()
    assert shots.imaging.shot_unreadable() is False
    assert shots.due(0) == 1
    assert shots.imaging.shot_unreadable() is True
    assert shots.imaging.shot_unreadable() is False
    assert shots.due(30 * S - 1) is None
    shots.imaging.request_shot()
    assert shots.due(30 * S - 1) == 2


@pytest.mark.parametrize(
    ("exposed_ms", "right"), [(-20, True), (-21, False), (0, True), (1520, True), (1521, False)]
)
def test_a_shot_is_exposed_between_request_and_arrival_by_twenty_milliseconds(exposed_ms, right):
    shots = Shots()
    assert shots.due(10 * S) == 1
    said = shots.imaging.answered(1, 10 * S + exposed_ms * MS, 11_500 * MS)
    wrong = (
        f"shot 1 says it was exposed {exposed_ms} ms after it was asked for, and came after 1500 ms"
    )
    assert said == ("" if right else wrong)


def test_the_limits_of_the_exposure_time_are_to_the_nanosecond():
    for exposed_ns in (10 * S - 20 * MS - 1, 11 * S + 20 * MS + 1):
        shots = Shots()
        assert shots.due(10 * S) == 1
        assert shots.imaging.answered(1, exposed_ns, 11 * S) != ""


def test_a_shot_that_nobody_asked_for_was_exposed_within_the_time_of_an_answer():
    imaging = Imaging(SETTINGS)
    assert imaging.answered(5, 8 * S - 20 * MS, 10 * S) == ""
    said = imaging.answered(5, 8 * S - 30 * MS, 10 * S)
    assert said == (
        "shot 5 says it was exposed -30 ms after it was asked for, and came after 2000 ms"
    )


def test_the_requests_of_the_last_sixteen_shots_are_remembered():
    for later, remembered in ((15, True), (16, False)):
        shots = Shots()
        shots.take(0)
        for k in range(later):
            shots.take(30 * S * (k + 1))
        # Exposed when it was asked for, it comes very late.
        said = shots.imaging.answered(1, 0, 1000 * S)
        assert (said == "") is remembered


# What is remembered of shots --------------------------------------------------------------------


def test_the_times_of_the_newest_used_and_agreeing_shots_are_kept_until_a_new_model():
    imaging = Imaging(SETTINGS)
    assert (imaging.last_used_ns, imaging.agreed_ns) == (-1, -1)
    imaging.shot_used(5, drifting=True)
    imaging.shot_agreed(3)
    assert (imaging.last_used_ns, imaging.agreed_ns) == (5, 3)
    imaging.forget()
    assert (imaging.last_used_ns, imaging.agreed_ns) == (-1, -1)


def test_a_new_model_has_seen_nothing_and_owes_no_shot():
    shots = Shots()
    shots.take(0)
    shots.imaging.shot_used(0, drifting=True)
    shots.imaging.request_shot()
    shots.imaging.forget()
    assert shots.due(12 * S) is None
    assert shots.due(25 * S - 1, in_bin(0)) is None
    assert shots.due(25 * S, in_bin(0)) == 2
