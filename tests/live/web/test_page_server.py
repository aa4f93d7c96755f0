"""The page server against everything that is no page of ours; and fifty that are."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.live.machine_load import MachineLoad
from tests.live.web.feeder import RUN_ID, FeederTwin, published
from tracker.api import roles
from tracker.api.schema import Role
from tracker.daemon_settings import ConsolePage
from tracker.live.service.metrics import render
from tracker.live.web.context import LINK_S, SILENT_S, ConsoleContext, ConsoleError
from tracker.live.web.logins import TRIES_OF_ONE
from tracker.live.web.review import Review
from tracker.live.web.routes import ASKED_BY_PAGE, FAST, PAGES, ROUTES
from tracker.live.web.server import serving
from tracker.live.web.tokens import new_token, revoke_token

pytestmark = pytest.mark.realtime


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


# Who is let in -------------------------------------------------------------------------------

PUBLIC = {"/", "/login", "/api/login", "/metrics"}


@pytest.mark.asyncio
async def test_without_a_login_there_is_nothing_but_the_login(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser() as browser:
        for method, path, _ in ROUTES:
            if path in PUBLIC:
                continue
            path = path.format(name="last")
            headers = at.origin
            async with browser.session.request(
                method, path, headers=headers, allow_redirects=False, json={}
            ) as reply:
                to_login = reply.status == 303 and reply.headers["Location"] == "/login"
                assert to_login or reply.status == 401, f"{method} {path}: {reply.status}"
                assert "TWIN" not in await reply.text()
        assert at.feeder.asked == []


@pytest.mark.asyncio
async def test_a_login_is_a_cookie_no_script_reads_and_no_other_site_sends(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser() as browser:
        async with browser.post("/api/login", {"token": at.token(Role.OPERATOR)}) as reply:
            cookie = reply.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        async with browser.session.get("/console") as reply:
            assert reply.status == 200
            policy = reply.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert reply.headers["X-Frame-Options"] == "DENY"
            assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.asyncio
async def test_wrong_tokens_are_refused_and_then_not_even_looked_at(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser() as browser:
        right = at.token(Role.OPERATOR)
        for token in [right[:-1], f"{right}x", "operator.", "nobody.x", "../operator.x"]:
            async with browser.post("/api/login", {"token": token}) as reply:
                assert reply.status == 403
        assert TRIES_OF_ONE == 5
        async with browser.post("/api/login", {"token": right}) as reply:
            assert reply.status == 429
            assert 0 < int(reply.headers["Retry-After"]) <= 60


@pytest.mark.asyncio
async def test_an_expired_token_opens_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser() as browser:
        long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
        token = new_token(at.tokens, "late", Role.OPERATOR, 1, long_ago)
        async with browser.post("/api/login", {"token": token}) as reply:
            assert reply.status == 403


@pytest.mark.asyncio
async def test_a_token_revoked_ends_its_pages(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        async with browser.live() as socket_:
            await socket_.receive()
            revoke_token(at.tokens, "operator")
            at.context.read_people()
            async with asyncio.timeout(60.0):
                async for _ in socket_:
                    pass
        async with browser.ask("hold") as reply:
            assert reply.status == 401
        assert at.feeder.asked == []


@pytest.mark.asyncio
async def test_logging_out_needs_the_page_and_ends_the_login(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        async with browser.post("/api/logout", {}, without="X-CSRF-Token") as reply:
            assert reply.status == 403
        async with browser.post("/api/logout", {}) as reply:
            assert reply.status == 200
        async with browser.session.get("/api/me") as reply:
            assert reply.status == 401


# What is passed on ---------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_each_role_asks_what_the_table_of_roles_allows_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as at:
        for role in Role:
            async with at.browser(role) as browser:
                for name in (*ASKED_BY_PAGE, "end", "status", "fault: stop", ""):
                    at.feeder.asked.clear()
                    async with browser.ask(name) as reply:
                        status = reply.status
                    allowed = name in ASKED_BY_PAGE and roles.may_ever(role, name)
                    assert (status == 200) == allowed, f"{role} {name}: {status}"
                    wanted = [(name, role, role.value, RUN_ID)] if allowed else []
                    assert at.feeder.asked == wanted


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("without", "headers"),
    [
        ("X-CSRF-Token", {}),
        ("", {"X-CSRF-Token": "x" * 43}),
        ("Origin", {}),
        ("", {"Origin": "https://elsewhere.example"}),
        ("", {"Origin": "null"}),
        ("", {"Host": "rebound.example"}),
    ],
)
async def test_a_request_that_is_not_of_the_page_is_refused(
    tmp_path: Path, without: str, headers: dict[str, str]
) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        async with browser.ask("stop", without, **headers) as reply:
            assert reply.status == 403
        assert at.feeder.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"name":"stop"}', b"x" * 10_000, b"\xff"])
async def test_a_body_that_is_no_request_is_refused(tmp_path: Path, body: bytes) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        headers = {**browser.headers, "Content-Type": "application/json"}
        async with browser.session.post("/api/ask", data=body, headers=headers) as reply:
            assert reply.status in (400, 413)
        assert at.feeder.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize("origin", [None, "https://elsewhere.example", "null"])
async def test_a_socket_of_another_page_is_refused(tmp_path: Path, origin: str | None) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        headers = {} if origin is None else {"Origin": origin}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.session.ws_connect("/api/live", headers=headers)
        assert refused.value.status == 403
        assert len(at.context.hub) == 0


# The past ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_no_name_of_a_session_becomes_a_path(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "secret.mcap").write_text("not for you")
    (tmp_path / "sessions" / "linked.mcap").symlink_to(tmp_path / "secret.mcap")
    names = ["../secret", "..%2Fsecret", "%2e%2e%2fsecret", "/etc/passwd", "x%00", "linked", "'--"]
    async with served(tmp_path) as at, at.browser(Role.PHYSICIST) as browser:
        for name in names:
            for path in (f"/api/sessions/{name}", f"/review/{name}/report", f"/static/{name}"):
                async with browser.session.get(f"{at.address}{path}") as reply:
                    assert reply.status == 404, f"{path}: {reply.status}"
                    assert "not for you" not in await reply.text()


@pytest.mark.asyncio
async def test_an_observer_follows_but_sees_no_past_and_no_console(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser(Role.OBSERVER) as browser:
        for page, allowed in PAGES.items():
            async with browser.session.get(f"/{page}", allow_redirects=False) as reply:
                assert (reply.status == 200) == (Role.OBSERVER in allowed)
        async with browser.session.get("/api/sessions") as reply:
            assert reply.status == 403
        async with browser.live() as socket_:
            assert (await socket_.receive_json())["type"]


# The socket ----------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("message", ["x", "-1", "9" * 300, '{"name":"start"}', b"\x00"])
async def test_a_page_sends_pings_only(tmp_path: Path, message: str | bytes) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        async with browser.live() as socket_, asyncio.timeout(60.0):
            if isinstance(message, bytes):
                await socket_.send_bytes(message)
            else:
                await socket_.send_str(message)
            async for _ in socket_:
                pass
            assert socket_.close_code in (1008, 1009)
        assert at.feeder.asked == []


@pytest.mark.asyncio
async def test_a_page_that_floods_is_closed(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as at,
        at.browser(Role.OPERATOR) as browser,
        browser.live() as socket_,
        asyncio.timeout(60.0),
    ):
        for number in range(3 * FAST):
            with contextlib.suppress(ConnectionError):
                await socket_.send_str(str(number))
        async for _ in socket_:
            pass
        assert socket_.close_code == 1008


@pytest.mark.asyncio
async def test_pings_are_answered_and_silence_of_the_daemon_is_told(tmp_path: Path) -> None:
    with MachineLoad() as load:
        await _silence_is_told(tmp_path, load)


async def _silence_is_told(folder: Path, load: MachineLoad) -> None:
    async with (
        served(folder) as at,
        at.browser(Role.OPERATOR) as browser,
        browser.live() as socket_,
        asyncio.timeout(60.0),
    ):
        await socket_.send_str("7")
        while (await socket_.receive_json()) != {"type": "Pong", "ping": 7}:
            pass
        while (await socket_.receive_json())["type"] != "State":
            pass
        at.feeder.silent = True
        while True:
            told = await socket_.receive_json()
            if told["type"] == "Link" and not told["up"]:
                break
        # A message comes every LINK_S, so the first one comes soon after the loss.
        late_s = told["silent_s"] - SILENT_S
        assert 0.0 <= late_s < 2 * LINK_S + load.taken_ms(0, time.monotonic_ns()) / 1e3


@pytest.mark.asyncio
async def test_fifty_pages_get_20_states_a_second_and_nothing_piles_up(tmp_path: Path) -> None:
    seconds = 3.0
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        counts = [0] * 50

        async def follow(number: int) -> None:
            async with browser.live() as page:
                async for message in page:
                    counts[number] += '"State"' in message.data

        tasks = [asyncio.create_task(follow(number)) for number in range(len(counts))]
        await until(lambda: min(counts) > 0)
        before, said = list(counts), at.feeder.said
        while at.feeder.said - said < 20 * seconds:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        got = [now - then for now, then in zip(counts, before, strict=True)]
        wanted = at.feeder.said - said
        assert min(got) >= 0.9 * wanted - 2
        assert max(page.waiting for page in at.context.hub.pages) <= 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_page_that_takes_nothing_is_closed_and_delays_nobody(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        (cookie,) = [c for c in browser.session.cookie_jar if c.key == "tidetrack"]
        host, port = at.address.removeprefix("http://").split(":")
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.connect((host, int(port)))
            lines = [
                "GET /api/live HTTP/1.1",
                f"Host: {host}:{port}",
                f"Origin: {at.address}",
                f"Cookie: tidetrack={cookie.value}",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ]
            idle.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            async with browser.live() as page, asyncio.timeout(60.0):
                seen = 0
                await until(lambda: len(at.context.hub) == 2)
                at.context.hub.publish('{"type":"Padding","text":"' + "x" * 3_000_000 + '"}')
                while len(at.context.hub) > 1:
                    message = await page.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    seen += '"State"' in message.data
                assert seen >= 20


@pytest.mark.asyncio
async def test_more_pages_than_allowed_are_refused(tmp_path: Path) -> None:
    async with (
        served(tmp_path, most_pages=2) as at,
        at.browser(Role.OPERATOR) as browser,
        browser.live(),
        browser.live(),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.live()
        assert refused.value.status == 503


# The rest ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_metrics_are_served_here_without_login(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser() as browser:
        await until(lambda: at.context.newest is not None)
        async with browser.session.get("/metrics") as reply:
            assert reply.status == 200
            assert "tidetrack_up 1" in await reply.text()


@pytest.mark.asyncio
async def test_outside_the_loopback_only_with_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match=r"console\.certificate"):
        async with served(tmp_path, host="0.0.0.0"):
            pass


@pytest.mark.asyncio
async def test_tls_serves_and_marks_its_cookie(tmp_path: Path) -> None:
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(  # noqa: ASYNC221
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext"]
        + ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("no openssl here to make a certificate with")
    trusted = ssl.create_default_context(cafile=str(pem))
    async with served(tmp_path, certificate=str(pem), private_key=str(key)) as at:
        assert at.address.startswith("https://")
        token = at.token(Role.OPERATOR)
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{at.address}/api/login", json={"token": token}, headers=at.origin, ssl=trusted
            ) as reply,
        ):
            assert reply.status == 200
            assert "Strict-Transport-Security" in reply.headers
            cookie = reply.headers["Set-Cookie"]
            assert cookie.startswith("__Host-")
            assert "Secure" in cookie


def test_the_socket_carries_the_published_schema() -> None:
    for record in published()[:50]:
        assert json.loads(msgspec.json.encode(record))["type"] in ("State", "Model", "Said")
