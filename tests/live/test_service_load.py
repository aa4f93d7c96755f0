"""The short form of `python -m tests.live.load_service`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.load_service import measure

pytestmark = pytest.mark.realtime

BUSY_MS = 10.0
"""Of a machine that also tests: a period of the beat; the command tells the ratio."""
STALLED = ("loop late", "loop overrun", "surrogate lost")
"""What a daemon says that was not let onto the machine: then a hold is right. Nothing else is."""


@pytest.mark.slow
def test_clients_many_and_bad_disturb_no_tracking(tmp_path: Path) -> None:
    load = measure(tmp_path, 5.0, 1, (200, 50), ("--priority", 20))
    assert [each for each in load.wrong() if "held" not in each] == [], load.describe()
    if load.whole.holds:
        others = [
            fault for fault in load.whole.faults if not any(name in fault for name in STALLED)
        ]
        assert others == [], load.describe()
    assert load.ratio <= 2.0 or load.beset.quantile_ms(0.99) < BUSY_MS, load.describe()
    kinds = {seen["kind"]: seen for seen in load.clients}
    assert kinds["subscribers"]["clients"] == 200
    assert kinds["subscribers"]["least_hz"] > 15.0
    assert (kinds["pages"]["clients"], kinds["pages"]["dropped"]) == (50, 0)
    assert kinds["pages"]["least_hz"] > 10.0
    assert sum(load.refused.values()) > 100
    assert all(kinds["nuisances"][kind] for kind in ("oversized", "stranger", "garbage"))
