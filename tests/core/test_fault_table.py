"""The fault table: every row is whole, and its sentence says what happened and what to do."""

import pytest

from tracker.core.safety.fault_table import FAULTS, Ends, FaultName, Reaction


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
