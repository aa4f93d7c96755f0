"""The daemon as the source of a page server; connects again whenever the daemon was lost.

Hold and stop have a connection of their own, so that they wait for no other answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from tracker.api.admission import URGENT
from tracker.api.keys import KeysError
from tracker.api.schema import Answer, Role, State
from tracker.client import AsyncClient, ClientError
from tracker.live.web.feed import Receive

SILENT_S = 1.5
AGAIN_S = 0.3


class DaemonFeed:
    """Connects to one daemon, with a key of the role service."""

    def __init__(self, requests: str, key: Path, say: Callable[[str], None]) -> None:
        self._requests = requests
        self._key = key
        self._say = say
        self._said = ""
        self._clients: dict[bool, AsyncClient] = {}
        self._run_id = ""

    async def listen(self, receive: Receive) -> None:
        """Pass on what is published; connect again after silence or when another run answers."""
        while True:
            try:
                await self._listen(receive)
            except (ClientError, KeysError) as error:
                self._tell(str(error))
            finally:
                self._close()
            await asyncio.sleep(AGAIN_S)

    async def ask(self, name: str, role: Role, who: str, run_id: str) -> Answer:
        """Make a request for a person; hold and stop reach any run, the rest only ``run_id``."""
        urgent = name in URGENT
        client = self._clients.get(urgent)
        if client is None:
            return _no("the controller does not answer the console server")
        if not urgent and run_id != self._run_id:
            return _no("the page showed another run of the controller; look again, then ask")
        try:
            return await client.ask(name, who=who, role=role)
        except ClientError as error:
            return _no(str(error))

    async def _listen(self, receive: Receive) -> None:
        self._clients = {}
        for urgent in (True, False):
            client = AsyncClient(self._requests, self._key)
            self._clients[urgent] = client
            welcome = await client.hello()
        self._run_id = welcome.run_id  # pyright: ignore[reportPossiblyUnbound]
        self._tell(f"the controller answers at {self._requests}, run {self._run_id}")
        published = self._clients[False].published(silence_s=SILENT_S)
        async with contextlib.aclosing(published):
            async for record in published:
                if isinstance(record, State) and record.run_id != self._run_id:
                    return
                receive(record)

    def _tell(self, text: str) -> None:
        """Say a line once, however often it is repeated."""
        if text != self._said:
            self._said = text
            self._say(text)

    def _close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients = {}


def _no(reason: str) -> Answer:
    return Answer(request_id="", accepted=False, reason=reason)
