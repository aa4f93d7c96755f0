"""The short form of `python -m tests.live.load_service`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.load_service import measure

pytestmark = pytest.mark.realtime

BUSY_MS = 10.0
"""Of a machine that also tests: a period of the ticks; the command tells the ratio."""


@pytest.mark.slow
def test_clients_many_and_bad_disturb_no_tracking(tmp_path: Path) -> None:
    load = measure(tmp_path, 5.0, 1, (200, 50), ("--priority", 20))
    # A run that was not let onto the machine holds, and that is right.
    stalled = load.starved
    excused = ("held", "lease") if stalled else ()
    wrong = [each for each in load.wrong() if not any(word in each for word in excused)]
    assert wrong == [], load.describe()
    limit_ms = max(2.0 * load.idle.quantile_ms(0.99), BUSY_MS) + load.taken_ms
    assert load.beset.quantile_ms(0.99) <= limit_ms, load.describe()
    kinds = {seen["kind"]: seen for seen in load.clients}
    subscribers, pages = kinds["subscribers"], kinds["pages"]
    assert (subscribers["clients"], pages["clients"]) == (200, 50)
    assert subscribers["least_hz"] > 15.0 * (1.0 - 2.0 * subscribers["taken_share"])
    assert pages["least_hz"] > 10.0 * (1.0 - 2.0 * pages["taken_share"])
    assert pages["dropped"] == 0 or pages["taken_share"] > 0.2, "a page that takes nothing is"
    assert sum(load.refused.values()) > 100
    assert all(kinds["nuisances"][kind] for kind in ("oversized", "stranger", "garbage"))
