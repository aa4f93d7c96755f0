"""The book of active faults: hysteresis, latches, and the most severe reaction wins."""

import itertools

import pytest

from tracker.core.safety.fault_book import Calm, FaultBook
from tracker.core.safety.fault_table import FAULTS, Reaction

S = 1_000_000_000


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


@pytest.mark.parametrize("name", [name for name, row in FAULTS.items() if row.recheck])
def test_after_a_doubt_a_shot_must_agree(name):
    book = FaultBook()
    book.update(10 * S, {name: ""}, Calm())
    assert book.waits_for_shot({})
    assert not book.waits_for_shot({name: ""})
    breaths = Calm(breaths=9, regular=9)
    assert book.update(60 * S, {}, breaths._replace(agreed_ns=10 * S)) == []
    book.release(61 * S, {}, breaths)
    assert name in book
    gone = book.update(62 * S, {}, breaths._replace(agreed_ns=10 * S + 1))
    assert [c.fault for c in gone] == [name]


@pytest.mark.parametrize(
    ("breaths", "regular", "over"),
    [(3, 3, True), (2, 3, False), (3, 2, False), (9, 0, False), (9, 5, True)],
)
def test_regular_breaths_since_then_end_an_irregularity(breaths, regular, over):
    book = FaultBook(regular_breaths=3)
    book.update(S, {"irregular breathing": ""}, Calm(breaths=20))
    calm = Calm(20 + breaths, regular, agreed_ns=2 * S)
    assert bool(book.update(30 * S, {}, calm)) is over


def test_or_the_operator_ends_it():
    book = FaultBook()
    book.update(S, {"irregular breathing": ""}, Calm())
    assert book.release(2 * S, {"irregular breathing": ""}, Calm(agreed_ns=2 * S)) == []
    assert book.release(2 * S, {}, Calm(agreed_ns=2 * S)) == []  # not yet absent for long enough
    assert len(book.update(4 * S, {}, Calm(agreed_ns=2 * S))) == 1
    book.update(5 * S, {"irregular breathing": ""}, Calm())
    assert len(book.release(9 * S, {}, Calm(agreed_ns=8 * S))) == 1
