"""The check of the error region and of predictions."""

import math

import pytest
from msgspec.structs import replace

from tests.core.situations import COUCH, PREDICTION, WELL, found, situation
from tracker.core.safety.checks.target import TargetCheck
from tracker.core.target.error_region import radius95_mm

CHECK = TargetCheck(COUCH)


def scaled(radius_mm):
    """A prediction whose 95 % region has this radius."""
    factor = (radius_mm / radius95_mm((1.0, 1.0, 1.0))) ** 2
    return replace(PREDICTION, variance_mm2=(factor, factor, factor))


def test_a_region_within_the_tolerance_is_well():
    assert found(CHECK, WELL) == {}
    assert found(CHECK, situation(prediction=scaled(4.999))) == {}


@pytest.mark.parametrize(
    ("radius_mm", "shown"), [(5.04, "5.04"), (5.2, "5.2"), (5.004, "5.004"), (5.00004, "5.0000")]
)
def test_a_larger_one_holds_and_shows_that_it_is_larger(radius_mm, shown):
    said = found(CHECK, situation(prediction=scaled(radius_mm)))
    assert said["target unsure"].startswith(f"95 % within {shown}")
    assert said["target unsure"].endswith(" mm, tolerance 5 mm")
    value = float(said["target unsure"].removeprefix("95 % within ").split()[0])
    assert value > 5.0


def test_the_actuators_share_counts_axis_by_axis():
    small = replace(PREDICTION, variance_mm2=(12.0, 40.0, 2.0))
    share = (40.0, 20.0, 2.0)
    radius = radius95_mm((52.0, 60.0, 4.0))
    said = found(CHECK, situation(prediction=small, actuator_variance_mm2=share))
    assert said["target unsure"].startswith(f"95 % within {radius:.1f} mm")
    for swapped in ((32.0, 80.0, 4.0), (14.0, 60.0, 42.0), (52.0, 42.0, 22.0)):
        assert abs(radius95_mm(swapped) - radius) > 0.1


def test_no_number_is_not_within_the_tolerance():
    bad = replace(PREDICTION, variance_mm2=(math.nan, 1.0, 1.0))
    assert found(CHECK, situation(prediction=bad)) == {
        "target unsure": "95 % within nan mm, tolerance 5 mm"
    }


def test_without_a_prediction_the_target_is_unsure_once_there_is_a_model():
    assert found(CHECK, situation(prediction=None)) == {"target unsure": "no prediction"}
    assert found(CHECK, situation(prediction=None, model=None)) == {}


def test_predictions_that_miss_are_told_with_or_without_a_model():
    assert found(CHECK, situation(prediction_off="x")) == {"prediction off": "x"}
    assert found(CHECK, situation(prediction_off="x", model=None)) == {"prediction off": "x"}


def test_a_region_of_exactly_the_tolerance_is_well():
    ones = replace(PREDICTION, variance_mm2=(1.0, 1.0, 1.0))
    gating = replace(COUCH.gating, tolerance_mm=radius95_mm((1.0, 1.0, 1.0)))
    assert found(TargetCheck(replace(COUCH, gating=gating)), situation(prediction=ones)) == {}


def test_where_the_gate_judges_in_beams_eye_view_that_region_counts():
    seen = situation(prediction=scaled(9.0), region_variance_mm2=(0.5, 0.5, 0.0))
    assert found(CHECK, seen) == {}
    seen = situation(prediction=scaled(1.0), region_variance_mm2=(20.0, 20.0, 0.0))
    assert set(found(CHECK, seen)) == {"target unsure"}
