"""An operator's walk through a session in a real browser, on a real room and a real run.

    python -m tests.live.web.walk docs/images       # the pictures of the operator's guide, anew

Every stage is reached through what is on the page, by mouse or by key, as a person would.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.live.web.stand import Stand, stand

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LARGE, SMALL = (1920, 1080), (1366, 768)
NOBODY_SEEN_AT_S = (40.0, 70.0, 100.0, 130.0)
"""When camera and belt fall silent, by the room's clock: whichever comes first while tracking."""
LONG_MS = 180_000.0
GO = "#dialog:visible .go"


@contextlib.contextmanager
def stand_with_mishaps(folder: Path) -> Iterator[Stand]:
    """A session in which nobody is seen for some seconds, and a person resumes."""
    silent = [
        {"kind": "loss", "on": on, "at_s": at_s, "duration_s": 3.0}
        for at_s in NOBODY_SEEN_AT_S
        for on in ("camera", "belt")
    ]
    changes: dict[str, dict[str, Any]] = {
        "session": {"patient_id": "TWIN-042", "resume": "operator"},
        "room": {"mishaps": silent},
    }
    # With priority, as by the unit: late by 30 ms, the monitor is first, and latches the gate.
    with stand(folder, changes, ("--priority", 20)) as at:
        yield at


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """A page of Debian's Chromium with a profile of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder / "profile"),
            executable_path=str(CHROMIUM),
            args=ARGUMENTS,
            viewport={"width": LARGE[0], "height": LARGE[1]},
        )
        try:
            yield context.pages[0]
        finally:
            context.close()


def stages(page: Any, at: Stand, look_s: float = 2.0) -> Iterator[str]:
    """Go from login to report; gives the name of each stage once it is reached.

    ``look_s``: how long tracking is looked at before a picture is taken of it.
    """
    page.goto(at.ready.page)
    seen(page, "#token")
    yield "login"
    page.fill("#token", at.token)
    page.keyboard.press("Enter")
    seen(page, "body:not(.stale)")
    seen(page, "#connect[data-all=yes]")
    yield "idle"
    press(page, "F2", "#do-model", "#state:text('Modelling')")
    seen(page, "#state:text('Ready')")
    seen(page, "#do-start:enabled")
    yield "ready"
    press(page, "F4", "#do-start", "#dialog:visible")
    yield "confirm"
    press(page, "F4", "#do-start", "#state:text('Tracking')")
    seen(page, "[data-beam=permitted]")
    page.wait_for_timeout(1e3 * look_s)
    yield "tracking"
    seen(page, "#faults li:has-text('Surrogate lost')")
    seen(page, "#state:text('Holding')")
    yield "held"
    press(page, "F9", "#do-resume", "#state:text('Tracking')")
    seen(page, "[data-beam=permitted]")
    yield "resumed"
    page.click("#do-hold")
    seen(page, "#faults li:has-text('Operator hold')")
    press(page, "F9", "#do-resume", "#dialog:visible")
    yield "resume-confirm"
    if page.locator(GO).count():  # what it asks about may be over by now
        page.keyboard.press("Enter")
    seen(page, "#dialog:not(:visible)")
    page.keyboard.press("F10")
    seen(page, "#state:text('Stopped')")
    yield "stopped"
    for name, pid in (("stale-page", at.page_server), ("stale-daemon", at.run.pid)):
        page.evaluate("window.frozenAt = Date.now()")
        with frozen(pid):
            seen(page, "body.stale")
            yield name
        seen(page, "body:not(.stale)")
    page.click("#report")
    seen(page, "h1")
    yield "report"
    page.goto(f"{at.ready.page}/follow")
    seen(page, "body:not(.stale)")
    yield "follow"
    page.goto(f"{at.ready.page}/review")
    seen(page, "#sessions a")
    yield "review-list"
    page.click("#sessions tbody a >> nth=0")
    seen(page, "#past #state:text('Tracking')")
    page.keyboard.press("Tab")
    yield "review"
    page.click("text=Log out")
    seen(page, "#token")
    yield "logged-out"


def seen(page: Any, selector: str) -> None:
    """Wait until something is on the page."""
    page.locator(selector).first.wait_for(state="attached", timeout=LONG_MS)


def press(page: Any, key: str, button: str, until: str) -> None:
    """Press a key once its button is enabled, again while it did nothing, until it did.

    What may be asked for can change between a look and a key, for a machine as for a person; and
    what else is wrong decides whether the page asks first: then the answer is yes.
    """
    began_s = time.monotonic()
    while True:
        if page.locator(until).count():
            return
        if page.locator(f"{GO}:focus").count():
            page.keyboard.press("Enter")
            page.wait_for_timeout(400)
        elif page.locator(f"{button}:enabled").count():
            page.keyboard.press(key)
            page.wait_for_timeout(400)
        page.wait_for_timeout(50)
        assert time.monotonic() - began_s < LONG_MS / 1e3, (
            f"{key} leads to no {until}: {said(page)}"
        )


def said(page: Any) -> str:
    """What the page tells a person who wonders why nothing happens."""
    parts = [page.locator(part).inner_text() for part in ("#hero", "#faults", "#answer")]
    return " | ".join(part.replace("\n", " / ") for part in parts)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pictures(page: Any, folder: Path) -> Callable[[str], None]:
    """Gives what takes a picture of a stage in both sizes."""

    def take(stage: str) -> None:
        for width, height in (SMALL, LARGE):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(150)
            page.screenshot(path=str(folder / f"console-{stage}-{width}.png"))

    return take


SHOWN = ("ready", "tracking", "held", "stale-page", "review")
"""Stages in the operator's guide; the follow view is seen while tracking, in a tab of its own."""


def main(folder: Path) -> int:
    """Take the guide's pictures."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        stand_with_mishaps(Path(name)) as at,
        browser(Path(name)) as page,
    ):
        page.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
        follow: Any = None
        for stage in stages(page, at, look_s=8.0):
            if stage == "idle":
                follow = page.context.new_page()
                follow.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
                follow.goto(f"{at.ready.page}/follow")
                page.bring_to_front()
            elif stage == "tracking":
                _picture(follow, folder, "follow")
                follow.close()
            if stage in SHOWN:
                _picture(page, folder, stage)
    return 0


def _picture(page: Any, folder: Path, stage: str) -> None:
    page.evaluate("document.activeElement?.blur()")
    page.wait_for_timeout(300)
    page.screenshot(path=str(folder / f"console-{stage}.png"))
    print(f"{time.strftime('%H:%M:%S')} {stage}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
