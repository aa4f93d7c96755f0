"""The fault table: every row is whole, and its sentence says what happened and what to do."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tracker.core.safety.fault_table import FAULTS, Ends, Fault, FaultName, Reaction

WARN, REFUSE, HOLD, STOP = "WARN", "REFUSE_START", "HOLD", "STOP"
ITSELF, CYCLES, SHOT, OPERATOR = "BY_ITSELF", "BY_CYCLES", "BY_SHOT", "BY_OPERATOR"


class Required(NamedTuple):
    """What is required of a fault: all of its row but the words."""

    hazard: str
    reaction: str
    within_s: float
    ends: str
    clear_s: float
    recheck: bool
    returns_s: float


REQUIRED = {
    "surrogate lost": Required("H01", HOLD, 0.13, ITSELF, 0.3, False, 3.0),
    "markers lost": Required("H01", WARN, 0.3, ITSELF, 0.3, False, 3.0),
    "belt lost": Required("H01", WARN, 0.3, ITSELF, 0.3, False, 3.0),
    "sensor frozen": Required("H02", HOLD, 0.4, ITSELF, 1.0, True, 12.0),
    "clock jump": Required("H03", HOLD, 0.4, ITSELF, 1.0, True, 12.0),
    "shots out of time": Required("H03", HOLD, 20.0, SHOT, 0.3, False, 20.0),
    "bad samples": Required("H04", HOLD, 0.2, ITSELF, 1.0, True, 12.0),
    "bad image": Required("H04", WARN, 0.1, ITSELF, 0.3, False, 3.0),
    "bad gate message": Required("H04", WARN, 0.1, ITSELF, 1.0, False, 3.0),
    "bad linac message": Required("H04", WARN, 0.1, ITSELF, 1.0, False, 3.0),
    "angles lost": Required("H29", HOLD, 0.3, ITSELF, 0.3, False, 3.0),
    "angles wrong": Required("H29", HOLD, 0.25, OPERATOR, 0.3, False, 3.0),
    "bad actuator message": Required("H04", WARN, 0.1, ITSELF, 1.0, False, 3.0),
    "unknown device": Required("H04", WARN, 0.1, ITSELF, 1.0, False, 3.0),
    "markers misplaced": Required("H05", REFUSE, 0.1, ITSELF, 0.3, False, 3.0),
    "surrogate unsure": Required("H06", HOLD, 0.1, ITSELF, 0.3, False, 3.0),
    "extrapolating": Required("H06", HOLD, 0.1, ITSELF, 5.0, False, 12.0),
    "unusual breathing": Required("H06", WARN, 1.5, ITSELF, 0.3, False, 3.0),
    "model missing": Required("H06", REFUSE, 0.1, ITSELF, 0.3, False, 3.0),
    "model wrong": Required("H07", HOLD, 0.2, SHOT, 0.3, False, 45.0),
    "model doubtful": Required("H07", WARN, 0.2, ITSELF, 0.3, False, 45.0),
    "imaging late": Required("H08", WARN, 0.1, ITSELF, 0.3, False, 3.0),
    "imaging overdue": Required("H08", HOLD, 0.1, ITSELF, 0.3, False, 20.0),
    "fiducials moved": Required("H09", HOLD, 20.0, SHOT, 0.3, False, 20.0),
    "baseline drifts": Required("H10", WARN, 0.2, ITSELF, 0.3, False, 3.0),
    "prediction off": Required("H11", HOLD, 0.6, ITSELF, 1.0, False, 35.0),
    "target unsure": Required("H11", HOLD, 0.1, ITSELF, 0.3, False, 12.0),
    "irregular breathing": Required("H12", HOLD, 0.1, CYCLES, 2.0, True, 30.0),
    "not in position": Required("H13", HOLD, 2.1, ITSELF, 0.3, False, 3.0),
    "beam off target": Required("H13", HOLD, 0.6, ITSELF, 0.3, False, 3.0),
    "actuator off demand": Required("H13", HOLD, 0.3, ITSELF, 0.3, False, 3.0),
    "actuator runaway": Required("H13", STOP, 0.1, OPERATOR, 0.3, False, 3.0),
    "actuator fault": Required("H13", STOP, 0.1, OPERATOR, 0.3, False, 3.0),
    "actuator restarted": Required("H13", STOP, 0.1, OPERATOR, 0.3, False, 3.0),
    "actuator silent": Required("H13", HOLD, 0.25, ITSELF, 0.3, False, 3.0),
    "demand refused": Required("H14", STOP, 0.02, OPERATOR, 0.3, False, 3.0),
    "keep-out": Required("H15", HOLD, 0.02, OPERATOR, 0.3, False, 3.0),
    "loop late": Required("H16", WARN, 0.1, ITSELF, 0.3, False, 3.0),
    "loop overrun": Required("H16", HOLD, 0.1, ITSELF, 1.0, False, 3.0),
    "gate disagrees": Required("H19", STOP, 0.45, OPERATOR, 0.3, False, 3.0),
    "gate stays shut": Required("H19", HOLD, 0.45, OPERATOR, 0.3, False, 3.0),
    "gate silent": Required("H19", HOLD, 0.25, ITSELF, 0.3, False, 3.0),
    "wrong patient or plan": Required("H22", HOLD, 0.1, OPERATOR, 0.3, False, 3.0),
    "not identified": Required("H22", REFUSE, 0.1, ITSELF, 0.3, False, 3.0),
    "not recording": Required("H24", HOLD, 1.0, ITSELF, 1.0, False, 3.0),
    "monitor lost": Required("H16", HOLD, 0.35, ITSELF, 1.0, False, 3.0),
    "error persists": Required("H27", HOLD, 5.1, OPERATOR, 0.3, False, 3.0),
    "operator hold": Required("P1", HOLD, 0.1, OPERATOR, 0.3, False, 3.0),
    "clock set anew": Required("H03", HOLD, 0.2, ITSELF, 1.0, False, 3.0),
    "sensor rate off": Required("H03", WARN, 4.5, ITSELF, 0.3, False, 3.0),
}  # fmt: skip
"""The table stated a second time, so that no row is changed by mistake.

A deliberate change is made in both places, and in the safety case where its limit stands.
"""


ASKED = {"announce", "bring", "check", "clear", "compare", "look", "move", "restart", "resume"}
ASKED |= {"review", "see", "select", "stop", "take", "wait", "watch"}
"""What a sentence may ask an operator to do; every sentence asks for one of these."""


@pytest.mark.parametrize("name", FaultName)
def test_every_row_is_as_required(name):
    row = FAULTS[name]
    told = (row.hazard, row.reaction, row.within_s, row.ends, row.clear_s, row.recheck)
    hazard, reaction, within_s, ends, clear_s, recheck, returns_s = REQUIRED[name]
    assert told == (hazard, Reaction[reaction], within_s, Ends[ends], clear_s, recheck)
    assert row.reaction is Reaction[reaction]
    assert row.returns_s == returns_s


def test_reactions_are_numbered_in_the_order_of_their_severity():
    assert [reaction.name for reaction in Reaction] == [WARN, REFUSE, HOLD, STOP]
    assert list(map(int, Reaction)) == [0, 1, 2, 3]


def test_a_row_that_says_no_more_ends_by_itself():
    row = Fault("H01", Reaction.HOLD, "No signal: wait.", "Loss.", 0.1)
    assert (row.ends, row.clear_s, row.recheck, row.returns_s) == (Ends.BY_ITSELF, 0.3, False, 3.0)


@pytest.mark.parametrize("name", FaultName)
def test_the_sentence_is_the_short_text_and_the_causes_the_long_one(name):
    row = FAULTS[name]
    assert len(row.sentence) <= 80
    assert row.sentence.count(":") == 1
    assert "`" not in row.sentence
    assert row.causes.endswith(".")
    happened, do = row.sentence.removesuffix(".").split(": ")
    assert happened[0].isupper()
    assert do[0].islower()
    assert ASKED & set(do.replace(",", "").replace(";", "").split())


def test_every_name_has_a_row_and_every_row_a_name():
    assert set(FAULTS) == set(FaultName)
    assert [str(name) for name in FAULTS if not isinstance(name, FaultName)] == []
    assert FAULTS["surrogate lost"] is FAULTS[FaultName.SURROGATE_LOST]


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_says_what_to_do(name):
    row = FAULTS[name]
    assert row.sentence.endswith(".")
    assert ":" in row.sentence or ";" in row.sentence
    assert row.reaction is not Reaction.STOP or row.latched


@pytest.mark.parametrize("name", FAULTS)
def test_every_row_says_its_times_and_a_hazard(name):
    row = FAULTS[name]
    assert row.hazard == "P1" or 1 <= int(row.hazard.removeprefix("H")) <= 29
    assert 0.0 < row.within_s <= 60.0
    assert row.returns_s >= row.clear_s
    assert row.latched is (row.ends is Ends.BY_OPERATOR)
