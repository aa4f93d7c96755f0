"""The patient's screen in Debian's Chromium: each state, who may open it, and late data."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.live.web.served_pages import Served, served
from tests.live.web.walk import ARGUMENTS, CHROMIUM
from tracker.api.schema import Beam, BreathingGuide, Role
from tracker.live.web.patient import PatientState

pytest.importorskip("playwright", reason="no playwright: install the dev extra")
pytestmark = [
    pytest.mark.realtime,
    pytest.mark.asyncio,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]

SIZE: Any = {"width": 1280, "height": 800}
PERMITTED, HELD = Beam(permitted=True, on=True), Beam(permitted=False, on=False)
WINDOW: dict[str, Any] = {"low_mm": -3.0, "high_mm": 0.0}
EVERYWHERE: dict[str, Any] = {"low_mm": -100.0, "high_mm": 100.0}
SAYS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # what the controller publishes -> sentence, colour, countdown
    "idle": ({"session": "IDLE", "beam": HELD}, "Lie still and relax", "wait", ""),
    "modelling": ({"session": "MODELLING", "beam": HELD}, "Breathe as usual", "wait", ""),
    "tracking": ({"session": "TRACKING", "beam": PERMITTED}, "Good: keep breathing", "good", ""),
    "holding": ({"session": "HOLDING", "beam": HELD}, "Breathe calmly", "wait", ""),
    "stopped": ({"session": "STOPPED", "beam": HELD}, "It is over", "wait", ""),
    "gated": (
        {"session": "TRACKING", "beam": HELD, "guide": BreathingGuide(**WINDOW)},
        "Breathe into the green",
        "wait",
        "",
    ),
    "hold": (
        {"guide": BreathingGuide(asks="hold", remaining_s=11.2, **EVERYWHERE)},
        "Hold your breath",
        "good",
        "12",
    ),
    "hold-left": (
        {"guide": BreathingGuide(asks="hold", remaining_s=11.2, low_mm=90.0, high_mm=95.0)},
        "Hold your breath",
        "act",
        "12",
    ),
    "rest": (
        {"guide": BreathingGuide(asks="rest", remaining_s=4.0, **EVERYWHERE)},
        "Breathe out and rest",
        "act",
        "4",
    ),
}
OVERFLOWS = """() => [...document.querySelectorAll("#words, #breath, #count")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1
    || e.getBoundingClientRect().bottom > innerHeight + 1)
  .map((e) => e.id)"""


@contextlib.asynccontextmanager
async def screen(at: Served, path: str = "/patient") -> AsyncGenerator[Any, None]:
    """Chromium with the patient's screen open, logged in with the patient's token."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[*ARGUMENTS, "--autoplay-policy=no-user-gesture-required"],
        )
        page = await chromium.new_page(viewport=SIZE)
        await page.goto(f"{at.address}/login")
        await page.fill("#token", at.token(Role.PATIENT))
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/patient")
        if path != "/patient":
            await page.goto(at.address + path)
        await page.locator("body:not(.stale)").wait_for()
        yield page
        await chromium.close()


async def test_it_says_one_thing_in_each_state_and_turns_grey_when_data_are_late(
    tmp_path: Path,
) -> None:
    from axe_playwright_python.async_playwright import Axe

    async with served(tmp_path) as at, screen(at) as page:
        for name, (changes, words, tone, count) in SAYS.items():
            at.feeder.changes = {"guide": None, "session": "TRACKING", "beam": PERMITTED, **changes}
            await page.locator("#words", has_text=words).wait_for()
            await page.locator(f"body[data-tone={tone}]").wait_for(state="attached")
            assert await page.locator("#count").is_visible() == bool(count), name
            assert not count or await page.locator("#count").inner_text() == count
            assert await page.evaluate(OVERFLOWS) == [], name
            await page.wait_for_timeout(300)
            await page.screenshot(path=str(tmp_path / f"patient-{name}.png"))
        found = (await Axe().run(page)).response["violations"]
        assert [each["id"] for each in found] == []
        assert await page.locator("button, a, input").count() == 0
        drawn = await page.evaluate("tidetrack.screen.drawn")
        await page.wait_for_timeout(500)
        assert await page.evaluate("tidetrack.screen.drawn") > drawn
        at.feeder.silent = True
        await page.locator("body.stale").wait_for()
        assert await page.locator("#words").inner_text() == "Please wait"
        assert not await page.locator("#count").is_visible()
        await page.screenshot(path=str(tmp_path / "patient-late.png"))
        assert await page.evaluate("tidetrack.screen.constructor.name") == "PatientScreen"


@pytest.mark.parametrize("style", ["bar", "circle"])
async def test_another_style_is_drawn(tmp_path: Path, style: str) -> None:
    async with served(tmp_path, patient_style="circle") as at:
        at.feeder.changes = {"guide": BreathingGuide(**WINDOW)}
        async with screen(
            at, "/patient" if style == "circle" else f"/patient?style={style}"
        ) as page:
            assert await page.evaluate("tidetrack.screen.style") == style
            await page.wait_for_timeout(500)
            await page.screenshot(path=str(tmp_path / f"patient-{style}.png"))
            lit = await page.evaluate(
                """() => { const c = document.getElementById("breath");
                const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
                return d.filter((v, i) => i % 4 === 3 && v > 0).length / (d.length / 4); }"""
            )
            assert 0.005 < lit < 0.9


async def test_a_tone_sounds_when_the_breath_enters_its_window(tmp_path: Path) -> None:
    async with served(tmp_path, patient_tone=True) as at:
        outside = BreathingGuide(low_mm=90.0, high_mm=95.0)
        at.feeder.changes = {"guide": outside}
        async with screen(at) as page:
            assert await page.evaluate("tidetrack.screen.tone.sounded") == 0
            at.feeder.changes = {"guide": BreathingGuide(**EVERYWHERE)}
            # The page's own policy forbids the browser to evaluate text, so it is asked from here.
            async with asyncio.timeout(30.0):
                while await page.evaluate("tidetrack.screen.tone.sounded") == 0:
                    await page.wait_for_timeout(20)
            assert await page.evaluate("tidetrack.screen.tone.sounded") == 1


async def test_the_screen_learns_nothing_of_the_patient_but_the_breath(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as at,
        at.browser(Role.PATIENT) as patient,
        at.browser(Role.OPERATOR) as operator,
    ):
        for page in ("console", "follow", "review"):
            async with patient.session.get(f"/{page}", allow_redirects=False) as reply:
                assert (reply.status, reply.headers["Location"]) == (303, "/patient")
        async with patient.session.get("/api/sessions") as reply:
            assert reply.status == 403
        async with patient.ask("hold") as reply:
            assert reply.status == 403
        async with patient.live() as socket:
            got = [await socket.receive_json() for _ in range(10)]
        assert {record["type"] for record in got} == {"PatientState", "Link"}
        states = [record for record in got if record["type"] == "PatientState"]
        assert all(set(state) <= {"type", *PatientState.__struct_fields__} for state in states)
        async with operator.session.get("/patient") as reply:
            assert reply.status == 200
        async with operator.session.ws_connect(
            "/api/live?view=patient", headers=at.origin
        ) as socket:
            got = [await socket.receive_json() for _ in range(10)]
        assert "State" not in {record["type"] for record in got}
