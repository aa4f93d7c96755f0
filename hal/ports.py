"""The three shapes a driver can have, as Protocols.

A `Conversation` turns arriving bytes into samples and commands into bytes to send. It opens no
socket and reads no clock: `hal.link` owns the wire and the clock and calls it. The same shape
serves both ends, so a twin in ``sim`` is a conversation too and the two can be run back to
back in memory.

An `Apparatus` reads cameras or a network service in threads of its own. A `LibraryDevice` uses a
library that connects by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hal.events import Command, LinkChanged
from hal.link_counts import LinkCounts
from hal.messages import Sample

HandOver = Callable[[Sample | LinkChanged], None]
"""Takes what a device has to say; called in the event loop, and must not wait."""


class Conversation(Protocol):
    """One device's protocol as a state table.

    Every method takes the moment as ``now_ns`` and none waits. Trouble the protocol foresees
    (a bad checksum, an error code, silence) comes back as a `hal.messages.BadSample` or as a
    raised `hal.errors.DeviceError` when the link must be closed and opened again.
    """

    @property
    def ready(self) -> bool:
        """Whether the start-up sequence is through and samples or commands may flow."""
        ...

    @property
    def wake_ns(self) -> int | None:
        """When `wake` wants to be called next; ``None``: not before more bytes come."""
        ...

    def begin(self, now_ns: int) -> None:
        """The wire is open, for the first time or again: start from the beginning."""
        ...

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take bytes as they came (any piece of a stream; one whole datagram)."""
        ...

    def wake(self, now_ns: int) -> list[Sample]:
        """It is ``wake_ns`` or later: poll, repeat, or give up."""
        ...

    def obey(self, command: Command, now_ns: int) -> None:
        """Turn a command into bytes to send; raises `DeviceError` where it cannot."""
        ...

    def data_to_send(self) -> bytes:
        """Hand over what waits (a stream: all of it; datagrams: the next one); ``b""``: nothing."""
        ...


class Apparatus(Protocol):
    """Cameras, panels or a receiver, with the thread that analyses their pictures."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The names in the `LinkChanged` of its parts; it is up when all of them are."""
        ...

    def open(
        self, deliver: Callable[[Sample], None], changed: Callable[[LinkChanged], None]
    ) -> None:
        """Start the threads; raises `DeviceError` where that fails.

        ``deliver`` and ``changed`` are called from these threads.
        """
        ...

    def close(self) -> None:
        """End the threads and wait until they have ended."""
        ...

    def obey(self, command: Command, now_ns: int) -> None:
        """Carry out a command; raises `DeviceError` for one that it cannot carry out."""
        ...

    @property
    def wake_ns(self) -> int | None:
        """When `wake` wants to be called next; ``None``: not at all."""
        ...

    def wake(self, now_ns: int) -> None:
        """Give up what was not answered in time."""
        ...

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """Return the sample with its times in those of the run; ``None`` for one without."""
        ...


class LibraryDevice(Protocol):
    """A device behind a library that finds it, connects to it and reads it."""

    @property
    def device(self) -> str:
        """The name its messages carry."""
        ...

    @property
    def up(self) -> bool:
        """Whether it is connected."""
        ...

    @property
    def identity(self) -> str:
        """What the device says it is; empty while nothing is known."""
        ...

    @property
    def counts(self) -> LinkCounts:
        """What passed so far."""
        ...

    async def run(self) -> None:
        """Keep it connected until cancelled."""
        ...

    def obey(self, command: Command) -> None:
        """Carry out a command, or count it as refused."""
        ...
