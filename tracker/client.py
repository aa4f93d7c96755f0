"""Talk to a running daemon: receive its state and send it requests (sync and async).

    with Client("tcp://127.0.0.1:15570", "keys/anna.key") as client:
        for state in client.states():
            print(state.session, state.next_step)
            if state.surrogate and state.surrogate.sigma_mm > 2.0:
                print(client.ask("hold", who="Anna").reason)

`AsyncClient` is the same with ``await`` and ``async for``. A client has one key and speaks with one
daemon, whose public key is in the client's key file. Requests are made for one run of the daemon:
after its restart `hello` has to be said again before it is asked anything.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from tracker.api import roles
from tracker.api.keys import ClientKey, client_key
from tracker.api.schema import Answer, Ask, Hello, Model, Published, Role, Said, State, Welcome

REQUESTS = "tcp://127.0.0.1:15570"
"""The default address at which a daemon takes requests."""
ANSWER_S = 2.0
TOPICS = ("state", "model", "log")
WAITING = 500
"""The published messages that are kept for a slow client; it misses further ones."""

_encode = msgspec.json.Encoder().encode
_published = msgspec.json.Decoder(Model | Said | State).decode
_reply = msgspec.json.Decoder(Answer | Welcome).decode


class ClientError(Exception):
    """The daemon does not answer, or refused; the message says why and what to do."""


class _Side:
    """The common part of both clients: key, sockets, messages, and the reason of silence."""

    def __init__(self, requests: str, key: ClientKey | Path | str) -> None:
        self.requests = requests
        self.key = key if isinstance(key, ClientKey) else client_key(Path(key))
        self.welcome: Welcome | None = None

    def connected(self, context: zmq.Context[Any], kind: int, address: str) -> Any:
        made = context.socket(kind)
        made.linger = 0
        made.curve_serverkey = self.key.server.encode()
        made.curve_publickey = self.key.public.encode()
        made.curve_secretkey = self.key.secret.encode()
        made.setsockopt(zmq.IMMEDIATE, 1)  # what cannot be sent now is not sent later
        made.rcvhwm = WAITING
        try:
            made.connect(address)
        except zmq.ZMQError as error:
            made.close()
            raise ClientError(f"{address}: {error.strerror}; write tcp://host:port") from None
        return made

    def subscribed(self, context: zmq.Context[Any], topics: tuple[str, ...]) -> Any:
        assert self.welcome is not None
        host = self.requests.rpartition(":")[0]
        made = self.connected(context, zmq.SUB, f"{host}:{self.welcome.publish_port}")
        for topic in topics:
            made.subscribe(topic.encode())
        return made

    def ask(self, name: str, who: str, role: Role | None) -> Ask:
        if self.welcome is None:
            raise ClientError("say hello first: a request is made for one run")
        own = self.welcome.roles
        fitting = [each for each in own if roles.may_ever(each, name)]
        return Ask(
            request_id=secrets.token_hex(8),
            nonce=secrets.token_hex(16),
            run_id=self.welcome.run_id,
            name=name,
            role=role or (fitting or own)[0],
            who=who or self.key.name,
        )

    def answers(self, words: Ask | Hello, data: bytes) -> Answer | Welcome | None:
        """Return the reply if it answers this request; ignore a late answer to another one."""
        reply = _reply(data)
        if isinstance(words, Hello):
            if isinstance(reply, Answer) and not reply.request_id:
                raise ClientError(reply.reason)
            return reply if isinstance(reply, Welcome) else None
        mine = isinstance(reply, Answer) and reply.request_id in (words.request_id, "")
        return reply if mine else None

    def silence(self, monitor: zmq.Socket[bytes]) -> ClientError:
        """Return why no answer came, as far as the handshake tells."""
        while monitor.poll(0):
            seen = parse_monitor_message(monitor.recv_multipart())
            if seen["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                return ClientError(
                    f"{self.requests}: key {self.key.name} is not known there; make it known with "
                    "tidetrack keys new"
                )
        return ClientError(
            f"{self.requests}: no answer within {ANSWER_S:g} s; see whether the daemon runs with "
            f"service.enabled there, and has the server key {self.key.name} was made for"
        )


def _monitor(context: zmq.Context[Any], made: zmq.Socket[Any]) -> zmq.Socket[bytes]:
    """Return the socket on which ZeroMQ reports failed handshakes."""
    place = f"inproc://{secrets.token_hex(8)}"
    made.monitor(place, zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    told = context.socket(zmq.PAIR)
    told.linger = 0
    told.connect(place)
    return told


class Client:
    """One connection to a daemon; a context manager, for one thread."""

    def __init__(self, requests: str, key: ClientKey | Path | str) -> None:
        self._side = _Side(requests, key)
        self._context = zmq.Context()
        try:
            self._dealer: zmq.Socket[bytes] = self._side.connected(
                self._context, zmq.DEALER, requests
            )
        except ClientError:
            self._context.term()
            raise
        self._dealer.sndtimeo = round(ANSWER_S * 1e3)
        self._monitor = _monitor(self._context, self._dealer)

    def hello(self) -> Welcome:
        """Greet the daemon and learn its run; raises `ClientError` when none answers."""
        reply = self._exchange(Hello())
        assert isinstance(reply, Welcome)
        self._side.welcome = reply
        return reply

    def ask(self, name: str, *, who: str = "", role: Role | None = None) -> Answer:
        """Ask for something and wait for the answer, which may be no.

        ``who`` is the person, for the record; ``role`` defaults to one of the key's that may ask.
        """
        if self._side.welcome is None:
            self.hello()
        reply = self._exchange(self._side.ask(name, who, role))
        assert isinstance(reply, Answer)
        return reply

    def published(self, *topics: str, silence_s: float | None = None) -> Iterator[Published]:
        """Yield every message of these topics (default: all) from now on.

        Raises `ClientError` after ``silence_s`` without a message; ``None``: waits for ever.
        """
        if self._side.welcome is None:
            self.hello()
        with self._side.subscribed(self._context, topics or TOPICS) as subscriber:
            while True:
                if not subscriber.poll(None if silence_s is None else silence_s * 1e3):
                    raise ClientError(f"{self._side.requests}: silent for {silence_s:g} s")
                yield _published(subscriber.recv_multipart()[1])

    def states(self, *, silence_s: float | None = None) -> Iterator[State]:
        """Yield the newest state at each step: a slow reader skips old ones."""
        if self._side.welcome is None:
            self.hello()
        with self._side.subscribed(self._context, ("state",)) as subscriber:
            while True:
                if not subscriber.poll(None if silence_s is None else silence_s * 1e3):
                    raise ClientError(f"{self._side.requests}: silent for {silence_s:g} s")
                data = subscriber.recv_multipart()[1]
                while subscriber.poll(0):
                    data = subscriber.recv_multipart()[1]
                state = _published(data)
                assert isinstance(state, State)
                yield state

    def close(self) -> None:
        """Close the connection."""
        self._dealer.disable_monitor()
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, words: Ask | Hello) -> Answer | Welcome:
        try:
            self._dealer.send(_encode(words))
        except zmq.Again:
            raise self._side.silence(self._monitor) from None
        until_s = time.monotonic() + ANSWER_S
        while (left_s := until_s - time.monotonic()) > 0.0:
            if self._dealer.poll(round(left_s * 1e3)):
                reply = self._side.answers(words, self._dealer.recv())
                if reply is not None:
                    return reply
        raise self._side.silence(self._monitor)


class AsyncClient:
    """One connection to a daemon; an async context manager, for one loop."""

    def __init__(self, requests: str, key: ClientKey | Path | str) -> None:
        self._side = _Side(requests, key)
        self._plain = zmq.Context()
        self._context = zmq.asyncio.Context(self._plain)
        self._turn = asyncio.Lock()
        self._subscribers: set[zmq.asyncio.Socket] = set()
        try:
            self._dealer: zmq.asyncio.Socket = self._side.connected(
                self._context, zmq.DEALER, requests
            )
        except ClientError:
            self._plain.term()
            raise
        self._monitor = _monitor(self._plain, self._dealer)

    async def hello(self) -> Welcome:
        """Greet the daemon and learn its run; raises `ClientError` when none answers."""
        reply = await self._exchange(Hello())
        assert isinstance(reply, Welcome)
        self._side.welcome = reply
        return reply

    async def ask(self, name: str, *, who: str = "", role: Role | None = None) -> Answer:
        """Ask for something and wait for the answer, which may be no (see `Client.ask`)."""
        if self._side.welcome is None:
            await self.hello()
        reply = await self._exchange(self._side.ask(name, who, role))
        assert isinstance(reply, Answer)
        return reply

    async def published(
        self, *topics: str, silence_s: float | None = None
    ) -> AsyncGenerator[Published]:
        """Yield every message of these topics (default: all); see `Client.published`."""
        if self._side.welcome is None:
            await self.hello()
        subscriber = self._side.subscribed(self._context, topics or TOPICS)
        self._subscribers.add(subscriber)
        try:
            while True:
                try:
                    async with asyncio.timeout(silence_s):
                        parts = await subscriber.recv_multipart()
                except TimeoutError:
                    text = f"{self._side.requests}: silent for {silence_s:g} s"
                    raise ClientError(text) from None
                yield _published(parts[1])
        finally:
            self._subscribers.discard(subscriber)
            subscriber.close(0)

    def close(self) -> None:
        """Close the connection."""
        self._dealer.disable_monitor()
        for made in (self._monitor, self._dealer, *self._subscribers):
            made.close(0)
        self._plain.term()  # the other context is a shadow of this one

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _exchange(self, words: Ask | Hello) -> Answer | Welcome:
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._dealer.send(_encode(words))
                    while True:
                        reply = self._side.answers(words, await self._dealer.recv())
                        if reply is not None:
                            return reply
            except TimeoutError:
                raise self._side.silence(self._monitor) from None
