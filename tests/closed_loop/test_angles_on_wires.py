"""Angles that are lost or leap hold an MLC, through the bytes of each driver of a linac.

What the room's linac reports goes to the driver's twin, as bytes to the driver, and from there to
the engine, in virtual time. One run for each driver: first the bytes stop, later an angle leaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hal.driver import LINAC, DriverContext, OnWire
from hal.events import Event, SendPermit
from hal.messages import LinacStatus
from hal.registry import DRIVERS
from sim.back_to_back import BackToBack
from sim.registry import TWINS
from sim.twin import TwinContext
from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.safety.fault_table import FaultName
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, Output

from .room_run import RoomRun
from .test_mishaps import mishap

LOST_S, LEAP_S = 1.5, 50.0
WIRES: dict[str, dict[str, Any]] = {
    "openigtlink-linac": {},
    "icom": {},
    "modbus-linac": {
        "session": {
            "gantry": {"register": 0, "words": 2, "factor": 0.01},
            "collimator": {"register": 2},
            "table": {"register": 3, "signed": True},
            "counter": 4,
        }
    },
}
"""The drivers of the role, with the keys that each needs beside its address."""


class LinacOnWire(RoomRun):
    """A room whose linac is heard through the bytes of a driver."""

    def __init__(self, driver: str, **changes: Any) -> None:
        shipped = load_configuration(SHIPPED / "machines" / "mlc.toml")
        super().__init__(altered(shipped, changes))
        row, twin = DRIVERS.row(driver), TWINS.row(driver)
        keys = {"driver": driver, "address": "tcp://127.0.0.1:1", **WIRES[driver]}
        settings = msgspec.convert(keys, row.settings)
        context = DriverContext(device="linac", role=LINAC, folder="", tick_ns=10_000_000)
        room = TwinContext(device="linac", role=LINAC, folder=Path(), rate_hz=0.0)
        built = row.build(settings, context, lambda: 0)
        assert isinstance(built, OnWire)
        assert twin.make is not None
        self.wire = BackToBack(built.conversation, twin.make(settings, room))
        self._heard = 0
        self._ticks = self._on_wire(self._ticks)

    def _on_wire(
        self, ticks: Iterator[tuple[int, int, list[Event]]]
    ) -> Iterator[tuple[int, int, list[Event]]]:
        for now_ns, due_ns, events in ticks:
            for event in events:
                if isinstance(event, LinacStatus):
                    self.wire.run(event.t_ns)
                    self.wire.twin.show(event, event.t_ns)
            self.wire.run(now_ns)
            if self.wire.error is not None:  # the link closes, and opens again
                self.wire.error = None
                self.wire.twin.begin(now_ns)
                self.wire.driver.begin(now_ns)
            told, self._heard = self.wire.samples[self._heard :], len(self.wire.samples)
            others = [event for event in events if not isinstance(event, LinacStatus)]
            yield now_ns, due_ns, [*others, *told]


def test_every_driver_of_a_linac_is_here():
    assert set(WIRES) == {row.name for row in DRIVERS.with_role("linac")}


@cache
def run_of(driver: str) -> tuple[LinacOnWire, float]:
    """A run in which the wire was cut, and the moment of the cut in seconds."""
    room = {"duration_s": 90.0, "mishaps": [mishap("bias", "linac", 30.0, 10.0, at_s=LEAP_S)]}
    run = LinacOnWire(driver, room=room, linac={"stale_ms": 600.0})
    run.run_until(SessionState.TRACKING)
    run.run_s(2.0)
    cut_s = run.now_ns / 1e9
    run.wire.to_driver = lambda data: b""
    run.run_s(LOST_S)
    run.wire.to_driver = lambda data: data
    run.run_s(LEAP_S + 3.0 - run.now_ns / 1e9)
    return run, cut_s


def changed(run: LinacOnWire, fault: FaultName, *, active: bool) -> list[FaultChanged]:
    found = [o for o in run.outputs if isinstance(o, FaultChanged) and o.fault == fault]
    return [each for each in found if each.active is active]


def permits(outputs: list[Output], from_ns: float, to_ns: float) -> list[SendPermit]:
    return [o for o in outputs if isinstance(o, SendPermit) and from_ns <= o.t_ns < to_ns]


@pytest.mark.parametrize("driver", WIRES)
def test_a_cut_wire_holds_the_beam_until_angles_come_again(driver):
    run, cut_s = run_of(driver)
    (lost,), (found,) = (
        changed(run, FaultName.ANGLES_LOST, active=active) for active in (True, False)
    )
    assert lost.t_ns / 1e9 - cut_s <= 0.9
    assert lost.detail.startswith("linac: no angles, the newest is 6")
    assert permits(run.outputs, 0.0, lost.t_ns), "the beam was on before"
    assert permits(run.outputs, lost.t_ns, found.t_ns) == []
    assert found.t_ns / 1e9 - cut_s >= LOST_S
    assert permits(run.outputs, found.t_ns, LEAP_S * 1e9), "and is again"


@pytest.mark.parametrize("driver", WIRES)
def test_an_angle_that_leaps_holds_the_beam(driver):
    run, _ = run_of(driver)
    (wrong,) = changed(run, FaultName.ANGLES_WRONG, active=True)
    assert 0.0 <= wrong.t_ns / 1e9 - LEAP_S <= 0.4
    assert wrong.detail.startswith("linac: gantry at ")
    assert "from where its speed leads to, limit 3 degrees" in wrong.detail
    assert permits(run.outputs, wrong.t_ns, run.now_ns) == []
