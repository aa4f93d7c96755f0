"""Where the page server gets the daemon's state from, and whom it hands requests to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tracker.api.schema import Answer, Published, Role

Receive = Callable[[Published], None]


class Feed(Protocol):
    """A daemon, as far as pages need one."""

    async def listen(self, receive: Receive) -> None:
        """Hand over what the daemon publishes, until cancelled; silence is no error."""
        ...

    async def ask(self, name: str, role: Role, who: str, run_id: str) -> Answer:
        """Make a request for a person; an answer that says why when nobody answers."""
        ...
