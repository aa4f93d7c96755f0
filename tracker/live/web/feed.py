"""The interface through which the page server receives the state and makes requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tracker.api.schema import Answer, Published, Role

Receive = Callable[[Published], None]


class Feed(Protocol):
    """What the page server needs of a daemon."""

    async def listen(self, receive: Receive) -> None:
        """Call ``receive`` with what the daemon publishes, until cancelled; silence is no error."""
        ...

    async def ask(self, name: str, role: Role, who: str, run_id: str) -> Answer:
        """Make a request for a person; if nobody answers, the returned answer says why."""
        ...
