"""The daemon's ZeroMQ sockets: requests in, answers and state out, and who may connect.

ZeroMQ's own thread does the encryption and the waiting; from the loop every call returns at once.
What does not fit into a queue is dropped: a client that does not read holds nothing up. A key
that is not known does not get past the handshake (ZAP, RFC 27).
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
"""For one client; further ones are dropped."""
REQUESTS_WAITING = 20
"""Of one client; then ZeroMQ stops reading from it, and nobody else notices."""
HANDSHAKE_MS = 3000
KEEPALIVE_S = 5
"""A peer that is gone is found after three times this."""
LONGEST_HANDSHAKE = 600
"""Bytes of CURVE's INITIATE with the metadata of a client; a subscription is shorter."""
WRAPPING = 64
"""Bytes that encryption adds to a message."""


class Asked(NamedTuple):
    """One message of a client: where its answer goes, the key's public half, and the words."""

    sender: bytes
    public: str
    data: bytes


Admit = Callable[[str, str], bool]
"""Whether a public key from an address may connect."""


class Sockets:
    """All of them; to be opened and closed in the thread that uses them."""

    def __init__(self, settings: Service, key: ServerKey, admit: Admit) -> None:
        """Bind; raises `ConfigurationError` where an address cannot be had."""
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
        """Where requests are taken, the port as it is."""
        return _endpoint(self._router)

    @property
    def state_at(self) -> str:
        """Where the state is published, the port as it is."""
        return _endpoint(self._publisher)

    def let_in(self, most: int) -> None:
        """Answer so many handshakes that wait."""
        with suppress(zmq.Again):
            for _ in range(most):
                self._zap.send_multipart(self._judged(self._zap.recv_multipart(zmq.NOBLOCK)))

    def asked(self) -> Asked | None:
        """Give the next message; one of more than one part is no request and comes empty."""
        try:
            sender, *parts = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        public = parts[-1].get("User-Id") if parts else ""
        data = parts[0].bytes if len(parts) == 1 else b""
        return Asked(sender.bytes, str(public), data)

    def answer(self, sender: bytes, data: bytes) -> None:
        """Answer, if the client is there and reads its answers."""
        with suppress(zmq.ZMQError):
            self._router.send_multipart([sender, data], zmq.NOBLOCK)

    def publish(self, topic: bytes, data: bytes) -> None:
        """Hand to every subscriber that keeps up."""
        with suppress(zmq.Again):
            self._publisher.send_multipart([topic, data], zmq.NOBLOCK)

    def close(self) -> None:
        """Give everything back, with what waits."""
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
        """The answer to a handshake: 200 for a key that is known, else 400."""
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
