"""Where the machine was: its reports in order, positions between them, and how long they last."""

import pytest

from tracker.core.machine.position_history import ActuatorTrack

MS = 1_000_000
DELAY_NS = 5 * MS


def track(*reports: tuple[int, tuple[float, float, float]], delay_ns: int = 0) -> ActuatorTrack:
    """A track with reports of (arrival in ms, position)."""
    made = ActuatorTrack(delay_ns)
    for arrival_ms, position in reports:
        made.add(arrival_ms * MS, position)
    return made


ONE, TWO, THREE = (1.0, 20.0, 300.0), (2.0, 24.0, 316.0), (8.0, 20.0, 300.0)
THREE_REPORTS = ((10, ONE), (20, TWO), (40, THREE))


def test_before_the_first_report_nothing_is_known():
    empty = ActuatorTrack(DELAY_NS)
    assert (empty.newest_ns, empty.newest_mm) == (-1, None)
    assert empty.at(0) is None
    assert empty.at(-1) is None


def test_a_position_belongs_to_the_moment_it_was_measured():
    made = track((10, ONE), delay_ns=DELAY_NS)
    assert (made.newest_ns, made.newest_mm) == (5 * MS, ONE)
    assert made.at(5 * MS) == ONE
    assert made.at(5 * MS - 1) is None


@pytest.mark.parametrize(
    ("at_ms", "position"),
    [
        (10, ONE),
        (12, (1.2, 20.8, 303.2)),  # a fifth of the way
        (20, TWO),
        (25, (3.5, 23.0, 312.0)),  # a quarter of the second way
        (40, THREE),
        (45, (9.5, 19.0, 296.0)),  # a quarter further on
    ],
)
def test_a_position_lies_on_the_line_between_two_reports(at_ms, position):
    assert track(*THREE_REPORTS).at(at_ms * MS) == pytest.approx(position)


def test_the_newest_report_is_continued_for_60_ms_only():
    made = track(*THREE_REPORTS)
    assert made.at(100 * MS) == pytest.approx((26.0, 8.0, 252.0))
    assert made.at(100 * MS + 1) is None
    alone = track((10, ONE))
    assert alone.at(70 * MS) == ONE
    assert alone.at(70 * MS + 1) is None


def test_reports_that_are_not_later_than_the_newest_are_dropped():
    made = track((10, ONE), (20, TWO), (20, THREE), (15, THREE))
    assert (made.newest_ns, made.newest_mm) == (20 * MS, TWO)
    assert made.at(15 * MS) == pytest.approx((1.5, 22.0, 308.0))
    first = ActuatorTrack(0)
    first.add(-5, ONE)
    assert first.newest_mm == ONE, "the first one counts, whenever it was measured"


def test_reports_are_kept_for_three_seconds():
    made = track((0, ONE), (1, TWO), (3000, THREE))
    assert made.at(0) == ONE
    made.add(3000 * MS + 1, THREE)
    assert made.at(0) is None
    assert made.at(1 * MS) == TWO
    made.add(3001 * MS, ONE)
    assert made.at(1 * MS - 1) is None
    assert made.at(1 * MS) == TWO
    made.add(6002 * MS, TWO)
    assert made.at(3001 * MS) is None
    assert made.at(6002 * MS) == TWO
