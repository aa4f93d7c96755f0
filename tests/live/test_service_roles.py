"""Who may ask for what: every role × state × request, and what is admitted besides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live.service_stand import ask
from tracker.api.admission import Admission, RequestLimits
from tracker.api.keys import KnownKey
from tracker.api.roles import END, STATUS, TABLE, may, may_act_as, may_ever
from tracker.api.schema import Answer, Ask, Hello, Role
from tracker.build.engine import build_engine
from tracker.config import SHIPPED, load_configuration
from tracker.core import session
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.types import Notice

RUN = "0123456789abcdef"
LIMITS = RequestLimits(per_s=5.0, burst=20, most_bytes=4096)
CONTROLLER = load_configuration(SHIPPED / "room-twin.toml").controller
S = 1_000_000_000

MAY = {
    Role.OBSERVER: {STATUS},
    Role.OPERATOR: {STATUS, "model", "expose", "start", "hold", "resume", "stop"},
    Role.PHYSICIST: {STATUS, "model", "expose", "start", "hold", "resume", "stop", "reset"},
    Role.SERVICE: {STATUS, END},
    Role.PATIENT: set(),
}
"""In words of its own: what each role is for. The states are the session table's."""
ENDS = {SessionState.IDLE, SessionState.STOPPED}
EVERYTHING = (
    *TABLE,
    *(t.value for t in SessionTrigger if t not in session.REQUESTS),
    "connect",
    "x",
)
CELLS = [(role, state, name) for role in Role for state in SessionState for name in EVERYTHING]


def key_of(*roles: Role) -> KnownKey:
    return KnownKey(name="k", public="p" * 40, roles=roles, made="")


def judged(
    admission: Admission,
    key: KnownKey | None,
    words: Any,
    state: SessionState = SessionState.IDLE,
    at_s: float = 0,
) -> Ask | Hello | Answer:
    data = words if isinstance(words, bytes) else json.dumps(words).encode()
    return admission.judge(data, key, state, round(at_s * S))


def test_the_table_has_every_request_of_the_session_and_two_of_its_own() -> None:
    assert set(TABLE) == {t.value for t in session.REQUESTS} | {STATUS, END}
    assert all(len(row) == len(SessionState) for row in TABLE.values())
    assert all(set(cell) <= set("VOPS") for row in TABLE.values() for cell in row)


@pytest.mark.parametrize("role", Role)
def test_every_cell_is_what_the_role_is_for_and_the_session_allows(role: Role) -> None:
    for state in SessionState:
        for name in EVERYTHING:
            obeyed = name == STATUS or (name == END and state in ENDS)
            if name in TABLE and not obeyed and name != END:
                obeyed = session.after(state, SessionTrigger(name)) is not None
            assert may(role, state, name) == (name in MAY[role] and obeyed), (role, state, name)


@pytest.mark.parametrize("own", Role)
def test_every_cell_through_admission_and_engine(own: Role) -> None:
    """What a key of each role gets, acting as each role, in each state, for each request."""
    for role, state, name in CELLS:
        admission = Admission(RUN, LIMITS)
        result = judged(admission, key_of(own), ask(RUN, name, role), state)
        expected = (own is role or own is Role.SERVICE) and may(role, state, name)
        if isinstance(result, Answer):
            assert not expected, (own, role, state, name)
            assert result.reason
            assert not result.accepted
            continue
        assert isinstance(result, Ask)
        if name in (STATUS, END):
            assert expected
            continue
        engine = build_engine(CONTROLLER)
        engine._state = state
        outputs = engine.handle(_request(name))
        refused = any(isinstance(o, Notice) and o.level == "warning" for o in outputs)
        assert refused != expected, (own, role, state, name)
        if expected:
            assert engine.state is session.after(state, SessionTrigger(name))
        else:
            assert engine.state is state


def _request(name: str) -> Any:
    from hal.events import Request

    return Request(0, name, "test")


def test_a_role_that_may_never_ask_does_not_reach_the_engine() -> None:
    for role, state, name in CELLS:
        if not may_ever(role, name):
            answer = judged(Admission(RUN, LIMITS), key_of(role), ask(RUN, name, role), state)
            assert isinstance(answer, Answer), (role, state, name)


def test_a_service_key_acts_for_persons_and_nobody_else_does() -> None:
    assert all(may_act_as((Role.SERVICE,), role) for role in Role)
    for own in (Role.OBSERVER, Role.OPERATOR, Role.PHYSICIST):
        assert [role for role in Role if may_act_as((own,), role)] == [own]
    assert not any(may_act_as((), role) for role in Role)


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": (b"model", "not a request"),
    "not UTF-8": (b'{"type":"Ask\xff"}', "not a request"),
    "empty": (b"", "not a request"),
    "a list": (b"[]", "not a request"),
    "nested without end": (b"[" * 4000, "not a request"),
    "no type": ({"version": 1}, "not a request"),
    "another type": ({"type": "State"}, "not a request"),
    "an unknown field": (ask(RUN, "stop", "operator", force=True), "force"),
    "an unknown role": (ask(RUN, "stop", "root"), "not a request"),
    "another version": (
        ask(RUN, "stop", "operator", version=2),
        "this daemon speaks version 1",
    ),
    "another run": (ask("f" * 16, "stop", "operator"), "another run"),
    "a nonce too short": (ask(RUN, "stop", "operator", nonce="a"), "not a request"),
    "a nonce that is a number": (ask(RUN, "stop", "operator", nonce=5), "not a request"),
    "nobody": (ask(RUN, "stop", "operator", who=""), "not a request"),
    "a name that breaks lines": (ask(RUN, "stop", "operator", who="A\nalarm: B"), "not a request"),
    "a request of the controller's own": (ask(RUN, "fault: stop", "operator"), "not a request"),
    "a request nobody knows": (
        ask(RUN, "beam-on", "physicist"),
        "may not ask for beam-on",
    ),
    "larger than allowed": (ask(RUN, "stop", "operator", who="x" * 5000), "at most 4096"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_right_is_refused_with_its_reason(what: str) -> None:
    words, reason = WRONG[what]
    answer = judged(Admission(RUN, LIMITS), key_of(Role.OPERATOR, Role.PHYSICIST), words)
    assert isinstance(answer, Answer)
    assert not answer.accepted
    assert reason in answer.reason


def test_nobody_gets_nothing() -> None:
    answer = judged(Admission(RUN, LIMITS), None, ask(RUN, "stop", "operator"))
    assert isinstance(answer, Answer)
    assert "not known" in answer.reason


def test_a_request_is_made_once_with_a_key() -> None:
    admission = Admission(RUN, LIMITS)
    words = ask(RUN, "stop", "operator")
    assert isinstance(judged(admission, key_of(Role.OPERATOR), words), Ask)
    again = judged(admission, key_of(Role.OPERATOR), words)
    assert isinstance(again, Answer)
    assert "nonce was used before" in again.reason
    other = KnownKey(name="l", public="q" * 40, roles=(Role.OPERATOR,), made="")
    assert isinstance(judged(admission, other, words), Ask), "nonces are a key's own"


def test_a_refused_request_has_used_its_nonce_too() -> None:
    admission = Admission(RUN, LIMITS)
    words = ask(RUN, "start", "observer")
    assert isinstance(judged(admission, key_of(Role.OBSERVER), words), Answer)
    again = judged(admission, key_of(Role.OBSERVER), words)
    assert isinstance(again, Answer)
    assert "nonce" in again.reason


def test_a_key_has_so_many_requests_and_no_more_a_second() -> None:
    admission, key = Admission(RUN, LIMITS), key_of(Role.OPERATOR)

    def admitted(name: str, count: int, at_s: float) -> int:
        results = [
            judged(admission, key, ask(RUN, name, "operator"), at_s=at_s) for _ in range(count)
        ]
        return sum(isinstance(result, Ask) for result in results)

    assert admitted("status", 50, 0.0) == 20
    assert admitted("stop", 50, 0.0) == 20, "hold and stop are counted apart"
    assert admitted("status", 50, 1.0) == 5
    assert admitted("status", 50, 0.5) == 0, "a clock that goes back gives nothing"
    assert admitted("status", 50, 100.0) == 20
    other = KnownKey(name="l", public="q" * 40, roles=(Role.OPERATOR,), made="")
    assert isinstance(judged(admission, other, ask(RUN, "status", "operator"), at_s=100.0), Ask)


def test_what_cannot_be_read_counts_too() -> None:
    admission, key = Admission(RUN, LIMITS), key_of(Role.OPERATOR)
    reasons = [judged(admission, key, b"x") for _ in range(21)]
    assert isinstance(reasons[-1], Answer)
    assert "too many" in reasons[-1].reason


def test_a_run_remembers_so_many_nonces_and_hold_passes_beyond() -> None:
    admission = Admission(RUN, LIMITS._replace(most_nonces=3))
    key = key_of(Role.OPERATOR)
    for _ in range(3):
        assert isinstance(judged(admission, key, ask(RUN, "status", "operator")), Ask)
    answer = judged(admission, key, ask(RUN, "status", "operator"))
    assert isinstance(answer, Answer)
    assert "use another key" in answer.reason
    assert isinstance(judged(admission, key, ask(RUN, "stop", "operator")), Ask)


def test_hello_needs_no_role() -> None:
    hello = judged(Admission(RUN, LIMITS), key_of(Role.OBSERVER), {"type": "Hello"})
    assert isinstance(hello, Hello)
