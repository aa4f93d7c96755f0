"""Clients of a service, many and bad, in a process of their own; tells what it saw as JSON.

    python -m tests.live.load_clients subscribers REQUESTS KEY 200
    python -m tests.live.load_clients pages ADDRESS TOKEN 50
    python -m tests.live.load_clients nuisances REQUESTS KEY ADDRESS TOKEN

Says ``ready`` once all of them are served, and ends when standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import select
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import zmq

from tests.live.machine_load import MachineLoad
from tracker.api.keys import ClientKey, client_key
from tracker.client import Client

PING_S = 0.25
"""As a page does."""
EACH_S = 0.05
"""Between two turns of the nuisances."""
FAR = 60_000
"""Bytes of an oversized request."""


def curve(context: Any, kind: int, address: str, key: ClientKey) -> Any:
    """A socket of one client, with a connection of its own."""
    made = context.socket(kind)
    made.linger = 0
    made.curve_serverkey = key.server.encode()
    made.curve_publickey = key.public.encode()
    made.curve_secretkey = key.secret.encode()
    made.connect(address)
    return made


def published_at(requests: str, key: Path) -> tuple[str, str]:
    """Where the state is published, and the run's identity."""
    with Client(requests, key) as client:
        welcome = client.hello()
    return f"{requests.rpartition(':')[0]}:{welcome.publish_port}", welcome.run_id


def ended() -> Callable[[], bool]:
    """Tells whether standard input has ended."""
    os.set_blocking(0, False)

    def look() -> bool:
        with contextlib.suppress(BlockingIOError):
            return os.read(0, 100) == b""
        return False

    return look


def ended_event() -> asyncio.Event:
    """Set once standard input has ended."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()

    def look() -> None:
        if os.read(0, 100) == b"":
            loop.remove_reader(0)
            event.set()

    loop.add_reader(0, look)
    return event


def told(counts: list[int], began_ns: int, load: MachineLoad) -> dict[str, float]:
    """How many states a second each was shown, and the share of the time the machine took."""
    ended_ns = time.monotonic_ns()
    rates = [count / ((ended_ns - began_ns) / 1e9) for count in counts]
    return {
        "clients": len(counts),
        "least_hz": min(rates),
        "median_hz": statistics.median(rates),
        "taken_share": load.taken_share(began_ns, ended_ns),
    }


# Subscribers -----------------------------------------------------------------------------------


def subscribers(requests: str, key: Path, count: int, load: MachineLoad) -> dict[str, Any]:
    """Everybody hears everything."""
    address, _ = published_at(requests, key)
    known = client_key(key)
    over = ended()
    with zmq.Context(io_threads=1) as context, contextlib.ExitStack() as stack:
        poller = zmq.Poller()
        counts: dict[Any, int] = {}
        for _ in range(count):
            made = stack.enter_context(curve(context, zmq.SUB, address, known))
            made.subscribe(b"")
            poller.register(made, zmq.POLLIN)
            counts[made] = 0
        ready, began_ns = False, 0
        while not over():
            for made, _ in poller.poll(100):
                with contextlib.suppress(zmq.Again):
                    while True:
                        topic = made.recv_multipart(zmq.NOBLOCK)[0]
                        counts[made] += topic == b"state"
            if not ready and all(counts.values()):
                ready, began_ns = True, time.monotonic_ns()
                counts = dict.fromkeys(counts, 0)
                print("ready", flush=True)
        return told(list(counts.values()), began_ns, load)


# Pages -----------------------------------------------------------------------------------------


async def logged_in(session: aiohttp.ClientSession, address: str, token: str) -> None:
    """Have the cookie of a login."""
    headers = {"Origin": address}
    async with session.post(
        f"{address}/api/login", json={"token": token}, headers=headers
    ) as reply:
        assert reply.status == 200, await reply.text()


class OpenPage:
    """The socket of a page: states, logs and models in, pings out."""

    def __init__(self) -> None:
        self.states = 0
        self.shown = asyncio.Event()
        self.longest_answer_s = 0.0

    async def live(self, session: aiohttp.ClientSession, address: str) -> None:
        """Until cancelled."""
        async with session.ws_connect(
            f"{address}/api/live", headers={"Origin": address}, max_msg_size=0
        ) as ws:
            pings = asyncio.create_task(self._ping(ws))
            try:
                async for message in ws:
                    record = json.loads(message.data)
                    self.states += record["type"] == "State"
                    if self.states:
                        self.shown.set()
                    if record["type"] == "Pong":
                        took_s = time.monotonic() - record["ping"] / 1e6
                        self.longest_answer_s = max(self.longest_answer_s, took_s)
            finally:
                pings.cancel()

    async def _ping(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await asyncio.sleep(PING_S)
            await ws.send_str(str(round(time.monotonic() * 1e6)))


async def pages(address: str, token: str, count: int, load: MachineLoad) -> dict[str, Any]:
    """As many pages as may be open in a department."""
    over = ended_event()
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.CookieJar(unsafe=True)  # the address is a number
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        await logged_in(session, address, token)
        opened = [OpenPage() for _ in range(count)]
        tasks = [asyncio.create_task(page.live(session, address)) for page in opened]
        await asyncio.gather(*(page.shown.wait() for page in opened))
        print("ready", flush=True)
        began_ns = time.monotonic_ns()
        for page in opened:
            page.states, page.longest_answer_s = 0, 0.0
        await over.wait()
        dropped = sum(task.done() for task in tasks)
        seen = told([page.states for page in opened], began_ns, load)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        longest_s = max(page.longest_answer_s for page in opened)
        return {**seen, "dropped": dropped, "longest_answer_ms": 1e3 * longest_s}


# Nuisances -------------------------------------------------------------------------------------


class Nuisances:
    """One of each kind that takes without reading, or sends what nobody wants."""

    def __init__(self, requests: str, key: Path, address: str) -> None:
        self.done: Counter[str] = Counter()
        self._requests, self._key = requests, client_key(key)
        self._publish, self._run_id = published_at(requests, key)
        self._page = address.removeprefix("http://")
        self._context = zmq.Context()
        self._deaf = curve(self._context, zmq.SUB, self._publish, self._key)
        self._deaf.rcvhwm = 1
        self._deaf.subscribe(b"")
        self._mute = self._dealer()  # asks and reads no answer
        self._once = self._words()  # right, the first time
        public, secret = (each.decode() for each in zmq.curve_keypair())
        self._stranger = ClientKey(
            name="x", public=public, secret=secret, server=self._key.server, roles=self._key.roles
        )
        self._half_open = [self._wire(at) for at in self._ports() for _ in range(5)]

    def turn(self) -> None:
        """Everybody is a nuisance once."""
        for _ in range(10):
            self._send(self._mute, secrets.token_bytes(300), "noise")
            self._send(self._mute, self._once, "replayed")
            self._send(self._mute, self._words(role="physicist", name="stop"), "beyond its role")
            self._send(self._mute, self._words(run_id="yesterday's"), "other run")
        far = self._dealer()
        self._send(far, b"x" * FAR, "oversized")
        far.close(100)
        stranger = curve(self._context, zmq.DEALER, self._requests, self._stranger)
        self._send(stranger, self._words(), "stranger")
        stranger.close(100)
        for at in self._ports():
            with contextlib.suppress(OSError), self._wire(at) as wire:
                wire.sendall(secrets.token_bytes(2000))
                self.done["garbage"] += 1

    def close(self) -> None:
        """Hang up."""
        self._context.destroy(linger=0)
        for each in self._half_open:
            each.close()

    def _words(self, **changes: Any) -> bytes:
        words = {
            "type": "Ask",
            "version": 1,
            "request_id": "n",
            "nonce": secrets.token_hex(12),
            "run_id": self._run_id,
            "name": "status",
            "role": "observer",
            "who": "Nobody",
        }
        return json.dumps(words | changes).encode()

    def _dealer(self) -> Any:
        return curve(self._context, zmq.DEALER, self._requests, self._key)

    def _send(self, made: Any, data: bytes, kind: str) -> None:
        with contextlib.suppress(zmq.Again):
            made.send(data, zmq.NOBLOCK)
            self.done[kind] += 1

    def _ports(self) -> tuple[str, ...]:
        return (self._requests[6:], self._publish[6:], self._page)

    def _wire(self, at: str) -> socket.socket:
        host, _, port = at.rpartition(":")
        return socket.create_connection((host, int(port)), 1.0)


async def deaf_page(address: str, token: str, done: Counter[str]) -> None:
    """A page that reads nothing; cut off, it comes again."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        await logged_in(session, address, token)
        (cookie,) = jar
    host, _, port = address.removeprefix("http://").rpartition(":")
    upgrade = (
        f"GET /api/live HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {address}\r\n"
        f"Cookie: {cookie.key}={cookie.value}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    while True:
        with socket.socket() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            wire.connect((host, int(port)))
            wire.sendall(upgrade.encode())
            done["deaf page"] += 1
            watched = select.poll()
            watched.register(wire, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
            while not await asyncio.to_thread(watched.poll, 500):
                pass


async def nuisances(requests: str, key: Path, address: str, token: str) -> dict[str, Any]:
    """All of them, for as long as it lasts."""
    over = ended_event()
    all_of_them = Nuisances(requests, key, address)
    deaf = asyncio.create_task(deaf_page(address, token, all_of_them.done))
    print("ready", flush=True)
    while not over.is_set():
        all_of_them.turn()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EACH_S):
                await over.wait()
    deaf.cancel()
    await asyncio.gather(deaf, return_exceptions=True)
    all_of_them.close()
    return dict(all_of_them.done)


def main(kind: str, *arguments: str) -> int:
    """Be of one kind."""
    at, who = arguments[:2]
    with MachineLoad() as load:
        if kind == "subscribers":
            seen = subscribers(at, Path(who), int(arguments[2]), load)
        elif kind == "pages":
            seen = asyncio.run(pages(at, who, int(arguments[2]), load))
        else:
            seen = asyncio.run(nuisances(at, Path(who), arguments[2], arguments[3]))
    print(json.dumps(seen), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
