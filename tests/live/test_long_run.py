"""The short form of `python -m tests.live.long_run`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.long_run import measure
from tests.live.web.walk import CHROMIUM

pytestmark = pytest.mark.realtime

pytest.importorskip("playwright", reason="no playwright: install the dev extra")
SECONDS = 20.0
SETTLING = 0.1
"""What memory may still grow by so soon."""


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium")
def test_a_while_with_the_page_open(tmp_path: Path) -> None:
    run = measure(tmp_path, SECONDS, ("--priority", 20), soon=True)
    assert run.wrong(growth=SETTLING) == [], run.describe()
    assert run.journal.tracked_s > 0.0
    assert set(run.growth) >= {"run", "page server", "recorder", "monitor", "page's heap"}
