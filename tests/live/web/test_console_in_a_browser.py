"""The whole workflow from login to report in Debian's Chromium, on a real room and a real run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.machine_load import MachineLoad
from tests.live.web.walk import CHROMIUM, browser, pictures, stages, stand_with_mishaps
from tracker.core.safety.fault_table import FAULTS, FaultName

pytest.importorskip("playwright", reason="no playwright: install the dev extra")
pytestmark = [
    pytest.mark.realtime,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]

SECONDS = 2.0
AXE = frozenset({"login", "ready", "confirm", "tracking", "held", "follow", "review"})
PICTURES = frozenset({"tracking", "held", "stopped", "follow", "review"})
STALE_S = 1.0
NOTE_STALENESS = """() => {
  window.staleAt = null;
  new MutationObserver(() => {
    if (document.body.classList.contains("stale")) window.staleAt ??= Date.now();
    else window.staleAt = null;
  }).observe(document.body, { attributes: true });
}"""


def test_a_session_from_login_to_report(tmp_path: Path) -> None:
    errors: list[str] = []
    with MachineLoad() as load, stand_with_mishaps(tmp_path) as at, browser(tmp_path) as page:
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        take = pictures(page, tmp_path)
        reached: list[str] = []
        walk = stages(page, at)
        since_ns = time.monotonic_ns()
        for stage in walk:
            reached.append(stage)
            if stage in PICTURES:
                take(stage)
            if stage in AXE:
                assert serious(page) == [], stage
            check = CHECKS.get(stage)
            if check is not None:
                check(page, load)
            if stage.startswith("stale"):
                late_s = page.evaluate("window.staleAt - window.frozenAt") / 1e3
                taken_s = load.taken_ms(since_ns, time.monotonic_ns()) / 1e3
                assert late_s < STALE_S + taken_s, f"{stage}: {late_s:.2f} s"
                assert page.locator("#beam-word").inner_text() == "Unknown"
                assert page.locator("#do-stop").is_enabled()
            since_ns = time.monotonic_ns()
        assert reached[-1] == "logged-out"
        assert errors == []


def _tracking(page: Any, load: MachineLoad) -> None:
    """The strips are drawn again and again, and nothing is wider than its place."""
    page.evaluate(NOTE_STALENESS)
    before = page.evaluate("tidetrack.room.strip.drawn")
    page.wait_for_timeout(1e3 * SECONDS)
    assert page.evaluate("tidetrack.room.strip.drawn") > before + 1
    _fits(page)


def _fits(page: Any) -> None:
    """No part of the page is cut off at the sizes of a console."""
    for width, height in ((1366, 768), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(100)
        assert page.evaluate(OVERFLOWS) == []


def _held(page: Any, load: MachineLoad) -> None:
    fault = page.locator("#faults li", has_text="Surrogate lost").inner_text()
    assert FAULTS[FaultName.SURROGATE_LOST].sentence in fault
    assert "Holds beam" in fault
    assert "since" in fault
    page.locator("#beam-word", has_text="Held").wait_for()


CHECKS = {"tracking": _tracking, "held": _held}
OVERFLOWS = """() => [...document.querySelectorAll(".hero *, .actions *, .top *, .panel h2")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline"
    && !e.closest(".hidden"))
  .map((e) => `${e.tagName} ${e.id || e.className}: ${e.textContent.slice(0, 40)}`)"""


def serious(page: Any) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
