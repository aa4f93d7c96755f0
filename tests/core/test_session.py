"""The session table: every state under every trigger, and the promises it makes."""

import pytest

from tracker.core.session import (
    REFUSED,
    REQUESTS,
    TABLE,
    SessionState,
    SessionTrigger,
    after,
    allowed,
)

EXPECTED = """
                 IDLE       MODELLING  READY      TRACKING  HOLDING   STOPPED
model            MODELLING  -          MODELLING  -         -         -
expose           -          MODELLING  READY      TRACKING  HOLDING   -
start            -          -          TRACKING   -         -         -
hold             -          -          -          HOLDING   HOLDING   -
resume           -          -          -          -         TRACKING  -
stop             STOPPED    STOPPED    STOPPED    STOPPED   STOPPED   STOPPED
reset            IDLE       IDLE       IDLE       -         -         IDLE
model ready      -          READY      -          -         -         -
fault: hold      -          -          -          HOLDING   HOLDING   -
faults cleared   -          -          -          -         TRACKING  -
fault: stop      -          STOPPED    STOPPED    STOPPED   STOPPED   -
"""


def cells():
    header, *rows = EXPECTED.strip("\n").splitlines()
    states = header.split()
    for row in rows:
        name, values = row[:17].strip(), row[17:].split()
        for state, value in zip(states, values, strict=True):
            yield (
                SessionState(state),
                SessionTrigger(name),
                REFUSED if value == "-" else SessionState(value),
            )


@pytest.mark.parametrize(("state", "trigger", "next_state"), list(cells()))
def test_every_cell(state, trigger, next_state):
    assert after(state, trigger) == next_state


def test_the_table_is_whole():
    assert set(TABLE) == set(SessionTrigger)
    assert all(len(row) == len(SessionState) for row in TABLE.values())
    assert len(list(cells())) == len(SessionState) * len(SessionTrigger)


def test_a_missing_row_raises():
    with pytest.raises(KeyError):
        after(SessionState.IDLE, "dance")  # pyright: ignore[reportArgumentType]


def test_stop_is_taken_everywhere():
    assert all(after(state, SessionTrigger.STOP) is SessionState.STOPPED for state in SessionState)


def test_the_beam_is_reached_only_through_a_model_and_a_person():
    """Breadth first from IDLE: every way into TRACKING passes READY and START."""
    for state in SessionState:
        for trigger in SessionTrigger:
            if (
                after(state, trigger) is SessionState.TRACKING
                and state is not SessionState.TRACKING
            ):
                assert (state, trigger) in {
                    (SessionState.READY, SessionTrigger.START),
                    (SessionState.HOLDING, SessionTrigger.RESUME),
                    (SessionState.HOLDING, SessionTrigger.FAULTS_CLEARED),
                }
            if after(state, trigger) is SessionState.READY and state is not SessionState.READY:
                assert (state, trigger) == (SessionState.MODELLING, SessionTrigger.MODEL_READY)
            if after(state, trigger) is SessionState.HOLDING and state is not SessionState.HOLDING:
                assert state is SessionState.TRACKING


def test_allowed_names_the_requests_of_a_state():
    for state in SessionState:
        for trigger in REQUESTS:
            assert (trigger in allowed(state)) == (after(state, trigger) is not REFUSED)
