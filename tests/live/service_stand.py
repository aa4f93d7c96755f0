"""A service on real sockets around an engine: no devices, ticks as fast as a thread turns them."""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import zmq

from hal.events import Request, Tick
from tracker.api.keys import ClientKey, client_key, new_key
from tracker.api.schema import Role
from tracker.build.engine import build_engine
from tracker.client import Client
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.core.engine import Engine
from tracker.core.session import SessionState
from tracker.live.service.published_state import PublishedState
from tracker.live.service.service import RequestService, new_run_id

ROLES = {"camera": "camera", "belt": "belt", "actuator": "robot", "gate": "gate"}
PERSONS = {
    "olga": (Role.OBSERVER,),
    "oscar": (Role.OPERATOR,),
    "petra": (Role.PHYSICIST,),
    "console": (Role.SERVICE,),
}
"""A key for each role."""


def configured(folder: Path, **service: Any) -> Configuration:
    """The shipped room, its service on ports of the system's choice and keys in ``folder``."""
    keys = {
        "enabled": True,
        "requests": "tcp://127.0.0.1:*",
        "publish": "tcp://127.0.0.1:*",
        "keys_folder": str(folder / "keys"),
        **service,
    }
    return altered(load_configuration(SHIPPED / "room-twin.toml"), {"service": keys})


class ServiceStand:
    """A context manager; the service runs in a thread until it is left."""

    def __init__(
        self, folder: Path, pause_s: float = 0.001, hurry: int = 1, **service: Any
    ) -> None:
        """``hurry``: how many times faster the service's clock goes, so that rates allow more."""
        self.folder = folder / "keys"
        self.configuration = configured(folder, **service)
        self.keys: dict[str, ClientKey] = {
            name: client_key(new_key(self.folder, name, roles)) for name, roles in PERSONS.items()
        }
        self.said: list[str] = []
        self.asked: list[Request] = []
        self.ended = 0
        self.run_id = new_run_id()
        self.engine: Engine = build_engine(self.configuration.controller)
        self.longest_turn_s = 0.0
        self._hurry, self._pause_s = hurry, pause_s
        self._start_ns = time.monotonic_ns()
        self._calls: queue.Queue[Callable[[], object]] = queue.Queue()
        self._done = threading.Event()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="service stand")
        self.service: RequestService | None = None

    @property
    def at(self) -> str:
        assert self.service is not None
        return self.service.requests_at

    @property
    def shown(self) -> PublishedState:
        assert self.service is not None
        return self.service._shown

    @property
    def refused(self) -> int:
        """Messages that were refused so far."""
        assert self.service is not None
        return sum(self.service._refused.values())

    def clock(self) -> int:
        return (time.monotonic_ns() - self._start_ns) * self._hurry

    def put(self, state: SessionState) -> None:
        """Have the session be in a state, and no fault from before."""

        def do() -> None:
            self.engine._faults.clear(0)
            self.engine._conditions = {}
            self.engine._state = state
            self.shown.session = state

        self.do(do)

    def do(self, call: Callable[[], object]) -> None:
        """Have the service's own thread do something, and wait for it."""
        done = threading.Event()
        self._calls.put(lambda: (call(), done.set()))
        assert done.wait(60.0)

    def client(self, name: str) -> Client:
        return Client(self.at, self.keys[name])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._opened.wait(60.0), "the service did not open"
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10.0)

    def _request(self, request: Request) -> None:
        assert self.service is not None
        self.asked.append(request)
        self.service.observe(request, self.engine.handle(request))

    def _end(self) -> None:
        self.ended += 1

    def _run(self) -> None:
        with RequestService(
            self.configuration, self.run_id, ROLES, self.clock, self.said.append
        ) as service:
            self.service = service
            service.serve(
                self._request, self._end, lambda trigger: self.engine.blocking(trigger, 0)
            )
            self._opened.set()
            while not self._done.is_set():
                while not self._calls.empty():
                    self._calls.get()()
                began = time.perf_counter()
                now_ns = self.clock()
                service.observe(Tick(now_ns, now_ns), [])
                service.on_tick_end(now_ns)
                self.longest_turn_s = max(self.longest_turn_s, time.perf_counter() - began)
                if self._pause_s:
                    time.sleep(self._pause_s)


class Raw:
    """A client that sends what it likes."""

    def __init__(self, stand: ServiceStand, key: ClientKey, kind: int = zmq.DEALER) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.linger = 0
        self.socket.curve_serverkey = key.server.encode()
        self.socket.curve_publickey = key.public.encode()
        self.socket.curve_secretkey = key.secret.encode()
        self.socket.connect(stand.at)

    def send(self, *parts: bytes) -> None:
        self.socket.send_multipart(parts)

    def answer(self, within_s: float = 30.0) -> dict[str, Any] | None:
        if not self.socket.poll(round(within_s * 1e3)):
            return None
        return json.loads(self.socket.recv())

    def exchange(self, words: dict[str, Any], within_s: float = 30.0) -> dict[str, Any] | None:
        self.send(json.dumps(words).encode())
        return self.answer(within_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.context.destroy(linger=0)


def ask(run_id: str, name: str, role: str, **changes: Any) -> dict[str, Any]:
    """A request in words, right unless it is changed."""
    words: dict[str, Any] = {
        "type": "Ask",
        "version": 1,
        "request_id": secrets.token_hex(4),
        "nonce": secrets.token_hex(12),
        "run_id": run_id,
        "name": name,
        "role": role,
        "who": "Somebody",
    }
    return words | changes
