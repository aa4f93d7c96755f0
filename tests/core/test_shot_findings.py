"""The findings of the shots: each stays until a later shot says otherwise."""

from tracker.core.target.shot_findings import ShotFindings
from tracker.core.target.shot_result import ShotResult

ALL = ShotFindings("moved", "late", "wrong", "doubtful", "drifts", 1.5)


def test_at_first_nothing_is_found():
    assert ShotFindings() == ("", "", "", "", "", 0.0)


def test_a_shot_that_is_judged_and_used_replaces_every_finding():
    result = ShotResult(
        judged=True,
        used=True,
        model_wrong="far off",
        model_doubtful="off",
        drifts="to the left",
        left_mm=0.25,
    )
    assert ALL.after(result) == ("", "", "far off", "off", "to the left", 0.25)
    assert ALL.after(ShotResult(judged=True, used=True)) == ShotFindings()


def test_a_shot_set_aside_leaves_drift_and_distance_as_they_were():
    result = ShotResult(judged=True, model_wrong="far off", drifts="no", left_mm=9.0)
    assert ALL.after(result) == ("", "", "far off", "", "drifts", 1.5)


def test_a_shot_that_shows_no_target_says_nothing_of_the_model():
    assert ALL.after(ShotResult(model_wrong="no")) == ALL
    moved = ALL.after(ShotResult(fiducials_moved="again"))
    assert moved == ALL._replace(fiducials_moved="again")


def test_shots_are_asked_for_while_the_model_is_in_doubt():
    assert ShotFindings(model_wrong="wrong").asks_for_shots is True
    assert ShotFindings(model_doubtful="doubtful").asks_for_shots is True
    assert ALL._replace(model_wrong="", model_doubtful="").asks_for_shots is False
