"""The kinds of treatment machine: what each moves, follows and may do, and the table of them."""

import pytest

from tracker.core.machine.geometry import (
    ACROSS_THE_BEAM,
    ALL_AXES,
    NO_AXIS,
    BeamsEyeAxes,
    MachineAngles,
)
from tracker.core.machine.kinds.couch import COUCH
from tracker.core.machine.kinds.gate import GATE
from tracker.core.machine.kinds.gimbal import GIMBAL
from tracker.core.machine.kinds.jaws import JAWS
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.machine.kinds.mlc import MLC
from tracker.core.machine.kinds.robot import ROBOT
from tracker.core.machine.kinds.table import (
    MACHINE_KINDS,
    followed_in_view,
    judges_in_beams_eye,
    machine_kind,
    words_for,
)
from tracker.core.settings import Actuator, Guard

TARGET = (1.0, 2.0, 3.0)
TURNED = MachineAngles(gantry_deg=90.0, collimator_deg=45.0, table_deg=10.0)


@pytest.mark.parametrize(
    ("kind", "orientation", "wanted"),
    [
        (COUCH, "HFS", (-1.0, -2.0, -3.0)),  # against the target
        (ROBOT, "HFS", (1.0, 2.0, 3.0)),  # with the target
        (COUCH, "HFP", (1.0, -2.0, 3.0)),
        (COUCH, "FFS", (1.0, 2.0, -3.0)),
        (ROBOT, "FFP", (1.0, -2.0, -3.0)),
    ],
)
def test_a_couch_moves_against_the_target_and_a_robot_with_it(kind, orientation, wanted):
    for angles in (MachineAngles(), TURNED):
        axes = kind.axes(orientation, angles)
        assert axes.wanted(TARGET) == wanted
        assert axes.to_patient(wanted) == TARGET
        assert axes.follows == ALL_AXES


@pytest.mark.parametrize("orientation", ["HFS", "FFP"])
@pytest.mark.parametrize(
    ("kind", "collimator_deg", "follows"),
    [
        (GATE, 45.0, NO_AXIS),
        (GIMBAL, 0.0, ACROSS_THE_BEAM),
        (MLC, 45.0, ACROSS_THE_BEAM),
        (JAWS, 0.0, ACROSS_THE_BEAM),
    ],
)
def test_which_axes_of_the_beams_eye_view_a_kind_follows(
    kind, collimator_deg, follows, orientation
):
    axes = kind.axes(orientation, TURNED)
    same = BeamsEyeAxes(orientation, MachineAngles(90.0, collimator_deg, 10.0), follows)
    assert axes.from_patient(TARGET) == same.from_patient(TARGET)
    assert axes.wanted(TARGET) == same.wanted(TARGET)
    assert axes.follows == follows


def test_a_couch_moves_the_patient_and_a_robot_does_not():
    assert (COUCH.name, COUCH.words, COUCH.moves_patient) == ("couch", "couch", True)
    assert (ROBOT.name, ROBOT.words, ROBOT.moves_patient) == ("robot", "robot", False)


def test_the_limits_a_kind_starts_from():
    assert COUCH.actuator == Actuator(speed_mm_s=20.0, acceleration_mm_s2=200.0)
    assert COUCH.guard == Guard(speed_mm_s=25.0, acceleration_mm_s2=500.0, step_mm=2.0)
    assert ROBOT.actuator == Actuator(
        kind="robot", device="robot", speed_mm_s=200.0, acceleration_mm_s2=2000.0
    )
    assert ROBOT.guard == Guard(speed_mm_s=250.0, acceleration_mm_s2=5000.0, step_mm=20.0)


@pytest.mark.parametrize(
    ("kind", "actuator", "guard"),
    [
        (GATE, Actuator(kind="gate", device="gate-only"), Guard()),
        (
            GIMBAL,
            Actuator(
                kind="gimbal",
                device="gimbal",
                limit_mm=40.0,
                speed_mm_s=90.0,
                acceleration_mm_s2=1500.0,
            ),
            Guard(position_mm=42.0, speed_mm_s=120.0, acceleration_mm_s2=5000.0, step_mm=10.0),
        ),
        (
            MLC,
            Actuator(
                kind="mlc",
                device="mlc",
                limit_mm=40.0,
                speed_mm_s=30.0,
                acceleration_mm_s2=500.0,
                quantum_mm=(0.0, 2.5, 0.0),
                follow_error_mm=2.0,
                follow_stop_mm=6.0,
            ),
            Guard(position_mm=42.0, speed_mm_s=36.0, acceleration_mm_s2=2000.0, step_mm=3.0),
        ),
        (
            JAWS,
            Actuator(
                kind="jaws",
                device="jaws",
                limit_mm=25.0,
                speed_mm_s=30.0,
                acceleration_mm_s2=500.0,
                quantum_mm=(6.25, 0.0, 0.0),
                follow_error_mm=4.0,
                follow_stop_mm=13.0,
            ),
            Guard(position_mm=27.0, speed_mm_s=36.0, acceleration_mm_s2=2000.0, step_mm=7.0),
        ),
    ],
)
def test_the_limits_of_a_kind_that_moves_the_beam(kind, actuator, guard):
    assert (kind.actuator, kind.guard) == (actuator, guard)
    assert (kind.moves_patient, kind.turns, kind.in_beams_eye) == (False, True, True)
    assert kind.moves is (kind is not GATE)


def test_what_a_kind_does_unless_its_row_says_otherwise():
    plain = MachineKind("sledge", "sledge", False, COUCH.axes, Actuator(), Guard(), "1 axis")
    assert (plain.turns, plain.in_beams_eye, plain.moves) == (False, False, True)


def test_the_defaults_of_the_settings_are_those_of_a_couch():
    assert (Actuator(), Guard()) == (COUCH.actuator, COUCH.guard)
    assert machine_kind(Actuator().kind).name == "couch"


def test_a_row_is_found_by_its_name_and_its_settings_name_it():
    assert list(MACHINE_KINDS) == ["couch", "robot", "gate", "gimbal", "mlc", "jaws"]
    for name, kind in MACHINE_KINDS.items():
        assert name == kind.name == kind.actuator.kind
        assert machine_kind(name) is kind


def test_a_kind_that_is_not_in_the_table_is_refused_with_those_that_are():
    known = ", ".join(MACHINE_KINDS)
    words = f'^actuator.kind: "sledge" is not one of {known}; choose one of them$'
    with pytest.raises(ValueError, match=words):
        machine_kind("sledge")
    other = COUCH._replace(name="sledge")
    assert machine_kind("sledge", {"sledge": other}) is other


def test_a_kind_that_is_not_in_the_table_is_called_by_its_name():
    sledge = COUCH._replace(name="sledge", words="patient sledge")
    assert words_for("sledge", {"sledge": sledge}) == "patient sledge"
    assert words_for("sledge") == "sledge"
    assert words_for("robot") == "robot"


def test_which_kinds_are_judged_in_beams_eye_view_only():
    judged = [name for name in MACHINE_KINDS if judges_in_beams_eye(name)]
    assert judged == ["gate", "gimbal", "mlc", "jaws"]
    assert not judges_in_beams_eye("sledge")
    sledge = COUCH._replace(name="sledge", in_beams_eye=True)
    assert judges_in_beams_eye("sledge", {"sledge": sledge})
    assert not judges_in_beams_eye("couch", {"sledge": sledge})


def test_what_is_followed_of_what_the_beam_sees():
    followed = {name: followed_in_view(name) for name in MACHINE_KINDS}
    assert followed == dict.fromkeys(MACHINE_KINDS, ALL_AXES) | {"gate": NO_AXIS}
    assert followed_in_view("sledge") == ALL_AXES
    one_axis = COUCH._replace(name="sledge", axes=lambda orientation, angles: OneAxis())
    assert followed_in_view("sledge", {"sledge": one_axis}) == OneAxis.follows
    in_view = one_axis._replace(in_beams_eye=True)
    assert followed_in_view("sledge", {"sledge": in_view}) == ALL_AXES
    still = in_view._replace(axes=lambda orientation, angles: NoAxes())
    assert followed_in_view("sledge", {"sledge": still}) == NO_AXIS


class OneAxis:
    follows = (False, True, False)


class NoAxes:
    follows = (False, False, False)
