"""What every route of the page server uses: the daemon's feed, open pages, logins, reviews.

The daemon decides for every request whether it is allowed. The server refuses only what a role
may never ask, so that the page can say so at once.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web

from tracker.api.schema import Model, Published, State
from tracker.api.tokens import people
from tracker.daemon_settings import ConsolePage
from tracker.live.web.access import LOOPBACK_NAMES, Gatekeeper, is_loopback
from tracker.live.web.feed import Feed
from tracker.live.web.hub import Hub
from tracker.live.web.logins import Logins, Throttle
from tracker.live.web.patient import for_patient
from tracker.live.web.review import Review

SWEEP_S = 2.0
LINK_S = 0.2
SILENT_S = 0.5
"""The daemon publishes its state 20 times a second; after such a silence the link is down."""

_encode = msgspec.json.Encoder().encode
Render = Callable[[State], str]


class ConsoleError(Exception):
    """The page cannot be served as configured; the message says what to do."""


class ConsoleContext:
    """Everything a route needs: the daemon, the open pages, the logins, the past sessions."""

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
        """How long the daemon has published nothing, in seconds."""
        return self.clock() - self.heard_s

    def receive(self, record: Published) -> None:
        """Pass a record that the daemon published to the open pages."""
        text = _encode(record).decode()
        if isinstance(record, State):
            if self.newest is not None and record.run_id != self.newest.run_id:
                self.hub.begin_anew()
            self.newest = record
            self.heard_s = self.clock()
            self.hub.publish_state(text, _encode(for_patient(record)).decode())
        elif isinstance(record, Model):
            self.hub.publish_model(text)
        else:
            self.hub.publish_line(text)

    async def report_link(self) -> None:
        """Tell every page, each `LINK_S`, how long the daemon has been silent."""
        while True:
            await asyncio.sleep(LINK_S)
            self.hub.publish(self.link())

    def link(self) -> str:
        """Return the message about the link from here to the daemon."""
        silent_s = self.silent_s
        up = silent_s <= SILENT_S
        text = {"type": "Link", "up": up, "silent_s": round(min(silent_s, 1e6), 2)}
        return _encode(text).decode()

    async def sweep_logins(self) -> None:
        """End the logins whose token was revoked, each `SWEEP_S`."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.read_people()

    def read_people(self) -> None:
        """Read the tokens anew and end the logins without one."""
        self.people = people(Path(self.settings.tokens)).by_name
        self.logins.sweep(self.people, self.clock())


CONTEXT: web.AppKey[ConsoleContext] = web.AppKey("context", ConsoleContext)


def utc() -> datetime.datetime:
    """Return the current time in UTC, which tokens use."""
    return datetime.datetime.now(datetime.UTC)
