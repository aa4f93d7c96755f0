"""The routes of the page server: pages, login, socket of an open page, requests, past sessions."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Meta

from tracker.api import roles
from tracker.api.schema import Role
from tracker.core.session import SessionState
from tracker.live.web.access import REPORT_POLICY, has_csrf, is_loopback
from tracker.live.web.context import CONTEXT, ConsoleContext, utc
from tracker.live.web.hub import OpenPage, SlowPageError
from tracker.live.web.logins import Login
from tracker.live.web.review import ReviewError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATIC = Path(__file__).parent / "static"
PLOT = Path(__file__).parents[2] / "report" / "static"
TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
PAGES: Final = {
    "console": (Role.OPERATOR, Role.PHYSICIST, Role.SERVICE),
    "follow": (Role.OBSERVER, Role.OPERATOR, Role.PHYSICIST, Role.SERVICE),
    "review": (Role.OPERATOR, Role.PHYSICIST, Role.SERVICE),
    "patient": (Role.PATIENT, Role.OPERATOR, Role.PHYSICIST, Role.SERVICE),
}
"""Page -> the roles that may open it; an observer may not see past patients.

The patient's screen has a role of its own, which may open nothing else.
"""

ASKED_BY_PAGE: Final = ("model", "expose", "start", "hold", "resume", "reset", "stop")
COOKIE: Final = "tidetrack"
FAST: Final = 20
"""Most messages from a page within a second; our page sends five."""
MOST_MESSAGE_BYTES: Final = 256


def static_routes() -> Iterator[tuple[str, str, Handler]]:
    """Yield one route for each file, so that no file name is taken from a request."""
    files = [file for file in STATIC.iterdir() if file.suffix in (".js", ".css", ".svg")]
    for file in (*files, PLOT / "uPlot.iife.min.js", PLOT / "uPlot.min.css"):
        yield "GET", f"/static/{file.name}", _file(file)


def _file(file: Path) -> Handler:
    text, kind = file.read_text(encoding="utf-8"), TYPES[file.suffix]

    async def give(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type=kind, charset="utf-8")

    return give


# Pages ---------------------------------------------------------------------------------------


def _page(name: str) -> Handler:
    text = (STATIC / f"{name}.html").read_text(encoding="utf-8")

    async def give(request: web.Request) -> web.StreamResponse:
        login = _login(request)
        if login is None:
            raise web.HTTPSeeOther("/login")
        if login.role not in PAGES[name]:
            raise web.HTTPSeeOther(_home(login.role))
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    return give


async def first(request: web.Request) -> web.StreamResponse:
    """Redirect to the login, or to the page of the role."""
    login = _login(request)
    if login is None:
        raise web.HTTPSeeOther("/login")
    raise web.HTTPSeeOther(_home(login.role))


def _home(role: Role) -> str:
    """Return the page that a role sees first."""
    return next(f"/{name}" for name, roles_of in PAGES.items() if role in roles_of)


async def login_page(request: web.Request) -> web.StreamResponse:
    """Return the page that asks for a token."""
    text = (STATIC / "login.html").read_text(encoding="utf-8")
    return web.Response(text=text, content_type="text/html", charset="utf-8")


# Login ---------------------------------------------------------------------------------------


async def log_in(request: web.Request) -> web.StreamResponse:
    """Check a token and set the cookie of a login."""
    context = request.app[CONTEXT]
    address = request.remote or ""
    wait_s = context.throttle.wait_s(address, context.clock())
    if wait_s > 0:
        seconds = int(wait_s) + 1
        return web.json_response(
            {"reason": f"Too many wrong tokens: wait {seconds} s."},
            status=429,
            headers={"Retry-After": str(seconds)},
        )
    token = await _body(request, _Token)
    context.read_people()
    person = None if token is None else _whose(context, token.token)
    if person is None:
        context.throttle.failed(address, context.clock())
        return web.json_response(
            {"reason": "This token is not known here, or has expired."}, status=403
        )
    cookie, login = context.logins.open(person, context.clock())
    response = web.json_response({"who": login.who, "role": login.role})
    response.set_cookie(
        _cookie_name(context),
        cookie,
        path="/",
        httponly=True,
        secure=context.scheme == "https",
        samesite="Strict",
        max_age=int(3600 * context.settings.login_hours),
    )
    return response


async def log_out(request: web.Request) -> web.StreamResponse:
    """End the login and close its pages."""
    context, login = request.app[CONTEXT], _login(request)
    if login is None or not has_csrf(request, login):
        return _refused(login)
    context.logins.close(request.cookies[_cookie_name(context)])
    response = web.json_response({})
    response.del_cookie(_cookie_name(context), path="/")
    return response


async def me(request: web.Request) -> web.StreamResponse:
    """Return who is logged in, what that role may ask for, and the CSRF token of the login."""
    login = _login(request)
    if login is None:
        return _refused(login)
    return web.json_response(
        {
            "who": login.who,
            "role": login.role,
            "csrf": login.csrf,
            "may": {
                state: [name for name in ASKED_BY_PAGE if roles.may(login.role, state, name)]
                for state in SessionState
            },
            "pages": [name for name, who in PAGES.items() if login.role in who],
            "patient": {
                "style": request.app[CONTEXT].settings.patient_style,
                "tone": request.app[CONTEXT].settings.patient_tone,
            },
        }
    )


# The socket of an open page ------------------------------------------------------------------


async def socket(request: web.Request) -> web.StreamResponse:
    """Send state (20 Hz), log and model; answer pings, so that a page knows it is up to date.

    The patient's screen gets only what it shows, whatever the role of the login is.
    """
    context, login = request.app[CONTEXT], _login(request)
    if reason := context.gatekeeper.refused(request, strictly=True):
        return web.json_response({"reason": reason}, status=403)
    if login is None:
        return _refused(login)
    if len(context.hub) >= context.settings.most_pages:
        return web.json_response({"reason": "too many pages are open"}, status=503)
    for_patient = login.role is Role.PATIENT or request.query.get("view") == "patient"
    page = context.hub.open_page(for_patient=for_patient)
    try:
        ws = web.WebSocketResponse(
            compress=False, max_msg_size=MOST_MESSAGE_BYTES, heartbeat=5.0, timeout=1.0
        )
        await ws.prepare(request)
        login.closed.append(page.end)
        page.put(context.link())
        writer = asyncio.create_task(_write(page, ws, request), name="page")
        try:
            await _listen(page, ws)
        finally:
            page.end()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            login.closed.remove(page.end)
        return ws
    finally:
        context.hub.close_page(page)


async def _write(page: OpenPage, ws: web.WebSocketResponse, request: web.Request) -> None:
    try:
        await page.write(ws.send_str)
    except SlowPageError:
        if request.transport is not None:
            request.transport.abort()
        return
    except ConnectionError:
        return
    await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"logged out, or too slow")


async def _listen(page: OpenPage, ws: web.WebSocketResponse) -> None:
    """Answer pings in order with the states; close the page on other messages, or too many."""
    since_s, count = time.monotonic(), 0
    async for message in ws:
        now_s = time.monotonic()
        if now_s - since_s >= 1.0:
            since_s, count = now_s, 0
        count += 1
        if count > FAST or message.type is not WSMsgType.TEXT or not message.data.isdecimal():
            await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"a page sends pings only")
            return
        page.put(f'{{"type":"Pong","ping":{int(message.data)}}}')


# Requests ------------------------------------------------------------------------------------


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    token: Annotated[str, Meta(min_length=1, max_length=200)]


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=20)]
    run_id: Annotated[str, Meta(min_length=1, max_length=64)]
    """Of the run that the page showed."""


async def ask(request: web.Request) -> web.StreamResponse:
    """Pass a person's request to the daemon and return its answer."""
    context, login = request.app[CONTEXT], _login(request)
    if login is None or not has_csrf(request, login):
        return _refused(login)
    wish = await _body(request, _Wish)
    if wish is None or wish.name not in ASKED_BY_PAGE:
        return web.json_response({"reason": "not a request a page makes"}, status=400)
    if not roles.may_ever(login.role, wish.name):
        return web.json_response(
            {"reason": f"the role {login.role} may not ask for {wish.name}"}, status=403
        )
    answer = await context.feed.ask(wish.name, login.role, login.who, wish.run_id)
    return web.json_response({"accepted": answer.accepted, "reason": answer.reason})


# Past sessions -------------------------------------------------------------------------------


def _past(give: Callable[[ConsoleContext, str], Awaitable[web.StreamResponse]]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        login = _login(request)
        if login is None:
            if request.headers.get("Sec-Fetch-Dest") == "document":
                raise web.HTTPSeeOther("/login")
            return _refused(login)
        if login.role not in PAGES["review"]:
            return web.json_response(
                {"reason": f"past sessions are not for the role {login.role}"}, status=403
            )
        try:
            return await give(request.app[CONTEXT], request.match_info.get("name", ""))
        except ReviewError as error:
            return web.json_response({"reason": str(error)}, status=404)

    return handler


async def _sessions(context: ConsoleContext, name: str) -> web.StreamResponse:
    rows = await asyncio.to_thread(context.review.sessions)
    return web.json_response([msgspec.to_builtins(row) for row in rows])


async def _session(context: ConsoleContext, name: str) -> web.StreamResponse:
    packed = await context.review.session(name)
    return web.Response(
        body=packed, content_type="application/json", headers={"Content-Encoding": "gzip"}
    )


async def _report(context: ConsoleContext, name: str) -> web.StreamResponse:
    return _as_report(await context.review.report(name))


async def _report_of_run(context: ConsoleContext, run_id: str) -> web.StreamResponse:
    return _as_report(await context.review.report_of_run(run_id))


def _as_report(packed: bytes) -> web.StreamResponse:
    return web.Response(
        body=packed,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Encoding": "gzip", "Content-Security-Policy": REPORT_POLICY},
    )


async def metrics(request: web.Request) -> web.StreamResponse:
    """Return the Prometheus metrics, without login, to this machine only."""
    context = request.app[CONTEXT]
    if not is_loopback(request.remote or "") or context.render is None:
        raise web.HTTPNotFound
    if context.newest is None or context.silent_s > 5.0:
        return web.Response(text="the daemon is silent\n", status=503)
    return web.Response(
        text=context.render(context.newest), content_type="text/plain", charset="utf-8"
    )


ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/", first),
    ("GET", "/login", login_page),
    *(("GET", f"/{name}", _page(name)) for name in PAGES),
    ("POST", "/api/login", log_in),
    ("POST", "/api/logout", log_out),
    ("GET", "/api/me", me),
    ("GET", "/api/live", socket),
    ("POST", "/api/ask", ask),
    ("GET", "/api/sessions", _past(_sessions)),
    ("GET", "/api/sessions/{name}", _past(_session)),
    ("GET", "/review/run/{name}/report", _past(_report_of_run)),
    ("GET", "/review/{name}/report", _past(_report)),
    ("GET", "/metrics", metrics),
)


def _login(request: web.Request) -> Login | None:
    context = request.app[CONTEXT]
    return context.logins.find(request.cookies.get(_cookie_name(context)), context.clock())


def _cookie_name(context: ConsoleContext) -> str:
    return f"__Host-{COOKIE}" if context.scheme == "https" else COOKIE


def _refused(login: Login | None) -> web.Response:
    if login is None:
        return web.json_response({"reason": "nobody is logged in here; log in"}, status=401)
    return web.json_response({"reason": "the request carries no token of its page"}, status=403)


def _whose(context: ConsoleContext, token: str) -> Any:
    from tracker.api.tokens import whose

    return whose(token.strip(), context.people, utc())


async def _body(request: web.Request, kind: type[Any]) -> Any:
    """Return the JSON body as ``kind``; ``None`` if it is not of that kind."""
    if request.content_type != "application/json":
        return None
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, json.JSONDecodeError, UnicodeError):
        return None
