"""Drift: shots off the same way are found, each axis and both ways; the limit is exact."""

import pytest

from tracker.core.target.drift import Drift

LIMIT_MM = 2.0
WAYS = ["+left", "-left", "+superior", "-superior", "+anterior", "-anterior"]


def off(way, size_mm):
    """A residual along one way; the other axes are off a little, which must not matter."""
    axis, size_mm = WAYS.index(way) // 2, size_mm if way[0] == "+" else -size_mm
    x, y, z = (size_mm if k == axis else small for k, small in enumerate((0.1, -0.2, 0.3)))
    return (x, y, z)


def found_after(way, *sizes_mm):
    drift = Drift(LIMIT_MM)
    return [drift.add(off(way, size)) for size in sizes_mm]


@pytest.mark.parametrize("way", WAYS)
def test_two_shots_off_by_the_limit_are_a_drift(way):
    drift = Drift(LIMIT_MM)
    assert drift.found == ""
    assert drift.add(off(way, 2.0)) is False
    assert drift.found == ""
    assert drift.add(off(way, 2.0)) is True
    said = f"2 shots in a row off toward {way}, the last by 2.0 mm; limit 2 mm on two"
    assert drift.found == said
    assert found_after(way, 2.0, 1.999) == [False, False]


@pytest.mark.parametrize("way", WAYS)
def test_more_shots_off_by_less_are_a_drift(way):
    """Each counts by what it exceeds half the limit: 1.5 mm by half a millimetre."""
    assert found_after(way, 1.5, 1.5, 1.5, 1.5) == [False, False, False, True]
    assert found_after(way, *[1.0] * 20) == [False] * 20
    drift = Drift(LIMIT_MM)
    for _ in range(4):
        drift.add(off(way, 1.5))
    assert drift.found.startswith("4 shots in a row")


def test_one_shot_is_no_drift_however_far_off():
    assert found_after("+left", 50.0) == [False]
    assert found_after("+left", 3.5, -1.5, 3.5) == [False, False, False]  # a sum that fell to zero


def test_what_alternates_is_no_drift():
    assert found_after("-superior", *[1.9, -1.9] * 20) == [False] * 40


def test_after_a_drift_the_sums_start_anew():
    drift = Drift(LIMIT_MM)
    again = [drift.add(off("-anterior", 2.0)) for _ in range(4)]
    assert again == [False, True, False, True]
    assert drift.found.startswith("2 shots in a row")
    less = [False, False, False, True]
    assert found_after("-anterior", 2.0, 2.0, *[1.5] * 4) == [False, True, *less]


def test_a_drift_goes_on_until_three_shots_lay_within_half_the_limit():
    drift = Drift(LIMIT_MM)
    drift.add(off("+superior", 3.0))
    drift.add(off("+superior", 3.0))
    near, far = (1.0, -1.0, 1.0), (0.0, 0.0, -1.001)
    for residual, goes_on in ((near, True), (far, True), (near, True), (far, True), (near, False)):
        assert drift.add(residual) is False
        assert bool(drift.found) is goes_on
    assert drift.add(near) is False
    assert drift.found == ""


def test_shots_near_the_model_do_not_count_in_advance():
    drift = Drift(LIMIT_MM)
    for _ in range(5):
        drift.add((0.0, 0.0, 0.0))
    drift.add(off("+left", 2.0))
    drift.add(off("+left", 2.0))
    drift.add((0.0, 0.0, 0.0))
    assert drift.found


def test_forgetting_starts_anew():
    drift = Drift(LIMIT_MM)
    drift.add(off("+left", 2.0))
    drift.forget()
    assert drift.add(off("+left", 2.0)) is False
    drift.add(off("+left", 2.0))
    assert drift.found
    drift.forget()
    assert drift.found == ""
    assert drift.add(off("+left", 2.0)) is False
    drift.add(off("+left", 2.0))
    for _ in range(2):
        drift.add((0.0, 0.0, 0.0))
    assert drift.found
    drift.add((0.0, 0.0, 0.0))
    assert drift.found == ""
