"""The check of the tick's lateness: both limits, to the nanosecond's side."""

import pytest

from tests.core.situations import COUCH, MS, found, situation
from tracker.core.safety.checks.loop import LoopCheck


@pytest.mark.parametrize(
    ("late_ns", "said"),
    [
        (0, {}),
        (20 * MS, {}),
        (20 * MS + 1, {"loop late": "tick 20 ms late, limit 20 ms"}),
        (100 * MS, {"loop late": "tick 100 ms late, limit 20 ms"}),
        (100 * MS + 1, {"loop overrun": "tick 100 ms late, limit 100 ms"}),
    ],
)
def test_a_late_tick_is_warned_of_then_holds(late_ns, said):
    assert found(LoopCheck(COUCH), situation(late_ns=late_ns)) == said
