"""The ZeroMQ sockets of the daemon: requests, answers, published state, and the check of keys.

A thread of ZeroMQ encrypts and waits; every call from the loop returns at once. A message that
does not fit into a queue is dropped, so a client that does not read delays nobody. A key that is
not known is refused in the handshake (ZAP, RFC 27).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import zmq
from zmq.utils import z85

from tracker.api.keys import ServerKey
from tracker.config import ConfigurationError
from tracker.daemon_settings import Service

ZAP = "inproc://zeromq.zap.01"
DOMAIN = b"tidetrack"
ANSWERS_WAITING = 20
"""Most answers that wait for one client; further ones are dropped."""
REQUESTS_WAITING = 20
"""Most requests of one client that wait; ZeroMQ then reads no more from this client."""
HANDSHAKE_MS = 3000
KEEPALIVE_S = 5
"""A connection whose peer is gone is closed after three times this."""
LONGEST_HANDSHAKE = 600
"""Most bytes of CURVE's INITIATE command with the client's metadata; subscriptions are shorter."""
WRAPPING = 64
"""Bytes that encryption adds to a message."""


class Asked(NamedTuple):
    """One message of a client: where its answer goes, the public half of its key, and the bytes."""

    sender: bytes
    public: str
    data: bytes


Admit = Callable[[str, str], bool]
"""Tells whether a public key may connect from an address."""


class Sockets:
    """The sockets; they must be opened and closed in the thread that uses them."""

    def __init__(self, settings: Service, key: ServerKey, admit: Admit) -> None:
        """Bind the addresses; raises `ConfigurationError` if one cannot be used."""
        self._admit = admit
        self._key = key
        self._context = zmq.Context(io_threads=1)
        try:
            self._zap = self._context.socket(zmq.ROUTER)
            self._zap.linger = 0
            self._zap.bind(ZAP)
            self._router = self._server(zmq.ROUTER, settings.most_bytes + WRAPPING)
            self._router.rcvhwm = REQUESTS_WAITING
            self._router.sndhwm = ANSWERS_WAITING
            self._publisher = self._server(zmq.PUB, LONGEST_HANDSHAKE)
            self._publisher.sndhwm = settings.publish_queue
            self._bind(self._router, "requests", settings.requests)
            self._bind(self._publisher, "publish", settings.publish)
        except BaseException:
            self.close()
            raise

    @property
    def requests_at(self) -> str:
        """The address at which requests are taken, with its actual port."""
        return _endpoint(self._router)

    @property
    def state_at(self) -> str:
        """The address at which the state is published, with its actual port."""
        return _endpoint(self._publisher)

    def let_in(self, most: int) -> None:
        """Answer at most ``most`` handshakes that wait."""
        with suppress(zmq.Again):
            for _ in range(most):
                self._zap.send_multipart(self._judged(self._zap.recv_multipart(zmq.NOBLOCK)))

    def asked(self) -> Asked | None:
        """Return the next message, or ``None``; one of several parts is invalid and comes empty."""
        try:
            sender, *parts = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        public = parts[-1].get("User-Id") if parts else ""
        data = parts[0].bytes if len(parts) == 1 else b""
        return Asked(sender.bytes, str(public), data)

    def answer(self, sender: bytes, data: bytes) -> None:
        """Send an answer; it is dropped if the client has gone or does not read."""
        with suppress(zmq.ZMQError):
            self._router.send_multipart([sender, data], zmq.NOBLOCK)

    def publish(self, topic: bytes, data: bytes) -> None:
        """Send to every subscriber; those that do not read fast enough miss it."""
        with suppress(zmq.Again):
            self._publisher.send_multipart([topic, data], zmq.NOBLOCK)

    def close(self) -> None:
        """Close all sockets and drop what waits."""
        self._context.destroy(linger=0)

    def _server(self, kind: int, most_bytes: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.linger = 0
        made.curve_server = True
        made.curve_secretkey = self._key.secret.encode()
        made.curve_publickey = self._key.public.encode()
        made.zap_domain = DOMAIN
        made.maxmsgsize = most_bytes
        made.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        # Not ZeroMQ's own heartbeat: libzmq 4.3.5 aborts the process when one falls due for a
        # client that hung up with requests waiting (libzmq issue 4364). TCP finds the dead too.
        made.setsockopt(zmq.TCP_KEEPALIVE, 1)
        made.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_S)
        made.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
        made.setsockopt(zmq.TCP_KEEPALIVE_CNT, 2)
        made.setsockopt(zmq.TCP_MAXRT, 3000 * KEEPALIVE_S)
        return made

    def _bind(self, made: zmq.Socket[bytes], name: str, address: str) -> None:
        try:
            made.bind(address)
        except zmq.ZMQError as error:
            line = f"service.{name}: {address}: {error.strerror}; choose another"
            raise ConfigurationError([line]) from None

    def _judged(self, request: list[bytes]) -> list[bytes]:
        """Return the answer to a handshake: 200 for a known key, else 400."""
        envelope, fields = request[:2], request[2:]
        number = fields[1] if len(fields) > 1 else b""
        public, host = "", ""
        whole = len(fields) == 7 and fields[0] == b"1.0" and fields[5] == b"CURVE"
        if whole and len(fields[6]) == 32:
            host = fields[3].decode("utf-8", "replace")
            public = z85.encode(fields[6]).decode()
        if public and self._admit(public, host):
            return [*envelope, b"1.0", number, b"200", b"OK", public.encode(), b""]
        return [*envelope, b"1.0", number, b"400", b"key not known", b"", b""]


def _endpoint(made: zmq.Socket[bytes]) -> str:
    found = made.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(found, bytes)
    return found.rstrip(b"\0").decode()
