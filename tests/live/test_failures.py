"""Each failure of a device, made with its twin while the beam is on: its fault, the beam held."""

from __future__ import annotations

from functools import cache

import pytest

from tests.live.failures import FAILURES, Failure
from tests.live.memory_room import MemoryRoom
from tests.live.processes import SOON
from tracker.config import SHIPPED, Configuration, altered, parse_configuration
from tracker.core.safety.fault_table import FAULTS, Reaction

GATE_S = 0.03
"""What the gate itself takes from permit gone to beam off, and the slice the beam is looked at."""
CAMERA = {"position_mm": [0.0, -20.0, 1600.0], "rotation_deg": [180.0, 0.0, 0.0]}
"""Above the chest, so that a stereo camera with cameras of its own field of view sees it."""
COMMON = {
    "camera": CAMERA,
    "room.camera": CAMERA,
    **{name: SOON[name] for name in ("fusion", "correlation", "gating")},
    "imager": {"interval_s": 3.0, "warn_s": 5.0, "overdue_s": 7.0},
    "room": {"duration_s": 60.0},
}
COUCH_WIRES = """
[wires.camera]
driver = "openigtlink"
address = "tcp://127.0.0.1:18944"
session = {tools = ["abdomen", "arch", "chest"]}

[wires.belt]
driver = "lsl"
session = {name = "belt"}

[wires.actuator]
driver = "gcs"
address = "tcp://127.0.0.1:50000"

[wires.gate]
driver = "modbus"
address = "tcp://127.0.0.1:502"
"""


FILES = {"robot": ("room-twin.toml", ""), "couch": ("couch.toml", COUCH_WIRES)}
"""The shipped file of each kind of machine, and what is added to it."""


def configuration(kind: str) -> Configuration:
    name, more = FILES[kind]
    text = (SHIPPED / name).read_text(encoding="utf-8") + more
    return altered(parse_configuration(text, path=SHIPPED / name), COMMON)


@cache
def tracked(kind: str) -> MemoryRoom:
    """A room of this kind with beam on for a while."""
    run = MemoryRoom(configuration(kind))
    while not run.beam_on:
        run.advance(1.0)
        assert run.now_ns < 25e9, (run.state, run.raised())
    run.advance(1.0)
    assert not holding(run), run.raised()
    return run


def holding(run: MemoryRoom) -> list[str]:
    """Faults that hold or stop, raised in the last stretch."""
    return [name for name in run.raised() if FAULTS[name].reaction >= Reaction.HOLD]


def test_the_table_has_every_device_and_each_row_names_a_fault_there_is() -> None:
    assert {row.device for row in FAILURES} == {
        "Polaris", "BITalino", "LSL", "GigE", "X-ray", "RSI", "GCS", "gate", "OpenIGTLink",
    }  # fmt: skip
    for row in FAILURES:
        if row.follows in ("held", "stopped") and row.fault:
            assert FAULTS[row.fault].reaction >= Reaction.HOLD
            assert row.beam_off_s > 0.0
        elif row.follows == "warned":
            assert FAULTS[row.fault].reaction is Reaction.WARN
    assert len({(row.device, row.what) for row in FAILURES}) == len(FAILURES)


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: f"{row.device}: {row.what}")
def test_a_failure_raises_its_fault_and_holds_the_beam(row: Failure) -> None:
    run = tracked(row.room).again()
    began_ns = run.now_ns
    row.make(run)
    began_ns = run.now_ns
    run.advance(row.lasts_s)
    raised = run.raised()
    assert not row.fault or row.fault in raised, raised
    if row.follows in ("warned", "nothing"):
        assert holding(run) == []
        assert all(on for _, on in run.beam), "one of two is enough"
        assert row.fault or raised == {}
        return
    if row.follows == "stuck":
        assert run.state.value == "STOPPED"
        return
    off_ns = next(t_ns for t_ns, on in run.beam if not on)
    assert (off_ns - began_ns) / 1e9 <= row.beam_off_s + GATE_S
    assert not any(on for t_ns, on in run.beam if t_ns >= off_ns), "held while it lasts"
    assert run.state.value == ("STOPPED" if row.follows == "stopped" else "HOLDING")
    if row.mend is not None and row.returns_s:
        row.mend(run)
        run.advance(row.returns_s)
        assert run.beam_on, (run.state, run.raised())
