"""The book of active faults: hysteresis, latches, and the most severe reaction wins."""

import itertools

import pytest

from tracker.core.safety.fault_book import Calm, Conditions, FaultBook
from tracker.core.safety.fault_table import FAULTS, FaultName, Reaction
from tracker.core.types import FaultChanged

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


def test_a_change_tells_when_it_came_what_it_does_and_its_first_detail():
    book = FaultBook()
    appeared = book.update(7, {"surrogate lost": "101 ms"})
    assert appeared == [FaultChanged(7, "surrogate lost", True, "HOLD", "101 ms")]
    book.update(8, {"surrogate lost": "111 ms"})
    gone = FaultChanged(S, "surrogate lost", False, "HOLD", "101 ms")
    assert book.update(S, {}) == [gone]
    for end in (lambda: book.release(3 * S, {}), lambda: book.clear(3 * S)):
        book.update(2 * S, {"demand refused": "x"})
        assert end() == [FaultChanged(3 * S, "demand refused", False, "STOP", "x")]
    assert book.update(4 * S, {}) == []


def test_a_name_is_kept_as_plain_text():
    book = FaultBook()
    (change,) = book.update(0, {FaultName.BELT_LOST: ""})
    assert type(change.fault) is str
    assert [type(name) for name in book.names(Reaction.WARN)] == [str]


def test_a_book_is_true_while_a_fault_is_active():
    book = FaultBook()
    assert bool(book) is False
    book.update(0, {"belt lost": ""})
    assert bool(book) is True
    assert "belt lost" in book
    assert "markers lost" not in book


def test_the_condition_must_be_absent_for_longer_than_its_time():
    book = FaultBook()
    book.update(S, {"extrapolating": ""})
    book.update(2 * S, {"extrapolating": ""})  # the time begins at the last sight of it
    assert book.update(7 * S, {}) == []
    assert len(book.update(7 * S + 1, {})) == 1


def test_nothing_is_assumed_of_breaths_and_shots():
    assert Calm() == Calm(breaths=0, regular=0, agreed_ns=-1)
    calm = Calm(2, 2, agreed_ns=2 * S)
    book = FaultBook()
    book.update(S, {"irregular breathing": ""}, Calm())
    assert book.update(9 * S, {}, calm) == []
    assert len(book.update(9 * S, {}, calm._replace(breaths=3, regular=3))) == 1


def test_breaths_are_counted_from_the_last_time_the_condition_was_seen():
    book = FaultBook(regular_breaths=3)
    book.update(S, {"irregular breathing": ""}, Calm(20))
    book.update(9 * S, {"irregular breathing": ""}, Calm(22))
    assert book.update(30 * S, {}, Calm(24, 9, agreed_ns=29 * S)) == []
    assert len(book.update(30 * S, {}, Calm(25, 9, agreed_ns=29 * S))) == 1


def test_a_release_while_the_condition_holds_releases_nothing():
    book = FaultBook()
    book.update(S, {"irregular breathing": ""}, Calm())
    assert book.release(2 * S, {"irregular breathing": ""}) == []
    assert book.update(9 * S, {}, Calm(agreed_ns=2 * S)) == []


def test_a_release_is_void_once_the_condition_comes_back():
    book = FaultBook()
    book.update(S, {"irregular breathing": ""}, Calm())
    assert book.release(9 * S, {}) == []  # nothing tells of a shot that agreed
    book.update(10 * S, {"irregular breathing": ""}, Calm())
    assert book.update(20 * S, {}, Calm(agreed_ns=11 * S)) == []


def test_what_would_stay_if_a_person_resumed_now():
    book = FaultBook()
    seen: Conditions = dict.fromkeys(
        ("belt lost", "irregular breathing", "surrogate lost", "demand refused", "keep-out"), ""
    )
    book.update(0, seen, Calm())
    left = {"keep-out": ""}

    def stays(now_ns, agreed_ns, at_least=Reaction.HOLD):
        return book.unyielding(now_ns, left, Calm(agreed_ns=agreed_ns), at_least)

    assert stays(S, -1) == ("irregular breathing", "surrogate lost", "keep-out")
    assert stays(3 * S, S) == ("surrogate lost", "keep-out")
    assert stays(3 * S, S, Reaction.WARN) == ("belt lost", "surrogate lost", "keep-out")
    assert stays(3 * S, S, Reaction.STOP) == ()


def test_whether_a_shot_is_waited_for_is_a_plain_yes_or_no():
    book = FaultBook()
    book.update(0, {"sensor frozen": ""})
    assert book.waits_for_shot({}) is True
    assert book.waits_for_shot({"sensor frozen": ""}) is False


def test_names_are_those_at_least_as_severe_in_the_order_they_appeared():
    book = FaultBook()
    assert book.names(Reaction.WARN) == ()
    book.update(0, {"surrogate lost": "", "belt lost": "", "demand refused": ""})
    assert book.names(Reaction.WARN) == ("surrogate lost", "belt lost", "demand refused")
    assert book.names(Reaction.HOLD) == ("surrogate lost", "demand refused")
    assert book.names(Reaction.STOP) == ("demand refused",)


def test_the_sentences_of_faults_are_those_of_the_table():
    assert FaultBook().sentences(()) == ""
    said = FaultBook().sentences(("belt lost", "keep-out"))
    assert said == f"{FAULTS['belt lost'].sentence} {FAULTS['keep-out'].sentence}"
