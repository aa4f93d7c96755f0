"""The gate: delays to the nanosecond, and a lease that ends without a word."""

from __future__ import annotations

from hal.events import SendHold, SendPermit
from hal.messages import BeamStatus
from sim.gate import SimulatedGate
from sim.scenario import RoomGate as GateSettings

MS = 1_000_000
ON, OFF = 3_370_000, 1_450_000


def make(**changes) -> SimulatedGate:
    return SimulatedGate(GateSettings(**changes), "gate", (), 1, 5.0)


def permit(gate: SimulatedGate, at_ms: float, lease_ms: float = 100.0) -> None:
    t_ns = round(at_ms * MS)
    gate.obey(SendPermit(t_ns, "gate", t_ns + round(lease_ms * MS)))


def statuses(gate: SimulatedGate, to_ms: int) -> list[BeamStatus]:
    out: list = []
    gate.collect(to_ms * MS, out)
    return out


def test_beam_comes_after_the_delay():
    gate = make()
    permit(gate, 10)
    assert not gate.on_at(10 * MS + ON - 1)
    assert gate.on_at(10 * MS + ON)


def test_lease_ends_by_itself():
    gate = make()
    permit(gate, 10)
    assert gate.on_at(110 * MS + OFF - 1)
    assert not gate.on_at(110 * MS + OFF)
    assert not gate.on_at(4000 * MS)


def test_lapse_is_told_until_the_next_permit():
    gate = make(status_hz=1000.0)
    permit(gate, 10)
    told = {status.t_ns // MS - 5: status for status in statuses(gate, 200)}
    assert (told[100].on, told[100].lapsed) == (True, False)
    assert (told[150].on, told[150].lapsed) == (False, True)
    permit(gate, 200)
    assert all(s.lapsed == (s.t_ns < 205 * MS) for s in statuses(gate, 300))


def test_renewal_keeps_the_beam_on_without_a_gap():
    gate = make()
    for at_ms in range(0, 1000, 50):
        permit(gate, at_ms)
    assert all(gate.on_at(t * MS) for t in range(5, 1050))
    assert not gate.on_at(1052 * MS)


def test_renewal_at_the_last_nanosecond_counts_and_one_later_does_not():
    gate = make()
    permit(gate, 0)
    permit(gate, 100)
    assert all(gate.on_at(t * MS) for t in range(4, 200))
    late = make()
    permit(late, 0)
    late.obey(SendPermit(100 * MS + 1, "gate", 200 * MS))
    assert late.on_at(100 * MS + 1 + OFF - 2)
    assert not late.on_at(100 * MS + OFF)
    assert late.on_at(100 * MS + 1 + ON)


def test_newest_permit_counts_even_if_shorter():
    gate = make()
    permit(gate, 0, lease_ms=200)
    permit(gate, 10, lease_ms=20)
    assert not gate.on_at(30 * MS + OFF)


def test_hold_takes_the_beam_after_the_delay_and_is_no_lapse():
    gate = make()
    permit(gate, 0)
    gate.obey(SendHold(50 * MS, "gate", ("why",)))
    assert gate.on_at(50 * MS + OFF - 1)
    assert not gate.on_at(50 * MS + OFF)
    assert not any(status.lapsed for status in statuses(gate, 400))


def test_hold_before_the_beam_came_means_no_beam_at_all():
    gate = make()
    permit(gate, 0)
    gate.obey(SendHold(1 * MS, "gate", ("why",)))
    assert not any(gate.on_at(t * 10_000) for t in range(2000))


def test_permit_right_after_a_hold_with_a_slow_gate_keeps_the_beam():
    gate = make(on_delay_ms=1.0, off_delay_ms=50.0)
    permit(gate, 0)
    gate.obey(SendHold(20 * MS, "gate", ("why",)))
    permit(gate, 25)
    assert all(gate.on_at(t * MS) for t in range(1, 120))


def test_permit_that_has_already_ended_gives_no_beam():
    gate = make()
    gate.obey(SendPermit(50 * MS, "gate", 50 * MS))
    assert not gate.on_at(60 * MS)


def test_read_back_is_of_its_own_moment():
    gate = make(status_hz=1000.0, status_delay_ms=5.0)
    permit(gate, 10)
    for status in statuses(gate, 100):
        assert status.on == (status.t_ns - 5 * MS >= 10 * MS + ON)
