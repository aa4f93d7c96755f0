"""What is published of a run: every field from the events and outputs it comes from."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hal.events import LinkChanged, RecordingState, Request, SendHold, SendPermit, Tick
from hal.messages import (
    ActuatorStatus,
    BadSample,
    BeamStatus,
    BeltSample,
    FiducialShot,
    MarkerFrame,
)
from tests.live.memory_room import MemoryRoom
from tests.live.processes import SOON
from tracker.api import reference
from tracker.api.schema import Health, Hop, Model, Published, State
from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.safety.fault_table import FAULTS, faults_for
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.types import FaultChanged, Notice, Output, SessionChanged
from tracker.live.service.metrics import render
from tracker.live.service.next_step import STEPS, next_step
from tracker.live.service.published_state import PublishedState
from tracker.live.windows import Lengths, Rate

CONFIGURATION = altered(load_configuration(SHIPPED / "room-twin.toml"), SOON)
ROLES = {
    "camera": "camera", "belt": "belt", "imager": "imager", "actuator": "robot", "gate": "gate",
}  # fmt: skip
MS = 1_000_000
HEALTH = Health(
    tick_hz=100.0,
    late_p50_ms=0.5,
    late_p99_ms=1.5,
    late_max_ms=4.0,
    skipped_ticks=2,
    recording=True,
    hops=(Hop(name="tick", p50_ms=0.3, p99_ms=0.9, count=500),),
    ticks_total=1000,
    accepted_total={"operator": 3},
    refused_total={"unknown": 4},
)


def nothing(trigger: SessionTrigger) -> tuple[str, ...]:
    return ()


def picture() -> PublishedState:
    return PublishedState(CONFIGURATION, "run", ROLES)


def shown(seen: PublishedState, now_ns: int) -> State:
    return seen.state(now_ns, nothing, HEALTH)


@pytest.fixture(scope="module")
def tracked() -> tuple[PublishedState, MemoryRoom]:
    """A picture of a whole run in memory, some seconds into tracking."""
    room = MemoryRoom(CONFIGURATION)
    seen = picture()
    handle = room.engine.handle

    def handled(event) -> list[Output]:
        outputs = handle(event)
        seen.observe(event, outputs)
        return outputs

    room.engine.handle = handled  # pyright: ignore[reportAttributeAccessIssue]
    while room.engine.state is not SessionState.TRACKING and room.now_ns < 120e9:
        room.advance(0.1)
    room.advance(3.0)
    return seen, room


def test_a_tracked_run_is_shown_whole(tracked: tuple[PublishedState, MemoryRoom]) -> None:
    seen, room = tracked
    state = seen.state(room.now_ns, nothing, HEALTH)
    assert state.session == "TRACKING"
    assert state.beam.permitted
    assert state.beam.on
    assert state.surrogate is not None
    assert 0.0 <= state.surrogate.age_ms < 100.0
    assert state.estimate is not None
    assert state.prediction is not None
    ahead_ns = state.prediction.at_ns - state.estimate.at_ns
    assert ahead_ns == round(CONFIGURATION.controller.timing.latency_ms * 1e6)
    assert 0.0 < state.prediction.radius95_mm < state.tolerance_mm
    assert state.demand_mm is not None
    assert state.actuator_mm is not None
    apart = max(
        abs(a - b) for a, b in zip(state.demand_mm, state.estimate.position_mm, strict=True)
    )
    assert apart < 5.0, "the demand is for where the target will be, in the same frame"
    devices = {device.role: device for device in state.devices}
    assert devices["camera"].rate_hz == pytest.approx(60.0, abs=3.0)
    assert devices["belt"].rate_hz == pytest.approx(100.0, abs=5.0)
    assert devices["camera"].latency_ms == pytest.approx(20.0, abs=5.0)
    wired = [device for role, device in devices.items() if role != "imager"]
    assert all(device.up and not device.lost_share for device in wired)
    model = seen.model(room.now_ns)
    assert model is not None
    assert len(model.shots) >= CONFIGURATION.controller.correlation.modelling_shots
    assert len(model.curve_inhale_mm) == len(model.curve_amplitude_mm) > 2


def test_everything_shown_can_be_read_again(tracked: tuple[PublishedState, MemoryRoom]) -> None:
    seen, room = tracked
    model = seen.model(room.now_ns)
    assert model is not None
    for record in (shown(seen, room.now_ns), model, seen.said[-1]):
        data = msgspec.json.encode(record)
        assert msgspec.json.decode(data, type=Published) == record  # pyright: ignore[reportArgumentType]
        assert len(data) < 16_384, "a message is small"


def test_what_is_old_is_shown_no_more(tracked: tuple[PublishedState, MemoryRoom]) -> None:
    seen, room = tracked
    late = shown(seen, room.now_ns + 700 * MS)
    assert not late.beam.permitted
    assert (late.surrogate, late.estimate, late.prediction, late.demand_mm) == (None,) * 4


def test_a_new_modelling_forgets_the_model(tracked: tuple[PublishedState, MemoryRoom]) -> None:
    seen = picture()
    old, _ = tracked
    seen._shots, seen._refitted = old._shots.copy(), old._refitted
    before = seen.refits
    seen.observe(Tick(0, 0), [SessionChanged(0, "READY", "MODELLING", "model")])
    assert seen.model(0) is None
    assert seen.refits > before, "which is told at once"


def test_a_permit_is_a_lease_and_a_hold_ends_it() -> None:
    seen = picture()
    seen.observe(Tick(0, 0), [SendPermit(0, "gate", 100 * MS)])
    assert shown(seen, 99 * MS).beam.permitted
    assert not shown(seen, 100 * MS).beam.permitted
    seen.observe(Tick(1, 1), [SendPermit(1, "gate", 100 * MS), SendHold(2, "gate", ("x",))])
    assert not shown(seen, 2).beam.permitted


def test_the_beam_is_unknown_without_its_gate() -> None:
    seen = picture()
    assert shown(seen, 0).beam.on is None
    seen.observe(BeamStatus("gate", 0, True), [])
    assert shown(seen, 1).beam.on is True
    seen.observe(LinkChanged("gate", 2, False, "gone"), [])
    assert shown(seen, 3).beam.on is None


def test_faults_come_and_go_with_their_sentence() -> None:
    seen = picture()
    for name, row in faults_for("robot").items():
        seen.observe(Tick(5, 5), [FaultChanged(5, name, True, row.reaction.name, "value")])
        (fault,) = shown(seen, 6).faults
        assert (fault.name, fault.hazard, fault.since_ns) == (name, row.hazard, 5)
        assert fault.sentence == row.sentence
        assert fault.latched == row.latched
        seen.observe(Tick(7, 7), [FaultChanged(7, name, False, row.reaction.name, "value")])
        assert shown(seen, 8).faults == ()
    levels = {line.level for line in seen.said}
    assert levels == {"info", "warning", "alarm"}


def test_the_event_log_has_what_a_person_should_know() -> None:
    seen = picture()
    seen.observe(Request(1, "model", "Anna (operator, key anna)"), [])
    seen.observe(RecordingState(2, False, "disk full"), [Notice(2, "warning", "look")])
    lines = [(line.level, line.text) for line in seen.said]
    assert ("info", "request: model by Anna (operator, key anna)") in lines
    assert ("alarm", "recording: not on disk disk full") in lines
    assert ("warning", "look") in lines
    assert not seen.recording


def test_start_and_resume_are_not_allowed_while_a_fault_stands_against_them() -> None:
    seen = picture()
    seen.observe(Tick(0, 0), [SessionChanged(0, "MODELLING", "READY", "model ready")])
    assert "start" in shown(seen, 0).allowed

    def blocked(trigger: SessionTrigger) -> tuple[str, ...]:
        return ("belt lost",) if trigger is SessionTrigger.START else ()

    state = seen.state(0, blocked, HEALTH)
    assert "start" not in state.allowed
    assert "stop" in state.allowed
    assert state.next_step == FAULTS["belt lost"].sentence


# --- the one thing to do next ---------------------------------------------------------------------


@pytest.mark.parametrize("state", SessionState)
def test_there_is_something_to_do_in_every_state(state: SessionState) -> None:
    free = next_step(state, (), ())
    assert free == STEPS[state][0]
    assert free.endswith(".")
    for fault in FAULTS:
        said = next_step(state, (fault,), ())
        quiet = state is SessionState.IDLE or (
            state is SessionState.MODELLING and fault == "model missing"
        )
        assert said == (free if quiet else FAULTS[fault].sentence)


def test_before_anything_else_the_devices_are_there() -> None:
    assert next_step(SessionState.IDLE, (), ("belt", "gate")).startswith("Wait for belt, gate")
    assert "belt" in shown(picture(), 0).next_step


# --- devices and windows --------------------------------------------------------------------------


def test_a_device_counts_what_it_lost_and_what_was_bad() -> None:
    seen = picture()
    seen.observe(LinkChanged("camera", 0, True, "passive"), [])
    for number in range(0, 120, 2):  # every second frame is missing
        frame = MarkerFrame("camera", number * 16_666_667, number, (None,))
        seen.observe(frame, [])
    seen.observe(BadSample("camera", 1, "CRC", "x"), [])
    now_ns = 119 * 16_666_667
    (camera,) = [d for d in shown(seen, now_ns).devices if d.role == "camera"]
    assert camera.lost_share == pytest.approx(0.5, abs=0.02)
    assert camera.rate_hz == pytest.approx(30.0, abs=2.0)
    assert camera.bad == 1
    assert camera.detail == "passive"


def test_a_counter_that_begins_anew_lost_nothing() -> None:
    seen = picture()
    for ticks in (5000, 5001, 5001, 0, 1, 900_000, 900_001):
        seen.observe(BeltSample("belt", ticks, ticks, 1.0), [])
    seen.observe(LinkChanged("belt", 10, False), [])
    seen.observe(BeltSample("belt", 20, 900_040, 1.0), [])
    (belt,) = [d for d in shown(seen, 21).devices if d.role == "belt"]
    assert belt.lost_share == 0.0


def test_the_delay_of_a_shot_is_from_its_exposure() -> None:
    seen = picture()
    seen.observe(FiducialShot("imager", 400 * MS, 90 * MS, 1, (None,)), [])
    (imager,) = [d for d in shown(seen, 500 * MS).devices if d.role == "imager"]
    assert imager.latency_ms == pytest.approx(310.0)
    assert imager.age_ms == pytest.approx(100.0)


def test_a_device_nobody_configured_is_shown_when_it_is_a_link_only() -> None:
    seen = picture()
    seen.observe(ActuatorStatus("somebody", 0, (0.0, 0.0, 0.0)), [])
    seen.observe(LinkChanged("monitor", 0, True), [])
    names = [device.device for device in shown(seen, 1).devices]
    assert "somebody" not in names
    assert names[-1] == "monitor"


def test_a_rate_is_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.per_s(0) == 0.0
    for number in range(1000):
        rate.add(number * 10 * MS)
    assert rate.per_s(9990 * MS) == pytest.approx(100.0, rel=0.02)
    assert rate.per_s(20_000 * MS) == 0.0


def test_lengths_have_quantiles() -> None:
    lengths = Lengths()
    assert lengths.quantiles_ms(0, 0.5) == [0.0]
    for number in range(100):
        lengths.add(number, (number + 1) * MS)
    assert lengths.quantiles_ms(100, 0.5, 0.99, 1.0) == [51.0, 100.0, 100.0]
    assert lengths.quantiles_ms(10_000 * MS, 0.5) == [0.0]


# --- metrics, and the page of the schema ----------------------------------------------------------


def test_metrics_are_what_prometheus_reads(tracked: tuple[PublishedState, MemoryRoom]) -> None:
    seen, room = tracked
    state = shown(seen, room.now_ns)
    page = render([state]).decode()
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    assert values["tidetrack_up",] == 1.0
    assert values["tidetrack_session", "TRACKING"] == 1.0
    assert values["tidetrack_session", "IDLE"] == 0.0
    assert values["tidetrack_tick_lateness_seconds", "0.99"] == pytest.approx(0.0015)
    assert values["tidetrack_hop_seconds", "0.5", "tick"] == pytest.approx(0.0003)
    assert values["tidetrack_ticks_total",] == 1000.0
    assert values["tidetrack_requests_total", "accepted", "operator"] == 3.0
    assert values["tidetrack_requests_total", "refused", "unknown"] == 4.0
    for device in state.devices:
        rate_hz = values["tidetrack_device_rate_hz", *sorted((device.device, device.role))]
        assert rate_hz == device.rate_hz
    assert ("tidetrack_sample_age_seconds",) in values


def test_without_a_state_there_is_a_metric_that_says_so() -> None:
    assert b"tidetrack_up 0.0" in render([])


def test_the_reference_is_that_of_the_schema() -> None:
    written = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
    assert written.read_text() == reference.page(), "python -m tracker.api.reference writes it"


def test_the_reference_has_every_record(tmp_path: Path) -> None:
    page = tmp_path / "api.md"
    assert reference.main([str(page)]) == 0
    text = page.read_text()
    for record in (State, Model, Health):
        for field in msgspec.structs.fields(record):
            assert f"| `{field.name}` |" in text
    assert reference.main([]) == 2
