"""Beam's-eye view: every angle and every axis, against directions known from IEC 61217."""

import itertools
import math

import numpy as np
import pytest

from tracker.core.frames import beams_eye_rows
from tracker.core.machine.geometry import (
    ACROSS_THE_BEAM,
    NO_AXIS,
    BeamsEyeAxes,
    MachineAngles,
)
from tracker.core.machine.kinds.gate import GATE
from tracker.core.machine.kinds.gimbal import GIMBAL
from tracker.core.machine.kinds.jaws import JAWS
from tracker.core.machine.kinds.mlc import MLC

R, A, U = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
"""Right of a person who faces the gantry, toward the gantry, up."""
L, B, D = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)


@pytest.mark.parametrize(
    ("angles", "rows"),
    [
        ((0.0, 0.0, 0.0), (R, A, U)),
        ((90.0, 0.0, 0.0), (D, A, R)),  # the source at the right
        ((180.0, 0.0, 0.0), (L, A, D)),
        ((270.0, 0.0, 0.0), (U, A, L)),
        ((0.0, 90.0, 0.0), (A, L, U)),
        ((90.0, 90.0, 0.0), (A, U, R)),
        ((270.0, 180.0, 0.0), (D, B, L)),
        # A table turned by 90 degrees about +Z has its own +X along the gantry's axis: what lies
        # to the right in the room lies along -Y of the table.
        ((0.0, 0.0, 90.0), (B, R, U)),
        ((90.0, 0.0, 90.0), (D, R, B)),
        ((0.0, 90.0, 90.0), (R, A, U)),
    ],
)
def test_the_axes_of_known_angles(angles, rows):
    assert np.allclose(beams_eye_rows(*angles), rows, atol=1e-12)


def about(axis: int, degrees: float) -> np.ndarray:
    """Turn right-handed about an axis."""
    a, b = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = a
    matrix[i, j], matrix[j, i] = -b, b
    return matrix


SOME = (-170.0, -95.0, -40.0, 0.0, 25.0, 60.0, 130.0, 200.0, 350.0)


def test_every_angle_is_the_chain_of_the_three_turns():
    for gantry, collimator, table in itertools.product(SOME, SOME, SOME):
        chain = about(1, gantry) @ about(2, collimator)  # collimator's axes, in the fixed frame
        expected = chain.T @ about(2, table)
        assert np.allclose(beams_eye_rows(gantry, collimator, table), expected, atol=1e-12)


@pytest.mark.parametrize("orientation", ["HFS", "HFP", "FFS", "FFP"])
def test_there_and_back_gives_the_point_and_nothing_is_stretched(orientation):
    target = (3.0, 20.0, -7.0)
    for gantry, collimator in itertools.product(SOME, SOME):
        axes = BeamsEyeAxes(orientation, MachineAngles(gantry, collimator, 15.0))
        seen = axes.from_patient(target)
        assert axes.to_patient(seen) == pytest.approx(target, abs=1e-12)
        assert math.hypot(*seen) == pytest.approx(math.hypot(*target))
        assert axes.judged(target) == axes.wanted(target) == (seen[0], seen[1], 0.0)


def test_a_patient_who_lies_otherwise_is_seen_otherwise():
    angles = MachineAngles(90.0, 0.0, 0.0)
    target = (3.0, 20.0, 7.0)  # left, superior, anterior
    seen = {o: BeamsEyeAxes(o, angles).from_patient(target) for o in ("HFS", "HFP", "FFS", "FFP")}
    assert seen["HFS"] == pytest.approx((-7.0, 20.0, 3.0))
    assert seen["HFP"] == pytest.approx((7.0, 20.0, -3.0))
    assert seen["FFS"] == pytest.approx((-7.0, -20.0, -3.0))
    assert seen["FFP"] == pytest.approx((7.0, -20.0, 3.0))


def test_an_axis_that_is_not_followed_stays_at_zero_and_is_judged_all_the_same():
    axes = BeamsEyeAxes("HFS", MachineAngles(), follows=(False, True, False))
    assert axes.wanted((3.0, 20.0, 7.0)) == (0.0, 20.0, 0.0)
    assert axes.judged((3.0, 20.0, 7.0)) == (3.0, 20.0, 0.0)


def test_the_variance_along_the_beam_does_not_count():
    variance = (2.0, 4.0, 9.0)
    for gantry, collimator in itertools.product(SOME, SOME):
        rows = np.array(beams_eye_rows(gantry, collimator, 0.0))
        whole = rows @ np.diag(variance) @ rows.T
        axes = BeamsEyeAxes("FFP", MachineAngles(gantry, collimator, 0.0))
        x, y, z = axes.judged_variance(variance)
        assert (x, y) == pytest.approx((whole[0, 0], whole[1, 1]))
        assert z == 0.0


def test_what_each_kind_turns_with_and_follows():
    angles = MachineAngles(40.0, 90.0, 0.0)
    target = (3.0, 20.0, 7.0)
    turned = BeamsEyeAxes("HFS", angles).from_patient(target)
    gantry_only = BeamsEyeAxes("HFS", MachineAngles(40.0, 0.0, 0.0)).from_patient(target)
    assert MLC.axes("HFS", angles).from_patient(target) == turned
    assert GATE.axes("HFS", angles).from_patient(target) == turned
    for kind in (GIMBAL, JAWS):
        assert kind.axes("HFS", angles).from_patient(target) == gantry_only
    for kind in (MLC, GIMBAL, JAWS):
        assert kind.axes("HFS", angles).follows == ACROSS_THE_BEAM
    assert GATE.axes("HFS", angles).follows == NO_AXIS
    assert GATE.axes("HFS", angles).wanted(target) == (0.0, 0.0, 0.0)


def test_the_exact_projection_differs_as_stated():
    """From a source at 1000 mm, 10 mm above the isocentre: 1 % of the distance from the axis."""
    for gantry in SOME:
        axes = BeamsEyeAxes("HFS", MachineAngles(gantry, 30.0, 0.0))
        for target in itertools.product((-15.0, 8.0), (-20.0, 12.0), (-9.0, 14.0)):
            x, y, z = axes.from_patient(target)
            exact = np.array((x, y)) * 1000.0 / (1000.0 - z)
            off = np.hypot(*(exact - np.array(axes.wanted(target)[:2])))
            assert off <= 1.03 * abs(z) / 1000.0 * math.hypot(x, y) + 1e-9


def test_each_axis_that_is_not_followed_stays_at_zero():
    for a, b, c in itertools.product((True, False), repeat=3):
        follows = (a, b, c)
        axes = BeamsEyeAxes("HFS", MachineAngles(), follows=follows)
        expected = tuple(x if on else 0.0 for x, on in zip((3.0, 20.0, 7.0), follows, strict=True))
        assert axes.wanted((3.0, 20.0, 7.0)) == expected
