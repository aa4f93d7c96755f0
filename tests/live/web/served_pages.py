"""A page server for tests, and browsers for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.live.web.feeder import RUN_ID, FeederTwin, published
from tracker.api.schema import Role
from tracker.api.tokens import new_token, revoke_token
from tracker.daemon_settings import ConsolePage
from tracker.live.service.metrics import render
from tracker.live.web.context import ConsoleContext
from tracker.live.web.review import Review
from tracker.live.web.server import serving


class Served:
    """A page server, and browsers for it."""

    def __init__(
        self, context: ConsoleContext, address: str, feeder: FeederTwin, tokens: Path
    ) -> None:
        self.context, self.address, self.feeder, self.tokens = context, address, feeder, tokens
        self.origin = {"Origin": address}

    @contextlib.asynccontextmanager
    async def browser(self, role: Role | None = None) -> AsyncGenerator[Browser, None]:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(self.address, cookie_jar=jar) as session:
            browser = Browser(self, session)
            if role is not None:
                await browser.log_in(self.token(role))
            yield browser

    def token(self, role: Role) -> str:
        with contextlib.suppress(Exception):
            revoke_token(self.tokens, role.value)
        return new_token(self.tokens, role.value, role, 1)


class Browser:
    def __init__(self, served: Served, session: aiohttp.ClientSession) -> None:
        self.served, self.session = served, session
        self.headers = dict(served.origin)

    async def log_in(self, token: str) -> None:
        async with self.post("/api/login", {"token": token}) as reply:
            assert reply.status == 200, await reply.text()
        async with self.session.get("/api/me") as reply:
            self.headers["X-CSRF-Token"] = (await reply.json())["csrf"]

    def post(self, path: str, body: Any, without: str = "", **headers: str) -> Any:
        sent = {**self.headers, **headers}
        sent.pop(without, None)
        return self.session.post(path, json=body, headers=sent)

    def ask(self, name: str, without: str = "", **headers: str) -> Any:
        return self.post("/api/ask", {"name": name, "run_id": RUN_ID}, without, **headers)

    def live(self) -> Any:
        return self.session.ws_connect("/api/live", headers=self.served.origin)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60.0):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def served(folder: Path, **changes: Any) -> AsyncGenerator[Served, None]:
    published()  # computed before any clock runs
    feeder = FeederTwin()
    settings = ConsolePage(port=0, tokens=str(folder / "tokens"), **changes)
    review = Review(folder / "sessions")
    context = ConsoleContext(settings, feeder, review, lambda state: render([state]).decode())
    async with serving(context) as address:
        yield Served(context, address, feeder, folder / "tokens")
