"""The machine's axes: asymmetric vectors that any changed sign or exchanged axis fails."""

import itertools

import pytest

from hal.messages import Triple
from tracker.core.machine.geometry import ALL_AXES, MachineAngles, ParallelAxes

TARGET = (3.0, 20.0, 300.0)
ORIENTATIONS = ("HFS", "HFP", "FFS", "FFP")


@pytest.mark.parametrize(
    ("orientation", "fixed"),
    [
        # Where left, superior and anterior are in the fixed frame: see the tests of the frames.
        ("HFS", (3.0, 20.0, 300.0)),
        ("HFP", (-3.0, 20.0, -300.0)),
        ("FFS", (-3.0, -20.0, 300.0)),
        ("FFP", (3.0, -20.0, -300.0)),
    ],
)
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_machine_moves_with_the_target_or_against_it(orientation, fixed, direction):
    axes = ParallelAxes(direction, orientation)
    x, y, z = fixed
    assert axes.from_patient(TARGET) == (direction * x, direction * y, direction * z)
    assert axes.wanted(TARGET) == axes.from_patient(TARGET)
    assert axes.to_patient(axes.from_patient(TARGET)) == TARGET


@pytest.mark.parametrize("follows", list(itertools.product((False, True), repeat=3)))
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_axis_that_is_not_followed_stays_at_zero(orientation, follows):
    axes = ParallelAxes(-1.0, orientation, follows)
    whole = axes.from_patient(TARGET)
    assert axes.follows == follows
    assert axes.wanted(TARGET) == tuple(
        value if followed else 0.0 for value, followed in zip(whole, follows, strict=True)
    )
    assert whole == ParallelAxes(-1.0, orientation).from_patient(TARGET)


def test_a_machine_follows_all_axes_unless_told_otherwise():
    assert ALL_AXES == (True, True, True)
    assert ParallelAxes(1.0, "HFS").follows == ALL_AXES


def test_gantry_collimator_and_table_stand_at_zero_unless_told_otherwise():
    assert MachineAngles() == (0.0, 0.0, 0.0)
    assert MachineAngles._fields == ("gantry_deg", "collimator_deg", "table_deg")


def test_the_frame_of_the_machine_is_three_numbers():
    wanted: Triple = ParallelAxes(1.0, "FFP").wanted((1.0, 2.0, 3.0))
    assert wanted == (1.0, -2.0, -3.0)


def test_a_machine_in_patient_axes_is_judged_along_all_three():
    axes = ParallelAxes(-1.0, "HFS")
    assert axes.judged(TARGET) == axes.from_patient(TARGET) == (-3.0, -20.0, -300.0)
    assert axes.judged_variance((1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)
