"""The service over its real sockets: who gets through, what is answered, and what holds it up."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.live.machine_load import MachineLoad
from tests.live.service_stand import Raw, ServiceStand, ask
from tracker.api.keys import ClientKey, client_key, new_key, revoke_key
from tracker.api.roles import TABLE, may
from tracker.api.schema import Role
from tracker.core.session import SessionState

pytestmark = pytest.mark.realtime

WHO = {"olga": "observer", "oscar": "operator", "petra": "physicist", "console": "service"}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[ServiceStand]:
    with ServiceStand(tmp_path, hurry=1000) as stand:
        yield stand


def stranger(stand: ServiceStand) -> ClientKey:
    public, secret = zmq.curve_keypair()
    return ClientKey(
        name="stranger",
        public=public.decode(),
        secret=secret.decode(),
        server=stand.keys["oscar"].server,
        roles=(Role.PHYSICIST, Role.SERVICE),
    )


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHO)
def test_the_matrix_over_the_wire(stand: ServiceStand, name: str) -> None:
    """Each key in its own role and in a stronger one, in each state, for each request."""
    with Raw(stand, stand.keys[name]) as raw:
        for state in SessionState:
            for request in TABLE:
                for role in {WHO[name], "physicist"}:
                    stand.put(state)
                    before = len(stand.asked)
                    answer = raw.exchange(ask(stand.run_id, request, role))
                    allowed = name == "console" or role == WHO[name]
                    expected = allowed and may(Role(role), state, request)
                    assert answer is not None
                    assert answer["accepted"] is expected, (name, role, state, request, answer)
                    if not allowed:
                        assert len(stand.asked) == before, "it did not reach the engine"
                    if not expected:
                        assert stand.engine.state is state
                        assert answer["reason"]


def test_who_asked_as_what_with_which_key_is_on_record(stand: ServiceStand) -> None:
    with Raw(stand, stand.keys["console"]) as raw:
        words = ask(stand.run_id, "model", "operator", who="Anna Berg")
        assert raw.exchange(words) is not None
        assert raw.exchange(ask(stand.run_id, "end", "service")) is not None
    (request,) = stand.asked
    assert request.who == "Anna Berg (operator, key console)"
    assert request.request_id == words["request_id"]
    assert any("model by Anna Berg (operator, key console): accepted" in s for s in stand.said)
    assert stand.ended == 0, "while modelling nobody ends the daemon"


def test_the_service_ends_an_idle_daemon(stand: ServiceStand) -> None:
    with stand.client("console") as client:
        assert client.ask("end").accepted
    assert stand.ended == 1


def test_an_unknown_key_gets_no_answer_and_is_told_of_once(stand: ServiceStand) -> None:
    key = stranger(stand)
    with Raw(stand, key) as raw:
        assert raw.exchange(ask(stand.run_id, "stop", "physicist"), 0.5) is None
    assert stand.asked == []
    assert sum(key.public in line for line in stand.said) >= 1


def test_without_encryption_nothing_is_heard(stand: ServiceStand) -> None:
    context = zmq.Context()
    plain = context.socket(zmq.DEALER)
    plain.linger = 0
    plain.connect(stand.at)
    plain.send(json.dumps(ask(stand.run_id, "stop", "operator")).encode())
    assert not plain.poll(400)
    context.destroy(linger=0)
    assert stand.asked == []


def test_a_revoked_key_is_refused_on_a_connection_that_stands(stand: ServiceStand) -> None:
    with Raw(stand, stand.keys["oscar"]) as raw:
        answer = raw.exchange(ask(stand.run_id, "status", "operator"))
        assert answer is not None
        assert answer["accepted"]
        revoke_key(stand.folder, "oscar")
        until = time.monotonic() + 60.0
        while answer is not None and answer["accepted"]:
            assert time.monotonic() < until
            time.sleep(0.1)
            answer = raw.exchange(ask(stand.run_id, "status", "operator"))
        assert answer is not None
        assert "not known" in answer["reason"]


def test_a_new_key_is_known_without_a_restart(stand: ServiceStand) -> None:
    key = client_key(new_key(stand.folder, "nora", [Role.OBSERVER]))
    until = time.monotonic() + 60.0
    assert stand.service is not None
    while stand.service._known.of(key.public) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    with Raw(stand, key) as raw:
        answer = raw.exchange({"type": "Hello"}, 5.0)
    assert answer is not None
    assert answer["roles"] == ["observer"]


def test_a_request_sent_twice_is_obeyed_once(stand: ServiceStand) -> None:
    words = ask(stand.run_id, "model", "operator")
    with Raw(stand, stand.keys["oscar"]) as raw, Raw(stand, stand.keys["oscar"]) as other:
        first, second = raw.exchange(words), raw.exchange(words)
        third = other.exchange(words)
    assert first is not None
    assert first["accepted"]
    for answer in (second, third):
        assert answer is not None
        assert "nonce was used before" in answer["reason"]
    assert len(stand.asked) == 1


def test_a_request_of_several_parts_is_none(stand: ServiceStand) -> None:
    data = json.dumps(ask(stand.run_id, "stop", "operator")).encode()
    with Raw(stand, stand.keys["oscar"]) as raw:
        for parts in ((data, data), (b"", data), (data, b""), (b"",) * 50):
            raw.send(*parts)
            answer = raw.answer()
            assert answer is not None
            assert not answer["accepted"]
    assert stand.asked == []


def test_a_client_that_sends_too_much_is_cut_off_and_others_are_not(stand: ServiceStand) -> None:
    with Raw(stand, stand.keys["oscar"]) as raw, stand.client("petra") as other:
        other.hello()
        for size in (5_000, 100_000, 10_000_000):
            assert raw.exchange(ask(stand.run_id, "stop", "operator", who="x" * size), 0.3) is None
        assert other.ask("status").accepted
    assert stand.asked == []


def test_too_many_requests_are_refused_and_hold_still_passes(tmp_path: Path) -> None:
    with ServiceStand(tmp_path) as stand, Raw(stand, stand.keys["oscar"]) as raw:
        stand.put(SessionState.TRACKING)
        answers = [raw.exchange(ask(stand.run_id, "status", "operator")) for _ in range(40)]
        refused = [a for a in answers if a is not None and not a["accepted"]]
        assert 15 <= len(refused) <= 20
        assert "too many" in refused[0]["reason"]
        hold = raw.exchange(ask(stand.run_id, "hold", "operator"))
        assert hold is not None
        assert hold["accepted"]
        assert stand.engine.state is SessionState.HOLDING
        lines = [line for line in stand.said if "too many" in line]
        assert len(lines) <= 2, "a flood of requests is no flood of lines"


def test_a_failing_engine_is_no_acceptance(stand: ServiceStand) -> None:
    assert stand.service is not None
    stand.service.serve(lambda request: None, lambda: None, lambda trigger: ())
    with stand.client("oscar") as client:
        answer = client.ask("model")
    assert not answer.accepted
    assert answer.reason == "the controller failed"


def test_what_goes_wrong_in_the_service_is_told_and_ends_nothing(tmp_path: Path) -> None:
    with ServiceStand(tmp_path) as stand:
        take = stand.shown.observe
        left = 50

        def broken(*arguments: Any) -> None:
            nonlocal left
            left -= 1
            if left > 0:
                raise ZeroDivisionError("a defect")
            take(*arguments)

        stand.do(lambda: setattr(stand.shown, "observe", broken))
        with stand.client("oscar") as client:
            assert client.ask("status").accepted
            assert next(client.states(silence_s=30.0)).run_id == stand.run_id
        told = [line for line in stand.said if "service: ZeroDivisionError: a defect" in line]
    assert len(told) == 1, "once a second"


# --- the published state ------------------------------------------------------------------------


def subscriber(context: Any, stand: ServiceStand, key: ClientKey, topic: bytes = b"") -> Any:
    assert stand.service is not None
    made = context.socket(zmq.SUB)
    made.linger = 0
    made.curve_serverkey = key.server.encode()
    made.curve_publickey = key.public.encode()
    made.curve_secretkey = key.secret.encode()
    made.subscribe(topic)
    made.connect(stand.service.state_at)
    return made


def test_the_state_comes_twenty_times_a_second_and_in_order(tmp_path: Path) -> None:
    with ServiceStand(tmp_path) as stand, stand.client("olga") as client:
        states = client.states(silence_s=30.0)
        first = next(states)
        seen = [next(states) for _ in range(40)]
    assert first.run_id == stand.run_id
    numbers = [state.sequence for state in seen]
    assert numbers == sorted(set(numbers))
    # A busy machine makes some late, which makes the next ones early: the median is the period.
    gaps_ms = [
        (b.t_ns - a.t_ns) / 1e6 / (b.sequence - a.sequence) for a, b in itertools.pairwise(seen)
    ]
    assert statistics.median(gaps_ms) == pytest.approx(50.0, abs=12.0)


def test_a_subscriber_with_an_unknown_key_hears_nothing(stand: ServiceStand) -> None:
    context = zmq.Context()
    deaf = subscriber(context, stand, stranger(stand))
    heard = deaf.poll(400)
    context.destroy(linger=0)
    assert not heard


def test_two_hundred_subscribers_and_some_that_do_not_read(tmp_path: Path) -> None:
    """Every one that reads gets everything; those that do not cost nobody anything."""
    context = zmq.Context()
    context.max_sockets = 2000
    with MachineLoad() as load, ServiceStand(tmp_path) as stand, ExitStack() as stack:
        key = stand.keys["olga"]
        stack.callback(context.destroy, 0)
        idle = [subscriber(context, stand, key) for _ in range(20)]
        readers = [subscriber(context, stand, key, b"state") for _ in range(200)]
        assert all(each.poll(60_000) for each in readers)
        began_ns, stand.longest_turn_s = time.monotonic_ns(), 0.0
        numbers: list[list[int]] = [[] for _ in readers]
        while not all(len(seen) > 10 for seen in numbers):
            assert time.monotonic_ns() - began_ns < 60e9
            for reader, seen in zip(readers, numbers, strict=True):
                while reader.poll(0):
                    seen.append(json.loads(reader.recv_multipart()[1])["sequence"])
        gaps = sum(b - a != 1 for seen in numbers for a, b in itertools.pairwise(seen))
        assert gaps == 0, "who reads misses nothing"
        with stand.client("oscar") as client:
            assert client.ask("status").accepted
        assert all(each.poll(0) for each in idle)
        taken_s = load.taken_ms(began_ns, time.monotonic_ns()) / 1e3
    assert stand.longest_turn_s < 0.5 + taken_s


def test_a_flood_of_wrong_messages_lets_others_be_heard(tmp_path: Path) -> None:
    with (
        ServiceStand(tmp_path, pause_s=0.01) as stand,
        Raw(stand, stand.keys["oscar"]) as flood,
        stand.client("petra") as client,
    ):
        flood.socket.sndhwm = 100_000
        for _ in range(20_000):
            flood.socket.send(b"{" * 40, zmq.NOBLOCK)
        assert client.ask("status").accepted
        assert stand.refused < 5000, "it was heard long before the flood was over"
    assert stand.asked == []
