"""Serve a twin on a real wire: TCP, UDP, a pseudo-terminal, or in memory, on the running loop.

    async with serve(PolarisTwin(), "tcp://127.0.0.1:0", clock, obeyed) as served:
        served.show(sample)          # what the device sees now
        served.address               # where a driver finds it

Addresses are those of `hal.transports`, seen from the device: ``tcp://host:port`` (port 0: any
free one), ``udp://:port`` and ``udp://host:port``, ``pty:`` or ``pty:///path/of/link``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import socket
import tty
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from hal.errors import LinkError
from hal.events import Command
from hal.messages import Sample
from hal.transports import (
    Address,
    DatagramWire,
    Memory,
    MemoryWire,
    Serial,
    StreamWire,
    Tcp,
    Udp,
    Wire,
    open_wire,
    parse_address,
    stream_of,
)


class Twin(Protocol):
    """The device's end of a wire: it is shown samples and returns the driver's commands."""

    @property
    def wake_ns(self) -> int | None:
        """The time at which `wake` must be called next; ``None``: never."""
        ...

    def begin(self, now_ns: int) -> None:
        """Start with a new client."""
        ...

    def show(self, sample: Sample, now_ns: int) -> None:
        """Show the device a new sample of the room."""
        ...

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Process bytes and return the driver's commands for the room."""
        ...

    def wake(self, now_ns: int) -> list[Command]:
        """Do the work that is due at ``wake_ns``; return the commands for the room."""
        ...

    def data_to_send(self) -> bytes:
        """Return the bytes that wait to be sent."""
        ...


@runtime_checkable
class ServesSeveral(Protocol):
    """A twin that talks to several clients at once, to each in a conversation of its own."""

    def join(self) -> Twin:
        """Return a twin that talks to one more client of the same device."""
        ...


MOST_GUESTS = 4


class Served:
    """A twin on its wire; one client at a time, a new one takes the wire over.

    A twin that serves several keeps its client; further clients are guests, served beside it.
    """

    def __init__(
        self, twin: Twin, clock: Callable[[], int], obeyed: Callable[[Command], None] | None
    ) -> None:
        self.twin = twin
        self.address: Address = Memory()
        self.text = ""
        """The address as a configuration writes it."""
        self.connections = 0
        self._clock = clock
        self._obeyed = obeyed
        self._wire: Wire | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._guests: list[Served] = []

    @property
    def connected(self) -> bool:
        """Whether there is a wire to send on."""
        return self._wire is not None

    def show(self, sample: Sample) -> None:
        """Show the device a sample, and send what it then has to send."""
        now_ns = self._clock()
        self.twin.show(sample, now_ns)
        self._after([], now_ns)

    def receiver(self) -> Served:
        """Return what a new client talks to: this object, or a guest beside it."""
        if not self.connected or not isinstance(self.twin, ServesSeveral):
            return self
        self._guests = [guest for guest in self._guests if guest.connected]
        if len(self._guests) >= MOST_GUESTS:
            self._guests.pop(0).drop()
        self._guests.append(Served(self.twin.join(), self._clock, self._obeyed))
        return self._guests[-1]

    def talk_on(self, wire: Wire) -> None:
        """Use this wire from now on."""
        self.drop()
        self._wire = wire
        self.connections += 1
        now_ns = self._clock()
        self.twin.begin(now_ns)
        self._after([], now_ns)

    def drop(self, why: str = "") -> None:
        """Cut the connection; a client may come again."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def end(self) -> None:
        """Close the wire for good."""
        for guest in self._guests:
            guest.drop()
        self.drop()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def received(self, data: bytes) -> None:
        """Process bytes from the client."""
        now_ns = self._clock()
        self._after(self.twin.receive(data, now_ns), now_ns)

    def _woken(self) -> None:
        self._wake = None
        now_ns = self._clock()
        wake_ns = self.twin.wake_ns
        due = wake_ns is not None and wake_ns <= now_ns
        self._after(self.twin.wake(now_ns) if due else [], now_ns)

    def _after(self, commands: list[Command], now_ns: int) -> None:
        wire = self._wire
        while data := self.twin.data_to_send():
            if wire is not None:
                wire.send(data)
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        wake_ns = self.twin.wake_ns
        if wake_ns is not None:  # a watchdog also acts without a client
            delay_s = max(0, wake_ns - now_ns) / 1e9
            self._wake = asyncio.get_running_loop().call_later(delay_s, self._woken)
        if self._obeyed is not None:
            for command in commands:
                self._obeyed(command)


@contextlib.asynccontextmanager
async def serve(
    twin: Twin,
    address: str | Memory,
    clock: Callable[[], int],
    obeyed: Callable[[Command], None] | None = None,
) -> AsyncGenerator[Served]:
    """Put a twin on a wire for as long as the context lasts."""
    served = Served(twin, clock, obeyed)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(served.end)
        if isinstance(address, Memory):
            _serve_memory(served, address, stack)
        elif urlsplit(address).scheme == "pty":
            _serve_pty(served, urlsplit(address).path, stack)
        else:
            place = parse_address(address)
            if isinstance(place, Tcp):
                _serve_tcp(served, place, stack)
            elif isinstance(place, Udp):
                await _serve_udp(served, place)
            elif isinstance(place, Serial):
                served.address, served.text = place, address
                served.talk_on(await open_wire(place, served.received, served.drop))
        yield served


def _serve_memory(served: Served, meeting: Memory, stack: contextlib.AsyncExitStack) -> None:
    def accept() -> MemoryWire:
        wire = MemoryWire(served.received, served.drop)
        # The other end is connected first, because begin may already send.
        asyncio.get_running_loop().call_soon(served.talk_on, wire)
        return wire

    def leave() -> None:
        meeting.accept = None

    meeting.accept = accept
    stack.callback(leave)
    served.address, served.text = meeting, "memory"


def _serve_tcp(served: Served, place: Tcp, stack: contextlib.AsyncExitStack) -> None:
    loop = asyncio.get_running_loop()
    listening = socket.create_server((place.host, place.port), backlog=4)
    listening.setblocking(False)
    stack.callback(listening.close)

    def accept() -> None:
        try:
            client, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        here = served.receiver()
        here.talk_on(stream_of(client, here.received, here.drop))

    loop.add_reader(listening, accept)
    stack.callback(loop.remove_reader, listening)
    port: int = listening.getsockname()[1]
    served.address = Tcp(place.host, port)
    served.text = f"tcp://{place.host}:{port}"


async def _serve_udp(served: Served, place: Udp) -> None:
    wire = await open_wire(place, served.received, served.drop)
    port = wire.local_port if isinstance(wire, DatagramWire) else place.port
    served.address = Udp("127.0.0.1", port)
    served.text = f"udp://{place.host}:{place.port}" if place.host else f"udp://127.0.0.1:{port}"
    served.talk_on(wire)


def _serve_pty(served: Served, link: str, stack: contextlib.AsyncExitStack) -> None:
    """Serve on a pseudo-terminal; the slave stays open, so that clients may reconnect."""
    master, slave = pty.openpty()
    stack.callback(os.close, slave)
    try:
        tty.setraw(slave)
        path = os.ttyname(slave)
        os.set_blocking(master, False)
        if link:
            place = Path(link)
            if place.is_symlink():
                place.unlink()
            place.symlink_to(path)
            stack.callback(place.unlink, missing_ok=True)
            path = link
    except OSError as error:
        os.close(master)
        raise LinkError(f"pty {link}: {error}") from None
    served.address, served.text = Serial(path), f"serial://{path}"

    def close_master() -> None:
        os.close(master)

    served.talk_on(StreamWire(master, close_master, served.received, served.drop))
