"""The page server: who is logged in, what pages are open, and which request goes to the daemon.

Nothing here decides what is allowed: the daemon does, for every request anew. The server only
refuses what a role may never ask, so that the page can say so at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec
from aiohttp import web

from tracker.api.schema import Model, Published, Said, State
from tracker.live.web.feed import Feed
from tracker.live.web.gatekeeping import LOOPBACK_NAMES, Gatekeeper, is_loopback
from tracker.live.web.hub import Hub
from tracker.live.web.logins import Logins, Throttle
from tracker.live.web.review import Review
from tracker.live.web.tokens import people
from tracker.operation import ConsolePage

MOST_BODY_BYTES = 4096
SWEEP_S = 2.0
LINK_S = 0.2
SILENT_S = 0.5
"""The daemon says its state 20 times a second; silent for so long, it is lost."""

_encode = msgspec.json.Encoder().encode
Render = Callable[[State], str]


class ConsoleError(Exception):
    """The page cannot be served as configured; the message says what to do."""


class Desk:
    """Everything a route needs: the daemon, the pages, the logins, the past."""

    def __init__(
        self,
        settings: ConsolePage,
        feed: Feed,
        review: Review,
        render: Render | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.feed = feed
        self.review = review
        self.render = render
        self.clock = clock
        self.hub = Hub()
        self.logins = Logins(settings.login_hours)
        self.throttle = Throttle()
        self.people = people(Path(settings.tokens)).by_name
        self.scheme = "https" if settings.certificate else "http"
        names = {*LOOPBACK_NAMES, *(name.lower() for name in settings.names)}
        if not is_loopback(settings.host):
            names.add(settings.host.lower())
        self.gatekeeper = Gatekeeper(frozenset(names), self.scheme)
        self.newest: State | None = None
        self.heard_s = -1e9

    @property
    def silent_s(self) -> float:
        """For how long the daemon has said nothing."""
        return self.clock() - self.heard_s

    def take(self, record: Published) -> None:
        """The daemon published something."""
        text = _encode(record).decode()
        if isinstance(record, State):
            if self.newest is not None and record.run_id != self.newest.run_id:
                self.hub.begin_anew()
            self.newest = record
            self.heard_s = self.clock()
            self.hub.state(text)
        elif isinstance(record, Model):
            self.hub.model(text)
        elif isinstance(record, Said):
            self.hub.line(text)

    async def watch_link(self) -> None:
        """Tell every page how long the daemon has been silent, as long as it is."""
        while True:
            await asyncio.sleep(LINK_S)
            self.hub.say(self.link())

    def link(self) -> str:
        """What a page is told of the way from here to the daemon."""
        silent_s = self.silent_s
        up = silent_s <= SILENT_S
        text = {"type": "Link", "up": up, "silent_s": round(min(silent_s, 1e6), 2)}
        return _encode(text).decode()

    async def watch_people(self) -> None:
        """End logins whose token is gone."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.look_at_people()

    def look_at_people(self) -> None:
        """Read the tokens anew."""
        self.people = people(Path(self.settings.tokens)).by_name
        self.logins.sweep(self.people, self.clock())


DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)


def application(desk: Desk) -> web.Application:
    """The routes around a desk; its tasks run as long as the application does."""
    from tracker.live.web.routes import ROUTES, static_routes

    app = web.Application(middlewares=[desk.gatekeeper.__call__], client_max_size=MOST_BODY_BYTES)
    app[DESK] = desk
    for method, path, handler in (*ROUTES, *static_routes()):
        app.router.add_route(method, path, handler)
    app.cleanup_ctx.append(_tasks)
    return app


async def _tasks(app: web.Application) -> AsyncGenerator[None, None]:
    desk = app[DESK]
    tasks = [
        asyncio.create_task(each, name=name)
        for name, each in (
            ("feed", desk.feed.listen(desk.take)),
            ("link", desk.watch_link()),
            ("people", desk.watch_people()),
        )
    ]
    yield
    for page in desk.hub.pages:
        page.end()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await desk.review.close()


@contextlib.asynccontextmanager
async def serving(desk: Desk) -> AsyncGenerator[str, None]:
    """Serve while the context lasts; gives the address to open. Raises `ConsoleError`."""
    settings = desk.settings
    if not is_loopback(settings.host) and not settings.certificate:
        raise ConsoleError(
            f"console.host {settings.host}: reachable from outside and no certificate; set"
            " console.certificate and console.private_key, or listen on 127.0.0.1"
        )
    encryption = _encryption(settings)
    runner = web.AppRunner(
        application(desk),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        keepalive_timeout=15.0,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=encryption)
        try:
            await site.start()
        except OSError as error:
            raise ConsoleError(
                f"console.host {settings.host}, port {settings.port}: {error.strerror};"
                " choose another port, or see who listens there"
            ) from error
        address = runner.addresses[0]
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        yield f"{desk.scheme}://{host}:{address[1]}"
    finally:
        await runner.cleanup()


def _encryption(settings: ConsolePage) -> ssl.SSLContext | None:
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.private_key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConsoleError(
            f"console.certificate {settings.certificate}: cannot be used ({error}); name PEM files"
        ) from error
    return context


def utc() -> datetime.datetime:
    """Now, as tokens count it."""
    return datetime.datetime.now(datetime.UTC)
