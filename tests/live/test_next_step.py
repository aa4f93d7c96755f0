"""Which of several faults the console's next step is about."""

from __future__ import annotations

import pytest

from tracker.core.safety.fault_table import FAULTS
from tracker.core.session import SessionState
from tracker.live.service.next_step import next_step


@pytest.mark.parametrize(
    ("against", "front"),
    [
        (("bad samples", "surrogate lost"), "surrogate lost"),  # no sample at all is behind both
        (("surrogate lost", "gate disagrees"), "gate disagrees"),  # what stops comes first
        (("operator hold", "target unsure"), "target unsure"),
    ],
)
def test_the_fault_in_front_is_the_one_behind_the_others(
    against: tuple[str, ...], front: str
) -> None:
    for order in (against, against[::-1]):
        assert next_step(SessionState.HOLDING, order, ()) == FAULTS[front].sentence
