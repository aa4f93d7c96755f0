"""Every open page gets the newest state; a page that cannot keep up misses some, and delays none.

A state that was not sent yet is replaced by the next one. Models, log lines and answers to pings
are few; they wait in order, and a page with too many waiting is closed. Nothing here waits for a
page: each has a writer of its own, and a writer that takes too long is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

MOST_WAITING = 300
MOST_LINES = 200
SLOW_S = 3.0
"""A page that takes nothing for so long is closed."""

Send = Callable[[str], Awaitable[None]]


class SlowPageError(Exception):
    """A page takes too little, too slowly; it is closed and may come back."""


class OpenPage:
    """What waits for one open page."""

    def __init__(self) -> None:
        self.skipped = 0
        """States that were replaced before they were sent."""
        self.over = False
        self._state: str | None = None
        self._rest: deque[str] = deque()
        self._news = asyncio.Event()

    def put_state(self, text: str) -> None:
        """Have the newest state sent, in place of one that still waits."""
        self.skipped += self._state is not None
        self._state = text
        self._news.set()

    def put(self, text: str) -> None:
        """Have something sent, after what waits already."""
        if len(self._rest) >= MOST_WAITING:
            self.over = True
        else:
            self._rest.append(text)
        self._news.set()

    def end(self) -> None:
        """Have the page closed."""
        self.over = True
        self._news.set()

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._rest) + (self._state is not None)

    async def write(self, send: Send) -> None:
        """Send what waits, until the page is to end; raises `SlowPageError`."""
        while not self.over:
            await self._news.wait()
            self._news.clear()
            while not self.over and (self._rest or self._state is not None):
                # The state first: an answer to a ping says that what came before it is shown.
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
    """All open pages, and what one that is opened now needs to know."""

    def __init__(self) -> None:
        self._pages: set[OpenPage] = set()
        self._model: str | None = None
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    def __len__(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    @property
    def pages(self) -> frozenset[OpenPage]:
        """Those that are open."""
        return frozenset(self._pages)

    def open_page(self) -> OpenPage:
        """A page was opened; its first state is the next one that comes, never an old one."""
        page = OpenPage()
        for text in (self._model, *self._lines):
            if text is not None:
                page.put(text)
        self._pages.add(page)
        return page

    def close_page(self, page: OpenPage) -> None:
        """A page was closed."""
        self._pages.discard(page)

    def publish_state(self, text: str) -> None:
        """The newest state came."""
        for page in self._pages:
            page.put_state(text)

    def publish_model(self, text: str) -> None:
        """The model was fitted anew."""
        self._model = text
        self.publish(text)

    def publish_line(self, text: str) -> None:
        """A line of the event log."""
        self._lines.append(text)
        self.publish(text)

    def publish(self, text: str) -> None:
        """Something for the pages that are open now."""
        for page in self._pages:
            page.put(text)

    def begin_anew(self) -> None:
        """Another run: what the last one said is over."""
        self._model = None
        self._lines.clear()
