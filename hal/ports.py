"""What a driver is to the rest of the program: a conversation without I/O.

A conversation turns arriving bytes into samples and commands into bytes to send. It opens no
socket and reads no clock: `hal.link` owns the wire and the clock and calls it. The same shape
serves both ends, so a twin in ``sim`` is a conversation too and the two can be run back to
back in memory.
"""

from __future__ import annotations

from typing import Protocol

from hal.events import Command
from hal.messages import Sample


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
