"""Read a stream of OpenIGTLink messages, and give up on a message that stays unfinished."""

from __future__ import annotations

from hal.openigtlink.codec import IgtlGarbled, IgtlPacket, StreamReader

UNFINISHED_NS = 200_000_000
"""A message that is not whole by then has a wrong length: its header has no checksum."""


class TimedReader:
    """A `StreamReader` that knows when its bytes came."""

    def __init__(self) -> None:
        self._reader = StreamReader()
        self._partial_ns: int | None = None

    @property
    def waiting(self) -> int:
        """Number of bytes that wait for the rest of their message."""
        return self._reader.waiting

    def reset(self) -> None:
        """Forget what is held: a new stream begins."""
        self._reader.reset()
        self._partial_ns = None

    def feed(self, data: bytes, now_ns: int) -> list[IgtlPacket | IgtlGarbled]:
        """Add bytes; return every whole message and every stretch of invalid bytes."""
        items = self._reader.feed(data)
        if not self._reader.waiting:
            self._partial_ns = None
        elif items or self._partial_ns is None:
            self._partial_ns = now_ns
        elif now_ns - self._partial_ns > UNFINISHED_NS:
            self._partial_ns = now_ns
            items = self._reader.resume()
        return items
