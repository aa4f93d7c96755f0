"""The campaign of demands, short; and that it would see an escape."""

from __future__ import annotations

import pytest

from tracker.core.machine.guard import DemandGuard

from . import demands
from .demands import SETS, campaign


@pytest.mark.parametrize("which", range(len(SETS)))
def test_nothing_leaves_the_envelope_on_the_wire(which: int) -> None:
    outcome = campaign(3_400, which)
    assert outcome.escapes == []
    counts = outcome.counts
    assert counts["passed"] == counts["couch targets"] > 400
    assert counts["robot replies"] > 1000
    assert counts["couch's driver refused"] > 0, "what the guard refuses, drivers may refuse too"
    for kind in ("demand", "step", "speed", "acceleration"):
        assert which > 0 or counts[f"refused for {kind}"] > 20, "dense at each limit"


def test_a_demand_judged_before_it_is_rounded_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demands, "as_sent", lambda position: position)
    assert campaign(2_000, 0).escapes


def test_a_guard_that_lets_too_much_pass_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(DemandGuard):
        def judge(self, t_ns, position_mm):
            refusal = super().judge(t_ns, position_mm)
            if refusal is not None and "speed" in refusal:
                self.start(t_ns, position_mm)
                return None
            return refusal

    monkeypatch.setattr(demands, "DemandGuard", Blind)
    assert any("couch" in escape for escape in campaign(2_000, 0).escapes)
