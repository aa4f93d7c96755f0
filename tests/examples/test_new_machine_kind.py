"""A new kind of treatment machine, from its file and its row to a tracked patient."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest

from hal.events import Command, Request, SendDemand, Tick
from sim.room import SimulatedRoom
from tracker.build.engine import build_engine
from tracker.build.room import furnish
from tracker.build.scripted_operator import Operator
from tracker.build.virtual_time import tick_events
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.core.machine.kinds.table import MACHINE_KINDS
from tracker.core.session import SessionState

from .one_axis_couch import ONE_AXIS_COUCH

KINDS = {**MACHINE_KINDS, ONE_AXIS_COUCH.name: ONE_AXIS_COUCH}


def configuration(target_mm: tuple[float, float, float]) -> Configuration:
    """A target that moves so far with the breath, patient frame, under the new kind of machine."""
    changes = {
        "room": {"duration_s": 45.0},
        "room.patient.breathing": {"target_mm": list(target_mm)},
    }
    shipped = altered(load_configuration(SHIPPED / "couch.toml"), changes)
    controller = msgspec.structs.replace(
        shipped.controller, actuator=ONE_AXIS_COUCH.actuator, guard=ONE_AXIS_COUCH.guard
    )
    return dataclasses.replace(shipped, controller=controller)


def run(configuration: Configuration) -> tuple[SimulatedRoom, list[SendDemand], int]:
    """Track the patient; give the room, the demands, and when tracking began."""
    room = furnish(configuration, None, 1)
    engine, operator = build_engine(configuration.controller, KINDS), Operator()
    demands: list[SendDemand] = []
    began_ns = -1
    for now_ns, due_ns, events in tick_events(room, configuration.controller):
        requested = operator.wish(now_ns, engine.state)
        if requested is not None:
            events.append(Request(now_ns, requested))
        for event in (*events, Tick(now_ns, due_ns)):
            for output in engine.handle(event):
                if isinstance(output, Command):
                    room.obey(output)
                if isinstance(output, SendDemand):
                    demands.append(output)
        if began_ns < 0 and engine.state is SessionState.TRACKING:
            began_ns = now_ns
    return room, demands, began_ns


def test_the_new_kind_follows_its_axis_and_leaves_the_rest_in_the_error() -> None:
    room, demands, began_ns = run(configuration((3.0, -14.0, 0.0)))
    assert began_ns > 0
    assert len(demands) > 500
    across = max(max(abs(d.position_mm[0]), abs(d.position_mm[2])) for d in demands)
    assert across < 0.05, "where the encoder was read at the start, within its noise"
    settled_ns = began_ns + 3_000_000_000
    truth = room.truth_between(settled_ns, room.duration_ns)
    left = np.sqrt(np.mean(np.square([record.target_fixed_mm for record in truth]), axis=0))
    moved = np.sqrt(np.mean(np.square([record.target_mm for record in truth]), axis=0))
    assert left[1] < 0.2 * moved[1], "followed"
    assert left[0] == pytest.approx(moved[0], abs=0.05), "not followed"
    assert left[2] == pytest.approx(moved[2], abs=0.05), "not followed"
    traces = room.traces(room.duration_ns)
    permitted = traces.permitted[traces.t_ns >= settled_ns]
    assert permitted.mean() > 0.8, "the beam is on while the rest is within the tolerance"


def test_the_beam_is_held_while_what_is_not_followed_exceeds_the_tolerance() -> None:
    wide = configuration((12.0, -8.0, 0.0))
    room, _, began_ns = run(wide)
    traces = room.traces(room.duration_ns)
    permitted = traces.permitted & (traces.t_ns >= began_ns)
    assert 0 < permitted.sum() < 0.8 * (traces.t_ns >= began_ns).sum()
    assert traces.error_mm[permitted].max() < wide.controller.gating.tolerance_mm


def test_a_table_without_the_row_refuses_the_kind() -> None:
    with pytest.raises(ValueError, match='"one-axis-couch" is not one of couch, robot'):
        build_engine(configuration((3.0, -14.0, 0.0)).controller)
