"""The short form of `python -m tests.live.long_run`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.long_run import measure
from tests.live.web.walk import CHROMIUM

pytest.importorskip("playwright", reason="no playwright: install the dev extra")
SETTLING = 0.1
"""What memory may still grow by within the first minute."""


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium")
def test_a_minute_with_the_page_open(tmp_path: Path) -> None:
    run = measure(tmp_path, 60.0, ("--priority", 20))
    assert run.wrong(growth=SETTLING) == [], run.describe()
    assert run.journal.tracked_s > 40.0
    assert set(run.growth) >= {"run", "page server", "recorder", "monitor", "page's heap"}
