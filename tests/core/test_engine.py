"""The engine by itself: what it answers to requests and odd events, without a room."""

import pytest

from hal.events import Identity, LinkChanged, RecordingState, Request, SendHold, SendStop, Tick
from hal.messages import BadSample, BeltSample
from tracker.build.engine import build_engine
from tracker.core.safety.fault_table import FAULTS
from tracker.core.session import SessionState, SessionTrigger, after
from tracker.core.settings import Controller, Prediction, Session
from tracker.core.types import FaultChanged, Notice, SessionChanged

MS = 1_000_000


def engine():
    return build_engine(Controller(prediction=Prediction(predictor="hold")))


def words(outputs):
    return " ".join(o.text for o in outputs if isinstance(o, Notice))


def test_comes_up_idle_and_does_nothing_by_itself():
    fresh = engine()
    assert fresh.state is SessionState.IDLE
    for k in range(1, 200):
        assert fresh.handle(Tick(k * 10 * MS, k * 10 * MS)) == []


def test_an_unknown_request_is_answered_and_changes_nothing():
    fresh = engine()
    assert "unknown" in words(fresh.handle(Request(1, "dance")))
    assert "not for a person" in words(fresh.handle(Request(2, "model ready")))
    assert fresh.state is SessionState.IDLE


@pytest.mark.parametrize("name", ["start", "hold", "resume", "expose"])
def test_a_request_out_of_place_says_what_is_possible(name):
    fresh = engine()
    said = words(fresh.handle(Request(1, name)))
    assert "IDLE" in said
    assert "model" in said
    assert fresh.state is SessionState.IDLE


def test_stop_is_obeyed_and_holds_the_beam():
    fresh = engine()
    outputs = fresh.handle(Request(1, "stop"))
    assert [type(o) for o in outputs] == [SessionChanged, SendHold]
    assert fresh.state is SessionState.STOPPED
    assert fresh.handle(Tick(2, 2)) == []


def test_after_a_stop_only_a_reset_begins_again():
    fresh = engine()
    fresh.handle(Request(1, "stop"))
    for request in ("model", "start", "resume"):
        fresh.handle(Request(2, request))
        assert fresh.state is SessionState.STOPPED
    fresh.handle(Request(3, "reset"))
    assert fresh.state is SessionState.IDLE


def test_start_is_no_request_of_modelling_and_a_missing_model_stands_against_it():
    fresh = engine()
    fresh.handle(Request(1, "model"))
    for k in range(1, 50):
        fresh.handle(Tick(k * 10 * MS, k * 10 * MS))
    assert "model missing" in fresh.blocking(SessionTrigger.START, 500 * MS)
    assert "model missing" not in fresh.blocking(SessionTrigger.RESUME, 500 * MS)
    assert "start is not possible while MODELLING" in words(
        fresh.handle(Request(600 * MS, "start"))
    )
    assert fresh.state is SessionState.MODELLING


@pytest.mark.parametrize(
    ("device", "fault"),
    [
        ("camera", "bad samples"),
        ("belt", "bad samples"),
        ("imager", "bad image"),
        ("gate", "bad gate message"),
        ("couch", "bad actuator message"),
        ("kettle", "unknown device"),
    ],
)
def test_a_bad_sample_belongs_to_its_device(device, fault):
    fresh = engine()
    fresh.handle(Request(1, "model"))
    told = fresh.handle(BadSample(device, 9 * MS, "checksum", "0xBEEF"))
    assert words(told) == f"{device}: checksum 0xBEEF"
    of_samples = {"bad samples", *(f for f in FAULTS if f.startswith("bad ")), "unknown device"}
    assert of_samples & faults_at(fresh, 10 * MS).keys() == {fault}


def test_links_and_bad_samples_are_told():
    fresh = engine()
    assert "lost its connection" in words(fresh.handle(LinkChanged("camera", 1, up=False)))
    assert "is connected" in words(fresh.handle(LinkChanged("camera", 2, up=True)))
    assert "camera: checksum 0xBEEF" in words(
        fresh.handle(BadSample("camera", 3, "checksum", "0xBEEF"))
    )


def test_a_sensor_that_is_connected_anew_may_count_from_anywhere():
    fresh = engine()
    fresh.handle(Request(1, "model"))
    for k in range(1, 50):
        fresh.handle(BeltSample("belt", k * 10 * MS, 5000 + k, 500.0 + k))
        fresh.handle(Tick(k * 10 * MS, k * 10 * MS))
    fresh.handle(LinkChanged("belt", 600 * MS, up=False))
    fresh.handle(LinkChanged("belt", 700 * MS, up=True))
    faults = []
    for k in range(70, 100):
        fresh.handle(BeltSample("belt", k * 10 * MS, k - 70, 500.0 + k))
        faults += fresh.handle(Tick(k * 10 * MS, k * 10 * MS))
    assert not [f for f in faults if isinstance(f, FaultChanged) and f.fault == "bad samples"]


def test_stop_while_nothing_moves_sends_no_stop_to_the_actuator():
    fresh = engine()
    fresh.handle(Request(1, "model"))
    assert not any(isinstance(o, SendStop) for o in fresh.handle(Request(2, "stop")))


def test_requests_follow_the_session_table():
    for trigger in SessionTrigger:
        fresh = engine()
        fresh.handle(Request(1, trigger.value))
        expected = after(SessionState.IDLE, trigger)
        assert fresh.state is (expected or SessionState.IDLE)


def test_what_cannot_be_recorded_is_a_fault_until_it_can():
    fresh = engine()
    fresh.handle(Request(1, "model"))
    fresh.handle(RecordingState(2, ok=False, detail="disk full"))

    def told(now):
        return [
            (change.active, change.detail)
            for change in fresh.handle(Tick(now, now))
            if isinstance(change, FaultChanged) and change.fault == "not recording"
        ]

    assert told(10 * MS) == [(True, "disk full")]
    fresh.handle(RecordingState(11 * MS, ok=True))
    assert told(20 * MS) == []
    assert told(2000 * MS) == [(False, "disk full")]


def faults_at(engine, now):
    return {
        change.fault: change.active
        for change in engine.handle(Tick(now, now))
        if isinstance(change, FaultChanged)
    }


def test_another_patient_is_a_fault_until_the_right_one_is_announced_and_confirmed():
    fresh = engine()
    fresh.handle(Request(1, "model"))
    fresh.handle(Identity(2, "SOMEBODY", "DEMO"))
    assert faults_at(fresh, 10 * MS)["wrong patient or plan"]
    fresh.handle(Identity(11 * MS, "PHANTOM", "DEMO"))
    assert "wrong patient or plan" not in faults_at(fresh, 9000 * MS)  # stays until a person agrees


def test_where_ids_are_asked_for_silence_is_a_fault_too():
    settings = Controller(prediction=Prediction(predictor="hold"), session=Session(identify=True))
    fresh = build_engine(settings)
    fresh.handle(Request(1, "model"))
    assert faults_at(fresh, 10 * MS)["not identified"]
    fresh.handle(Identity(11 * MS, "PHANTOM", "DEMO"))
    assert faults_at(fresh, 900 * MS)["not identified"] is False


@pytest.mark.parametrize(
    ("late_ms", "fault"), [(19, None), (21, "loop late"), (99, "loop late"), (101, "loop overrun")]
)
def test_a_late_tick_is_warned_of_then_holds(late_ms, fault):
    fresh = engine()
    fresh.handle(Request(1, "model"))
    now = 1000 * MS
    raised = {
        change.fault
        for change in fresh.handle(Tick(now, now - late_ms * MS))
        if isinstance(change, FaultChanged)
    }
    assert raised & {"loop late", "loop overrun"} == ({fault} if fault else set())


def test_the_operator_is_told_why_the_breathing_cannot_be_learned():
    learning_s = Controller().fusion.learning_s
    room = engine()
    room.handle(Request(0, "model"))
    said: list[tuple[float, str]] = []
    for tick in range(1, round((learning_s + 25) * 10)):
        t_ns = tick * 100_000_000
        outputs = room.handle(Tick(t_ns, t_ns))
        said += [(t_ns / 1e9, n.text) for n in outputs if isinstance(n, Notice)]
    told = [(at_s, text) for at_s, text in said if "breathing not learned" in text]
    assert [at_s for at_s, _ in told] == [learning_s + 10.0, learning_s + 20.0]
    assert "camera: 0 frames with every point seen" in told[0][1]
