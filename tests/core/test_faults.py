"""The fault table and its book: hysteresis, latches, and the most severe reaction wins."""

import itertools
from pathlib import Path

import pytest

from tracker.core import faults
from tracker.core.faults import FAULTS, FaultBook, Reaction

S = 1_000_000_000


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_says_what_to_do(name):
    row = FAULTS[name]
    assert row.sentence.endswith(".")
    assert ":" in row.sentence or ";" in row.sentence
    assert row.reaction is not Reaction.STOP or row.latched


def test_every_row_has_a_check_that_raises_it():
    core = Path(faults.__file__).parent
    checks = (core / "watch.py").read_text() + (core / "engine.py").read_text()
    assert [name for name in FAULTS if f'"{name}"' not in checks] == []


def test_appears_once_and_goes_after_its_time():
    book = FaultBook()
    assert [c.active for c in book.update(0, {"surrogate lost": "x"})] == [True]
    assert book.update(S // 10, {"surrogate lost": "x"}) == []
    assert book.update(S // 5, {}) == []  # 0.1 s of absence is too short
    assert book.worst is Reaction.HOLD
    gone = book.update(S, {})
    assert [(c.fault, c.active) for c in gone] == [("surrogate lost", False)]
    assert book.worst is None


def test_a_latched_fault_ends_only_by_a_person_and_only_when_it_is_gone():
    book = FaultBook()
    book.update(0, {"demand refused": "x"})
    assert book.update(100 * S, {}) == []
    assert book.release(101 * S, {"demand refused": "still"}) == []
    assert [c.active for c in book.release(102 * S, {})] == [False]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(FAULTS, 2)))
def test_of_two_faults_the_more_severe_wins(one, other):
    book = FaultBook()
    book.update(0, {one: "", other: ""})
    assert book.worst == max(FAULTS[one].reaction, FAULTS[other].reaction)
    book.update(1, {one: ""})
    assert set(book.names(Reaction.WARN)) == {one, other}


def test_a_fault_that_is_not_in_the_table_cannot_be_raised():
    with pytest.raises(KeyError):
        FaultBook().update(0, {"gremlins": ""})


def test_the_end_of_the_session_clears_the_book():
    book = FaultBook()
    book.update(0, {"demand refused": "", "belt lost": ""})
    assert len(book.clear(S)) == 2
    assert book.worst is None
