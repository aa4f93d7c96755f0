"""The monitor's table and its page: each row at its limit, and records that are torn or old."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tracker.config import SHIPPED, load_configuration
from tracker.core.machine.whole_steps import WholeSteps
from tracker.core.settings import Actuator
from tracker.live.dead_man import conditions
from tracker.live.dead_man.conditions import (
    CONDITIONS,
    MS,
    Envelope,
    MonitorFinding,
    MonitorLimits,
    judge,
)
from tracker.live.dead_man.heartbeat import monitor_setup
from tracker.live.dead_man.monitor import MonitorSetup
from tracker.live.dead_man.shared_page import (
    DaemonRecord,
    MonitorRecord,
    SharedPage,
    anonymous_page,
)

LIMITS = MonitorLimits(100.0, 120.0, 140.0, 42.0, 250.0)
NOW = 10**12
GOOD = DaemonRecord(
    beats=7,
    beat_ns=NOW - 5 * MS,
    permit_until_ns=NOW + 95 * MS,
    surrogate_ns=NOW - 12 * MS,
    beam_ns=NOW - 20 * MS,
    demand_ns=NOW - 5 * MS,
    tracking=True,
    beam_on=True,
)


def found(record: DaemonRecord, beam_on: bool = True, outside_mm: float = 0.0) -> int:
    finding = judge(NOW, record, beam_on, outside_mm, LIMITS)
    return 0 if finding is None else finding.condition


def test_a_controller_in_order_keeps_its_beam() -> None:
    assert found(GOOD) == 0
    assert found(GOOD, beam_on=False) == 0


ROWS = [
    (conditions.SILENT, {"beat_ns": NOW - 100 * MS}, {"beat_ns": NOW - 100 * MS - 1}),
    (
        conditions.STAYS_ON,
        {"permit_until_ns": NOW - 120 * MS},
        {"permit_until_ns": NOW - 120 * MS - 1},
    ),
    (conditions.BLIND, {"surrogate_ns": NOW - 140 * MS}, {"surrogate_ns": NOW - 140 * MS - 1}),
    (conditions.NOT_TRACKING, {"permit_until_ns": NOW, "tracking": False}, {"tracking": False}),
]


@pytest.mark.parametrize(("condition", "at", "over"), ROWS)
def test_each_row_is_false_at_its_limit_and_true_behind_it(
    condition: int, at: dict[str, int], over: dict[str, int]
) -> None:
    assert found(GOOD._replace(**at)) == 0
    assert found(GOOD._replace(**over)) == condition


def test_a_demand_outside_is_a_row() -> None:
    assert found(GOOD, outside_mm=math.ulp(0.0)) == conditions.OUTSIDE
    assert {row for row, *_ in ROWS} | {conditions.OUTSIDE} == set(CONDITIONS)


def test_without_beam_and_permit_there_is_nothing_to_take() -> None:
    bad = DaemonRecord(beats=7, permit_until_ns=NOW)
    assert found(bad, beam_on=False, outside_mm=99.0) == 0
    assert found(bad, beam_on=True, outside_mm=99.0) == conditions.SILENT


def test_beam_without_any_controller_is_taken() -> None:
    assert found(DaemonRecord()) == conditions.SILENT


def test_what_latches_is_what_a_stall_cannot_cause() -> None:
    assert [row.name for row in CONDITIONS.values() if not row.latches] == ["heartbeat"]
    assert all(row.words.format(12.3) for row in CONDITIONS.values())


def demand(at_ms: float, *axes: float) -> DaemonRecord:
    return GOOD._replace(
        demand_ns=round(at_ms * MS), demand_x_mm=axes[0], demand_y_mm=axes[1], demand_z_mm=axes[2]
    )


def test_the_envelope_follows_demands() -> None:
    envelope = Envelope(LIMITS)
    assert envelope.outside_mm(demand(0, 0.0, 0.0, 0.0)) == 0.0
    assert envelope.outside_mm(demand(10, 2.5, -2.5, 2.5)) == 0.0, "250 mm/s on each axis"
    assert envelope.outside_mm(demand(10, 2.5, -2.5, 2.5)) == 0.0, "the same one again"
    assert envelope.outside_mm(demand(30, 2.5, -2.5, 8.6)) == pytest.approx(0.6)
    assert envelope.outside_mm(demand(40, 2.5, -42.1, 8.6)) > 0.0
    fresh = Envelope(LIMITS)
    assert fresh.outside_mm(demand(0, 42.0, -42.0, 0.0)) == 0.0
    assert fresh.outside_mm(demand(400, -42.0, 0.0, 0.0)) == 0.0, "another motion"
    assert fresh.outside_mm(demand(410, -42.001, 0.0, 0.0)) == pytest.approx(0.001)
    assert fresh.outside_mm(GOOD._replace(demand_ns=-1, demand_x_mm=999.0)) == 0.0
    assert fresh.outside_mm(demand(420, 42.0, 0.0, 0.0)) == 0.0, "stopped in between"
    for wrong in (math.nan, math.inf, -math.inf):
        assert Envelope(LIMITS).outside_mm(demand(0, 0.0, wrong, 0.0)) == math.inf


LEAVES = Actuator(kind="mlc", quantum_mm=(0.0, 2.5, 0.0), speed_mm_s=30.0)
LEAF_LIMITS = MonitorLimits(100.0, 120.0, 140.0, 42.0, 36.0, LEAVES.quantum_mm)


def leaps(place: Callable[[int], float], period_ms: int = 10) -> list[float]:
    """How far demands are outside whose stepping axis is so at each tick of half a second."""
    envelope = Envelope(LEAF_LIMITS)
    return [
        envelope.outside_mm(demand(at_ms, 0.0, place(at_ms), 0.0))
        for at_ms in range(0, 500, period_ms)
    ]


@pytest.mark.parametrize("period_ms", [10, 20, 50])
def test_leaves_that_move_in_whole_steps_are_inside(period_ms: int) -> None:
    steps = WholeSteps(LEAVES)
    places = [steps.nearest(at_ms * MS, (0.0, 0.04 * at_ms, 0.0))[1] for at_ms in range(500)]
    assert len(set(places)) > 5, "one step after the other, as fast as leaves go"
    assert max(leaps(lambda at_ms: places[at_ms], period_ms)) == 0.0


def test_leaves_that_leap_by_more_or_too_often_are_outside() -> None:
    two_at_once = leaps(lambda at_ms: 5.0 if at_ms >= 100 else 0.0)
    assert two_at_once[9] == 0.0
    assert two_at_once[10] == pytest.approx(5.0 - 2.5 - 0.36 - 0.5)
    each_tick = leaps(lambda at_ms: 2.5 * (at_ms // 10))
    assert each_tick[1] == 0.0
    assert each_tick[2] == pytest.approx(1.64 - (2.5 - 1.64 + 0.36))
    envelope = Envelope(LEAF_LIMITS)
    envelope.outside_mm(demand(0, 0.0, 0.0, 0.0))
    assert envelope.outside_mm(demand(10, 2.5, 0.0, 0.0)) == pytest.approx(1.64), "along the leaves"


def test_the_limits_reach_the_monitor_with_the_steps_of_the_leaves(tmp_path: Path) -> None:
    file = tmp_path / "jaws.toml"
    file.write_text(
        f'extends = "{SHIPPED / "machines" / "jaws.toml"}"\n'
        '[wires.gate]\ndriver = "modbus"\naddress = "tcp://127.0.0.1:502"\n'
    )
    configuration = load_configuration(file)
    sent = monitor_setup(configuration, "3").as_json()
    limits = MonitorSetup(**json.loads(sent)).limits()
    assert limits.quantum_mm == configuration.controller.actuator.quantum_mm
    assert max(limits.quantum_mm) == 6.25


@pytest.fixture
def pages() -> Iterator[tuple[SharedPage, SharedPage, int]]:
    descriptor = anonymous_page()
    with SharedPage(descriptor) as ours, SharedPage(descriptor) as theirs:
        yield ours, theirs, descriptor
    os.close(descriptor)


def test_each_side_reads_what_the_other_wrote(pages: tuple[SharedPage, SharedPage, int]) -> None:
    ours, theirs, _ = pages
    assert theirs.daemon() == DaemonRecord()
    assert ours.monitor() == MonitorRecord()
    ours.write_daemon(GOOD)
    said = MonitorRecord(3, NOW, 2, True, False, True, conditions.BLIND, 151.5)
    theirs.write_monitor(said)
    assert theirs.daemon() == GOOD
    assert ours.monitor() == said


def test_a_record_torn_at_any_byte_leaves_the_one_before(
    pages: tuple[SharedPage, SharedPage, int],
) -> None:
    ours, theirs, descriptor = pages
    ours.write_daemon(GOOD)
    before = os.pread(descriptor, 128, 0)
    assert theirs.daemon() == GOOD
    newer = GOOD._replace(beats=8, beat_ns=NOW + 5 * MS, surrogate_ns=NOW, demand_x_mm=1.5)
    ours.write_daemon(newer)
    after = os.pread(descriptor, 128, 0)
    changed = [i for i in range(128) if before[i] != after[i]]
    for cut in range(changed[0] + 1, changed[-1] + 1):
        os.pwrite(descriptor, after[:cut] + before[cut:], 0)
        assert theirs.daemon() == GOOD, f"torn after {cut} bytes"
    os.pwrite(descriptor, after, 0)
    assert theirs.daemon() == newer


def test_a_finding_says_what_and_how_much() -> None:
    finding = judge(NOW, GOOD._replace(surrogate_ns=NOW - 151 * MS), True, 0.0, LIMITS)
    assert finding == MonitorFinding(conditions.BLIND, 151.0)


def test_the_monitor_has_a_code_path_of_its_own() -> None:
    code = (
        "import sys, tracker.live.dead_man.monitor; print(*[n for n in ('numpy', 'numba', "
        "'asyncio', 'msgspec', 'hal.link', 'hal.modbus.session', 'tracker.core.engine') "
        "if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
