"""The safety case is whole: nothing missing, nothing loose, and its page is the one it makes."""

from __future__ import annotations

import pytest

from tests.safety.case import SAFETY, load_campaign, load_case, page_of, problems_of

TEXT = (SAFETY / "case.toml").read_text()


def test_the_case_is_whole():
    assert problems_of(load_case()) == []


def test_the_page_is_what_make_safety_writes():
    assert (SAFETY / "case.md").read_text() == page_of(load_case(), load_campaign())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('hazard = "H15"', 'hazard = "H14"', "H15: nothing is required"),
        ('H15 = "Collision', 'H99 = "Collision', "H15: is not in [hazards]"),
        ('faults = ["keep-out"]', "faults = []", "fault 'keep-out': no requirement names it"),
        ('faults = ["keep-out"]', 'faults = ["keepout"]', "R15: 'keepout' is no fault"),
        ('mishaps = ["killed"]', "", "R17: no mishap or scenario brings H17 about"),
        ('mishaps = ["killed"]', 'scenario = "none"', "mishap killed: no requirement names it"),
        ('mishaps = ["killed"]', 'mishaps = ["kill"]', "R17: kill is no kind of mishap"),
        ('faults = ["keep-out"]', 'faults = ["gate silent"]', "is a fault of H19, not H15"),
        ("::test_the_way_on_counts_too", "::test_no_such", "there is no test core/test_fault"),
        ("::test_the_way_on_counts_too", "::test_no_such", "too: no requirement names it"),
        ('id = "RP2"', 'id = "RP1"', "RP1: is there twice"),
    ],
)
def test_what_is_missing_or_loose_is_named(old, new, said):
    assert TEXT.count(old) == 1
    assert any(said in problem for problem in problems_of(load_case(TEXT.replace(old, new))))
