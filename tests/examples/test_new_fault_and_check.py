"""A new fault and its check, from their file and their two rows to a beam that is held."""

from __future__ import annotations

from tests.closed_loop.room_run import RoomRun, S
from tracker.build.engine import build_engine
from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.safety.checks.table import CHECKS
from tracker.core.safety.fault_table import FAULTS
from tracker.core.types import FaultChanged, SessionChanged

from .still_breath import STILL_BREATH, STILL_BREATH_FAULT, StillBreathCheck

HOLD_S = 38.0
HELD_BREATH = {"kind": "hold", "on": "patient", "at_s": HOLD_S, "duration_s": 5.0}


def test_the_new_fault_holds_the_beam_while_its_check_finds_it() -> None:
    shipped = load_configuration(SHIPPED / "couch.toml")
    room = {"duration_s": 54.0, "mishaps": [HELD_BREATH]}
    configuration = altered(shipped, {"room": room})
    engine = build_engine(
        configuration.controller,
        checks=(*CHECKS, StillBreathCheck),
        faults={**FAULTS, STILL_BREATH: STILL_BREATH_FAULT},
    )
    run = RoomRun(configuration, engine=engine)
    run.run_s(HOLD_S + 13.0)
    told = [o for o in run.outputs if isinstance(o, FaultChanged) and o.fault == STILL_BREATH]
    assert [each.active for each in told if each.t_ns > HOLD_S * S] == [True, False]
    first = next(each for each in told if each.t_ns > HOLD_S * S)
    assert 1.5 <= first.t_ns / S - HOLD_S <= 2.5
    assert first.reaction == "HOLD"
    assert first.detail.endswith("limit 2 s")
    changes = [o for o in run.outputs if isinstance(o, SessionChanged) and o.t_ns > HOLD_S * S]
    assert [change.after for change in changes] == ["HOLDING", "TRACKING"]
    assert changes[0].t_ns == first.t_ns
