"""The angles over time: carried on over 0 degrees and 360, and judged against the ones before."""

import math

import pytest

from hal.messages import LinacStatus
from tracker.core.machine.geometry import ALL_AXES, BeamsEyeAxes, MachineAngles
from tracker.core.machine.kinds.couch import COUCH
from tracker.core.machine.kinds.mlc import MLC
from tracker.core.machine.machine_angles import AngleReport, AngleTrack, AxesInTime, turned_by
from tracker.core.settings import Linac

MS = 1_000_000
REPORT_NS = 20 * MS
LINAC = Linac(enabled=True, delay_ms=5.0)


def status(t_ns: int, gantry: float, collimator: float = 90.0, table: float = 0.0) -> LinacStatus:
    return LinacStatus("linac", t_ns + 5 * MS, gantry % 360.0, collimator, table)


def turning(speed: float, seconds: float = 1.0, start: float = 350.0) -> tuple[AngleTrack, int]:
    """A track of a gantry that turns; and the moment of its last report."""
    track, t_ns = AngleTrack(LINAC), 0
    for k in range(round(seconds * 1e9) // REPORT_NS + 1):
        t_ns = k * REPORT_NS
        track.add(status(t_ns, start + speed * t_ns * 1e-9))
    return track, t_ns


@pytest.mark.parametrize(
    ("a", "b", "turn"),
    [
        (0.0, 10.0, 10.0),
        (350.0, 5.0, 15.0),
        (5.0, 350.0, -15.0),
        (0.0, 180.0, -180.0),
        (179.0, -179.0, 2.0),
    ],
)
def test_the_shorter_turn(a, b, turn):
    assert turned_by(a, b) == pytest.approx(turn)


@pytest.mark.parametrize("speed", [6.0, -6.0, 60.0, 0.0])
@pytest.mark.parametrize("ahead_ms", [-30, 0, 146, 630])
def test_angles_are_carried_on_with_their_speed(speed, ahead_ms):
    track, last_ns = turning(speed)
    at_ns = last_ns + ahead_ms * MS
    angles = track.at(at_ns)
    assert angles is not None
    assert turned_by(angles.gantry_deg, 350.0 + speed * at_ns * 1e-9) == pytest.approx(0, abs=1e-6)
    assert (angles.collimator_deg, angles.table_deg) == pytest.approx((90.0, 0.0))
    assert track.report == (last_ns, "", "")


def test_without_reports_nothing_is_known_and_one_report_stands():
    track = AngleTrack(LINAC)
    assert track.at(0) is None
    assert track.report.newest_ns == -1
    track.add(status(0, 30.0))
    angles = track.at(500 * MS)
    assert angles == (30.0, 90.0, 0.0)


def test_a_report_that_is_not_newer_is_dropped():
    track, last_ns = turning(6.0)
    before = track.at(last_ns)
    track.add(status(last_ns, 100.0))
    track.add(status(last_ns - REPORT_NS, 100.0))
    assert track.at(last_ns) == before
    assert track.report == (last_ns, "", "")


@pytest.mark.parametrize("speed", [0.0, 6.0, 60.0])
@pytest.mark.parametrize("which", ["gantry", "collimator"])
def test_a_leap_of_an_angle_is_told(speed, which):
    track, last_ns = turning(speed)
    t_ns = last_ns + REPORT_NS
    gantry, collimator = 350.0 + speed * t_ns * 1e-9, 90.0
    right, wrong = (gantry, collimator), (gantry + 3.2, collimator)
    if which == "collimator":
        wrong = (gantry, collimator - 3.2)
    track.add(status(t_ns, *wrong))
    assert track.report.suspect.startswith(f"{which} at ")
    assert "3.2 degrees from where its speed leads to, limit 3 degrees" in track.report.suspect
    track, _ = turning(speed)
    track.add(status(t_ns, right[0] + 2.8, right[1]))
    assert track.report.suspect == ""


def test_a_table_at_another_angle_is_told():
    track, last_ns = turning(0.0)
    track.add(status(last_ns + REPORT_NS, 350.0, table=0.6))
    said = "table at 0.6 degrees, configured 0, limit 0.5 degrees"
    assert track.report.suspect == said
    track.add(status(last_ns + 2 * REPORT_NS, 350.0, table=359.6))
    assert track.report.suspect == ""


@pytest.mark.parametrize("speed", [2.0, 6.0, -60.0])
def test_a_gantry_that_stands_still_at_once_is_told(speed):
    track, last_ns = turning(speed)
    stands = 350.0 + speed * last_ns * 1e-9
    for k in range(1, 8):
        track.add(status(last_ns + k * REPORT_NS, stands))
    assert track.report.stopped.startswith("gantry stands at ")
    assert track.report.stopped.endswith("with the beam on")


def test_a_gantry_that_turns_back_at_the_end_of_its_arc_is_right():
    track = AngleTrack(LINAC)
    for k in range(200):
        t_ns = k * REPORT_NS
        way = 6.0 * t_ns * 1e-9
        track.add(status(t_ns, min(way, 24.0 - way)))
        assert track.report.suspect == track.report.stopped == ""


def test_axes_turn_only_where_kind_and_configuration_say_so():
    plan = Linac(gantry_deg=90.0)
    for kind, linac in ((MLC, plan), (COUCH, LINAC)):
        axes = AxesInTime(kind, "HFS", linac)
        assert axes.report is None
        assert axes.at(0) is axes.at(10**9)
    standing = AxesInTime(MLC, "HFS", plan).at(0)
    assert standing is not None
    assert standing.from_patient((0.0, 0.0, 5.0)) == pytest.approx((-5.0, 0.0, 0.0))


@pytest.mark.parametrize("speed", [6.0, 60.0])
def test_the_wanted_velocity_is_that_of_target_and_gantry_together(speed):
    axes = AxesInTime(MLC, "HFS", LINAC)
    assert axes.at(0) is None
    assert axes.velocity(0, (1.0, 2.0, 3.0), (0.0, 0.0, 0.0)) == (0.0, 0.0, 0.0)
    for k in range(51):
        axes.track.add(status(k * REPORT_NS, speed * k * 0.02, collimator=0.0))
    at_ns = 50 * REPORT_NS
    (x, y, z), (u, v, w) = (4.0, 5.0, 12.0), (1.0, -20.0, 3.0)
    angle, rate = math.radians(speed), math.radians(speed)
    # X of the view is x cos g - z sin g, after one second of turning.
    expected = (
        u * math.cos(angle) - w * math.sin(angle)
        - rate * (x * math.sin(angle) + z * math.cos(angle))
    )  # fmt: skip
    found = axes.velocity(at_ns, (x, y, z), (u, v, w))
    assert found == pytest.approx((expected, v, 0.0), abs=0.1)


# Which reports count ---------------------------------------------------------------------------


def reported(*reports: tuple[float, float], linac: Linac = LINAC) -> AngleTrack:
    """A track of a gantry that was at so many degrees at so many milliseconds."""
    track = AngleTrack(linac)
    for at_ms, gantry in reports:
        track.add(status(round(at_ms * MS), gantry))
    return track


def test_nothing_is_known_of_angles_at_first():
    assert AngleReport() == (-1, "", "")


def test_the_speed_is_taken_from_the_reports_of_a_quarter_second():
    for newest_ms, gantry in ((1250.0, 20.0), (1250.000001, 10.0)):
        # From the first report on it turned by 10 degrees in 250 ms, from the second not at all.
        track = reported((1000.0, 0.0), (1100.0, 10.0), (newest_ms, 10.0))
        angles = track.at(1500 * MS)
        assert angles is not None
        assert angles.gantry_deg == pytest.approx(gantry)


def test_reports_far_apart_are_carried_on_from_the_last_two():
    track = reported((0.0, 0.0), (1000.0, 0.0), (2000.0, 6.0))
    angles = track.at(2500 * MS)
    assert angles is not None
    assert angles.gantry_deg == pytest.approx(9.0)
    two = reported((0.0, 0.0), (20.0, 1.0)).at(40 * MS)
    assert two is not None
    assert two.gantry_deg == pytest.approx(2.0)


def test_reports_far_apart_are_judged_by_the_last_two():
    assert reported((0, 0), (1000, 0), (2000, 20), (3000, 40)).report.suspect == ""
    assert reported((0, 0), (1000, 0), (2000, 4)).report.suspect != ""


@pytest.mark.parametrize(("newest_ms", "stands"), [(350.0, True), (350.000001, False)])
def test_how_long_a_report_is_kept_for_the_judgement(newest_ms, stands):
    track = reported((0, 0), (100, 20), (250, 20), (newest_ms, 20), (450.000001, 20))
    assert (track.report.stopped != "") is stands


@pytest.mark.parametrize("spacing_ms", [20, 25])
def test_an_angle_is_judged_by_reports_that_are_old_enough(spacing_ms):
    turned = [(float(ms), 0.02 * ms) for ms in range(0, 1001, spacing_ms)]
    for wait_ms in range(spacing_ms, 200, spacing_ms):
        track = reported(
            *turned, *((1000.0 + k, 20.0) for k in range(spacing_ms, wait_ms + 1, spacing_ms))
        )
        assert (track.report.stopped != "") is (wait_ms >= 100)


def test_the_limits_themselves_are_allowed():
    assert reported((0, 350), (100, 350), (200, 353)).report.suspect == ""
    assert reported((0, 0), (1000, 1), (2000, 1)).report.stopped == ""
    at_limit = AngleTrack(LINAC)
    at_limit.add(status(0, 0.0, table=0.5))
    assert at_limit.report.suspect == ""


@pytest.mark.parametrize(
    ("table", "told"), [(10.4, False), (9.6, False), (10.6, True), (9.4, True)]
)
def test_the_table_is_compared_with_the_planned_angle(table, told):
    track = AngleTrack(Linac(enabled=True, delay_ms=5.0, table_deg=10.0))
    track.add(status(0, 0.0, table=table))
    assert (track.report.suspect != "") is told


def test_every_angle_is_carried_on():
    track = AngleTrack(LINAC)
    track.add(status(0, 10.0, 20.0, 30.0))
    track.add(status(100 * MS, 11.0, 22.0, 33.0))
    assert track.at(200 * MS) == pytest.approx((12.0, 24.0, 36.0))


def test_fixed_axes_are_those_of_all_planned_angles():
    plan = Linac(gantry_deg=90.0, collimator_deg=30.0, table_deg=10.0)
    axes = AxesInTime(MLC, "HFS", plan)
    fixed = MLC.axes("HFS", MachineAngles(90.0, 30.0, 10.0))
    at = axes.at(0)
    assert at is not None
    assert at.from_patient((1.0, 2.0, 3.0)) == fixed.from_patient((1.0, 2.0, 3.0))
    moves = axes.velocity(0, (9.0, 9.0, 9.0), (1.0, 2.0, 3.0))
    assert moves == fixed.wanted((1.0, 2.0, 3.0))
    assert AxesInTime(MLC, "HFS", LINAC).report == AngleReport()


def test_the_wanted_velocity_of_all_three_axes():
    kind = MLC._replace(
        axes=lambda orientation, angles: BeamsEyeAxes(orientation, angles, ALL_AXES)
    )
    axes = AxesInTime(kind, "HFS", LINAC)
    for k in range(51):
        axes.track.add(status(k * REPORT_NS, 60.0 * k * 0.02, collimator=0.0))
    angle = rate = math.radians(60.0)
    (x, y, z), (u, v, w) = (4.0, 5.0, 12.0), (20.0, -20.0, 3.0)
    found = axes.velocity(50 * REPORT_NS, (x, y, z), (u, v, w))
    # Toward the source it is x sin g + z cos g.
    across = u * math.cos(angle) - w * math.sin(angle)
    across -= rate * (x * math.sin(angle) + z * math.cos(angle))
    toward = u * math.sin(angle) + w * math.cos(angle)
    toward += rate * (x * math.cos(angle) - z * math.sin(angle))
    assert found == pytest.approx((across, v, toward), abs=0.2)
