"""The page server against everything that is no page of ours."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from tests.live.web.feeder import RUN_ID
from tests.live.web.served_pages import served, until
from tracker.api import roles
from tracker.api.schema import Role
from tracker.api.tokens import new_token, revoke_token
from tracker.live.web.context import ConsoleError
from tracker.live.web.logins import TRIES_OF_ONE
from tracker.live.web.routes import ASKED_BY_PAGE, PAGES, ROUTES

pytestmark = pytest.mark.realtime

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
