"""Sends the newest state to every open page; a slow page misses states and delays nobody.

A state that was not sent yet is replaced by the next one. Models, log lines and answers to pings
are few: they wait in order, and a page with too many of them waiting is closed. Each page has a
writer of its own; a write that takes too long closes the page.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

MOST_WAITING = 300
MOST_LINES = 200
SLOW_S = 3.0
"""A page that receives nothing for so long is closed."""

Send = Callable[[str], Awaitable[None]]


class SlowPageError(Exception):
    """A page receives too slowly; it is closed and may connect again."""


class OpenPage:
    """The messages that wait for one open page."""

    def __init__(self, *, for_patient: bool = False) -> None:
        self.for_patient = for_patient
        """Whether it shows the patient's screen: states for patients, no model and no log."""
        self.skipped = 0
        """States that were replaced before they were sent."""
        self.over = False
        self._state: str | None = None
        self._rest: deque[str] = deque()
        self._news = asyncio.Event()

    def put_state(self, text: str) -> None:
        """Queue the newest state, in place of one that still waits."""
        self.skipped += self._state is not None
        self._state = text
        self._news.set()

    def put(self, text: str) -> None:
        """Queue a message after those that wait already; too many close the page."""
        if len(self._rest) >= MOST_WAITING:
            self.over = True
        else:
            self._rest.append(text)
        self._news.set()

    def end(self) -> None:
        """Close the page soon."""
        self.over = True
        self._news.set()

    @property
    def waiting(self) -> int:
        """The number of messages that wait."""
        return len(self._rest) + (self._state is not None)

    async def write(self, send: Send) -> None:
        """Send what waits until the page is to be closed; raises `SlowPageError`."""
        while not self.over:
            await self._news.wait()
            self._news.clear()
            while not self.over and (self._rest or self._state is not None):
                # The state first: the answer to a ping means that everything before it is shown.
                if self._state is not None:
                    text, self._state = self._state, None
                else:
                    text = self._rest.popleft()
                try:
                    async with asyncio.timeout(SLOW_S):
                        await send(text)
                except TimeoutError:
                    raise SlowPageError from None


class Hub:
    """All open pages, and the messages that a newly opened page needs."""

    def __init__(self) -> None:
        self._pages: set[OpenPage] = set()
        self._model: str | None = None
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    def __len__(self) -> int:
        """The number of open pages."""
        return len(self._pages)

    @property
    def pages(self) -> frozenset[OpenPage]:
        """The open pages."""
        return frozenset(self._pages)

    def open_page(self, *, for_patient: bool = False) -> OpenPage:
        """Add a page with model and log; its first state is the next one published.

        A page ``for_patient`` gets neither model nor log, and its own kind of state.
        """
        page = OpenPage(for_patient=for_patient)
        for text in () if for_patient else (self._model, *self._lines):
            if text is not None:
                page.put(text)
        self._pages.add(page)
        return page

    def close_page(self, page: OpenPage) -> None:
        """Remove a page."""
        self._pages.discard(page)

    def publish_state(self, text: str, for_patients: str) -> None:
        """Send a state to every page; the patient's screens get ``for_patients``."""
        for page in self._pages:
            page.put_state(for_patients if page.for_patient else text)

    def publish_model(self, text: str) -> None:
        """Send a model to every page, and to pages opened later."""
        self._model = text
        self._publish_to_staff(text)

    def publish_line(self, text: str) -> None:
        """Send a line of the event log to every page, and to pages opened later."""
        self._lines.append(text)
        self._publish_to_staff(text)

    def publish(self, text: str) -> None:
        """Send a message to the pages that are open now."""
        for page in self._pages:
            page.put(text)

    def _publish_to_staff(self, text: str) -> None:
        for page in self._pages:
            if not page.for_patient:
                page.put(text)

    def begin_anew(self) -> None:
        """Forget model and log, when another run begins."""
        self._model = None
        self._lines.clear()
