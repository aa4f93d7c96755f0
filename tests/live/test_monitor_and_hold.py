"""A controller that holds in time for a lost signal is not taken for one that does not."""

from __future__ import annotations

from tracker.live.dead_man import conditions
from tracker.live.dead_man.conditions import MS, MonitorLimits, judge
from tracker.live.dead_man.shared_page import DaemonRecord

LIMITS = MonitorLimits(100.0, 120.0, 140.0, 42.0, 250.0)
LOST_NS = 10**12
"""When the newest sample came."""
HELD_NS = LOST_NS + 110 * MS
"""A tick after it was too old for the controller."""


def found(now_ns: int, permit_until_ns: int) -> int:
    """What the monitor sees then, while it reads back beam."""
    record = DaemonRecord(
        beats=100,
        beat_ns=now_ns - 5 * MS,
        permit_until_ns=permit_until_ns,
        surrogate_ns=LOST_NS,
        beam_ns=now_ns - 40 * MS,
        demand_ns=now_ns - 5 * MS,
        tracking=permit_until_ns > now_ns,
        beam_on=True,
    )
    finding = judge(now_ns, record, True, 0.0, LIMITS)
    return 0 if finding is None else finding.condition


def test_a_hold_whose_read_back_is_on_its_way_latches_nothing() -> None:
    """Read-back, round and reply: 40 ms until the monitor knows that the gate has obeyed."""
    for after_ms in range(0, 60, 5):
        assert found(HELD_NS + after_ms * MS, HELD_NS) == 0


def test_a_gate_that_does_not_obey_the_hold_is_found_by_its_own_row() -> None:
    assert found(HELD_NS + 121 * MS, HELD_NS) == conditions.STAYS_ON


def test_a_permit_for_a_blind_controller_is_taken() -> None:
    now_ns = LOST_NS + 141 * MS
    assert found(now_ns, now_ns + 90 * MS) == conditions.BLIND
