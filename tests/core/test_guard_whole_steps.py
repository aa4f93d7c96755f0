"""The guard over axes that move in whole steps: which demands it refuses, and what it remembers."""

import pytest

from tracker.core.machine.guard import DemandGuard, GuardLimits

LIMITS = GuardLimits(42.0, 36.0, 2000.0, 3.0, (0.0, 2.5, 0.0))


def guard_at(y: float = 0.0) -> DemandGuard:
    guard = DemandGuard(LIMITS)
    guard.start(0, (0.0, y, 0.0))
    return guard


@pytest.mark.parametrize(
    ("t_ns", "demand", "said"),
    [
        (10**9, (0.0, 1.0, 0.0), "demand of 1.000 mm is no whole step of 2.5 mm along y"),
        (10**9, (0.0, 5.0, 0.0), "step of 5.000 mm is over one of 2.5 mm along y"),
        (60_000_000, (0.0, 2.5, 0.0), "speed of 41.7 mm/s is over 36 mm/s along y"),
        (10**9, (0.0, float("nan"), 0.0), "demand of nan mm is outside +-42 mm along y"),
        (10**7, (3.1, 0.0, 0.0), "step of 3.100 mm is over 3 mm along x"),
        (10**7, (0.0, 0.0, 0.5), "speed of 50.0 mm/s is over 36 mm/s along z"),
        (10**7, (0.3, 0.0, 0.0), "acceleration of 3000 mm/s2 is over 2000 mm/s2 along x"),
    ],
)
def test_what_the_guard_refuses_of_a_machine_with_steps(t_ns, demand, said):
    guard = guard_at()
    assert guard.judge(t_ns, demand) == said
    assert guard.judge(t_ns, (0.0, 0.0, 0.0)) is None, "a refused demand is not remembered"


def test_the_guard_lets_whole_steps_pass_and_counts_the_time_between_them():
    guard = guard_at(y=0.9)
    assert guard.judge(70_000_000, (0.0, 2.5, 0.0)) is None
    assert guard.judge(100_000_000, (0.0, 2.5, 0.0)) is None
    assert guard.judge(138_000_000, (0.0, 0.0, 0.0)) == "speed of 36.8 mm/s is over 36 mm/s along y"
    assert guard.judge(140_000_000, (0.0, 0.0, 0.0)) is None


@pytest.mark.parametrize("quantum", [-1.0, float("inf"), float("nan")])
def test_a_step_that_is_none_is_refused(quantum):
    with pytest.raises(ValueError, match="is no step"):
        GuardLimits(1.0, 1.0, 1.0, 1.0, (0.0, quantum, 0.0))


MS = 1_000_000


def limits(x: float, y: float, z: float) -> GuardLimits:
    """Whole millimetres, 25 mm/s: one step takes 40 ms. Continuous axes may take 0.1 mm at once."""
    return GuardLimits(4.0, 25.0, 900.0, 3.0, (x, y, z))


def started(
    at: tuple[float, float, float], x: float, y: float, z: float, t_ns: int = 10**9
) -> DemandGuard:
    guard = DemandGuard(limits(x, y, z))
    guard.start(t_ns, at)
    return guard


def on_axis(k: int, value: float, others: float = 0.0) -> tuple[float, float, float]:
    """A position with ``value`` on axis k, and ``others`` on the others."""
    x, y, z = (value if axis == k else others for axis in range(3))
    return x, y, z


def alone(k: int, quantum: float = 1.0) -> tuple[float, float, float]:
    """The steps of a machine of which only axis k moves in steps."""
    return on_axis(k, quantum)


AXES = pytest.mark.parametrize("k", range(3))


def test_each_axis_starts_at_its_own_nearest_step():
    guard = DemandGuard(GuardLimits(40.0, 25.0, 900.0, 3.0, (2.5, 0.0, 0.5)))
    guard.start(10**9, (3.6, 2.0, -0.9))
    assert guard.judge(2 * 10**9, (5.0, 2.0, -1.5)) is None


@AXES
def test_the_largest_position_is_allowed_and_the_next_step_is_not(k):
    for sign in (1.0, -1.0):
        guard = started(on_axis(k, sign * 3.0), *alone(k))
        assert guard.judge(2 * 10**9, on_axis(k, sign * 4.0)) is None
        said = f"demand of {sign * 5.0:.3f} mm is outside +-4 mm along {'xyz'[k]}"
        assert guard.judge(3 * 10**9, on_axis(k, sign * 5.0)) == said


@AXES
def test_a_count_beside_a_whole_step_is_that_step(k):
    assert started(on_axis(k, 0.0), *alone(k)).judge(2 * 10**9, on_axis(k, 0.0001)) is None
    assert started(on_axis(k, 0.0), *alone(k)).judge(2 * 10**9, on_axis(k, 1.0001)) is None
    coarse = started(on_axis(k, 0.0), *alone(k, 2.0))
    assert "no whole step" in (coarse.judge(2 * 10**9, on_axis(k, 0.0002)) or "")


@AXES
@pytest.mark.parametrize("value", [0.3, -0.3, 0.7, -0.7])
def test_between_two_steps_there_is_nothing_on_either_side(k, value):
    guard = started(on_axis(k, 0.0), *alone(k))
    said = f"demand of {value:.3f} mm is no whole step of 1 mm along {'xyz'[k]}"
    assert guard.judge(2 * 10**9, on_axis(k, value)) == said


@AXES
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_two_steps_at_once_are_refused_both_ways(k, sign):
    guard = started(on_axis(k, 0.0), *alone(k))
    said = f"step of {2 * sign:.3f} mm is over one of 1 mm along {'xyz'[k]}"
    assert guard.judge(2 * 10**9, on_axis(k, 2 * sign)) == said


@AXES
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_step_takes_its_time_from_the_start_and_from_the_last_one(k, sign):
    guard = started(on_axis(k, 0.0), *alone(k))
    early = guard.judge(10**9 + 39 * MS, on_axis(k, sign))
    assert early == f"speed of 25.6 mm/s is over 25 mm/s along {'xyz'[k]}"
    assert guard.judge(10**9 + 40 * MS, on_axis(k, sign)) is None
    assert guard.judge(10**9 + 79 * MS, on_axis(k, 0.0)) is not None
    assert guard.judge(10**9 + 80 * MS, on_axis(k, 0.0)) is None


@AXES
def test_a_small_step_is_a_step_and_not_a_speed(k):
    guard = started(on_axis(k, 0.0), *alone(k, 0.5))
    assert guard.judge(10**9 + 100 * MS, on_axis(k, 0.0)) is None
    assert guard.judge(10**9 + 110 * MS, on_axis(k, 0.5)) is None


def test_each_axis_counts_the_time_since_its_own_last_step():
    guard = started((0.0, 0.0, 0.0), 1.0, 1.0, 1.0, t_ns=0)
    passes = [
        (100, (1.0, 0.0, 0.0), True),
        (120, (1.0, 1.0, 0.0), True),
        (130, (0.0, 1.0, 0.0), False),
        (135, (1.0, 1.0, 1.0), True),
        (141, (0.0, 1.0, 1.0), True),
        (150, (0.0, 0.0, 1.0), False),
        (161, (0.0, 0.0, 1.0), True),
        (170, (0.0, 0.0, 0.0), False),
        (175, (0.0, 0.0, 0.0), True),
        (180, (1.0, 0.0, 0.0), False),
        (181, (1.0, 0.0, 0.0), True),
    ]
    for at_ms, demand, allowed in passes:
        assert (guard.judge(at_ms * MS, demand) is None) == allowed, at_ms


@AXES
def test_the_other_axes_keep_their_own_speeds(k):
    guard = started((2.0, 2.0, 2.0), *alone(k))
    speeds = [5.0, -5.0, 15.0]
    speeds[k] = 0.0
    at = [2.0, 2.0, 2.0]
    for number in range(1, 6):
        share = 0.01 if number > 1 else 0.005  # at first half as fast, to accelerate in two steps
        at = [a + share * v for a, v in zip(at, speeds, strict=True)]
        x, y, z = at
        assert guard.judge(10**9 + number * 10 * MS, (x, y, z)) is None, number
    over = [a + 0.01 * v for a, v in zip(at, (20.0, 20.0, 20.0), strict=True)]
    over[k] = 2.0
    said = guard.judge(10**9 + 60 * MS, (over[0], over[1], over[2])) or ""
    assert "acceleration of" in said


@AXES
def test_a_refusal_of_a_continuous_axis_says_its_own_value(k):
    other = (k + 1) % 3
    guard = started(on_axis(other, 3.99), *alone(k))
    said = f"demand of 4.010 mm is outside +-4 mm along {'xyz'[other]}"
    assert guard.judge(2 * 10**9, on_axis(other, 4.01)) == said
    assert guard.judge(2 * 10**9, on_axis(other, 3.9)) is None
    fast = guard.judge(2 * 10**9 + 10 * MS, on_axis(other, 3.4))
    assert fast == f"speed of -50.0 mm/s is over 25 mm/s along {'xyz'[other]}"
