"""A new kind of surrogate source, from its file and its row to a tracked patient."""

import pytest

from hal.events import Command, Request, SendDemand, Tick
from hal.messages import BeltSample
from sim.belt import BELT as BELT_TWIN
from sim.source_twins import SOURCE_TWINS
from tracker.build.engine import build_engine
from tracker.build.room import furnish
from tracker.build.scripted_operator import Operator
from tracker.build.virtual_time import tick_events
from tracker.config import ConfigurationError, Sources, parse_configuration
from tracker.core.session import SessionState
from tracker.core.surrogate.signal import SurrogateSignal
from tracker.core.surrogate.sources.table import SOURCE_KINDS

from .strain_gauge import STRAIN_GAUGE

KINDS = (*SOURCE_KINDS, STRAIN_GAUGE)
SOURCES = Sources(KINDS, (*SOURCE_TWINS, BELT_TWIN._replace(name=STRAIN_GAUGE.name)))
TEXT = """
camera.enabled = false
belt.enabled = false
prediction.predictor = "hold"
[sources.vest]
kind = "strain-gauge"
rate_hz = 60.0
[room]
duration_s = 45
camera.enabled = false
belt.enabled = false
[room.sources.vest]
kind = "strain-gauge"
rate_hz = 60.0
offset_au = 900.0
gain_au_mm = 10.0
"""


def test_the_new_kind_alone_tracks_the_patient() -> None:
    configuration = parse_configuration(TEXT, sources=SOURCES)
    room = furnish(configuration, None, 1)
    engine = build_engine(configuration.controller, source_kinds=KINDS)
    operator, demands, states = Operator(), 0, set[SessionState]()
    for now_ns, due_ns, events in tick_events(room, configuration.controller):
        assert {e.device for e in events if isinstance(e, BeltSample)} <= {"vest"}
        requested = operator.wish(now_ns, engine.state)
        if requested is not None:
            events.append(Request(now_ns, requested))
        for event in (*events, Tick(now_ns, due_ns)):
            for output in engine.handle(event):
                demands += isinstance(output, SendDemand)
                if isinstance(output, Command):
                    room.obey(output)
        states.add(engine.state)
    assert SessionState.TRACKING in states
    assert demands > 500


def test_its_settings_are_checked_like_any_other() -> None:
    with pytest.raises(ConfigurationError, match=r"sources\.vest\.rate_hz: too large: 900"):
        parse_configuration(TEXT.replace("rate_hz = 60.0", "rate_hz = 900.0", 1), sources=SOURCES)
    with pytest.raises(ConfigurationError, match=r'"strain-gauge" is not one of markers, belt'):
        parse_configuration(TEXT)


def test_its_own_judgement_is_told_with_its_name() -> None:
    signal = SurrogateSignal(parse_configuration(TEXT, sources=SOURCES).controller, KINDS)
    signal.receive(BeltSample("vest", 5, 1, -1.0), None)
    (report,) = signal.report(6).sources
    assert report.bad == (5, "vest: resistance -1, above 0 needed")
