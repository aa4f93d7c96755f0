"""What a test is excused for: the time that the machine took, and none beside it."""

from __future__ import annotations

import pytest

from tests.live.machine_load import MachineLoad, Wait

MS = 1_000_000


def test_a_wait_counts_where_it_can_have_delayed_something() -> None:
    load = MachineLoad()
    load._waits = [Wait(100 * MS, 125 * MS), Wait(400 * MS, 422 * MS)]
    assert load.taken_ms(0, 90 * MS) == 0.0
    assert load.taken_ms(0, 110 * MS) == 25.0
    assert load.taken_ms(120 * MS, 300 * MS) == 25.0
    assert load.taken_ms(126 * MS, 399 * MS) == 0.0
    assert load.taken_ms(0, 1000 * MS) == 47.0
    assert not load.starved(0, 1000 * MS)
    load._waits.append(Wait(500 * MS, 526 * MS))
    assert load.starved(0, 1000 * MS)
    assert not load.starved(0, 400 * MS)
    load._waits.pop()
    assert load.taken_share(0, 1000 * MS) == pytest.approx(0.047)
